"""Decoding and fitting of pictures against Pillow: the same bytes, one thread."""

import json

from measure import HERE, MORE, in_turn, row, run_with_input
from pictures import make_pictures, picture_files

EDGE = 224
LEAST_BYTES = 5000  # smaller ones are dropped before they are decoded
FORMATS = ("jpg", "png", "webp")


def image_files(bench, count):
    folder = make_pictures(bench)
    return [str(folder / n) for n, _ in picture_files(folder, LEAST_BYTES)[:count]]


def run_image(bench, files, edge, program=None):
    """Count and processor time by format."""
    program = program or [bench.program("bench_image")]
    lines = "".join(f"{name}\n" for name in files)
    return json.loads(run_with_input([*program, edge], lines))


def rates(costs):
    """Pictures per second of processor time, by format and of all."""
    out = {f: costs[f]["count"] / costs[f]["cpu_s"] for f in FORMATS}
    counts = sum(costs[f]["count"] for f in FORMATS)
    out["all"] = counts / sum(costs[f]["cpu_s"] for f in FORMATS)
    return out


def measure(bench):
    files = image_files(bench, bench.pick(300, 60))
    pillow = [bench.python, HERE / "peer_pillow.py"]
    got = in_turn(
        bench.pick(3, 1),
        ours=lambda: rates(run_image(bench, files, EDGE)),
        theirs=lambda: rates(run_image(bench, files, EDGE, pillow)),
    )
    for name in (*FORMATS, "all"):
        other = ("Pillow", "peer", [r[name] for r in got["theirs"]])
        what = f"{name} to {EDGE} x {EDGE}"
        yield row(what, "images/CPU s", MORE, [r[name] for r in got["ours"]], other)
