"""All stages at once, against what its dearest steps take alone (`cah score`)."""

import dataclasses
import json
import os
import shutil

from clip_bench import MODEL
from image_bench import image_files
from measure import HERE, LESS, MORE, in_turn, row, run
from pictures import ADDRESS, make_pictures, serve

EMBED = "embed alone"
BOTH = "decode and embed alone"
TICK_S = 0.01  # processor times are not finer


def make_site_wat(bench, folder, port, slow):
    """A WAT whose absolute links lead to the pictures, missing and broken ones
    included, `slow` ones too; its other links lead to nowhere on this machine."""
    paths = (folder / "paths.txt").read_text().splitlines(keepends=True)
    listing = bench.scratch / "paths.txt"
    listing.write_text("".join(p for p in paths if slow or "/slow/" not in p))
    wat = bench.scratch / f"site-{slow:d}.warc.wat.gz"
    make = [bench.python, HERE / "make_wat.py", "--out", wat]
    make += ["--records", bench.pick(150, 6), "--links-per-page", 20]
    make += ["--base-url", f"http://img{{h}}.test:{port}"]
    run([*make, "--url-list", listing])
    return wat


def sum_of(parts):
    """What (candidates, fates) of parts come to; who fell for being unlike its
    text was embedded, too."""
    fates = [f for _, f in parts]
    embedded = sum(f.get("kept", 0) + f.get("low_similarity", 0) for f in fates)
    return {"candidates": sum(c for c, _ in parts), "embedded": embedded}


def run_site(bench, wat, port, *more):
    out = bench.scratch / "shards"
    shutil.rmtree(out, ignore_errors=True)
    args = ["run", wat, "--model", MODEL, "--out", out, "--quiet", "--save-images"]
    args += ["--base-url", "", "--languages", "all", "--allow-private-addresses"]
    for name in (80, 443, port):
        args += ["--resolve", f"*:{name}:{ADDRESS}"]
    used = run([bench.cah, *args, *more])
    stats = [json.loads(p.read_text()) for p in sorted(out.rglob("*.stats.json"))]
    parts = [(s["candidates"], s["fates"]) for s in stats]
    return {**dataclasses.asdict(used), **sum_of(parts)}


def run_demo(bench):
    out = bench.scratch / "demo"
    shutil.rmtree(out, ignore_errors=True)
    used = run([bench.cah, "demo", "--json", "--quiet", "--out", out], keep=True)
    report = json.loads(used.out)
    webs = [report["docs"], report["world"]]
    parts = [(w["candidates"], {"kept": w["kept"], **w["dropped"]}) for w in webs]
    seconds = sum(w["seconds"] for w in webs)
    return {**dataclasses.asdict(used), **sum_of(parts), "wall_s": seconds}


def score_cost(bench, files):
    """The process that scores each of the pictures beside a text."""
    pairs = bench.scratch / "pairs.tsv"
    lines = (f"{file}\ta picture of {i} things\n" for i, file in enumerate(files))
    pairs.write_text("".join(lines))
    return run([bench.cah, "score", "--quiet", "--model", MODEL, pairs])


def run_alone(bench):
    """The two dear steps by themselves: CPU s for one picture and its text, and
    the memory. Of a picture hardly larger than the model's, only the embedding
    costs."""
    files = image_files(bench, bench.pick(200, 40))
    smallest = [min(files, key=os.path.getsize)] * len(files)
    start = score_cost(bench, smallest[:1]).cpu_s
    embed = score_cost(bench, smallest)
    both = score_cost(bench, files)
    count = len(files) - 1
    return {
        EMBED: max(embed.cpu_s - start, TICK_S) / count,
        BOTH: max(both.cpu_s - start, TICK_S) / count,
        "peak_mb": both.peak_mb,
    }


def compare(what, bench, runs, alone, step):
    """Rows of candidates a second, processor time and memory. The limit is a
    machine that does nothing but this step for the images embedded."""
    rates, costs, least = [], [], []
    for r, one in zip(runs, alone, strict=True):
        rates.append(r["candidates"] / r["wall_s"])
        costs.append(r["cpu_s"] / r["candidates"] * 1000)
        least.append(r["embedded"] * one[step] / r["candidates"] * 1000)
    most = [1000 * bench.cores / x for x in least]
    peaks = [r["peak_mb"] for r in runs]
    score_peaks = [one["peak_mb"] for one in alone]
    yield row(what, "candidates/s", MORE, rates, (step, "limit", most))
    yield row(what, "CPU s/1,000", LESS, costs, (step, "limit", least))
    yield row(what, "peak MB", LESS, peaks, ("cah score", "limit", score_peaks))


def measure(bench):
    folder = make_pictures(bench)
    with serve(bench, folder) as port:
        quick, slow = (make_site_wat(bench, folder, port, s) for s in (False, True))
        got = in_turn(
            bench.pick(3, 1),
            alone=lambda: run_alone(bench),
            quick=lambda: run_site(bench, quick, port),
            slow=lambda: run_site(bench, slow, port),
            demo=lambda: run_demo(bench),
        )
    for name, title, step in (
        ("quick", "cah run, quick sites", BOTH),
        ("slow", "cah run, 3 % slow answers", BOTH),
        ("demo", "cah demo", EMBED),
    ):
        yield from compare(title, bench, got[name], got["alone"], step)
