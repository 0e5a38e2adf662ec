"""Decoders in processes that are locked in, against the same calls in the program's
own process: the same pictures, on one thread and on as many as there are cores; then
all stages at once."""

import json

from image_bench import EDGE, image_files
from measure import LESS, MORE, in_turn, row, run_with_input
from pictures import make_pictures, serve
from whole_bench import make_site_wat, run_site

HERE_TOO = "in this process"


def run_decode(bench, files, threads, *decoder):
    lines = "".join(f"{name}\n" for name in files)
    program = [bench.program("bench_decode"), EDGE, threads, *decoder]
    return json.loads(run_with_input(program, lines))


def compare(what, ours, theirs, count):
    """Rows of wall-clock and processor time for runs with `count` of something."""
    rates = [[r[count] / r["wall_s"] for r in runs] for runs in (ours, theirs)]
    costs = [[r["cpu_s"] / r[count] * 1000 for r in runs] for runs in (ours, theirs)]
    unit = "images" if count == "count" else count
    yield row(what, f"{unit}/s", MORE, rates[0], (HERE_TOO, "limit", rates[1]))
    yield row(what, "CPU s/1,000", LESS, costs[0], (HERE_TOO, "limit", costs[1]))


def measure(bench):
    files = image_files(bench, bench.pick(300, 60))
    decoder = str(bench.build / "cah-decoder")
    for threads in (1, bench.cores):
        got = in_turn(
            bench.pick(5, 1),
            ours=lambda t=threads: run_decode(bench, files, t, decoder),
            theirs=lambda t=threads: run_decode(bench, files, t),
        )
        what = f"all to {EDGE} x {EDGE}, {threads} at a time"
        yield from compare(what, got["ours"], got["theirs"], "count")
    with serve(bench, make_pictures(bench)) as port:
        wat = make_site_wat(bench, make_pictures(bench), port, False)
        got = in_turn(
            bench.pick(5, 1),
            ours=lambda: run_site(bench, wat, port),
            theirs=lambda: run_site(bench, wat, port, "--no-sandbox"),
        )
    yield from compare("cah run", got["ours"], got["theirs"], "candidates")
