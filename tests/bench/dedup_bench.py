"""The filter of pairs that were seen, on one thread, against reads of lines of the
cache at random places of as much memory."""

import json

from measure import MORE, in_turn, row, run

WAYS = {"one": "asked one by one", "many": "asked in batches", "add": "added"}


def rates(bench):
    path = bench.scratch / "filter"
    path.unlink(missing_ok=True)
    capacity, count = bench.pick((100_000_000, 20_000_000), (100_000, 200_000))
    command = [bench.program("bench_bloom"), path, capacity, count]
    return json.loads(run(command, keep=True).out)


def measure(bench):
    got = in_turn(bench.pick(3, 1), both=lambda: rates(bench))["both"]
    for key, what in WAYS.items():
        other = ("random reads", "limit", [r["lines"] for r in got])
        yield row(f"keys {what}", "keys/s", MORE, [r[key] for r in got], other)
