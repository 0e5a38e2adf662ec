"""The Python worker of a project with stages, against real trackers."""

import json
import subprocess
import sys
import threading

import pytest
from conftest import ROOT
from crawlingathome import distcompute as dc

errors = dc.errors
NAMES = {"a": "Scraper", "b": "Loader", "c": "Filter", "d": "Scorer", "e": "Packer"}
STAGES = [
    arg for letter, name in NAMES.items() for arg in ("--stage", f"{letter}={name}")
]
PROJECT = ["--project", "Big", *STAGES, "--quiet"]
SECONDS = 60  # that a worker's process may take

# Takes jobs until it has done as many as it is told to, and adds its letter.
WORKER = """
import sys, time
from crawlingathome import distcompute as dc

url, stage, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = dc.init(url, stage, "worker of " + stage)
while left > 0:
    try:
        client.new_job()
    except dc.errors.ZeroJobError:
        time.sleep(0.05)
        continue
    was = client.job if isinstance(client.job, dict) else {"text": client.job}
    client.complete_job({**was, "way": was.get("way", "") + stage})
    left -= 1
client.bye()
"""


@pytest.fixture
def add(run_cah, tmp_path):
    """Adds tasks to the tracker's book."""

    def run(*lines):
        uri = f"sqlite:{tmp_path / 'tracker.db'}"
        text = "".join(f"{line}\n" for line in lines)
        run_cah("tasks", "import", "-", "--store", uri, input=text, check=True)

    return run


@pytest.fixture
def staged(add, start_tracker):
    add("one", "two", "three")
    return start_tracker(*PROJECT)


def init(tracker, stage="a", **options):
    options = {"verbose": False, "retry_s": 30, **options}
    return dc.init(tracker.url, stage, "me", **options)


def results(run_cah, tmp_path, *args):
    uri = f"sqlite:{tmp_path / 'tracker.db'}"
    done = run_cah("tasks", "results", "--store", uri, *args, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_five_stages_of_processes(staged, run_cah, tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, staged.url, letter, "3"])
        for letter in reversed(NAMES)
    ]
    assert [worker.wait(SECONDS) for worker in workers] == [0] * 5
    found = results(run_cah, tmp_path)
    assert [row["input"] for row in found] == ["one", "two", "three"]
    for row in found:
        assert row["data"].startswith("<!json!>")
        data = json.loads(row["data"].removeprefix("<!json!>"))
        assert data == {"text": row["input"], "way": "abcde"}
    half = results(run_cah, tmp_path, "--stage", "b")
    assert [json.loads(row["data"][8:])["way"] for row in half] == ["ab"] * 3
    assert staged.get("/data").json()["tasks"] == {"done": 3, "total": 3}
    assert staged.get("/data").json()["total_connected_workers"] == 0


def test_the_example(add, start_tracker, run_cah, tmp_path):
    add("to be or not to be", "fox")
    tracker = start_tracker("--stage", "a=Split", "--stage", "b=Count", "--quiet")
    workers = [
        subprocess.Popen(
            [sys.executable, ROOT / "examples/stages.py", stage, tracker.url]
            + ["--patience", "2"],
            stderr=subprocess.DEVNULL,
        )
        for stage in "ab"
    ]
    assert [worker.wait(SECONDS) for worker in workers] == [0, 0]
    data = [json.loads(row["data"][8:]) for row in results(run_cah, tmp_path)]
    assert data == [{"to": 2, "be": 2, "or": 1, "not": 1}, {"fox": 1}]


def test_what_a_client_knows(staged):
    client = init(staged, "B")
    assert client.stage == "b"
    assert client.url == staged.url
    assert client.project == client.project_name == "Big"
    assert client.stage_name == "Loader"
    assert client.nickname == "me"
    assert client.job is client.job_id is client.job_number is None
    assert client.display_name in repr(client)
    assert client.is_alive()
    assert client.job_count() == 0
    first = init(staged, "along")
    assert first.stage == "a"
    assert first.job_count() == 3
    first.new_job()
    assert (first.job, first.job_id, first.job_number) == ("one", 1, 1)
    first.log("Grüße " * 100)
    page = staged.get(f"/worker/scraper/{first.display_name}/data").json()
    assert page["progress"] == ("Grüße " * 100)[:255]
    first.complete_job("x")
    assert first.job is first.job_id is None
    assert client.job_count() == 1


@pytest.mark.parametrize(
    "data",
    [
        "",
        "text",
        "a\0b\n",
        "日本語 🐈",
        "x" * 1024 * 1024,
        [],
        ["a", 1, None, {"b": [True, 1.5]}],
        {"file": "s3://results/1.tar", "n": 10**30, "é": "\0\ud800"},
    ],
    ids=["empty", "text", "nul", "text2", "1MiB", "[]", "list", "dict"],
)
def test_data_comes_as_it_went(staged, data):
    first, second = init(staged, "a"), init(staged, "b")
    first.new_job()
    first.complete_job(data)
    second.new_job()
    assert second.job == data
    assert type(second.job) is type(data)


def test_what_is_no_data_is_refused(staged):
    client = init(staged)
    client.new_job()
    for data in [None, 5, ("a",), b"x", {"a": object()}, "\ud800"]:
        with pytest.raises((ValueError, TypeError)):
            client.complete_job(data)
    with pytest.raises(ValueError, match="more than"):
        client.complete_job("x" * (1024 * 1024 + 1))
    assert client.job == "one"
    client.complete_job("fine")


def test_json_that_is_none_is_held_as_text(staged):
    first, second = init(staged, "a"), init(staged, "b")
    first.new_job()
    first.complete_job("<!json!>{broken")
    for _ in range(5):
        with pytest.raises(ValueError, match="Expecting"):
            second.new_job()
        assert (second.job, second.job_id) == ("<!json!>{broken", 1)
        second.flag_invalid_data()
        assert second.job is second.job_id is None
    with pytest.raises(errors.ZeroJobError):
        second.new_job()
    assert first.job_count() == 3


def test_errors_are_those_of_the_package(staged):
    client = init(staged)
    with pytest.raises(errors.ZeroJobError):
        client.complete_job("x")
    with pytest.raises(errors.ZeroJobError):
        client.flag_invalid_data()
    with pytest.raises(errors.ZeroJobError, match=r"\(status 403\)"):
        init(staged, "c").new_job()
    client.new_job()
    client.bye()
    assert client.job is None
    assert not client.is_alive()
    client.bye()
    client.log("who am I")
    with pytest.raises(errors.WorkerTimedOutError):
        client.new_job()
    for stage in ["f", "", "1"]:
        with pytest.raises(ValueError, match="stage"):
            init(staged, stage)
    with pytest.raises(ValueError, match="nickname"):
        dc.init(staged.url, "a", "", verbose=False)


def test_a_stage_that_is_off(start_tracker):
    tracker = start_tracker("--stage", "a=Only", "--quiet")
    with pytest.raises(ValueError, match=r"stage: unknown or off \(status 400\)"):
        init(tracker, "b")


def test_a_tracker_that_is_away(staged):
    client = init(staged, retry_s=1)
    staged.kill()
    with pytest.raises(errors.ServerError):
        client.new_job()


def test_a_tracker_that_dies_and_comes_back(staged):
    client, second = init(staged), init(staged, "b")
    client.new_job()
    staged.kill()
    again = threading.Timer(0.5, staged.start)
    again.start()
    client.complete_job(["after the fall"])
    again.join()
    second.new_job()
    assert second.job == ["after the fall"]


def test_a_worker_that_was_silent(add, start_tracker):
    add("only")
    tracker = start_tracker(*PROJECT, "--idle-timeout", "1")
    client = init(tracker)
    client.new_job()
    other = init(tracker)
    while other.job_count() == 0:
        assert other.is_alive()
    other.new_job()
    with pytest.raises(errors.WorkerTimedOutError):
        client.complete_job("late")
    assert client.job is None
    other.complete_job("in time")


def test_a_call_can_be_cancelled(staged):
    client = init(staged, retry_s=-1)
    staged.kill()
    threading.Timer(0.3, client.cancel).start()
    with pytest.raises(KeyboardInterrupt):
        client.new_job()


def test_verbose_tells_what_happens(staged, capsys):
    client = init(staged, verbose=True)
    client.new_job()
    client.complete_job("x")
    said = capsys.readouterr()
    assert said.out == ""
    assert client.display_name in said.err
    assert "job 1 is done" in said.err
    init(staged).new_job()
    assert capsys.readouterr().err == ""
