"""cah jobs, as an organiser types it."""

import fcntl
import gzip
import json
import os
import pty
import signal
import sqlite3
import subprocess

import pytest

PATHS = [f"crawl-data/TEST/wat/{k:05d}.warc.wat.gz" for k in range(5)]
BASE = "https://data.commoncrawl.org/"


@pytest.fixture
def jobs(run_cah, tmp_path):
    """jobs(ACTION, ...) on a store of its own, by default to succeed."""

    def run(*args, status=0, **kwargs):
        done = run_cah("jobs", *args, "--store", f"sqlite:{tmp_path}/book.db", **kwargs)
        assert done.returncode == status, (done.stdout, done.stderr)
        if status != 0:
            assert done.stdout == ""
            assert done.stderr.startswith("cah jobs: ")
            assert done.stderr.count("\n") == 1, done.stderr
        return done

    return run


@pytest.fixture
def put(tmp_path):
    """put(LINES) -> a list file; bytes are written as they are."""

    def write(content, name="wat.paths"):
        if not isinstance(content, bytes):
            content = "".join(line + "\n" for line in content).encode()
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def listed(jobs, *args):
    out = jobs("list", "--json", "--limit", "1000", *args).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_import_makes_two_jobs_a_wat_with_numbers_and_ids(jobs, put):
    assert jobs("import", put(PATHS)).stdout == "added 10 jobs, 0 were there\n"
    rows = listed(jobs)
    assert len(rows) == 10
    for i, row in enumerate(rows):
        k, piece = divmod(i, 2)
        assert row == {
            "number": 2 * k + 1 + piece,
            "state": "open",
            "url": BASE + PATHS[k],
            "piece": piece,
            "start_id": 1_000_000 * k,
            "end_id": 1_000_000 * (k + 1),
            "pairs": 0,
            "gpu_url": "",
            "holder": "",
            "made_by": "",
            "done_by": "",
        }


def test_import_again_adds_only_what_is_new(jobs, put):
    jobs("import", put(PATHS[:3]))
    again = jobs("import", put(PATHS), "--json")
    assert json.loads(again.stdout) == {"added": 4, "there": 6}
    assert jobs("import", put(PATHS), "--quiet").stdout == ""
    assert [r["url"] for r in listed(jobs)[::2]] == [BASE + p for p in PATHS]


def plain(data):
    return data


def members(data):
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + b"\0" * 512


@pytest.mark.parametrize("pack", [plain, gzip.compress, members])
@pytest.mark.parametrize("way", ["file", "url", "stdin"])
def test_lists_come_from_anywhere_plain_or_gzip(jobs, put, site, pack, way):
    data = pack(("\n".join(PATHS)).encode())
    if way == "file":
        jobs("import", put(data, "a.list"))
    elif way == "url":
        jobs("import", site.put("wat.paths", data))
    else:
        with open(put(data), "rb") as stdin:
            jobs("import", "-", stdin=stdin)
    assert [r["url"] for r in listed(jobs)[::2]] == [BASE + p for p in PATHS]


def test_many_lists_are_one_import(jobs, put):
    first, second = put(PATHS[:2], "a"), put(gzip.compress(PATHS[2].encode()), "b.gz")
    assert jobs("import", first, second).stdout.startswith("added 6 ")


def test_lines_may_have_blanks_comments_marks_and_schemes(jobs, put):
    text = (
        "\ufeff# a comment\r\n\r\n  /slash/a.gz \t\r\nb.gz\r\n"
        "http://other/c.gz\nS3://bucket/d.gz\n\n#\ngit+ssh://h/e.gz\n1a://f.gz\nlast.gz"
    )
    jobs("import", put(text.encode()), "--base-url", "https://x/y//")
    assert [r["url"] for r in listed(jobs)[::2]] == [
        "https://x/y/slash/a.gz",
        "https://x/y/b.gz",
        "http://other/c.gz",
        "S3://bucket/d.gz",
        "git+ssh://h/e.gz",
        "https://x/y/1a://f.gz",
        "https://x/y/last.gz",
    ]


def test_an_empty_base_leaves_names_of_files(jobs, put):
    jobs("import", put(["/data/a.gz", "b.gz"]), "--base-url", "")
    assert [r["url"] for r in listed(jobs)[::2]] == ["/data/a.gz", "b.gz"]


@pytest.mark.parametrize("base", ["https://x", "https://x/", "https://x///"])
@pytest.mark.parametrize("path", ["a/b", "/a/b", "//a/b"])
def test_base_and_path_are_joined_by_one_slash(jobs, put, base, path):
    jobs("import", put([path]), "--base-url", base)
    assert listed(jobs)[0]["url"] == "https://x/a/b"


def test_the_longest_url_has_2048_bytes(jobs, put):
    longest = "x" * (2048 - len(BASE))
    jobs("import", put([longest]))
    done = jobs("import", put([longest + "x"]), status=1)
    assert "line 1" in done.stderr
    assert "2048" in done.stderr
    assert "2048" in jobs("import", put(b"x" * 1_000_000), status=1).stderr


BROKEN = {
    "blank inside": (b"ok\na b\n", "line 2"),
    "not UTF-8": (b"ok\nok\n\xff\xfe\n", "line 3"),
    "NUL": (b"a\0b\n", "line 1"),
    "a web page": (b"<html>\n<body class='x'>\n", "line 2"),
    "gzip cut": (gzip.compress(b"x\n" * 9999)[:-20], "ends too early"),
    "gzip broken": (gzip.compress(b"x")[:12] + b"\xff" * 30, "broken gzip"),
    "gzip checksum": (gzip.compress(b"x")[:-8] + b"\0" * 8, "broken gzip"),
    "gzip and more": (gzip.compress(b"x") + b"more", "something else follows"),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_broken_list_changes_nothing(jobs, put, tmp_path, why):
    data, text = BROKEN[why]
    good = put(PATHS, "good")
    bad = put(data, "bad")
    done = jobs("import", good, bad, status=1)
    assert text in done.stderr
    assert str(bad) in done.stderr
    assert not (tmp_path / "book.db").exists()
    jobs("import", good)
    jobs("import", put(["new"], "new"), bad, status=1)
    assert len(listed(jobs)) == 10


def test_a_wat_is_no_list(jobs):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    wat = os.path.join(root, "demo", "docs-en.warc.wat.gz")
    assert "not a path or URL" in jobs("import", wat, status=1).stderr


def test_what_is_not_there_is_named(jobs, site, tmp_path):
    assert "none.gz" in jobs("import", tmp_path / "none.gz", status=1).stderr
    assert "404" in jobs("import", f"{site.url}/none.gz", status=1).stderr
    assert "no store" in jobs("count", status=1).stderr
    assert not (tmp_path / "book.db").exists()


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["bla"],
        ["import"],
        ["show"],
        ["show", "x"],
        ["show", "0"],
        ["reset", "1", "2"],
        ["count", "more"],
        ["list", "--state", "closed"],
        ["list", "--limit", "-1"],
        ["list", "--what"],
        ["count", "--force"],
        ["list", "--format=csv"],
        ["show", "1", "--limit", "2"],
        ["--to", "postgresql://", "backup", "copy.db"],
        ["import", "-", "--base-url", "data.commoncrawl.org"],
        ["import", "-", "--base-url", "https://a b/"],
    ],
)
def test_bad_usage_is_one_line_and_2(jobs, put, args):
    jobs("import", put(PATHS))
    jobs(*args, status=2, stdin=subprocess.DEVNULL)


def test_stores_that_are_none(run_cah, tmp_path, put):
    paths = put(PATHS)
    for uri, status in [
        ("cah.db", 2),
        ("mysql://x", 2),
        (f"sqlite:{paths}", 1),
        (f"sqlite:{tmp_path}", 1),
        (f"sqlite:{tmp_path}/no/book.db", 1),
    ]:
        done = run_cah("jobs", "import", paths, "--store", uri)
        assert done.returncode == status
        assert done.stderr.count("\n") == 1
    assert paths.read_text().splitlines() == PATHS


def test_a_newer_book_is_left_alone(jobs, put, tmp_path):
    jobs("import", put(PATHS))
    with sqlite3.connect(tmp_path / "book.db") as db:
        db.execute("PRAGMA user_version = 7")
    assert "schema 7" in jobs("count", status=1).stderr


def test_count(jobs, put):
    jobs("import", put(PATHS))
    assert json.loads(jobs("count", "--json").stdout) == {
        "open": 10,
        "leased": 0,
        "gpu_open": 0,
        "gpu_leased": 0,
        "done": 0,
        "check_open": 0,
        "check_leased": 0,
        "total": 10,
        "pairs": 0,
        "finished_last_hour": 0,
    }
    assert jobs("count").stdout.split()[:2] == ["open", "10"]


def test_list_has_pages(jobs, put):
    jobs("import", put([f"{k}.gz" for k in range(300)]))

    def numbers(*args):
        return [
            int(line.split("\t")[0]) for line in jobs("list", *args).stdout.splitlines()
        ]

    assert numbers() == list(range(1, 21))
    assert numbers("--limit", "0") == []
    assert numbers("--limit", "250") == list(range(1, 251))
    assert numbers("--offset", "590") == list(range(591, 601))
    assert numbers("--offset", "600") == []
    assert numbers("--state", "open", "--offset", "399", "--limit", "201") == list(
        range(400, 601)
    )
    assert numbers("--state", "done") == []


def test_work_is_shown_and_reset(tracker, run_cah):
    """While a tracker holds the book."""
    store = ["--store", f"sqlite:{tracker.store}"]
    token = tracker.new_worker(nickname="Ann")
    body = {"token": token, "type": "HYBRID"}
    assert tracker.post("/api/newJob", body).status == 200

    def show(number):
        return json.loads(
            run_cah("jobs", "show", number, "--json", *store, check=True).stdout
        )

    held = show(1)
    assert held["state"] == "leased"
    assert held["holder"] != ""
    assert tracker.post("/api/markAsDone", {**body, "count": 7}).status == 200
    done = show(1)
    assert (done["state"], done["pairs"], done["done_by"]) == ("done", 7, "Ann")
    text = run_cah("jobs", "show", "1", *store, check=True).stdout
    assert "done by   Ann" in text
    assert run_cah("jobs", "reset", "1", *store).stdout == "job 1 is open\n"
    assert show(1)["state"] == "open"
    assert run_cah("jobs", "reset", "99", *store).returncode == 1
    answer = tracker.post("/api/newJob", body)
    assert answer.json()["number"] == 1


def test_jobs_are_added_while_a_tracker_runs(tracker, import_jobs):
    assert tracker.get("/api/jobCount?type=HYBRID").text == "20"
    import_jobs(12, store=tracker.store)
    assert tracker.get("/api/jobCount?type=HYBRID").text == "24"


def test_the_claim_is_the_trackers_alone(jobs, put, tmp_path):
    jobs("import", put(PATHS[:1]))
    with open(tmp_path / "book.db.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs("import", put(PATHS))
        assert len(listed(jobs)) == 10


def test_an_import_that_has_to_wait_for_another_gives_up_whole(jobs, put, tmp_path):
    jobs("import", put(PATHS[:1]))
    db = sqlite3.connect(tmp_path / "book.db")
    db.execute("BEGIN IMMEDIATE")
    done = jobs("import", put(PATHS), status=1)
    assert "another process" in done.stderr
    assert len(listed(jobs)) == 2
    db.rollback()
    db.close()
    jobs("import", put(PATHS))
    assert len(listed(jobs)) == 10


def test_many_may_begin_a_book_at_once(cah, put, tmp_path):
    lists = [put([f"{i}/{k}.gz" for k in range(500)], f"list{i}") for i in range(6)]
    args = ["--store", f"sqlite:{tmp_path}/book.db", "--json"]
    running = [
        subprocess.Popen(
            [cah, "jobs", "import", str(path), *args], stdout=subprocess.PIPE
        )
        for path in lists
    ]
    for process in running:
        out = process.communicate(timeout=60)[0]
        assert process.returncode == 0
        assert json.loads(out) == {"added": 1000, "there": 0}
    with sqlite3.connect(tmp_path / "book.db") as db:
        assert db.execute(
            "SELECT count(*), max(number), total FROM jobs, "
            "(SELECT open AS total FROM counts)"
        ).fetchone() == (6000, 6000, 6000)


def test_ctrl_c_ends_an_import_with_nothing_done(cah, tmp_path):
    process = subprocess.Popen(
        [cah, "jobs", "import", "-", "--store", f"sqlite:{tmp_path}/book.db"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # More than a pipe holds: it has begun to read when all is written.
    process.stdin.write("a.gz\n" * 100_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    said = process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert said.count("\n") == 1
    assert not (tmp_path / "book.db").exists()


def test_options_come_from_the_environment(run_cah, put, tmp_path):
    env = {"CAH_STORE": f"sqlite:{tmp_path}/env.db", "CAH_BASE_URL": "https://env/"}
    run_cah("jobs", "import", put(PATHS), env=env, check=True)
    out = run_cah("jobs", "list", "--limit", "1", env=env, check=True).stdout
    assert out == f"1\topen\t0\t0\thttps://env/{PATHS[0]}\n"


def test_progress_is_for_terminals(cah, put, tmp_path):
    """And is gone from the line when all is done."""
    paths = put([f"{k}.gz" for k in range(20_000)])
    args = [cah, "jobs", "import", str(paths), "--store", f"sqlite:{tmp_path}/book.db"]
    leader, follower = pty.openpty()
    done = subprocess.run(
        args, stderr=follower, stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    os.close(follower)
    said = os.read(leader, 65536).decode()
    os.close(leader)
    assert "importing: 10000 of 20000 WATs" in said
    assert said.endswith("\r\x1b[K")
    assert done.stdout == "added 40000 jobs, 0 were there\n"


def test_an_answer_that_cannot_be_written_is_a_failure(cah, put, jobs, tmp_path):
    jobs("import", put(PATHS))
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [cah, "jobs", "list", "--store", f"sqlite:{tmp_path}/book.db"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "cah jobs: cannot write standard output\n"


def test_help_tells_all(run_cah):
    out = run_cah("jobs", "--help", check=True).stdout
    for word in [
        "import",
        "count",
        "list",
        "show",
        "reset",
        "--store",
        "--base-url",
        "examples",
    ]:
        assert word in out
