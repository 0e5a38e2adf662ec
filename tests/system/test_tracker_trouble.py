"""What the tracker does in trouble: a full disk, a book that is away, a clock that
steps, stops and crashes while everybody calls. Nothing that was acknowledged is lost,
and it goes on by itself."""

import os
import random
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from calls import PATIENCE, connect, finish, jobs, state, take, wait_until
from crowd import Crowd, kill
from model_check import IDLE_S, Check, Connection
from trouble import TroubledTracker

HOUR_S = 3600
STEPS_S = (-30 * 365 * 24 * HOUR_S, -5 * HOUR_S, -1, 1, 5 * HOUR_S, 365 * 24 * HOUR_S)
SEED = int(os.environ.get("SEED", str(int(time.time()))))
WATS = 2000
CROWD_IDLE_S = 3
SECONDS = 4
BURSTS = 20


@pytest.fixture
def start_troubled(cah, tmp_path):
    """Starts a tracker that trouble may come over, over tmp_path / "tracker.db"."""
    started = []

    def start(*args):
        started.append(TroubledTracker(cah, tmp_path / "tracker.db", args))
        return started[-1].start()

    yield start
    for tracker in started:
        tracker.stop()


@pytest.fixture
def crowd(import_jobs, start_troubled):
    print(f"SEED={SEED}")
    import_jobs(WATS)
    tracker = start_troubled("--idle-timeout", CROWD_IDLE_S, "--quiet")
    return Crowd([tracker], 2 * WATS, CROWD_IDLE_S, SEED)


def is_away(answer, tracker):
    """Whether it is such a 503 as clients and people can do something with."""
    return (
        answer.status == 503
        and int(answer.headers["Retry-After"]) > 0
        and len(answer.text.splitlines()) == 1
        and str(tracker.store) not in answer.text
    )


# ---- the store ----


def test_a_full_disk_is_told_and_over_when_it_is(import_jobs, start_troubled):
    import_jobs(10)
    tracker = start_troubled("--quiet")
    token = tracker.new_worker()
    take(tracker, token)
    before = state(tracker)
    for _ in range(3):
        tracker.fill_disk()
        assert is_away(tracker.get("/api/new?nickname=me"), tracker)
        assert is_away(tracker.post("/api/newJob", {"token": token}), tracker)
        assert is_away(finish(tracker, token, count=5), tracker)
        tracker.fill_disk(False)
        assert state(tracker) == before
    assert finish(tracker, token, count=5).status == 200
    assert state(tracker)["total_pairs_scraped"] == 5


def test_a_full_disk_loses_nothing_of_a_crowds_work(crowd, run_cah):
    def full_for_a_while(tracker, rng):
        tracker.fill_disk()
        time.sleep(rng.uniform(0, 0.3))
        tracker.fill_disk(False)

    crowd.may_be_away = True
    crowd.run(SECONDS, full_for_a_while, every_s=0.3)
    crowd.check(run_cah)
    assert crowd.away > 0
    token = crowd.trackers[0].new_worker()
    take(crowd.trackers[0], token)
    assert finish(crowd.trackers[0], token, count=1).status == 200


def test_a_full_disk_at_a_crash_loses_nothing_either(crowd, run_cah):
    def full_and_killed(tracker, rng):
        tracker.fill_disk()
        time.sleep(rng.uniform(0, 0.2))
        tracker.kill()
        tracker.fill_disk(False)
        tracker.start()

    crowd.may_be_away = True
    crowd.run(SECONDS, full_and_killed)
    crowd.check(run_cah)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_database_that_restarts_loses_nothing_of_a_crowds_work(
    postgres_cluster, import_jobs, start_tracker, run_cah, end
):
    def restart(tracker, rng):
        getattr(postgres_cluster, end)()
        time.sleep(rng.uniform(0, 0.3))
        postgres_cluster.start()

    print(f"SEED={SEED}")
    store = import_jobs(WATS, store=postgres_cluster.new_database())
    args = ["--idle-timeout", CROWD_IDLE_S, "--quiet"]
    trackers = [start_tracker(*args, store=store) for _ in range(2)]
    crowd = Crowd(trackers, 2 * WATS, CROWD_IDLE_S, SEED)
    crowd.may_be_away = crowd.is_unsure_when_away = True
    crowd.run(SECONDS, restart, every_s=0.7)
    crowd.check(run_cah)
    assert crowd.away > 0


def test_a_book_that_was_moved_is_missed_until_it_is_back(tracker):
    token = tracker.new_worker()
    take(tracker, token)
    elsewhere = tracker.store.with_name("elsewhere.db")
    tracker.store.rename(elsewhere)
    assert is_away(finish(tracker, token, count=1), tracker)
    assert is_away(tracker.get("/data"), tracker)
    elsewhere.rename(tracker.store)
    assert finish(tracker, token, count=1).status == 200
    assert jobs(tracker)["done"] == 1


def test_a_book_of_a_newer_version_is_left_alone(tracker, run_cah):
    tracker.stop()
    with sqlite3.connect(tracker.store) as book:
        book.execute("PRAGMA user_version = 999")
    book.close()
    before = tracker.store.read_bytes()
    args = ["--store", f"sqlite:{tracker.store}", "--listen", "127.0.0.1:0"]
    done = run_cah("tracker", *args)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "newer version" in done.stderr
    assert tracker.store.read_bytes() == before


# ---- the clock ----


def test_no_worker_times_out_by_a_step_of_the_clock(import_jobs, start_troubled):
    import_jobs(10)
    tracker = start_troubled("--idle-timeout", IDLE_S, "--quiet")
    token = tracker.new_worker()
    take(tracker, token)
    for step in STEPS_S:
        tracker.set_clock(step)
        heard = time.monotonic()
        body = {"token": token, "progress": str(step)}
        assert tracker.post("/api/updateProgress", body).status == 200
        # Several sweeps of the tracker, each of which would take it out.
        while time.monotonic() < heard + IDLE_S / 4:
            workers = state(tracker)["total_connected_workers"]
            assert workers == 1 or time.monotonic() > heard + IDLE_S
        assert state(tracker)["jobs"]["leased"] == 1
    assert finish(tracker, token, count=1).status == 200


@pytest.mark.parametrize("step", [-5 * HOUR_S, 5 * HOUR_S])
def test_a_silent_worker_times_out_whatever_the_clock_says(
    import_jobs, start_troubled, step
):
    import_jobs(1)
    tracker = start_troubled("--idle-timeout", 1, "--quiet")
    take(tracker, tracker.new_worker())
    tracker.set_clock(step)
    wait_until(lambda: state(tracker)["total_connected_workers"] == 0)
    assert jobs(tracker)["open"] == 2


def test_every_answer_is_right_though_the_clock_steps(start_troubled, secret):
    print(f"SEED={SEED}")
    rng = random.Random(SEED)
    args = ["--admin-token-file", secret, "--idle-timeout", IDLE_S, "--quiet"]
    tracker = start_troubled(*args)
    check = Check(tracker, rng.random(), clients=3).begin()
    for burst in range(BURSTS):
        tracker.set_clock(rng.choice(STEPS_S))
        check.burst(is_killed=burst % 4 == 3)


# ---- ends ----


def test_a_stop_amid_calls_keeps_what_it_answered(crowd, run_cah):
    def stop_and_start(tracker, rng):
        assert tracker.stop() == 0
        tracker.start()

    crowd.may_be_away = True
    crowd.run(SECONDS, stop_and_start, every_s=0.2)
    crowd.check(run_cah)


def test_a_request_that_never_ends_does_not_keep_it_from_stopping(tracker):
    with connect(tracker) as sock:
        head = b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
        sock.sendall(head)
        assert tracker.get("/data").status == 200
        tracker.process.send_signal(signal.SIGTERM)
        assert tracker.process.wait(PATIENCE) == 0


def test_all_who_come_back_at_once_after_a_crash_are_served(import_jobs, start_tracker):
    count = 300
    import_jobs(count)
    tracker = start_tracker("--quiet")
    tokens = [tracker.new_worker() for _ in range(count)]
    held = [take(tracker, token)["number"] for token in tokens]
    assert len(set(held)) == count
    kept = [Connection(tracker.address) for _ in tokens]
    kill(tracker, random.Random(SEED))
    for connection in kept:
        connection.close()
    with ThreadPoolExecutor(count) as pool:
        done = pool.map(lambda token: finish(tracker, token, count=1).status, tokens)
        assert list(done) == [200] * count
    assert (jobs(tracker)["done"], jobs(tracker)["leased"]) == (count, 0)
