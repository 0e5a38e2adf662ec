"""cah tasks: the jobs of a project with stages, by the organiser's hand."""

import json
import signal
import sqlite3
import subprocess
import urllib.parse

import pytest

STAGES = ["--stage", "a=One", "--stage", "b=Two", "--quiet"]


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:{tmp_path / 'tracker.db'}"


@pytest.fixture
def tasks(run_cah, uri):
    """Runs `cah tasks ARGS...` over the test's book; checks the status."""

    def run(*args, status=0, **kwargs):
        done = run_cah("tasks", *args, "--store", uri, **kwargs)
        assert done.returncode == status, done.stderr
        assert done.stderr.count("\n") == (status != 0)
        return done

    return run


@pytest.fixture
def put(tmp_path):
    def write(data, name="inputs.txt"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@pytest.fixture
def worked(tasks, put, start_tracker):
    """Three tasks: one done, one at stage b with a report, one that is held."""
    tasks("import", put("one\ntwo\nthree\n"), "--quiet")
    tracker = start_tracker(*STAGES)
    tokens = {}
    for stage in "ab":
        query = urllib.parse.urlencode({"nickname": "me", "stage": stage})
        tokens[stage] = tracker.get(f"/api/new?{query}").json()["token"]

    def call(path, stage, **fields):
        answer = tracker.post(f"/api/{path}", {"token": tokens[stage], **fields})
        assert answer.status == 200, answer
        return answer

    call("newJob", "a")
    call("completeJob", "a", data="1 a\0\x1b[31m")
    call("newJob", "b")
    call("completeJob", "b", data="1 b é")
    call("newJob", "a")
    call("completeJob", "a", data="2 a")
    call("newJob", "b")
    call("flagInvalidData", "b")
    call("newJob", "a")
    tracker.call = call
    return tracker


def test_import_takes_one_input_a_line(tasks, put):
    path = put('one\r\n\n  two \n# three\n<!json!>{"a": 1}\nlast without an end')
    done = tasks("import", path)
    assert done.stdout == "added 5 tasks, 0 were there\n"
    shown = [json.loads(tasks("show", str(n), "--json").stdout) for n in range(1, 6)]
    assert [task["input"] for task in shown] == [
        "one",
        "  two ",
        "# three",
        '<!json!>{"a": 1}',
        "last without an end",
    ]
    assert json.loads(tasks("import", path, "--json").stdout) == {
        "added": 0,
        "there": 5,
    }
    assert tasks("import", "-", "--quiet", input="six\none\n").stdout == ""
    assert json.loads(tasks("count", "--json").stdout)["total"] == 6


def test_import_in_batches_is_the_same_again(tasks, put):
    path = put("".join(f"input {n}\n" for n in range(25_000)))
    assert "added 25000 tasks" in tasks("import", path).stdout
    assert "25000 were there" in tasks("import", path).stdout
    assert json.loads(tasks("show", "25000", "--json").stdout)["input"] == "input 24999"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\n\xff\n", "line 2: the input is not UTF-8"),
        (b"one\ntwo\nth\0ree\n", "line 3"),
        (b"one\n" + b"x" * 65537 + b"\n", "line 2: the input has 65537 bytes"),
    ],
)
def test_import_refuses_what_is_no_input(tasks, put, data, text):
    path = put(data)
    done = tasks("import", path, status=1)
    assert text in done.stderr
    assert "inputs.txt" in done.stderr
    assert json.loads(tasks("count", "--json").stdout)["total"] == 0


def test_import_of_a_file_that_is_not_there_makes_no_book(tasks, put, tmp_path):
    tasks("import", put("one\n"), tmp_path / "none.txt", status=1)
    assert not (tmp_path / "tracker.db").exists()
    tasks("count", status=1)


def test_an_import_that_is_stopped_can_be_run_again(cah, tasks, uri):
    args = [cah, "tasks", "import", "-", "--store", uri, "--quiet"]
    process = subprocess.Popen(args, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"".join(b"input %d\n" % n for n in range(10_001)))
    process.stdin.flush()
    lines = "".join(f"input {n}\n" for n in range(10_001))
    while True:
        done = subprocess.run(
            [cah, "tasks", "count", "--json", "--store", uri],
            check=False,
            capture_output=True,
        )
        if done.returncode == 0 and json.loads(done.stdout)["total"] == 10_000:
            break
    # It waits for more, and not in the way of others.
    assert "added 1 tasks" in tasks("import", "-", input="between\n").stdout
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "added 1 tasks, 10000 were there" in tasks("import", "-", input=lines).stdout


def test_count(worked, tasks):
    count = json.loads(tasks("count", "--json").stdout)
    assert count["a"] == {"open": 0, "leased": 1, "workers": 1}
    assert count["b"] == {"open": 1, "leased": 0, "workers": 1}
    assert (count["done"], count["total"]) == (1, 3)
    lines = [line.split() for line in tasks("count").stdout.splitlines()]
    assert lines[0] == ["stage", "open", "leased", "workers"]
    assert lines[1] == ["a", "0", "1", "1"]
    assert lines[-2:] == [["done", "1"], ["total", "3"]]


def test_list(worked, tasks):
    def numbers(*args):
        rows = tasks("list", *args).stdout.splitlines()
        return [int(row.split("\t")[0]) for row in rows]

    rows = [row.split("\t") for row in tasks("list").stdout.splitlines()]
    assert rows[0][:4] == ["1", "done", "b", "0"]
    assert rows[1][:4] == ["2", "open", "b", "1"]
    assert rows[2][:4] == ["3", "leased", "a", "0"]
    assert rows[2][4]
    assert numbers("--state", "open") == [2]
    assert numbers("--stage", "b") == [1, 2]
    assert numbers("--stage", "b", "--state", "done") == [1]
    assert numbers("--limit", "1", "--offset", "1") == [2]
    assert numbers("--limit", "0") == []
    first = json.loads(tasks("list", "--json").stdout.splitlines()[0])
    assert first == {
        "number": 1,
        "state": "done",
        "stage": "b",
        "reports": 0,
        "holder": "",
    }


def test_show(worked, tasks):
    task = json.loads(tasks("show", "1", "--json").stdout)
    assert task["input"] == "one"
    assert task["results"] == {"a": "1 a\0\x1b[31m", "b": "1 b é"}
    text = tasks("show", "1").stdout
    assert "\x1b" not in text
    assert 'input    "one"' in text
    assert 'b gave   "1 b é"' in text
    assert "held by" in tasks("show", "3").stdout


def test_results(worked, tasks):
    rows = [json.loads(line) for line in tasks("results").stdout.splitlines()]
    assert rows == [{"number": 1, "input": "one", "data": "1 b é"}]
    rows = [
        json.loads(line)
        for line in tasks("results", "--stage", "a").stdout.splitlines()
    ]
    assert [row["data"] for row in rows] == ["1 a\0\x1b[31m", "2 a"]
    assert tasks("results", "--stage", "c").stdout == ""


def test_reset(worked, tasks):
    assert tasks("reset", "1").stdout == "task 1 is open at stage a\n"
    tasks("reset", "3", "--quiet")
    answer = worked.post("/api/completeJob", {"token": "x" * 36, "data": "x"})
    assert answer.status == 404
    count = json.loads(tasks("count", "--json").stdout)
    assert (count["a"]["open"], count["b"]["open"], count["done"]) == (2, 1, 0)
    assert worked.call("newJob", "a").json() == {"data": "one", "number": 1}
    assert json.loads(tasks("show", "1", "--json").stdout)["results"] == {}


@pytest.mark.parametrize(
    ("args", "status"),
    [
        ([], 2),
        (["frob"], 2),
        (["import"], 2),
        (["show"], 2),
        (["show", "0"], 2),
        (["show", "1x"], 2),
        (["show", "99"], 1),
        (["reset", "99"], 1),
        (["count", "x"], 2),
        (["count", "--stage", "a"], 2),
        (["results", "--state", "done"], 2),
        (["list", "--state", "gpu_open"], 2),
        (["list", "--stage", "f"], 2),
        (["list", "--stage", ""], 2),
        (["list", "--limit", "-2"], 2),
    ],
)
def test_bad_usage_is_told_in_one_line(tasks, put, args, status):
    tasks("import", put("one\n"), "--quiet")
    if args:
        tasks(*args, status=status)


def test_a_book_of_the_first_version_gets_the_stages(tasks, put, tmp_path, run_cah):
    """What version 2 added is taken out by hand; the rest is version 1."""
    path = tmp_path / "tracker.db"
    listing = put("crawl/1.wat.gz\n", "wats.txt")
    run_cah("jobs", "import", listing, "--store", f"sqlite:{path}", check=True)
    with sqlite3.connect(path) as db:
        for table in ["tasks", "results"]:
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE workers DROP COLUMN passed")
        for row in db.execute("PRAGMA table_info(counts)").fetchall():
            name = row[1]
            if name.startswith(("a_", "b_", "c_", "d_", "e_", "tasks_", "check_")):
                db.execute(f"ALTER TABLE counts DROP COLUMN {name}")
        for index in ["leaders_pairs", "leaders_cpu", "jobs_check"]:
            db.execute(f"DROP INDEX {index}")
        db.execute("CREATE INDEX leaders_pairs ON leaders (pairs)")
        db.execute("CREATE INDEX leaders_cpu ON leaders (jobs)")
        db.execute("ALTER TABLE leaders DROP COLUMN checked")
        db.execute("ALTER TABLE leaders DROP COLUMN disagreed")
        db.execute("PRAGMA user_version = 1")
    assert tasks("import", put("one\n")).stdout == "added 1 tasks, 0 were there\n"
    assert json.loads(tasks("count", "--json").stdout)["a"]["open"] == 1
    done = run_cah("jobs", "count", "--json", "--store", f"sqlite:{path}", check=True)
    assert json.loads(done.stdout)["open"] == 2
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
