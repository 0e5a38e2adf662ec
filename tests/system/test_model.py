"""The tracker against the model of its book, and the checker against liars."""

import itertools
import os
import random
import time

import pytest
from crowd import Crowd, kill
from liars import LIES, Liar
from model_check import IDLE_S, Check
from worlds import TooMany, Violation

STORES = ["sqlite", "postgres"]
SECONDS = float(os.environ.get("MODEL_SECONDS", "20"))
SEED = int(os.environ.get("SEED", str(int(time.time()))))
KILLED = 0.25  # of the bursts
CROWD_SECONDS = SECONDS / 3
CROWD_WATS = 2500  # twice as many jobs
CROWD_IDLE_S = 3
LIES_MAX = 50  # by then one must have been found


@pytest.fixture(params=STORES)
def new_store(request, tmp_path):
    """The --store of an empty book, each time another."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_cluster").new_database
    numbers = itertools.count()
    return lambda: tmp_path / f"{next(numbers)}.db"


@pytest.fixture
def new_check(start_tracker, new_store, secret):
    """Starts a check of a tracker over an empty book, and ends the one before."""
    options = ["--admin-token-file", secret, "--idle-timeout", IDLE_S, "--quiet"]
    trackers = []

    def start(*args, **kwargs):
        if trackers:
            trackers.pop().stop()
        trackers.append(start_tracker(*options, store=new_store()))
        return Check(trackers[0], *args, **kwargs).begin()

    return start


def test_every_answer_is_one_that_the_book_gives(new_check):
    print(f"SEED={SEED}")
    rng = random.Random(SEED)
    deadline = time.monotonic() + SECONDS
    books = calls = kills = 0
    while time.monotonic() < deadline:
        check = new_check(rng.random(), clients=rng.choice([1, 3, 5]))
        try:
            while not check.is_over and time.monotonic() < deadline:
                check.burst(is_killed=rng.random() < KILLED)
        except TooMany:
            print("too many worlds: another book")
        books += 1
        calls += check.calls
        kills += check.kills
    print(f"{books} books, {calls} calls, {kills} kills")
    assert calls > 0


def test_a_crowd_finds_its_work_in_the_book(
    start_tracker, new_store, import_jobs, run_cah, secret
):
    print(f"SEED={SEED}")
    store = import_jobs(CROWD_WATS, store=new_store())
    # Of one database there may be two.
    trackers = [
        start_tracker("--idle-timeout", CROWD_IDLE_S, "--quiet", store=store)
        for _ in range(2 if str(store).startswith("postgres") else 1)
    ]
    crowd = Crowd(trackers, 2 * CROWD_WATS, CROWD_IDLE_S, SEED)
    crowd.run(CROWD_SECONDS, kill)
    crowd.check(run_cah)
    seen = sum(len(o.totals) + len(o.leaders) for o in crowd.observers)
    print(f"{len(crowd.done)} jobs done, {crowd.troubles} kills, {seen} looks")


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_tracker_that_lies_is_found_out(new_check, lie):
    print(f"SEED={SEED}")
    liar = Liar(lie, SEED)
    with pytest.raises(Violation):
        while liar.count < LIES_MAX:
            check = new_check(SEED, clients=3, transport=liar)
            while not check.is_over:
                check.burst()
    print(f"found after {liar.count} lies and {check.calls} calls")
