"""cah jobs backup, while a tracker works, and what a restored book is good for."""

import json
import os
import resource
import shutil
import sqlite3
import threading

import pytest
from calls import finish, jobs, take


def check(path, run_cah):
    """The book at `path` is whole: no page is broken and all sums agree. Returns
    the jobs by state."""
    done = run_cah("jobs", "count", "--json", "--store", f"sqlite:{path}", check=True)
    told = json.loads(done.stdout)
    with sqlite3.connect(path) as book:
        assert book.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

        def ask(sql):
            return book.execute(sql).fetchone()[0]

        total = ask("SELECT count(*) FROM jobs")
        assert told["total"] == total
        assert told["done"] == ask("SELECT count(*) FROM jobs WHERE state = 4")
        assert told["leased"] == ask("SELECT count(*) FROM workers WHERE job > 0")
        assert told["pairs"] == ask("SELECT sum(pairs) FROM jobs")
        assert told["pairs"] == ask("SELECT coalesce(sum(pairs), 0) FROM leaders")
        assert told["done"] == ask("SELECT coalesce(sum(jobs), 0) FROM leaders")
    book.close()
    return told


class Load:
    """Workers that take jobs and finish them until the end of the block."""

    def __init__(self, tracker, count=4):
        self.tracker = tracker
        self.is_over = threading.Event()
        self.done = [0] * count  # acknowledged, by worker
        self.threads = [
            threading.Thread(target=self.work, args=(i,)) for i in range(count)
        ]

    def work(self, i):
        token = self.tracker.new_worker(nickname=f"worker {i}")
        while not self.is_over.is_set():
            take(self.tracker, token)
            if finish(self.tracker, token, count=3).status == 200:
                self.done[i] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *args):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def backup(run_cah):
    def run(store, path, *args, status=0, **kwargs):
        done = run_cah(
            *("jobs", "backup", path, "--store", f"sqlite:{store}", *args), **kwargs
        )
        assert done.returncode == status, done.stderr
        assert done.stderr.count("\n") == (0 if status == 0 else 1)
        return done

    return run


def test_copies_of_a_book_under_load_are_whole(
    import_jobs, start_tracker, backup, run_cah, tmp_path
):
    store = import_jobs(20_000)
    tracker = start_tracker("--quiet")
    with Load(tracker) as load:
        for i in range(6):
            before = sum(load.done)
            backup(store, tmp_path / f"copy{i}.db")
            after = sum(load.done) + len(load.threads)
            counts = check(tmp_path / f"copy{i}.db", run_cah)
            # What was acknowledged before it began is in it.
            assert before <= counts["done"] <= after
    assert check(store, run_cah)["done"] == sum(load.done) > 0


def test_a_restored_book_goes_on(import_jobs, start_tracker, backup, run_cah, tmp_path):
    """Step by step as docs/running-a-tracker.md has it."""
    store = import_jobs(1000)
    tracker = start_tracker("--quiet")
    early = tracker.new_worker(nickname="early")
    held = take(tracker, early)
    with Load(tracker) as load:
        backup(store, tmp_path / "copy.db")
    kept = check(tmp_path / "copy.db", run_cah)
    late = tracker.new_worker(nickname="late")
    take(tracker, late)

    tracker.stop()
    for suffix in ["", "-wal", "-shm"]:
        (tmp_path / f"tracker.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", store)
    tracker.start()

    assert jobs(tracker)["done"] == kept["done"] <= sum(load.done)
    # Who is in the copy goes on, who came later registers anew.
    assert finish(tracker, early, count=5).status == 200
    assert finish(tracker, late, count=5).status == 404
    with Load(tracker) as load:
        pass
    assert check(store, run_cah)["done"] == kept["done"] + 1 + sum(load.done)
    with sqlite3.connect(store) as book:
        state = "SELECT state FROM jobs WHERE number = ?"
        assert book.execute(state, [held["number"]]).fetchone() == (4,)
    book.close()


def test_a_file_that_is_there_stays(import_jobs, backup, run_cah, tmp_path):
    store = import_jobs(10)
    path = tmp_path / "copy.db"
    path.write_text("of before")
    assert "--force" in backup(store, path, status=1).stderr
    assert path.read_text() == "of before"
    assert backup(store, path, "--force", "--quiet").stdout == ""
    assert check(path, run_cah)["open"] == 20
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == ["copy.db"]


def test_a_book_is_not_replaced_by_its_copy(tracker, backup, tmp_path):
    assert "in use" in backup(tracker.store, tracker.store, "--force", status=1).stderr
    take(tracker, tracker.new_worker())


@pytest.mark.parametrize("suffix", ["-wal", "-shm", ".lock"])
def test_what_belongs_to_a_book_is_not_replaced(suffix, tracker, backup, run_cah):
    token = tracker.new_worker()
    path = f"{tracker.store}{suffix}"
    said = backup(tracker.store, path, "--force", status=2).stderr
    assert f"is a file of the book {tracker.store}" in said
    args = ("--format", "csv", "--store", f"sqlite:{tracker.store}")
    for name, status in ((path, 2), (tracker.store, 1)):
        done = run_cah("jobs", "export", name, *args)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1)
    take(tracker, token)
    finish(tracker, token, count=3)
    assert check(tracker.store, run_cah)["done"] == 1


def test_what_is_no_file_is_not_replaced(import_jobs, backup, tmp_path):
    store = import_jobs(1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "no plain file" in backup(store, pipe, "--force", status=1).stderr
    assert pipe.is_fifo()
    backup(store, tmp_path / "nowhere" / "copy.db", status=1)


def test_a_disk_that_is_full_leaves_nothing(import_jobs, run_cah, tmp_path):
    store = import_jobs(5000)
    done = run_cah(
        *("jobs", "backup", tmp_path / "copy.db", "--store", f"sqlite:{store}"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not [p for p in tmp_path.iterdir() if "copy" in p.name]


def test_the_report(import_jobs, backup, tmp_path):
    store = import_jobs(1)
    path = tmp_path / "a.db"
    assert backup(store, path).stdout == f"{path} has {path.stat().st_size} bytes\n"
    told = json.loads(backup(store, tmp_path / "b.db", "--json").stdout)
    assert told == {"file": str(tmp_path / "b.db"), "bytes": path.stat().st_size}


def test_a_database_has_its_own_tool(import_jobs, postgres, run_cah, tmp_path):
    import_jobs(1, store=postgres)
    done = run_cah("jobs", "backup", tmp_path / "copy.db", "--store", postgres)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pg_dump" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "copy.db").exists()
