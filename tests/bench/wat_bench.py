"""`cah wat` against gzip, which must inflate the same bytes, and a plain scan."""

from measure import HERE, LESS, in_turn, row, run

MODES = {
    "URLs only": ["--urls-only"],
    "text rules": ["--languages", "all"],
    "text rules, English only": ["--languages", "en"],
}


def make_wat(bench, records):
    wat = bench.cache / f"wat-{records}.warc.wat.gz"
    if not wat.exists():
        part = wat.with_suffix(".part")
        make = [bench.python, HERE / "make_wat.py", "--records", records]
        run([*make, "--out", part])
        part.rename(wat)
    return wat


def measure(bench):
    wat = make_wat(bench, bench.pick(4000, 60))
    scan = [bench.python, HERE / "peer_scan.py"]
    calls = {
        name: lambda args=args: run([bench.cah, "wat", "--quiet", *args, wat])
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
