"""Trackers over a book in PostgreSQL."""

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest

CLIENTS = 8
STOP_SECONDS = 8  # a stop takes 5, and this machine may be slow
BACK_SECONDS = 30  # a server that is back is found within this


@pytest.fixture
def two_trackers(postgres, import_jobs, start_tracker):
    import_jobs(400, store=postgres)
    return [start_tracker("--quiet", "--no-limits", store=postgres) for _ in range(2)]


class Client(threading.Thread):
    """Takes and finishes jobs, at any tracker, until told to end."""

    def __init__(self, trackers, number, end):
        super().__init__()
        self.trackers = trackers
        self.number = number
        self.end = end
        self.random = random.Random(number)
        self.done = []  # numbers of jobs whose end was acknowledged
        self.unsure = []  # of those where no answer came
        self.taken = []
        self.odd = []  # answers that nobody should get
        self.busy = 0  # answers with 503

    def post(self, path, **body):
        """The answer, or None where there was none or the store was away."""
        tracker = self.random.choice(self.trackers)
        try:
            answer = tracker.post(f"/api/{path}", {"type": "HYBRID", **body})
        except (OSError, urllib.error.URLError):
            return None
        if answer.status == 503:
            self.busy += 1
            if "Retry-After" not in answer.headers:
                self.odd.append(answer)
            return None
        return answer

    def work(self, token):
        answer = self.post("newJob", token=token)
        if answer is None or answer.status == 403:
            time.sleep(0.02)
            return
        if answer.status != 200:
            self.odd.append(answer)
            return
        number = int(answer.json()["number"])
        self.taken.append(number)
        answer = self.post("markAsDone", token=token, count=number)
        if answer is None:
            self.unsure.append(number)
        elif answer.status == 200:
            self.done.append(number)
        else:
            self.odd.append(answer)

    def run(self):
        token = self.trackers[self.number % 2].new_worker(
            nickname=f"n{self.number % 3}"
        )
        while not self.end.is_set():
            self.work(token)


class Crowd:
    """Clients at work; a context that ends them."""

    def __init__(self, trackers):
        self.end = threading.Event()
        self.clients = [Client(trackers, i, self.end) for i in range(CLIENTS)]
        for client in self.clients:
            client.start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    def done(self):
        return sum(len(client.done) for client in self.clients)

    def wait_for(self, more):
        """Until so many more jobs are done."""
        until = self.done() + more
        deadline = time.monotonic() + BACK_SECONDS
        while self.done() < until:
            assert time.monotonic() < deadline, "nothing goes on"
            time.sleep(0.01)

    def stop(self):
        self.end.set()
        for client in self.clients:
            client.join()


def check_book(cluster, uri, clients):
    """What was acknowledged is there, each job once, and the sums are right."""

    def ask(text):
        return cluster.sql(text, uri)

    assert [c.odd for c in clients if c.odd] == []
    done = [number for c in clients for number in c.done]
    assert len(done) == len(set(done)), "a job was done twice"
    known = ask("SELECT number FROM jobs WHERE state = 4").split()
    in_book = set(map(int, known))
    assert set(done) <= in_book
    unsure = {number for c in clients for number in c.unsure}
    assert in_book <= set(done) | unsure
    assert ask("SELECT count(*) FROM jobs WHERE state = 4 AND pairs <> number") == "0"
    assert ask("SELECT sum(pairs) FROM jobs") == ask("SELECT sum(pairs) FROM leaders")
    assert ask("SELECT sum(done) FROM counts") == str(len(in_book))
    assert ask("SELECT sum(jobs) FROM leaders") == str(len(in_book))
    assert ask("SELECT sum(jobs) FROM minutes") == str(len(in_book))
    assert ask("SELECT sum(open + leased) FROM counts") == str(800 - len(in_book))
    held = "SELECT count(*) FROM jobs j JOIN workers w ON w.id = j.holder"
    assert ask(held) == ask(f"{held} AND w.job = j.number")
    assert ask(held) == ask("SELECT count(*) FROM workers WHERE job > 0")


def test_two_trackers_hand_out_each_job_once(two_trackers, postgres, postgres_cluster):
    with Crowd(two_trackers) as crowd:
        crowd.wait_for(200)
    clients = crowd.clients
    assert not any(c.unsure for c in clients)
    check_book(postgres_cluster, postgres, clients)


def test_one_goes_on_when_the_other_is_killed(two_trackers, postgres, postgres_cluster):
    with Crowd(two_trackers) as crowd:
        crowd.wait_for(50)
        two_trackers[0].kill()
        crowd.wait_for(50)
        two_trackers[0].start()
        crowd.wait_for(50)
    check_book(postgres_cluster, postgres, crowd.clients)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_starts_again_is_found_again(
    two_trackers, postgres, postgres_cluster, how
):
    with Crowd(two_trackers) as crowd:
        crowd.wait_for(50)
        getattr(postgres_cluster, how)()
        busy = two_trackers[0].get("/api/new?nickname=n&type=HYBRID")
        postgres_cluster.start()
        crowd.wait_for(50)
    clients = crowd.clients
    assert busy.status == 503
    assert "Retry-After" in busy.headers
    assert sum(c.busy for c in clients) > 0
    check_book(postgres_cluster, postgres, clients)


@contextlib.contextmanager
def locked(cluster, uri):
    """Somebody else has all jobs and workers, for as long as it lasts."""
    sql = "BEGIN; LOCK TABLE jobs, workers; SELECT 'locked'; SELECT pg_sleep(100)"
    psql = [cluster.programs / "psql", "-X", "-q", "-A", "-t", "-c", sql, uri]
    process = subprocess.Popen(psql, stdout=subprocess.PIPE, text=True)
    try:
        held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
        while int(cluster.sql(held, uri)) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        yield
    finally:
        cluster.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'psql' AND pid <> pg_backend_pid()"
        )
        process.wait()


def test_a_tracker_stops_though_its_server_does_not_answer(
    postgres, postgres_cluster, import_jobs, start_tracker
):
    import_jobs(1, store=postgres)
    tracker = start_tracker("--quiet", store=postgres)
    token = tracker.new_worker()
    body = {"token": token, "type": "HYBRID"}
    with ThreadPoolExecutor(1) as pool, locked(postgres_cluster, postgres):
        call = pool.submit(tracker.post, "/api/newJob", body)
        with pytest.raises(TimeoutError):
            call.result(timeout=0.5)
        tracker.process.send_signal(signal.SIGTERM)
        assert tracker.process.wait(STOP_SECONDS) == 0
        answer = call.result(timeout=STOP_SECONDS)
    assert answer.status == 503
    assert "Retry-After" in answer.headers


def test_a_tracker_starts_before_its_server(
    postgres, postgres_cluster, import_jobs, start_tracker
):
    import_jobs(1, store=postgres)
    postgres_cluster.stop()
    tracker = start_tracker("--quiet", store=postgres)
    assert tracker.get("/api/jobCount?type=HYBRID").status == 503
    postgres_cluster.start()
    deadline = time.monotonic() + BACK_SECONDS
    while tracker.get("/api/jobCount?type=HYBRID").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert tracker.get("/api/jobCount?type=HYBRID").text == "2"


def test_two_that_start_at_once_make_one_book(postgres, start_tracker):
    trackers = []
    threads = [
        threading.Thread(
            target=lambda: trackers.append(start_tracker("--quiet", store=postgres))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trackers) == 4
    for tracker in trackers:
        assert tracker.get("/api/jobCount?type=HYBRID").text == "0"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE notes (x int)", "tables of another program"),
        (
            "CREATE TABLE cah_version AS SELECT 99 AS version",
            "newer version of cah (schema 99",
        ),
        ("DROP SCHEMA public", "no schema of its search_path"),
    ],
)
def test_a_database_of_others_is_refused(
    run_cah, postgres, postgres_cluster, sql, said
):
    postgres_cluster.sql(sql, postgres)
    for command in (["tracker", "--listen", "127.0.0.1:0"], ["jobs", "count"]):
        done = run_cah(*command, "--store", postgres)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert postgres_cluster.sql("SELECT to_regclass('jobs') IS NULL", postgres) == "t"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://cah@/missing?host={}", "does not exist"),
        ("postgresql://nobody@/postgres?host={}", "does not exist"),
        ("postgresql://cah@/postgres?hots={}", "invalid URI query parameter"),
    ],
)
def test_what_cannot_work_later_is_told_at_once(run_cah, postgres_cluster, uri, said):
    done = run_cah("tracker", "--store", uri.format(postgres_cluster.folder))
    assert done.returncode in (1, 2)
    assert said in done.stderr


def test_a_password_is_told_to_nobody(run_cah):
    done = run_cah("jobs", "count", "--store", "postgresql://u:hidden@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "127.0.0.1:1/x" in done.stderr
    assert "hidden" not in done.stderr


def test_a_schema_may_be_chosen(postgres, postgres_cluster, import_jobs, run_cah):
    postgres_cluster.sql("CREATE SCHEMA a; CREATE SCHEMA b", postgres)
    uris = [f"{postgres}&options=-csearch_path%3D{name}" for name in "ab"]
    import_jobs(1, store=uris[0])
    import_jobs(2, store=uris[1])
    assert postgres_cluster.sql("SELECT count(*) FROM a.jobs", postgres) == "2"
    assert postgres_cluster.sql("SELECT count(*) FROM b.jobs", postgres) == "4"
    stats = run_cah("jobs", "count", "--store", uris[1], "--json", check=True)
    assert json.loads(stats.stdout)["open"] == 4
