"""cah jobs move: a project from SQLite to PostgreSQL."""

import json
import sqlite3

import pytest

# Sums that both books must have, in both dialects.
SUMS = [
    "SELECT count(*), sum(state), sum(pairs), sum(number * holder) FROM jobs",
    "SELECT count(*), sum(id) FROM wats",
    "SELECT sum(jobs), sum(pairs), count(*) FROM leaders",
    "SELECT sum(job), sum(jobs_completed), count(*), max(last_seen_s) FROM workers",
    "SELECT sum(open), sum(leased), sum(done), sum(pairs), sum(wats) FROM counts",
    "SELECT count(*), max(gpu_url) FROM jobs WHERE gpu_url IS NOT NULL",
    "SELECT sum(jobs) FROM minutes",
    "SELECT max(value) FROM settings",
]
BANNER = '"quotes", \\N, \\t and é'


@pytest.fixture
def project(admin_tracker):
    """A stopped tracker's project in all states, and its two workers' tokens."""
    tracker = admin_tracker
    headers = {"Authorization": "Bearer a secret of the organiser"}
    banner = tracker.post("/admin/set-banner", {"text": BANNER}, headers=headers)
    assert banner.status == 200
    tokens = [tracker.new_worker(nickname=name) for name in ("one", 'tw"o\\')]
    cpu = tracker.new_worker(type="CPU")
    for token in tokens:
        tracker.post("/api/newJob", {"token": token})
        done = {"token": token, "type": "HYBRID", "count": 70}
        assert tracker.post("/api/markAsDone", done).status == 200
        tracker.post("/api/newJob", {"token": token})
    tracker.post("/api/newJob", {"token": cpu, "type": "CPU"})
    done = {"token": cpu, "type": "CPU", "url": "https://x/\\t"}
    assert tracker.post("/api/markAsDone", done).status == 200
    assert tracker.stop() == 0
    return tracker.store, tokens


def rows(db, sql):
    return "|".join("" if v is None else str(v) for v in db.execute(sql).fetchone())


def test_everything_moves_and_work_goes_on(
    project, postgres, postgres_cluster, run_cah, start_tracker
):
    store, tokens = project
    args = ["--from", f"sqlite:{store}", "--to", postgres]
    moved = run_cah("jobs", "move", *args, "--json", check=True)
    assert json.loads(moved.stdout) == {"jobs": 20}
    with sqlite3.connect(store) as db:
        for sql in SUMS:
            assert postgres_cluster.sql(sql, postgres) == rows(db, sql), sql
    tracker = start_tracker("--quiet", store=postgres)
    for token in tokens:
        done = {"token": token, "type": "HYBRID", "count": 1}
        assert tracker.post("/api/markAsDone", done).status == 200
    # Ids go on behind those that came.
    token = tracker.new_worker(nickname="three")
    assert tracker.post("/api/newJob", {"token": token}).status == 200


def test_a_target_with_something_in_it_is_left(
    project, postgres, postgres_cluster, run_cah, import_jobs
):
    import_jobs(1, store=postgres)
    args = ["--from", f"sqlite:{project[0]}", "--to", postgres]
    moved = run_cah("jobs", "move", *args)
    assert moved.returncode != 0
    assert "is not empty" in moved.stderr
    assert postgres_cluster.sql("SELECT count(*) FROM jobs", postgres) == "2"


def test_a_book_in_use_does_not_move(project, postgres, run_cah, start_tracker):
    start_tracker("--quiet", store=project[0])
    args = ["--from", f"sqlite:{project[0]}", "--to", postgres]
    moved = run_cah("jobs", "move", *args)
    assert moved.returncode == 1
    assert "another tracker uses" in moved.stderr


def test_a_target_in_use_is_left(project, postgres, run_cah, start_tracker):
    start_tracker("--quiet", store=postgres)
    args = ["--from", f"sqlite:{project[0]}", "--to", postgres]
    moved = run_cah("jobs", "move", *args)
    assert moved.returncode == 1
    assert "another tracker uses" in moved.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--from", "sqlite:cah.db"],
        ["--from", "sqlite:cah.db", "--to", "sqlite:other.db"],
    ],
)
def test_only_a_way_that_there_is(args, run_cah, import_jobs, tmp_path):
    import_jobs(1, store=tmp_path / "cah.db")
    moved = run_cah("jobs", "move", *args, cwd=tmp_path)
    assert moved.returncode == 2
    assert moved.stderr.count("\n") == 1
    assert not (tmp_path / "other.db").exists()
