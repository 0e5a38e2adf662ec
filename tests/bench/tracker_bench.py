"""A tracker under load, beside what its HTTP library and its database do at most
on the same machine in the same minute."""

import contextlib
import gzip
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

from measure import HERE, LESS, MORE, BenchError, in_turn, row, run

sys.path.append(str(HERE.parent / "system"))
from postgres import Cluster

FEW_WATS, ALL_WATS = 5_000, 4_284_669  # two jobs each
CLIENTS, CROWD = 64, 1_000
WORKERS = 20_000
IDLE = 10_000  # connections
CALLS_PER_CYCLE = 3
ANSWER_BYTES = 100  # of a bare server where a call's answer has about as many
PAGE_KB = 200  # the largest page that is wanted
STOP_S = 30
MB = 1024  # in /proc's kB

BARE = "bare libmicrohttpd"


def make_list(bench, wats):
    path = bench.scratch / f"{wats}.paths.gz"
    with gzip.open(path, "wt", 1) as out:
        out.writelines(f"wat/{k:08d}.warc.wat.gz\n" for k in range(wats))
    return path


def fill(bench, wats, uri):
    """Seconds that the import takes."""
    paths = make_list(bench, wats)
    args = [bench.cah, "jobs", "import", paths, "--store", uri]
    used = run([*args, "--quiet"])
    paths.unlink()
    return used.wall_s


def schema_of(store):
    """A number that differs where the tables do."""
    with contextlib.closing(sqlite3.connect(store)) as db:
        texts = db.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    return zlib.crc32(repr(texts).encode())


def large_store(bench, wats, small):
    """Made once and kept, as long as the program would make the same."""
    store = bench.cache / f"{wats}-wats-{schema_of(small):08x}.db"
    if not store.exists():
        making = store.with_suffix(".making")
        for old in bench.cache.glob(f"{making.name}*"):
            old.unlink()
        fill(bench, wats, f"sqlite:{making}")
        making.rename(store)
    return store


@contextlib.contextmanager
def tracker(bench, store):
    """A running tracker's process and address."""
    uri = store if "://" in str(store) else f"sqlite:{store}"
    args = ["tracker", "--store", uri, "--listen", "127.0.0.1:0"]
    with server([bench.cah, *args, "--quiet", "--no-limits"]) as started:
        yield started


@contextlib.contextmanager
def server(args):
    process = subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        said = process.stdout.readline().split()
        if not said:
            raise BenchError(f"{args[0]} did not start")
        yield process, said[-1].removeprefix("http://").rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        process.stdout.close()


def load(bench, mode, address, *args):
    program = bench.program("tracker_load")
    result = json.loads(run([program, mode, address, *args], keep=True).out)
    if mode == "cycles" and result["cycles"] == 0:
        raise BenchError("no job was open for the cycles")
    return result


def worst_p99(result, *calls):
    return max(result["calls"][call]["p99_ms"] for call in calls)


def rate(result):
    return result["calls"]["get"]["count"] / result["seconds"]


def bare(bench, nbytes, clients, seconds):
    with server([bench.program("bare_http"), str(nbytes)]) as (_, address):
        return load(bench, "get", address, clients, seconds, "/")


def copy_of(bench, store):
    """So that every bench finds all jobs open."""
    copy = bench.scratch / "tracker.db"
    for old in bench.scratch.glob("tracker.db*"):
        old.unlink()
    shutil.copyfile(store, copy)
    return copy


class Raw:
    """Groups of durable changes, with the store's settings, one row at a time."""

    def __init__(self, path, rows):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, at INT, x TEXT)")
        self.db.execute("CREATE TABLE worker (id INTEGER PRIMARY KEY, at INT, x TEXT)")
        for table in ("job", "worker"):
            self.db.execute("BEGIN")
            values = ((i, 0, "x" * 40) for i in range(rows))
            self.db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", values)
            self.db.execute("COMMIT")
        self.rows = rows

    def cycles_per_s(self, seconds):
        """Each call of a cycle changes a worker, two of them a job."""
        calls = 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            self.db.execute("BEGIN IMMEDIATE")
            for _ in range(CLIENTS):
                at = (calls // CALLS_PER_CYCLE * 7919 % self.rows,)
                self.db.execute("UPDATE worker SET at = at + 1 WHERE id = ?", at)
                if calls % CALLS_PER_CYCLE != 1:
                    self.db.execute("UPDATE job SET at = at + 1 WHERE id = ?", at)
                calls += 1
            self.db.execute("COMMIT")
        return calls / CALLS_PER_CYCLE / (time.perf_counter() - start)


def insert_s(path, wats):
    """Seconds for as many rows as an import makes, and nothing else."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE wat (id INTEGER PRIMARY KEY, url TEXT)")
        db.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, state INT, x INT)")
        start = time.perf_counter()
        db.execute("BEGIN")
        urls = ((k, f"wat/{k:08d}.warc.wat.gz") for k in range(wats))
        db.executemany("INSERT INTO wat VALUES (?, ?)", urls)
        jobs = ((k, 0, 0) for k in range(2 * wats))
        db.executemany("INSERT INTO job VALUES (?, ?, ?)", jobs)
        db.execute("COMMIT")
        return time.perf_counter() - start


def start_s(bench, store):
    start = time.perf_counter()
    with tracker(bench, store):
        return time.perf_counter() - start


def cycles(bench, store, seconds):
    copy = copy_of(bench, store)
    with tracker(bench, copy) as (_, address):
        return load(bench, "cycles", address, CLIENTS, seconds)


def cycle_rows(bench, stores, seconds, rounds):
    """`stores` by their number of jobs."""
    raw = Raw(bench.scratch / "raw.db", 10_000)
    got = in_turn(
        rounds,
        raw=lambda: raw.cycles_per_s(seconds),
        **{
            str(jobs): lambda store=store: cycles(bench, store, seconds)
            for jobs, store in stores.items()
        },
        bare=lambda: bare(bench, ANSWER_BYTES, CLIENTS, seconds),
    )
    raw.db.close()
    bare_p99 = [worst_p99(x, "get") for x in got["bare"]]
    for jobs in stores:
        what = f"{jobs:,} jobs, {CLIENTS} clients"
        speeds = [x["cycles"] / x["seconds"] for x in got[str(jobs)]]
        other = (f"SQLite, groups of {CLIENTS} calls", "limit", got["raw"])
        yield row(what, "cycles/s", MORE, speeds, other)
        times = [
            worst_p99(x, "newJob", "updateProgress", "markAsDone")
            for x in got[str(jobs)]
        ]
        yield row(what, "p99 ms", LESS, times, (BARE, "limit", bare_p99))


def crowd_rows(bench, address, seconds, rounds):
    crowd = bench.pick(CROWD, 50)
    got = in_turn(
        rounds,
        ours=lambda: load(bench, "jobs", address, crowd, seconds),
        bare=lambda: bare(bench, ANSWER_BYTES, crowd, seconds),
    )
    times = [worst_p99(x, "newJob") for x in got["ours"]]
    other = (BARE, "limit", [worst_p99(x, "get") for x in got["bare"]])
    yield row(f"newJob, {crowd:,} clients", "p99 ms", LESS, times, other)


def get_rows(bench, address, path, seconds, rounds):
    nbytes = load(bench, "get", address, 1, 1, path)["bytes"]
    got = in_turn(
        rounds,
        ours=lambda: load(bench, "get", address, CLIENTS, seconds, path),
        bare=lambda: bare(bench, nbytes, CLIENTS, seconds),
    )
    rates = [rate(x) for x in got["ours"]]
    other = (BARE, "limit", [rate(x) for x in got["bare"]])
    yield row(f"GET {path}", "answers/s", MORE, rates, other)
    if not path.startswith(("/api", "/data")):
        sizes = [x["bytes"] / 1000 for x in got["ours"]]
        yield row(
            f"GET {path}", "kB", LESS, sizes, ("wanted", "limit", [PAGE_KB] * rounds)
        )


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / MB
    raise BenchError("no VmRSS")


def idle_mb(bench, process, address, count):
    """What the server holds while so many connections are open and silent."""
    args = [bench.program("tracker_load"), "idle", address, str(count)]
    client = subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with contextlib.closing(client.stdin), contextlib.closing(client.stdout):
        if not client.stdout.readline():
            raise BenchError("the idle connections were not taken")
        held = resident_mb(process.pid)
        client.stdin.close()
        client.wait(STOP_S)
    return held


def idle_rows(bench, store, rounds):
    count = bench.pick(IDLE, 100)

    def ours():
        with tracker(bench, store) as (process, address):
            return idle_mb(bench, process, address, count)

    def plain():
        with server([bench.program("bare_http"), str(ANSWER_BYTES)]) as (p, address):
            return idle_mb(bench, p, address, count)

    got = in_turn(rounds, ours=ours, bare=plain)
    what = f"{count:,} idle connections"
    yield row(what, "MB", LESS, got["ours"], (BARE, "limit", got["bare"]))


def large_rows(bench, store, seconds, rounds):
    copy = copy_of(bench, store)
    with tracker(bench, copy) as (_, address):
        yield from crowd_rows(bench, address, seconds, rounds)
        for path in ("/api/jobCount", "/data"):
            yield from get_rows(bench, address, path, seconds, rounds)
        workers = bench.pick(WORKERS, 70)
        load(bench, "join", address, min(CLIENTS, workers), workers)
        for path in ("/", "/leaderboard"):
            yield from get_rows(bench, address, path, seconds, rounds)
    yield from idle_rows(bench, copy, rounds)


def together(bench, uri, count, seconds):
    """Cycles a second of so many trackers over one database."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(count))
        addresses = [stack.enter_context(tracker(bench, uri))[1] for _ in range(count)]
        clients = CLIENTS // count
        runs = [
            pool.submit(load, bench, "cycles", address, clients, seconds)
            for address in addresses
        ]
        return sum(r.result()["cycles"] / r.result()["seconds"] for r in runs)


def postgres_rows(bench, wats, seconds, rounds):
    cluster = Cluster()
    try:
        cluster.start()
        uri = cluster.new_database()
        fill(bench, wats, uri)
        got = in_turn(
            rounds,
            two=lambda: together(bench, uri, 2, seconds),
            one=lambda: together(bench, uri, 1, seconds),
        )
    finally:
        cluster.remove()
    what = f"two trackers over PostgreSQL, {2 * wats:,} jobs"
    other = ("one tracker over it", "peer", got["one"])
    yield row(what, "cycles/s", MORE, got["two"], other)


def measure(bench):
    seconds = bench.pick(3, 1)
    rounds = bench.pick(3, 1)
    few, many = bench.pick((FEW_WATS, ALL_WATS), (2_000, 4_000))
    small = bench.scratch / "small.db"
    fill(bench, few, f"sqlite:{small}")
    large = large_store(bench, many, small)
    yield from cycle_rows(bench, {2 * few: small, 2 * many: large}, seconds, rounds)
    yield from large_rows(bench, large, seconds, rounds)
    yield from postgres_rows(bench, bench.pick(200_000, 20_000), seconds, rounds)
    starts = in_turn(
        rounds, ours=lambda: start_s(bench, large), few=lambda: start_s(bench, small)
    )
    what = f"start with {2 * many:,} jobs"
    other = (f"with {2 * few:,} jobs", "limit", starts["few"])
    yield row(what, "s", LESS, starts["ours"], other)
    took = [fill(bench, many, f"sqlite:{bench.scratch / 'import.db'}")]
    other = ("SQLite's inserts", "limit", [insert_s(bench.scratch / "insert.db", many)])
    yield row(f"import of {2 * many:,} jobs", "s", LESS, took, other)
