"""`cah wat` against gzip, which must inflate the same bytes, and a plain scan."""

from measure import HERE, LESS, in_turn, row, run

MODES = {
    "URLs only": ["--urls-only"],
    "text rules": ["--languages", "all"],
    "text rules, English only": ["--languages", "en"],
}


FULL = 40000  # pages; 362 MB as gzip


def make_wat(bench, records):
    wat = bench.cache / f"wat-{records}.warc.wat.gz"
    if not wat.exists():
        part = wat.with_suffix(".part")
        make = [bench.python, HERE / "make_wat.py", "--records", records]
        run([*make, "--out", part])
        part.rename(wat)
    return wat


def measure_full(bench):
    """A file as large as Common Crawl's: by one thread, and by two."""
    wat = make_wat(bench, bench.pick(FULL, 400))
    calls = {
        f"{name}, {threads}": lambda args=args, threads=threads: run(
            [bench.cah, "wat", "--quiet", "--threads", threads, *args, wat]
        )
        for name, args in MODES.items()
        for threads in (1, 2)
    }
    calls["gzip"] = lambda: run(["gzip", "-dc", wat])
    got = in_turn(bench.pick(3, 1), **calls)
    gzip = [u.cpu_s for u in got["gzip"]]
    for name in MODES:
        one, two = (got[f"{name}, {threads}"] for threads in (1, 2))
        title = f"full file, {name}"
        cpu, wall = ([u.cpu_s for u in one], [u.wall_s for u in one])
        yield row(title, "CPU s", LESS, cpu, ("gzip -dc", "limit", gzip))
        title += ", 2 threads"
        both = [u.wall_s for u in two]
        yield row(title, "seconds", LESS, both, ("one thread", "limit", wall))
        both = [u.cpu_s for u in two]
        yield row(title, "CPU s", LESS, both, ("one thread", "limit", cpu))
        both, peak = ([u.peak_mb for u in used] for used in (two, one))
        yield row(title, "peak MB", LESS, both, ("one thread", "limit", peak))


def measure(bench):
    yield from measure_small(bench)
    yield from measure_full(bench)


def measure_small(bench):
    wat = make_wat(bench, bench.pick(4000, 60))
    scan = [bench.python, HERE / "peer_scan.py"]
    alone = [bench.cah, "wat", "--quiet", "--threads", 1]
    calls = {
        name: lambda args=args: run([*alone, *args, wat])
        for name, args in MODES.items()
    }
    calls["gzip"] = lambda: run(["gzip", "-dc", wat])
    calls["scan"] = lambda: run([*scan, wat])
    calls["clean scan"] = lambda: run([*scan, "--clean", wat])
    got = in_turn(bench.pick(3, 1), **calls)
    cpu = {name: [u.cpu_s for u in used] for name, used in got.items()}
    peak = {name: [u.peak_mb for u in used] for name, used in got.items()}
    for name in MODES:
        scan = "scan" if name == "URLs only" else "clean scan"
        title = f"Python {scan}"
        yield row(name, "CPU s", LESS, cpu[name], ("gzip -dc", "limit", cpu["gzip"]))
        yield row(name, "CPU s", LESS, cpu[name], (title, "peer", cpu[scan]))
        yield row(name, "peak MB", LESS, peak[name], (title, "peer", peak[scan]))
