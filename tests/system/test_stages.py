"""The second dialect: a project whose jobs go through stages (docs/stages.md)."""

import threading
import urllib.parse

import pytest
from calls import NOBODY, wait_until

STAGES = ["--stage", "a=Scraper", "--stage", "b=Loader", "--stage", "c=Filter"]
PROJECT = ["--project", "Big <Data>", *STAGES, "--quiet"]
JSON_TYPE = {"Content-Type": "application/json"}
JSON_DATA = '<!json!>{"urls": ["http://a.test/\\u00e9"], "n": 1}'


@pytest.fixture
def import_tasks(run_cah, tmp_path):
    def run(lines, store=None):
        listing = tmp_path / "inputs.txt"
        listing.write_bytes("".join(f"{line}\n" for line in lines).encode())
        uri = f"sqlite:{store or tmp_path / 'tracker.db'}"
        return run_cah("tasks", "import", listing, "--store", uri, check=True)

    return run


@pytest.fixture
def staged(import_tasks, start_tracker):
    """A tracker of three stages with three tasks."""
    import_tasks(["one", "two", "three"])
    return start_tracker(*PROJECT)


def new(tracker, stage, nickname="me"):
    query = urllib.parse.urlencode({"nickname": nickname, "stage": stage})
    answer = tracker.get(f"/api/new?{query}")
    assert answer.status == 200, answer
    return answer.json()


def token_of(tracker, stage):
    return new(tracker, stage)["token"]


def take(tracker, token):
    return tracker.post("/api/newJob", {"token": token})


def finish(tracker, token, data):
    return tracker.post("/api/completeJob", {"token": token, "data": data})


def flag(tracker, token):
    return tracker.post("/api/flagInvalidData", {"token": token})


def open_jobs(tracker):
    return [int(tracker.get(f"/api/jobCount?stage={s}").text) for s in "abc"]


def stages(tracker):
    """(open, leased) of each stage, and how many are done."""
    data = tracker.get("/data").json()
    rows = [(row["open"], row["leased"]) for row in data["stages"]]
    return [*rows, data["tasks"]["done"]]


def test_new_tells_of_the_project(staged):
    got = new(staged, "b", "Zoë & co")
    assert set(got) == {"token", "display_name", "project", "stage_name"}
    assert got["project"] == "Big <Data>"
    assert got["stage_name"] == "Loader"


def test_a_job_goes_through_all_stages(staged):
    workers = {stage: token_of(staged, stage) for stage in "abc"}
    assert take(staged, workers["b"]).status == 403
    got = take(staged, workers["a"]).json()
    assert got == {"data": "one", "number": 1}
    assert open_jobs(staged) == [2, 0, 0]
    answer = finish(staged, workers["a"], JSON_DATA)
    assert (answer.status, answer.text) == (200, "200 OK")
    assert open_jobs(staged) == [2, 1, 0]
    assert take(staged, workers["b"]).json() == {"data": JSON_DATA, "number": 1}
    assert finish(staged, workers["b"], "").status == 200
    assert take(staged, workers["c"]).json() == {"data": "", "number": 1}
    assert finish(staged, workers["c"], "done").status == 200
    assert stages(staged) == [(2, 0), (0, 0), (0, 0), 1]
    assert take(staged, workers["c"]).status == 403


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\0",
        "a\0\1b\0",
        "\x1b[31m\t\r\n",
        "ελληνικά 🐈 " * 100,
        "<!json!>not json",
        "x" * 1024 * 1024,
        "é" * (512 * 1024),
        "\0" * 600_000,
    ],
    ids=["empty", "nul", "nuls", "controls", "text", "json", "1MiB", "é", "NULs"],
)
def test_data_comes_as_it_went(staged, data):
    first, second = token_of(staged, "a"), token_of(staged, "b")
    assert take(staged, first).status == 200
    assert finish(staged, first, data).text == "200 OK"
    assert take(staged, second).json() == {"data": data, "number": 1}


def test_the_statuses_of_the_table(staged):
    token = token_of(staged, "a")
    before = staged.get("/data").json()
    for query in ["stage=d", "stage=f", "stage=A", "stage=", "stage=ab", "stage=a%00"]:
        answer = staged.get(f"/api/new?nickname=me&{query}")
        assert (answer.status, answer.text) == (400, "stage: unknown or off")
        assert staged.get(f"/api/jobCount?{query}").status == 400
    assert staged.get("/api/new?stage=a").status == 422
    assert staged.get("/api/new?stage=a&nickname=").status == 422
    assert staged.get("/api/new?stage=a&nickname=" + "x" * 256).status == 422
    for path in ["newJob", "completeJob", "flagInvalidData", "bye"]:
        answer = staged.post(f"/api/{path}", {"token": NOBODY, "data": "x"})
        assert answer.status == 404, path
    for path in ["newJob", "completeJob", "flagInvalidData", "bye", "validateWorker"]:
        for body in [{}, {"token": None}, {"token": 5, "data": "x"}]:
            assert staged.post(f"/api/{path}", body).status == 422, path
        answer = staged.post(f"/api/{path}", b"{", headers=JSON_TYPE)
        assert answer.status == 415
        assert staged.get(f"/api/{path}").status == 405
    assert finish(staged, token, "x").status == 403
    assert flag(staged, token).status == 403
    for data in [None, 5, ["x"], {"a": 1}]:
        assert finish(staged, token, data).status == 422
    assert staged.post("/api/completeJob", {"token": token}).status == 422
    answer = staged.post("/api/validateWorker", {"token": token})
    assert (answer.status, answer.text) == (200, "True")
    answer = staged.post("/api/validateWorker", {"token": NOBODY})
    assert (answer.status, answer.text) == (200, "False")
    assert staged.get("/data").json() == before


def test_data_and_bodies_have_limits(staged):
    token = token_of(staged, "a")
    assert take(staged, token).status == 200
    assert finish(staged, token, "x" * (1024 * 1024 + 1)).status == 413
    assert finish(staged, token, "x" * (4 * 1024 * 1024)).status == 413
    body = b" " * 65537
    answer = staged.post("/api/flagInvalidData", body, headers=JSON_TYPE)
    assert answer.status == 413
    assert stages(staged)[0] == (2, 1)
    assert finish(staged, token, "x").status == 200


def test_progress_of_both_known_and_unknown_workers(staged):
    got = new(staged, "a")
    answer = staged.post(
        "/api/updateProgress", {"token": got["token"], "progress": "half"}
    )
    assert (answer.status, answer.text) == (200, "200 OK")
    page = staged.get(f"/worker/scraper/{got['display_name']}/data").json()
    assert page["progress"] == "half"
    assert page["type"] == "a"
    assert page["stage_name"] == "Scraper"
    answer = staged.post("/api/updateProgress", {"token": NOBODY, "progress": "x"})
    assert (answer.status, answer.text) == (200, "success")
    answer = staged.post("/api/updateProgress", {"token": None, "progress": "Crashed"})
    assert answer.status == 422


def test_bye_opens_the_job(staged):
    token = token_of(staged, "a")
    assert take(staged, token).status == 200
    assert stages(staged)[0] == (2, 1)
    answer = staged.post("/api/bye", {"token": token})
    assert (answer.status, answer.text) == (200, "200 OK")
    assert stages(staged)[0] == (3, 0)
    assert staged.post("/api/bye", {"token": token}).status == 404


def test_a_new_job_gives_the_old_one_back(staged):
    token = token_of(staged, "a")
    assert [take(staged, token).json()["number"] for _ in range(4)] == [1, 2, 3, 1]
    assert stages(staged)[0] == (2, 1)


def test_five_reports_send_a_job_back(staged):
    first, second = token_of(staged, "a"), token_of(staged, "b")
    for data in ["bad", "worse"]:
        assert take(staged, first).json() == {"data": "one", "number": 1}
        assert finish(staged, first, data).status == 200
        for _ in range(5):
            assert take(staged, second).json() == {"data": data, "number": 1}
            answer = flag(staged, second)
            assert (answer.status, answer.text) == (200, "200 OK")
        assert take(staged, second).status == 403
        assert open_jobs(staged) == [3, 0, 0]


def test_who_reports_gets_another_job(staged):
    token = token_of(staged, "a")
    assert take(staged, token).json()["number"] == 1
    assert flag(staged, token).status == 200
    assert take(staged, token).json()["number"] == 2


def test_a_silent_worker_loses_its_job(import_tasks, start_tracker):
    import_tasks(["only"])
    tracker = start_tracker(*PROJECT, "--idle-timeout", "1")
    token = token_of(tracker, "a")
    assert take(tracker, token).status == 200
    wait_until(lambda: stages(tracker)[0] == (1, 0))
    assert finish(tracker, token, "late").status == 404
    assert flag(tracker, token).status == 404
    other = token_of(tracker, "a")
    assert take(tracker, other).json() == {"data": "only", "number": 1}


def test_both_dialects_on_one_port(import_jobs, import_tasks, start_tracker):
    import_jobs(1)
    import_tasks(["one"])
    tracker = start_tracker(*PROJECT)
    hybrid, staged = tracker.new_worker(), token_of(tracker, "a")
    assert tracker.get("/api/jobCount").text == "2"
    assert tracker.get("/api/jobCount?stage=a").text == "1"
    # An old client leaves the type out.
    assert tracker.post("/api/newJob", {"token": hybrid}).json()["shard"] == 0
    assert take(tracker, staged).json() == {"data": "one", "number": 1}
    # Neither can pass for the other.
    for body in [
        {"token": staged, "type": "HYBRID", "count": 1},
        {"token": staged, "count": 1},
        {"token": staged, "type": "a", "count": 1},
    ]:
        status = 400 if body.get("type") == "a" else 404
        assert tracker.post("/api/markAsDone", body).status == status
    body = {"token": staged, "type": "GPU"}
    assert tracker.post("/api/gpuInvalidDownload", body).status == 404
    assert tracker.post("/api/newJob", {**body, "type": "CPU"}).status == 404
    assert tracker.post("/api/bye", {**body, "type": "HYBRID"}).status == 404
    assert tracker.get("/api/new?nickname=me&type=a").status == 400
    assert finish(tracker, hybrid, "x").status == 404
    assert flag(tracker, hybrid).status == 404
    data = tracker.get("/data").json()
    assert data["jobs"]["leased"] == 1
    assert stages(tracker)[0] == (0, 1)
    assert data["total_connected_workers"] == 2
    assert tracker.post("/api/markAsDone", {"token": hybrid, "count": 3}).text == (
        "success"
    )
    assert finish(tracker, staged, "x").text == "200 OK"
    assert tracker.get("/data").json()["completion_str"] == "1 / 3"


def test_a_killed_tracker_forgets_nothing(import_tasks, start_tracker):
    import_tasks(["one", "two"])
    tracker = start_tracker(*PROJECT)
    first, second = token_of(tracker, "a"), token_of(tracker, "b")
    take(tracker, first)
    finish(tracker, first, "given")
    take(tracker, first)
    take(tracker, second)
    flag(tracker, second)
    before = stages(tracker)
    tracker.kill()
    tracker.start()
    assert stages(tracker) == before == [(0, 1), (1, 0), (0, 0), 0]
    assert finish(tracker, first, "two given").status == 200
    assert take(tracker, second).json() == {"data": "two given", "number": 2}
    assert take(tracker, second).json() == {"data": "given", "number": 1}


def test_stages_that_are_off_keep_their_jobs(import_tasks, start_tracker, run_cah):
    import_tasks(["one"])
    tracker = start_tracker(*PROJECT)
    first, second = token_of(tracker, "a"), token_of(tracker, "b")
    take(tracker, first)
    finish(tracker, first, "given")
    tracker.stop()
    tracker.args = ["--stage", "a=Only", "--quiet"]
    tracker.start()
    assert tracker.get("/api/new?nickname=me&stage=b").status == 400
    assert take(tracker, second).status == 403
    tracker.stop()
    tracker.args = PROJECT
    tracker.start()
    assert take(tracker, second).json() == {"data": "given", "number": 1}


def test_without_stages_there_is_one_dialect(tracker):
    assert tracker.get("/api/new?nickname=me&stage=a").status == 400
    assert tracker.get("/api/jobCount?stage=a").status == 400
    assert "stages" not in tracker.get("/data").json()
    assert "Stages of" not in tracker.get("/").text
    assert "distcompute" not in tracker.get("/install").text


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--stage", "b=Two"], "without a gap"),
        (["--stage", "a=One", "--stage", "c=Three"], "stage b is not"),
        (["--stage", "f=Six"], "LETTER=NAME"),
        (["--stage", "a"], "LETTER=NAME"),
        (["--stage", "a="], "empty"),
        (["--stage", "a=x\ty"], "control"),
        (["--stage", "a=" + "x" * 65], "longer than 64"),
        (["--stage", "a=x", "--stage", "a=y"], "twice"),
        (["--stage", "a=x", "--project", ""], "project"),
    ],
)
def test_bad_stages_are_refused(run_cah, tmp_path, args, text):
    done = run_cah("tracker", *args, "--store", f"sqlite:{tmp_path}/book.db")
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_pages_show_the_stages(staged):
    got = new(staged, "a", "<b>me</b>")
    take(staged, got["token"])
    page = staged.get("/").text
    assert "Big &lt;Data&gt;" in page
    assert "Scraper" in page
    assert "Filter" in page
    assert "&lt;b&gt;me" in page
    assert f'href="/worker/a/{got["display_name"]}"' in page
    for name in ["a", "scraper", "Scraper"]:
        answer = staged.get(f"/worker/{name}/{got['display_name']}")
        assert answer.status == 200
        assert "Scraper" in answer.text
    assert staged.get(f"/worker/b/{got['display_name']}").status == 404
    page = staged.get("/install").text
    assert "distcompute" in page
    assert "Big &lt;Data&gt;" in page
    assert staged.get(f"/worker/x/{got['display_name']}").status == 400


def test_a_stage_may_be_called_as_a_type(start_tracker):
    tracker = start_tracker("--stage", "a=CPU", "--quiet")
    name = new(tracker, "a")["display_name"]
    assert tracker.get(f"/worker/cpu/{name}").status == 200
    assert tracker.get(f"/worker/cpu/{name}x").status == 404


class Worker(threading.Thread):
    """Does jobs of a stage at a tracker until all are done; adds its letter."""

    def __init__(self, tracker, stage, results):
        super().__init__()
        self.tracker = tracker
        self.stage = stage
        self.results = results  # (stage, number, data that was given)
        self.odd = []

    def post(self, path, body):
        """Away for a moment is no error: two trackers may get in each other's way."""
        while (answer := self.tracker.post(path, body)).status == 503:
            pass
        return answer

    def run(self):
        token = token_of(self.tracker, self.stage)
        while stages(self.tracker)[-1] < TASKS:
            answer = self.post("/api/newJob", {"token": token})
            if answer.status == 403:
                continue
            job = answer.json()
            self.results.append((self.stage, job["number"], job["data"]))
            body = {"token": token, "data": job["data"] + self.stage}
            answer = self.post("/api/completeJob", body)
            if answer.status != 200:
                self.odd.append(answer)


TASKS = 40


@pytest.mark.parametrize("trackers", [1, 2], ids=["sqlite", "postgres"])
def test_many_workers_do_each_job_once(
    request, trackers, run_cah, start_tracker, tmp_path
):
    store = tmp_path / "tracker.db"
    if trackers > 1:
        store = request.getfixturevalue("postgres")
    uri = str(store) if trackers > 1 else f"sqlite:{store}"
    inputs = "".join(f"{n}-\n" for n in range(1, TASKS + 1))
    run_cah("tasks", "import", "-", "--store", uri, input=inputs, check=True)
    running = [start_tracker(*PROJECT, store=store) for _ in range(trackers)]
    results = []
    workers = [
        Worker(running[n % trackers], stage, results)
        for n, stage in enumerate("aabbccabc")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.odd for worker in workers] == [[]] * len(workers)
    assert sorted(results) == [
        (stage, n, f"{n}-" + "abc"[:at])
        for at, stage in enumerate("abc")
        for n in range(1, TASKS + 1)
    ]
    assert stages(running[-1]) == [(0, 0), (0, 0), (0, 0), TASKS]
