"""What machines and people see of a running tracker: /metrics, /healthz, /readyz
and the log."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
from calls import take, wait_until
from conftest import Tracker, http_request
from prometheus_client.parser import text_string_to_metric_families
from test_conventions import section, table_rows

FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')


def families(tracker):
    """{name: family} of /metrics, with the names that its TYPE lines have."""
    answer = tracker.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == (
        "text/plain; version=0.0.4; charset=utf-8"
    )
    return {f.name: f for f in text_string_to_metric_families(answer.text)}


def samples(tracker):
    """{(name, ((label, value), ...)): value} of /metrics."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(tracker).values()
        for sample in family.samples
    }


def value(tracker, name, **labels):
    return samples(tracker).get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def busy_tracker(import_jobs, start_tracker, tmp_path):
    """Some workers, jobs in all states of a HYBRID worker, some errors, a filter."""
    import_jobs(10)
    tracker = start_tracker("--dedup", tmp_path / "seen", "--dedup-capacity", 1000)
    tokens = [tracker.new_worker() for _ in range(3)]
    tracker.new_worker("GPU")
    for token in tokens:
        take(tracker, token)
    done = tracker.post("/api/markAsDone", {"token": tokens[0], "count": 77})
    assert done.status == 200
    assert tracker.post("/api/newJob", {"token": "nobody"}).status == 404
    assert tracker.get("/nowhere").status == 404
    assert tracker.post("/data", {}).status == 405
    return tracker


# -------------------------------------------------------------------- metrics


def test_the_metrics_say_what_data_says(busy_tracker):
    data = busy_tracker.get("/data").json()
    total = data["jobs"].pop("total")

    def agrees():
        got = samples(busy_tracker)
        return (
            all(
                got["cah_jobs", (("state", state),)] == n
                for state, n in data["jobs"].items()
            )
            and all(
                got["cah_workers", (("type", type),)] == n
                for type, n in data["workers"].items()
            )
            and got["cah_pairs_total", ()] == data["total_pairs_scraped"] == 77
        )

    wait_until(agrees)
    jobs = families(busy_tracker)["cah_jobs"].samples
    assert sum(sample.value for sample in jobs) == total == 20


def test_the_metrics_count_requests_by_route_and_status(busy_tracker):
    name = "cah_http_requests_total"
    got = samples(busy_tracker)
    for route, status, count in [
        ("/api/new", "200", 4),
        ("/api/newJob", "200", 3),
        ("/api/newJob", "404", 1),
        ("/api/markAsDone", "200", 1),
        ("/data", "405", 1),
        ("unknown", "404", 1),
    ]:
        assert got[name, (("route", route), ("status", status))] == count
    for route in ("/api/new", "/api/newJob", "unknown"):
        answers = sum(
            n
            for (of, labels), n in got.items()
            if (of, labels[:1]) == (name, (("route", route),))
        )
        count = got["cah_http_request_seconds_count", (("route", route),)]
        assert count == answers
    assert got["cah_commits_total", ()] == got["cah_group_size_count", ()]
    assert 1 <= got["cah_commits_total", ()] <= got["cah_group_size_sum", ()] == 9


def test_unknown_paths_and_methods_make_one_series(tracker):
    for n in range(20):
        tracker.get(f"/nowhere/{n}")
        tracker.get(f"/worker/hybrid/Nobody-{n}")
        tracker.get("/data", method=f"BREW{n}")
    got = families(tracker)["cah_http_requests"].samples
    assert {(s.labels["route"], s.labels["status"]): s.value for s in got} == {
        ("unknown", "404"): 20,
        ("/worker/{type}/{name}", "404"): 20,
        ("/data", "405"): 20,
    }


def test_histograms_are_cumulative(busy_tracker):
    kinds = [f for f in families(busy_tracker).values() if f.type == "histogram"]
    assert {f.name for f in kinds} == {
        "cah_http_request_seconds",
        "cah_commit_seconds",
        "cah_dedup_commit_seconds",
        "cah_flush_seconds",
        "cah_group_size",
    }
    for family in kinds:
        series = {}
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k != "le"}
            kind = sample.name.removeprefix(family.name)
            one = series.setdefault(tuple(labels.items()), {})
            if kind == "_bucket":
                one.setdefault(kind, []).append(
                    (float(sample.labels["le"]), sample.value)
                )
            else:
                one[kind] = sample.value
        assert series
        for one in series.values():
            bounds, counts = zip(*one["_bucket"], strict=True)
            assert list(bounds) == sorted(set(bounds))
            assert list(counts) == sorted(counts)
            assert bounds[-1] == float("inf")
            assert counts[-1] == one["_count"]
            assert one["_sum"] >= 0


def test_counters_only_grow(busy_tracker):
    def counters():
        return {
            (sample.name, tuple(sample.labels.items())): sample.value
            for family in families(busy_tracker).values()
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }

    before = counters()
    busy_tracker.new_worker()
    for _ in range(3):
        busy_tracker.get("/")
        after = counters()
        assert set(before) <= set(after)
        assert all(after[key] >= n for key, n in before.items())
        before = after


def test_the_metrics_know_the_process(tracker):
    got = samples(tracker)
    status = {}
    with open(f"/proc/{tracker.process.pid}/status") as lines:
        for line in lines:
            key, _, rest = line.partition(":")
            status[key] = rest.split()
    resident = int(status["VmRSS"][0]) * 1024
    assert got["process_resident_memory_bytes", ()] == pytest.approx(resident, rel=0.5)
    assert abs(got["process_start_time_seconds", ()] - time.time()) < 600
    assert 5 < got["process_open_fds", ()] < got["process_max_fds", ()]
    assert got["process_cpu_seconds_total", ()] > 0


def test_connections_are_counted(tracker):
    before = value(tracker, "cah_connections")
    address = tracker.address.rsplit(":", 1)
    held = [socket.create_connection(address) for _ in range(5)]
    wait_until(lambda: value(tracker, "cah_connections") == before + 5)
    for connection in held:
        connection.close()
    wait_until(lambda: value(tracker, "cah_connections") == before)


def test_workers_that_time_out_are_counted(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--idle-timeout", "1", "--quiet")
    tracker.new_worker()
    tracker.new_worker()
    wait_until(lambda: value(tracker, "cah_workers_timed_out_total") == 2)
    assert value(tracker, "cah_sweeps_total") >= 1
    wait_until(lambda: value(tracker, "cah_workers", type="HYBRID") == 0)


def test_the_document_has_the_metrics_that_there_are(busy_tracker):
    shown = {}
    for line in busy_tracker.get("/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            shown[name] = [kind, set()]
        elif not line.startswith("#"):
            name = re.match(r"[a-z_]+", line)[0]
            name = next(
                n
                for n in (name, re.sub("_(bucket|sum|count)$", "", name))
                if n in shown
            )
            shown[name][1] |= set(re.findall(r'[{,]([a-z_]+)="', line)) - {"le"}
    told = {
        row[0].strip("`"): [row[1], {w for w in row[2].split(", ") if w}]
        for row in table_rows(section("docs/metrics.md", "Metrics"))
        if len(row) == 4 and row[0].startswith("`")
    }
    assert told == shown
    reasons = {
        sample.labels["reason"]
        for sample in families(busy_tracker)["cah_refused"].samples
    }
    assert reasons == {
        row[0].strip("`")
        for row in table_rows(section("docs/metrics.md", "Metrics"))
        if len(row) == 2 and row[0].startswith("`")
    }


def test_refusals_are_counted_and_do_not_concern_who_watches(tracker, start_tracker):
    tracker.stop()
    strict = start_tracker(
        "--quiet",
        "--calls-per-minute",
        "5",
        "--workers-per-address",
        "1",
        limits=True,
    )
    strict.new_worker()
    assert strict.get("/api/new?nickname=second").status == 429
    statuses = [strict.get("/api/jobCount?type=CPU").status for _ in range(9)]
    assert statuses.count(429) >= 1
    for path in ("/healthz", "/readyz", "/metrics"):
        assert {strict.get(path).status for _ in range(9)} == {200}
    got = samples(strict)
    name = "cah_refused_total"
    assert got[name, (("reason", "workers"),)] == 1
    assert got[name, (("reason", "rate"),)] == statuses.count(429)
    assert got[name, (("reason", "full"),)] == 0
    labels = (("route", "/api/jobCount"), ("status", "429"))
    assert got["cah_http_requests_total", labels] == statuses.count(429)


# --------------------------------------------------------------------- health


@pytest.mark.parametrize(("path", "text"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_a_healthy_tracker_says_so(tracker, path, text):
    answer = tracker.get(path)
    assert (answer.status, answer.text) == (200, text)
    assert answer.headers["Cache-Control"] == "no-store"
    head = tracker.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(text))
    assert tracker.post(path, {}).status == 405


def test_a_store_that_is_away_is_seen_and_seen_again(tracker):
    """Another writer holds the lock: reads go on, changes fail."""
    token = tracker.new_worker()
    other = sqlite3.connect(tracker.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert tracker.post("/api/newJob", {"token": token}).status == 503
    answer = tracker.get("/readyz")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert len(answer.text.splitlines()) == 1
    assert str(tracker.store) not in answer.text
    assert tracker.get("/healthz").status == 200
    assert value(tracker, "cah_store_errors_total") >= 1
    # Asked for a transaction that may write, the store is not there at all.
    wait_until(lambda: value(tracker, "cah_store_up") == 0)
    got = samples(tracker)
    assert not [key for key in got if key[0] in ("cah_jobs", "cah_workers")]
    assert ("cah_pairs_total", ()) not in got
    assert tracker.get("/readyz").text == "the store is away"
    other.execute("ROLLBACK")
    other.close()
    take(tracker, token)
    wait_until(lambda: tracker.get("/readyz").status == 200)
    assert value(tracker, "cah_store_up") == 1
    assert value(tracker, "cah_jobs", state="leased") == 1


def test_a_database_that_ends_and_comes_back_is_told(
    postgres_cluster, postgres, import_jobs, start_tracker, capfd
):
    tracker = start_tracker("--log-format", "json", store=import_jobs(5, postgres))
    assert tracker.get("/readyz").text == "ready"
    assert value(tracker, "cah_jobs", state="open") == 10
    postgres_cluster.kill()
    try:
        wait_until(lambda: tracker.get("/readyz").status == 503)
        assert tracker.get("/healthz").status == 200
        assert value(tracker, "cah_store_up") == 0
        assert value(tracker, "cah_jobs", state="open") is None
    finally:
        postgres_cluster.start()
    wait_until(lambda: tracker.get("/readyz").status == 200)
    assert value(tracker, "cah_jobs", state="open") == 10
    told = [json.loads(line)["msg"] for line in capfd.readouterr().err.splitlines()]
    away = [text.split(":")[0] for text in told if "the store" in text]
    assert away == ["the store is away", "the store is back"]


def read_answer(connection):
    """The status and the body of one answer that has a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(4096)
    return int(head.split()[1]), body.decode()


def test_a_tracker_that_stops_is_not_ready(tracker):
    """While it waits for a request that is not whole yet."""
    address = tracker.address.rsplit(":", 1)
    head = (
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Content-Type: application/json\r\n\r\n"
    )
    ask = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        socket.create_connection(address, 20) as slow,
        socket.create_connection(address, 20) as health,
    ):
        health.sendall(ask)
        assert read_answer(health) == (200, "ready")
        slow.sendall(head + b"{")
        tracker.get("/healthz")  # by now the half request has been read
        # Its begin is there before the signal, and so are the next one's bytes.
        health.sendall(ask[:-2])
        tracker.get("/healthz")
        tracker.process.send_signal(signal.SIGINT)
        wait_until(lambda: not accepts(address))
        health.sendall(ask[-2:])
        assert read_answer(health) == (503, "the tracker stops")
        slow.sendall(b"}")
        assert read_answer(slow)[0] == 422
    assert tracker.process.wait(20) == 0


def accepts(address):
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True


# ------------------------------------------------------------------------ log


@pytest.fixture
def logged(cah, import_jobs, tmp_path):
    """Starts a tracker whose log goes to a file; gives it and its lines."""
    started = []

    def start(*args):
        store = import_jobs(10)
        tracker = Tracker(cah, store, args)
        log = tmp_path / "log.txt"
        with open(log, "wb") as out:
            tracker.start(stderr=out)
        started.append(tracker)
        return tracker, lambda: log.read_text().splitlines()

    yield start
    for tracker in started:
        tracker.stop()


def logfmt(line):
    """{key: value} of a line of logfmt, all of which must be read."""
    fields, at = {}, 0
    while at < len(line):
        got = FIELD.match(line, at)
        assert got, line[at:]
        text = got[2]
        fields[got[1]] = json.loads(text) if text[0] == '"' else text
        at = got.end()
    return fields


HOSTILE = '/%1b[2J\u00e9"=\\%0a%c2%9b?nickname=%e2%80%ae'


def ask_hostile(tracker):
    """Requests with all that a log line should not have, raw on the wire."""
    with socket.create_connection(tracker.address.rsplit(":", 1), 20) as connection:
        connection.sendall(
            b'GET /\xff\x1b[31m"a=b\\\xe2\x80\xae HTTP/1.1\r\nHost: x\r\n\r\n'
        )
        assert read_answer(connection)[0] == 404
        connection.sendall(b"BR\x01EW= / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(4096)


@pytest.mark.parametrize("format", ["json", "logfmt"])
def test_every_line_of_the_log_can_be_read(logged, format):
    tracker, lines = logged("--verbose", "--log-format", format)
    tracker.new_worker()
    answer = tracker.post("/api/newJob", {"token": "nobody"})
    ask_hostile(tracker)
    tracker.stop()
    parse = json.loads if format == "json" else logfmt
    told = [parse(line) for line in lines()]
    for fields in told:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["time"])
        assert fields["level"] in ("debug", "info", "warn", "error")
        assert fields["msg"]
    for line in lines():
        assert line.isprintable()
    (refused,) = [f for f in told if f.get("id") == answer.headers["X-Request-Id"]]
    assert refused["route"] == "/api/newJob"
    assert refused["method"] == "POST"
    assert refused["client"] == "127.0.0.1"
    assert int(refused["status"]) == 404
    assert int(refused["bytes"]) == len(answer.body)
    assert float(refused["ms"]) >= 0
    assert refused["error"] == answer.text
    (hostile,) = [f for f in told if f.get("path", "").startswith("/\ufffd")]
    assert hostile["path"] == '/\ufffd\x1b[31m"a=b\\\u202e'
    assert hostile["route"] == "unknown"
    assert told[-1]["msg"] == "stopped"


def test_without_verbose_good_requests_have_no_line(logged):
    tracker, lines = logged()
    tracker.new_worker()
    tracker.get("/nowhere")
    tracker.stop()
    assert [logfmt(line)["msg"].split()[0] for line in lines()] == [
        "tracker",
        "stopped",
    ]


def test_a_request_that_failed_is_found_by_its_id(logged):
    tracker, lines = logged("--quiet", "--json")
    token = tracker.new_worker()
    other = sqlite3.connect(tracker.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = tracker.post("/api/newJob", {"token": token})
    other.execute("ROLLBACK")
    other.close()
    assert answer.status == 503
    tracker.stop()
    told = [json.loads(line) for line in lines()]
    (failed,) = [f for f in told if f["msg"] == "request failed"]
    assert failed["id"] == answer.headers["X-Request-Id"]
    assert failed["status"] == 503
    assert failed["level"] == "error"
    (group,) = [f for f in told if f["msg"] == "transaction failed"]
    assert group["requests"] == 1
    assert "locked" in group["error"]


def test_request_ids_differ(tracker):
    ids = [tracker.get("/healthz").headers["X-Request-Id"] for _ in range(10)]
    assert len(set(ids)) == 10
    given = tracker.get("/healthz", headers={"X-Request-Id": "mine"})
    assert given.headers["X-Request-Id"] not in ("mine", *ids)


def test_the_id_and_the_client_that_a_trusted_proxy_tells(logged):
    tracker, lines = logged("--verbose", "--trusted-proxy", "127.0.0.1")
    sent = {"X-Request-Id": "Ab-1_2.z", "X-Forwarded-For": "192.0.2.7, 198.51.100.9"}
    answer = tracker.get("/data", headers=sent)
    assert answer.headers["X-Request-Id"] == "Ab-1_2.z"
    for hostile in ("a b", 'a"', "x" * 65, "a=b"):
        sent["X-Request-Id"] = hostile
        answer = tracker.get("/data", headers=sent)
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{12}", answer.headers["X-Request-Id"])
    tracker.stop()
    told = [f for f in map(logfmt, lines()) if f["msg"] == "request"]
    assert told[0]["id"] == "Ab-1_2.z"
    assert {f["client"] for f in told} == {"198.51.100.9"}
    assert len({f["id"] for f in told}) == 5


def test_a_log_that_nobody_reads_stops_nothing(cah, import_jobs):
    """A pipe holds 64 KiB; this says more, and reads none of it."""
    tracker = Tracker(cah, import_jobs(1), ["--verbose"])
    tracker.start(stderr=subprocess.PIPE)
    try:
        for _ in range(800):
            assert http_request(f"{tracker.url}/{'x' * 100}").status == 404
        assert tracker.get("/readyz").status == 200
        tracker.process.send_signal(signal.SIGINT)
        assert tracker.process.wait(20) == 0
        said = tracker.process.stderr.read()
    finally:
        tracker.process.stderr.close()
        tracker.stop()
    assert said.endswith("\n")
    assert len([logfmt(line) for line in said.splitlines()]) < 800
