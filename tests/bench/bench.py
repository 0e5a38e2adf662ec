#!/usr/bin/env python3
"""Measures the program, as ratios against a peer or a limit of the same run.

usage: bench.py [--only NAME] [--small] [--json FILE] [--build DIR]

Every row is the median of some runs (least..most), taken in turn with those of
what it is laid beside. A ratio is ours by the other's; docs/performance.md says
what each row means. Inputs are generated once, into BUILD/bench.
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import sys
import tempfile
import time

import clip_bench
import decode_bench
import dedup_bench
import dns_bench
import fetch_bench
import image_bench
import site_bench
import tracker_bench
import wat_bench
import whole_bench
from measure import ROOT, BenchError, Context

BENCHES = {
    "wat": wat_bench,
    "dedup": dedup_bench,
    "tracker": tracker_bench,
    "image": image_bench,
    "decode": decode_bench,
    "clip": clip_bench,
    "dns": dns_bench,
    "fetch": fetch_bench,
    "site": site_bench,
    "whole": whole_bench,
}


def number(x):
    """Three digits that matter."""
    if x >= 1000:
        return f"{x:,.0f}"
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def text_of(values):
    median, least, most = (number(values[k]) for k in ("median", "min", "max"))
    return median if values["runs"] == 1 else f"{median} ({least}..{most})"


def line_of(name, row):
    ratio = "-" if row["ratio"] is None else number(row["ratio"])
    return (
        f"| {name} | {row['what']} | {row['unit']} | {text_of(row['ours'])} "
        f"| {row['against']} ({row['kind']}) | {text_of(row['other'])} "
        f"| {ratio} | {row['better']} |"
    )


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": os.getloadavg()[0],
    }


def run_all(bench, names):
    """All rows; prints each bench's as soon as they are there."""
    rows = []
    print("| bench | what | unit | ours | against | its | ratio | better |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in names:
        start = time.monotonic()
        for row in BENCHES[name].measure(bench):
            rows.append({"bench": name, **row})
            print(line_of(name, row), flush=True)
        took = time.monotonic() - start
        print(f"bench: {name} took {took:.0f} s", file=sys.stderr)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=BENCHES, help="run this one")
    parser.add_argument("--small", action="store_true", help="seconds, to try it out")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows there, too")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    args = parser.parse_args()
    # As Ctrl-C, so that nothing that was started stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    build = args.build.resolve()
    cache = build / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['system']}\n")
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as scratch:
        bench = Context(build, cache, pathlib.Path(scratch), args.small, sys.executable)
        try:
            rows = run_all(bench, [args.only] if args.only else list(BENCHES))
        except (BenchError, OSError) as error:
            sys.exit(f"bench: {error}")
    if args.json:
        args.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
