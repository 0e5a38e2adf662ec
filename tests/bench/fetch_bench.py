"""Downloads of a site's pictures against `curl --parallel`: the same list and as
many at a time."""

import json

from measure import LESS, MORE, BenchError, in_turn, row, run
from pictures import ADDRESS, make_pictures, picture_files, serve

CONCURRENCY = 64
HOSTS = 8


def write_lists(bench, folder, port):
    """The URLs for bench_fetch, and curl's words for the same."""
    names = [name for name, _ in picture_files(folder)] * bench.pick(2, 1)
    urls = [
        f"http://img{i % HOSTS + 1}.test:{port}/{name}" for i, name in enumerate(names)
    ]
    listing = bench.scratch / "urls.txt"
    listing.write_text("".join(f"{url}\n" for url in urls))
    config = bench.scratch / "curl.conf"
    config.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
    return len(urls), listing, config


def measure(bench):
    folder = make_pictures(bench)
    with serve(bench, folder) as port:
        count, listing, config = write_lists(bench, folder, port)
        fetch = [bench.program("bench_fetch"), listing, port, CONCURRENCY]
        curl = ["curl", "--disable", "--silent", "--fail", "--parallel"]
        curl += ["--parallel-immediate", "--parallel-max", CONCURRENCY]
        curl += ["--noproxy", "*", "--config", config]
        for i in range(HOSTS):
            curl += ["--resolve", f"img{i + 1}.test:{port}:{ADDRESS}"]

        def ours():
            used = run(fetch, keep=True)
            kept = json.loads(used.out)["fates"].get("kept", 0)
            if kept != count:
                raise BenchError(f"{kept} of {count} pictures were fetched")
            return used

        rounds = bench.pick(5, 1)
        got = in_turn(rounds, ours=ours, curl=lambda: run(curl))
    name = "curl --parallel"
    rates = {k: [count / u.wall_s for u in used] for k, used in got.items()}
    costs = {k: [u.cpu_s / count * 1000 for u in used] for k, used in got.items()}
    what = f"{CONCURRENCY} at a time"
    yield row(what, "images/s", MORE, rates["ours"], (name, "peer", rates["curl"]))
    yield row(what, "CPU s/1,000", LESS, costs["ours"], (name, "peer", costs["curl"]))
