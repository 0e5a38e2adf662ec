"""All stages at once, against what embedding the same images takes alone."""

import dataclasses
import json
import shutil

from clip_bench import MODEL, check
from image_bench import image_files, run_image
from measure import HERE, LESS, MORE, in_turn, row, run
from pictures import ADDRESS, make_pictures, serve


def make_site_wat(bench, folder, port, slow):
    """A WAT whose absolute links lead to the pictures, missing and broken ones
    included, `slow` ones too; its other links lead to nowhere on this machine."""
    paths = (folder / "paths.txt").read_text().splitlines(keepends=True)
    listing = bench.scratch / "paths.txt"
    listing.write_text("".join(p for p in paths if slow or "/slow/" not in p))
    wat = bench.scratch / f"site-{slow:d}.warc.wat.gz"
    make = [bench.python, HERE / "make_wat.py", "--out", wat]
    make += ["--records", bench.pick(200, 6), "--links-per-page", 20]
    make += ["--base-url", f"http://img{{h}}.test:{port}"]
    run([*make, "--url-list", listing])
    return wat


def sum_of(parts):
    """What (candidates, fates) of parts come to; who fell for being unlike its
    text was embedded, too."""
    fates = [f for _, f in parts]
    embedded = sum(f.get("kept", 0) + f.get("low_similarity", 0) for f in fates)
    return {"candidates": sum(c for c, _ in parts), "embedded": embedded}


def run_site(bench, wat, port):
    out = bench.scratch / "shards"
    shutil.rmtree(out, ignore_errors=True)
    args = ["run", wat, "--model", MODEL, "--out", out, "--quiet", "--save-images"]
    args += ["--base-url", "", "--languages", "all", "--allow-private-addresses"]
    for name in (80, 443, port):
        args += ["--resolve", f"*:{name}:{ADDRESS}"]
    used = run([bench.cah, *args])
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


def run_alone(bench):
    """The two dear steps, each by itself: CPU s for one image, and the engine's
    memory."""
    used, speed = check(bench)
    files = image_files(bench, bench.pick(200, 60))
    costs = run_image(bench, files, speed["shortest_edge"]).values()
    decode = sum(c["cpu_s"] for c in costs) / sum(c["count"] for c in costs)
    embed = bench.cores / speed["images_per_second"]
    return {"decode": decode, "embed": embed, "peak_mb": used.peak_mb}


def compare(what, bench, runs, alone, steps):
    """Rows of candidates a second, processor time and memory. The limit is a
    machine that does nothing but these steps for the images embedded."""
    limit = " and ".join(steps) + " alone"
    # A limit is what the machine can do: its best, should it be busy at times.
    cost = sum(min(one[step] for one in alone) for step in steps)
    rates, costs, least = [], [], []
    for r in runs:
        rates.append(r["candidates"] / r["wall_s"])
        costs.append(r["cpu_s"] / r["candidates"] * 1000)
        least.append(r["embedded"] * cost / r["candidates"] * 1000)
    most = [1000 * bench.cores / x for x in least]
    peaks = [r["peak_mb"] for r in runs]
    engine_peaks = [one["peak_mb"] for one in alone]
    yield row(what, "candidates/s", MORE, rates, (limit, "limit", most))
    yield row(what, "CPU s/1,000", LESS, costs, (limit, "limit", least))
    yield row(what, "peak MB", LESS, peaks, ("embed alone", "limit", engine_peaks))


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
    both = ("decode", "embed")
    for name, title, steps in (
        ("quick", "cah run, quick sites", both),
        ("slow", "cah run, 3 % slow answers", both),
        ("demo", "cah demo", ("embed",)),
    ):
        yield from compare(title, bench, got[name], got["alone"], steps)
