"""Names a second through real name servers on loopback: one that forwards to, and
from the root down a tree of authorities. The wanted rate is beside them."""

import json
import sys

from measure import MORE, ROOT, BenchError, in_turn, row, run

sys.path.insert(0, str(ROOT / "tests" / "system"))
from nameservers import Bind, Tree, can_serve_port_53

NAMES = 10_000
PER_ZONE = 10
WANTED = 5_000  # names a second


def rate(bench, names, *how):
    listing = bench.scratch / "names.txt"
    listing.write_text("".join(f"{name}\n" for name in names))
    used = run([bench.program("bench_dns"), *how[1:], listing, how[0]], keep=True)
    got = json.loads(used.out)
    if got["fates"] != {"kept": len(names)}:
        raise BenchError(f"not all names were found: {got['fates']}")
    return got["names"] / got["seconds"]


def measure(bench):
    count, rounds = bench.pick(NAMES, 200), bench.pick(3, 1)
    limit = ("wanted", "limit", [WANTED] * rounds)
    with Bind(count) as server:
        got = in_turn(rounds, ours=lambda: rate(bench, server.names, server.upstream))
    yield row(f"{count:,} names, forwarded", "names/s", MORE, got["ours"], limit)
    if not can_serve_port_53():
        return
    with Tree(zones=count // PER_ZONE, each=PER_ZONE) as tree:
        hints = ("-r", tree.root_hints)
        got = in_turn(
            rounds, ours=lambda: rate(bench, tree.names, "recursive", *hints)
        )
    yield row(f"{count:,} names, recursive", "names/s", MORE, got["ours"], limit)
