"""`cah model check` against OpenVINO and ONNX Runtime called from Python: the
same model, threads and batches."""

import json

from measure import HERE, MORE, ROOT, in_turn, row, run

MODEL = ROOT / "models" / "demo"
PEERS = {"openvino": "OpenVINO in Python", "onnxruntime": "ONNX Runtime"}


def check(bench):
    args = ["model", "check", MODEL, "--json", "--threads", bench.cores]
    return json.loads(run([bench.cah, *args], keep=True).out)


def measure(bench):
    seconds = bench.pick(1, 0.2)

    def peer(engine):
        script = [bench.python, HERE / "peer_clip.py", engine, MODEL]
        return json.loads(run([*script, bench.cores, seconds], keep=True).out)

    calls = {name: lambda name=name: peer(name) for name in PEERS}
    got = in_turn(bench.pick(3, 1), ours=lambda: check(bench), **calls)
    for what in ("images", "texts"):
        ours = [r[f"{what}_per_second"] for r in got["ours"]]
        for name, title in PEERS.items():
            theirs = [r[f"{what}_per_second"] for r in got[name]]
            yield row(what, f"{what}/s", MORE, ours, (title, "peer", theirs))
