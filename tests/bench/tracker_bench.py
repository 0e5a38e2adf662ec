"""Cycles a second of a tracker, against commits of SQLite on the same disk."""

import contextlib
import gzip
import json
import shutil
import signal
import sqlite3
import subprocess
import time

from measure import HERE, MORE, BenchError, in_turn, row, run

COMMITS_PER_CYCLE = 3
CLIENTS = (1, 16)
STOP_S = 10


def fill(bench, wats):
    paths = bench.scratch / f"{wats}.paths.gz"
    lines = (f"wat/{k:08d}.warc.wat.gz\n" for k in range(wats))
    paths.write_bytes(gzip.compress("".join(lines).encode(), 1))
    store = bench.scratch / f"full-{wats}.db"
    run([bench.cah, "jobs", "import", paths, "--store", f"sqlite:{store}", "--quiet"])
    return store


@contextlib.contextmanager
def tracker(bench, store):
    """A running tracker's address."""
    args = ["tracker", "--store", store, "--listen", "127.0.0.1:0", "--quiet"]
    args.append("--no-limits")
    process = subprocess.Popen([bench.cah, *args], stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline().split()
        if not said:
            raise BenchError("the tracker did not start")
        yield said[-1].removeprefix("http://").rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


class Raw:
    """Durable commits of one small row each, with the store's settings."""

    def __init__(self, path, rows):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, at INT, x TEXT)")
        self.db.execute("BEGIN")
        values = ((i, 0, "x" * 40) for i in range(rows))
        self.db.executemany("INSERT INTO job VALUES (?, ?, ?)", values)
        self.db.execute("COMMIT")
        self.rows = rows

    def commits_per_s(self, seconds):
        count = 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            self.db.execute("BEGIN IMMEDIATE")
            change = "UPDATE job SET at = at + 1 WHERE id = ?"
            self.db.execute(change, (count * 7919 % self.rows,))
            self.db.execute("COMMIT")
            count += 1
        return count / (time.perf_counter() - start)


def cycles_per_s(bench, store, clients, seconds):
    """Over a copy of the store, so that every run finds all jobs open."""
    copy = bench.scratch / "tracker.db"
    for old in bench.scratch.glob("tracker.db*"):
        old.unlink()
    shutil.copyfile(store, copy)
    with tracker(bench, f"sqlite:{copy}") as address:
        load = [bench.python, HERE / "tracker_load.py", address, clients, seconds]
        return json.loads(run(load, keep=True).out)["cycles_per_s"]


def measure(bench):
    seconds = bench.pick(1, 0.3)
    for wats in bench.pick((1000, 100_000), (50, 100)):
        raw = Raw(bench.scratch / f"raw-{wats}.db", 2 * wats)
        store = fill(bench, wats)
        calls = {"raw": lambda raw=raw: raw.commits_per_s(seconds)}
        for n in CLIENTS:
            calls[str(n)] = lambda s=store, n=n: cycles_per_s(bench, s, n, seconds)
        got = in_turn(bench.pick(5, 1), **calls)
        raw.db.close()
        limit = [x / COMMITS_PER_CYCLE for x in got["raw"]]
        for n in CLIENTS:
            what = f"{wats:,} WATs, {n} connection{'s' if n > 1 else ''}"
            other = ("SQLite's commits / 3", "limit", limit)
            yield row(what, "cycles/s", MORE, got[str(n)], other)
