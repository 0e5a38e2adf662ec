"""The Crawling@Home dialect, call by call, against a tracker that runs."""

import concurrent.futures
import http.client
import json
import pathlib
import random
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.parse

import pytest
from conftest import Tracker

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY = "00000000-0000-4000-8000-000000000000"
SECRET = "a secret of the organiser"
PATIENCE = 30  # seconds that something may take which is sure to come

CALLS = [
    (method, path)
    for method, path in re.findall(
        r'ROUTE\(\w+, \w+, (\w+),\s*"([^"]+)"',
        (ROOT / "src/wire/routes.def").read_text(),
    )
]


@pytest.fixture(scope="module")
def idle_tracker(cah, tmp_path_factory):
    """A tracker without jobs, for tests that change nothing."""
    store = tmp_path_factory.mktemp("idle") / "tracker.db"
    tracker = Tracker(cah, store, ["--quiet"]).start()
    yield tracker
    assert tracker.stop() == 0


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def admin_tracker(import_jobs, start_tracker, secret):
    """Twenty jobs, and an organiser with a secret."""
    import_jobs(10)
    return start_tracker("--admin-token-file", secret, "--quiet")


def state(tracker):
    """Everything that a request may change, as far as it can be seen."""
    return tracker.get("/data").json()


def jobs(tracker):
    return state(tracker)["jobs"]


def take(tracker, token, type="HYBRID"):
    answer = tracker.post("/api/newJob", {"token": token, "type": type})
    assert answer.status == 200, answer
    return answer.json()


def finish(tracker, token, type="HYBRID", **fields):
    return tracker.post("/api/markAsDone", {"token": token, "type": type, **fields})


def prepare_gpu_job(tracker, url="http://store.test/1.tar"):
    """A CPU worker's job, done, so that it waits for a GPU worker."""
    cpu = tracker.new_worker("CPU", "cpu owner")
    job = take(tracker, cpu, "CPU")
    assert finish(tracker, cpu, "CPU", url=url).status == 200
    return job


def wait_until(is_true):
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


# ---- the documents ----


def test_the_list_of_calls_is_read():
    assert len(CALLS) >= 20
    assert ("POST", "/api/newJob") in CALLS


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_is_in_the_protocol(method, path):
    text = (ROOT / "docs/protocol.md").read_text()
    assert re.search(rf"^\| {method} {re.escape(path)} \|", text, re.MULTILINE)


# ---- good answers ----


def test_new_gives_a_token_a_name_and_an_address(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker(
        *("--upload-address", "CPU=rsync://a.test/x?a=b", "--upload-address"),
        *("HYBRID=http://b.test/", "--quiet"),
    )
    answer = tracker.get("/api/new?nickname=me&type=CPU")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    got = answer.json()
    assert set(got) == {"token", "display_name", "upload_address"}
    assert len(got["token"]) == 36
    assert got["upload_address"] == "rsync://a.test/x?a=b"
    assert tracker.get("/api/new?nickname=me").json()["upload_address"] == (
        "http://b.test/"
    )
    for type, address in [
        ("CPU", "rsync://a.test/x?a=b"),
        ("HYBRID", "http://b.test/"),
        ("GPU", ""),
    ]:
        answer = tracker.get(f"/api/getUploadAddress?type={type}")
        assert (answer.status, answer.text) == (200, address)
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_hybrid_worker_goes_round(tracker):
    token = tracker.new_worker(nickname="hy")
    assert tracker.get("/api/jobCount").text == "20"
    answer = tracker.post("/api/newJob", {"token": token, "type": "HYBRID"})
    assert answer.headers["Content-Type"] == "application/json"
    job = answer.json()
    assert job == {
        "url": job["url"],
        "start_id": "0",
        "end_id": "1000000",
        "shard": 0,
        "number": 1,
    }
    assert job["url"].endswith("crawl-data/TEST/wat/00000000.warc.wat.gz")
    assert tracker.get("/api/jobCount?type=CPU").text == "19"
    progress = {"token": token, "type": "HYBRID", "progress": "half"}
    answer = tracker.post("/api/updateProgress", progress)
    assert (answer.status, answer.body) == (200, b"success")
    assert answer.headers["Content-Type"].startswith("text/plain")
    alive = {"token": token, "type": "HYBRID"}
    assert tracker.post("/api/validateWorker", alive).body == b"True"
    assert finish(tracker, token, count=7).body == b"success"
    assert jobs(tracker)["done"] == 1
    assert state(tracker)["total_pairs_scraped"] == 7
    assert finish(tracker, token, count=7).status == 403
    assert tracker.post("/api/bye", alive).body == b"success"
    assert tracker.post("/api/validateWorker", alive).body == b"False"
    assert tracker.post("/api/bye", alive).status == 404


def test_a_missing_type_means_hybrid(tracker):
    token = tracker.get("/api/new?nickname=me").json()["token"]
    assert tracker.post("/api/newJob", {"token": token}).json()["number"] == 1
    assert tracker.post("/api/validateWorker", {"token": token}).text == "True"
    as_cpu = {"token": token, "type": "CPU"}
    assert tracker.post("/api/validateWorker", as_cpu).text == "False"
    assert tracker.post("/api/newJob", as_cpu).status == 404


def test_jobs_come_in_the_order_of_their_numbers(tracker):
    tokens = [tracker.new_worker() for _ in range(4)]
    assert [take(tracker, t)["number"] for t in tokens] == [1, 2, 3, 4]
    assert take(tracker, tokens[1])["number"] == 2, "its own job was free again"
    tracker.post("/api/bye", {"token": tokens[0], "type": "HYBRID"})
    assert take(tracker, tokens[2])["number"] == 1
    second = tracker.new_worker()
    assert take(tracker, second)["number"] == 3


def test_new_job_gives_back_the_one_that_is_held(tracker):
    token = tracker.new_worker()
    for _ in range(3):
        take(tracker, token)
    assert jobs(tracker)["leased"] == 1
    assert jobs(tracker)["open"] == 19


def test_a_cpu_workers_job_becomes_a_gpu_workers(tracker):
    assert tracker.get("/api/jobCount?type=GPU").text == "0"
    made = prepare_gpu_job(tracker, "http://store.test/1.tar")
    assert tracker.get("/api/jobCount?type=GPU").text == "1"
    assert tracker.get("/api/jobCount?type=HYBRID").text == "19"
    gpu = tracker.new_worker("GPU", "gpu owner")
    job = take(tracker, gpu, "GPU")
    assert job == {**made, "url": "http://store.test/1.tar"}
    assert finish(tracker, gpu, "GPU", count=3).status == 200
    assert jobs(tracker)["done"] == 1
    assert state(tracker)["total_pairs_scraped"] == 3


def test_a_gpu_job_that_is_invalid_goes_back_to_the_cpu_queue(tracker):
    made = prepare_gpu_job(tracker)
    gpu = tracker.new_worker("GPU")
    body = {"token": gpu, "type": "GPU"}
    assert tracker.post("/api/gpuInvalidDownload", body).status == 403
    take(tracker, gpu, "GPU")
    answer = tracker.post("/api/gpuInvalidDownload", body)
    assert (answer.status, answer.text) == (200, "success")
    assert jobs(tracker)["open"] == 20
    assert take(tracker, tracker.new_worker())["number"] == made["number"]


def test_a_gpu_worker_that_leaves_keeps_the_job_in_its_queue(tracker):
    prepare_gpu_job(tracker)
    gpu = tracker.new_worker("GPU")
    take(tracker, gpu, "GPU")
    tracker.post("/api/bye", {"token": gpu, "type": "GPU"})
    assert tracker.get("/api/jobCount?type=GPU").text == "1"


def test_progress_is_cut_to_255_characters(tracker):
    got = tracker.get("/api/new?nickname=me").json()
    text = "é" * 300
    tracker.post("/api/updateProgress", {"token": got["token"], "progress": text})
    data = tracker.get(f"/worker/hybrid/{got['display_name']}/data").json()
    assert data["progress"] == "é" * 255


def test_worker_data_tells_of_one_worker(tracker):
    got = tracker.get("/api/new?nickname=n%C3%A9&type=CPU").json()
    path = f"/worker/cpu/{urllib.parse.quote(got['display_name'])}/data"
    data = tracker.get(path).json()
    assert data.pop("first_seen") == data.pop("last_seen")
    assert data == {
        "display_name": got["display_name"],
        "shard_number": "N/A",
        "progress": data["progress"],
        "jobs_completed": 0,
        "user_nickname": "né",
        "type": "CPU",
    }
    take(tracker, got["token"], "CPU")
    assert tracker.get(path).json()["shard_number"] == 1
    finish(tracker, got["token"], "CPU", url="http://a.test/x")
    assert tracker.get(path).json()["jobs_completed"] == 1
    for other in ("/worker/gpu/", "/worker/hybrid/"):
        assert tracker.get(path.replace("/worker/cpu/", other)).status == 404


def test_data_counts_everything(tracker):
    fresh = state(tracker)
    assert fresh["completion_str"] == "0 / 20"
    assert fresh["completion_float"] == 0
    assert fresh["total_connected_workers"] == 0
    assert fresh["eta"] == "Unknown"
    prepare_gpu_job(tracker)
    token = tracker.new_worker()
    for _ in range(5):
        take(tracker, token)
        finish(tracker, token, count=1000)
    take(tracker, token)
    now = state(tracker)
    assert now["completion_str"] == "5 / 20"
    assert now["completion_float"] == 25
    assert now["total_connected_workers"] == 2
    assert now["workers"] == {"HYBRID": 1, "CPU": 1, "GPU": 0}
    assert now["total_pairs_scraped"] == 5000
    assert now["finished_last_hour"] == 5
    assert now["eta"] == "3 hours", "15 jobs at 5 an hour"
    assert (now["open_jobs"], now["pending_jobs"], now["closed_jobs"]) == (14, 1, 5)
    assert now["jobs"]["total"] == 20


def test_data_is_finished_when_all_is_done(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--quiet")
    token = tracker.new_worker()
    for _ in range(2):
        take(tracker, token)
        finish(tracker, token, count=0)
    assert state(tracker)["eta"] == "Finished"
    assert tracker.post("/api/newJob", {"token": token}).status == 403


def test_is_completed_names_only_what_is_done(tracker):
    token = tracker.new_worker("CPU")
    urls = [f"http://store.test/{i}.tar" for i in range(2)]
    for url in urls:
        take(tracker, token, "CPU")
        finish(tracker, token, "CPU", url=url)
    gpu = tracker.new_worker("GPU")
    take(tracker, gpu, "GPU")
    finish(tracker, gpu, "GPU", count=1)
    asked = [*urls, "http://unknown.test/", "x" * 5000, ""]
    answer = tracker.post("/api/isCompleted", {"addresses": asked})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == urls[:1]
    assert tracker.post("/api/isCompleted", {"addresses": []}).json() == []


def test_a_whole_wat_is_taken_by_its_url(tracker):
    wat = tracker.get("/custom/get-cpu-wat")
    assert wat.headers["Content-Type"].startswith("text/plain")
    found = tracker.post("/custom/lookup-wat", {"url": wat.text}).json()
    assert found["status"] == "success"
    assert [number for number, _ in found["shards"]] == [1, 2]
    assert found["shards"][1][1] == {
        "url": wat.text,
        "start_id": "0",
        "end_id": "1000000",
        "shard": 1,
    }
    token = tracker.new_worker("CPU", "wat owner")
    body = {
        "token": token,
        "nickname": "wat owner",
        "shards": [2, 1],
        "urls": {"1": "http://s.test/1.tar", "2": "http://s.test/2.tar"},
    }
    answer = tracker.post("/custom/markasdone-cpu", body)
    assert answer.json() == {"status": "success", "completed": 2}
    assert jobs(tracker)["gpu_open"] == 2
    again = tracker.post("/custom/markasdone-cpu", body)
    assert (again.status, again.json()["status"]) == (200, "failed")
    gpu = tracker.new_worker("GPU")
    assert take(tracker, gpu, "GPU")["url"] == "http://s.test/1.tar"
    assert tracker.get("/custom/get-cpu-wat").text != wat.text
    found = tracker.post("/custom/lookup-wat", {"url": wat.text}).json()
    assert found["status"] == "failed"
    assert found["detail"]
    found = tracker.post("/custom/lookup-wat", {"url": "http://x.test/"}).json()
    assert found["status"] == "failed"


def test_lookup_wat_leaves_out_what_is_held(tracker):
    first = take(tracker, tracker.new_worker())
    found = tracker.post("/custom/lookup-wat", {"url": first["url"]}).json()
    assert [number for number, _ in found["shards"]] == [2]
    assert tracker.get("/custom/get-cpu-wat").text != first["url"]


def test_no_wat_is_open_when_one_shard_of_each_is_held(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--quiet")
    take(tracker, tracker.new_worker())
    assert tracker.get("/custom/get-cpu-wat").status == 403


def test_the_organiser_closes_jobs_and_sets_the_banner(admin_tracker):
    tracker = admin_tracker
    body = {"shards": [3, 4], "count": 9, "nickname": "org", "password": SECRET}
    answer = tracker.post("/custom/markasdone", body)
    assert answer.json() == {"status": "success"}
    assert jobs(tracker)["done"] == 2
    assert state(tracker)["total_pairs_scraped"] == 9
    bearer = {"Authorization": f"Bearer {SECRET}"}
    banner = {"text": "We move <b>soon</b>"}
    answer = tracker.post("/admin/set-banner", banner, headers=bearer)
    assert answer.json() == {"status": "success"}
    assert "We move &lt;b&gt;soon&lt;/b&gt;" in tracker.get("/").text
    banner = {"text": "", "password": SECRET}
    assert tracker.post("/admin/set-banner", banner).status == 200
    assert "banner" not in tracker.get("/").text


# ---- refusals: METHOD, PATH, BODY, STATUS, what the text names ----

LONG_URL = "http://a.test/" + "x" * 2048
REFUSALS = [
    ("GET", "/api/new", None, 422, "nickname"),
    ("GET", "/api/new?nickname=", None, 422, "nickname"),
    ("GET", "/api/new?nickname=" + "x" * 256, None, 422, "nickname"),
    ("GET", "/api/new?nickname=" + "%C3%A9" * 128, None, 422, "nickname"),
    ("GET", "/api/new?nickname=a%00b", None, 422, "nickname"),
    ("GET", "/api/new?nickname=a%0Ab", None, 422, "nickname"),
    ("GET", "/api/new?nickname=%FF", None, 422, "nickname"),
    ("GET", "/api/new?nickname=me&type=hybrid", None, 400, "type"),
    ("GET", "/api/new?nickname=me&type=", None, 400, "type"),
    ("GET", "/api/jobCount?type=NONE", None, 400, "type"),
    ("GET", "/api/getUploadAddress?type=cpu", None, 400, "type"),
    ("POST", "/api/newJob", {}, 422, "token"),
    ("POST", "/api/newJob", {"token": None}, 422, "token"),
    ("POST", "/api/newJob", {"token": 5}, 422, "token"),
    ("POST", "/api/newJob", {"token": "{free}", "type": "x"}, 400, "type"),
    ("POST", "/api/newJob", {"token": "{free}", "type": None}, 422, "type"),
    ("POST", "/api/newJob", {"token": NOBODY}, 404, "worker"),
    ("POST", "/api/newJob", {"token": ""}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "a\0b"}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "x" * 50000}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "{free}", "type": "GPU"}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "{gpu}", "type": "GPU"}, 403, "job"),
    ("POST", "/api/updateProgress", {"token": None, "progress": "x"}, 422, "token"),
    ("POST", "/api/updateProgress", {"token": "{free}"}, 422, "progress"),
    (
        "POST",
        "/api/updateProgress",
        {"token": "{free}", "progress": 1},
        422,
        "progress",
    ),
    ("POST", "/api/markAsDone", {"count": 1}, 422, "token"),
    ("POST", "/api/markAsDone", {"token": "{held}"}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": None}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": "5"}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 0.5}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": True}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": -1}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 2**31}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 10**30}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{free}", "count": 1}, 403, "job"),
    ("POST", "/api/markAsDone", {"token": NOBODY, "count": 1}, 404, "worker"),
    ("POST", "/api/markAsDone", {"token": "{cpu}", "type": "CPU"}, 422, "url"),
    *(
        (
            "POST",
            "/api/markAsDone",
            {"token": "{cpu}", "type": "CPU", "url": url},
            status,
            "url",
        )
        for url, status in [
            ("", 400),
            (LONG_URL, 400),
            ("http://a\0b/", 400),
            ("http://a\nb/", 400),
            (None, 422),
            (7, 422),
        ]
    ),
    ("POST", "/api/gpuInvalidDownload", {"token": "{gpu}"}, 400, "type"),
    ("POST", "/api/gpuInvalidDownload", {"token": "{gpu}", "type": "GPU"}, 403, "job"),
    (
        "POST",
        "/api/gpuInvalidDownload",
        {"token": NOBODY, "type": "GPU"},
        404,
        "worker",
    ),
    ("POST", "/api/validateWorker", {"token": "{free}", "type": "all"}, 400, "type"),
    ("POST", "/api/validateWorker", {}, 422, "token"),
    ("POST", "/api/bye", {"token": NOBODY}, 404, "worker"),
    ("POST", "/api/bye", {"token": "{free}", "type": "CPU"}, 404, "worker"),
    ("POST", "/api/bye", {}, 422, "token"),
    ("POST", "/api/isCompleted", {}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": "x"}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": [1]}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": [""] * 10001}, 400, "addresses"),
    ("POST", "/custom/lookup-wat", {}, 422, "url"),
    ("POST", "/custom/lookup-wat", {"url": []}, 422, "url"),
    ("POST", "/custom/markasdone", {"password": SECRET}, 422, "nickname"),
    (
        "POST",
        "/custom/markasdone",
        {"password": SECRET, "nickname": "x", "shards": [999], "count": 1},
        400,
        "999",
    ),
    (
        "POST",
        "/custom/markasdone",
        {"password": SECRET, "nickname": "x", "shards": [1], "count": -1},
        400,
        "count",
    ),
    *(
        (
            "POST",
            "/custom/markasdone",
            {**password, "nickname": "x", "shards": [1], "count": 1},
            403,
            "secret",
        )
        for password in [{}, {"password": ""}, {"password": "x"}, {"password": None}]
    ),
    ("POST", "/admin/set-banner", {"text": "x"}, 401, "secret"),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x", "password": SECRET + "x"},
        401,
        "secret",
    ),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x", "password": SECRET[:-1]},
        401,
        "secret",
    ),
    ("POST", "/admin/set-banner", {"password": SECRET}, 422, "text"),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x" * 2049, "password": SECRET},
        400,
        "text",
    ),
    ("POST", "/admin/set-banner", {"text": "a\0", "password": SECRET}, 400, "text"),
    ("GET", "/worker/HYBRID/x/data", None, 400, "type"),
    ("GET", "/worker/none/x", None, 400, "type"),
    ("GET", "/worker/hybrid/nobody", None, 404, "worker"),
    ("GET", "/worker/hybrid/nobody/data", None, 404, "worker"),
    ("GET", "/worker/hybrid/%00%FF%0A", None, 404, "worker"),
    ("GET", "/?page=0", None, 400, "page"),
    ("GET", "/?page=x", None, 400, "page"),
    ("GET", "/leaderboard?page=99999999999999999999", None, 400, "page"),
    ("GET", "/?" + "a=1&" * 40, None, 400, "query"),
    ("GET", "/?a=" + "x" * 9000, None, 400, "query"),
    ("GET", "/nothing", None, 404, "page"),
    ("GET", "/api", None, 404, "page"),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, 404, "page"),
]


def fill(value, tokens):
    """`value` with "{name}" replaced by the token of that name."""
    if isinstance(value, dict):
        return {k: fill(v, tokens) for k, v in value.items()}
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in tokens:
        return tokens[value[1:-1]]
    return value


def test_refusals_name_the_field_and_change_nothing(admin_tracker):
    tracker = admin_tracker
    tokens = {
        "free": tracker.new_worker(),
        "held": tracker.new_worker(),
        "cpu": tracker.new_worker("CPU"),
        "gpu": tracker.new_worker("GPU"),
    }
    take(tracker, tokens["held"])
    take(tracker, tokens["cpu"], "CPU")
    before = state(tracker)
    for method, path, body, status, names in REFUSALS:
        row = f"{method} {path[:80]} {str(body)[:80]}"
        answer = tracker.get(path, body=fill(body, tokens), method=method)
        assert answer.status == status, (row, answer)
        assert names in answer.text, (row, answer)
        assert "\n" not in answer.text, row
        assert answer.headers["Content-Type"].startswith("text/plain"), row
    assert state(tracker) == before
    assert finish(tracker, tokens["held"], count=1).status == 200
    assert finish(tracker, tokens["cpu"], "CPU", url="x").status == 200


def mark_cpu(tracker, **fields):
    body = {
        "token": NOBODY,
        "nickname": "me",
        "shards": [1],
        "urls": {"1": "http://a.test/1"},
        **fields,
    }
    body = {k: v for k, v in body.items() if v is not ...}
    return tracker.post("/custom/markasdone-cpu", body)


def test_markasdone_cpu_refuses_what_is_wrong(tracker):
    cpu = tracker.new_worker("CPU")
    before = state(tracker)
    rows = [
        ({"token": NOBODY}, 404, "worker"),
        ({"token": ...}, 422, "token"),
        ({"nickname": ...}, 422, "nickname"),
        ({"nickname": "a\0"}, 422, "nickname"),
        ({"shards": ...}, 422, "shards"),
        ({"shards": []}, 400, "shards"),
        ({"shards": [1, 1]}, 400, "shards"),
        ({"shards": [0]}, 400, "shards"),
        ({"shards": [2**60]}, 400, "shards"),
        ({"shards": ["1"]}, 422, "shards"),
        ({"shards": [1, 2]}, 422, "urls"),
        ({"urls": ...}, 422, "urls"),
        ({"urls": ["a"]}, 422, "urls"),
        ({"urls": {"1": 5}}, 422, "urls"),
        ({"urls": {"1": ""}}, 400, "urls"),
        ({"urls": {"1": LONG_URL}}, 400, "urls"),
    ]
    for fields, status, names in rows:
        answer = mark_cpu(tracker, **{"token": cpu, **fields})
        assert answer.status == status, (fields, answer)
        assert names in answer.text, (fields, answer)
    unknown = mark_cpu(
        tracker,
        token=cpu,
        shards=[1, 999],
        urls={"1": "http://a.test/1", "999": "http://a.test/2"},
    )
    assert (unknown.status, unknown.json()["status"]) == (200, "failed")
    assert state(tracker) == before


def test_without_a_secret_the_organisers_calls_are_off(tracker):
    for password in ("", "None", "null"):
        body = {"shards": [1], "count": 1, "nickname": "x", "password": password}
        assert tracker.post("/custom/markasdone", body).status == 403
        body = {"text": "x", "password": password}
        answer = tracker.post("/admin/set-banner", body)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    empty = {"Authorization": "Bearer "}
    assert tracker.post("/admin/set-banner", {"text": "x"}, headers=empty).status == 401
    assert jobs(tracker)["done"] == 0


# ---- what earlier servers got wrong ----


def test_a_zero_count_is_a_count(tracker):
    token = tracker.new_worker()
    take(tracker, token)
    assert finish(tracker, token, count=0).status == 200
    assert jobs(tracker)["done"] == 1


def test_the_largest_count_is_taken_whole(tracker):
    token = tracker.new_worker(nickname="most")
    for _ in range(2):
        take(tracker, token)
        assert finish(tracker, token, count=2**31 - 1).status == 200
    assert state(tracker)["total_pairs_scraped"] == 2 * (2**31 - 1)
    assert "4,294,967,294" in tracker.get("/leaderboard").text


def test_nobody_completes_a_job_without_a_workers_token(tracker):
    hybrid = tracker.new_worker("HYBRID")
    for token in (NOBODY, "", hybrid):
        assert mark_cpu(tracker, token=token).status == 404
    assert jobs(tracker)["open"] == 20


@pytest.mark.parametrize("word", ["closed", "done", "null", "'; DROP TABLE job; --"])
def test_no_word_in_a_url_closes_a_job(tracker, word):
    url = f"http://a.test/{word}.tar"
    prepare_gpu_job(tracker, url)
    assert (jobs(tracker)["gpu_open"], jobs(tracker)["done"]) == (1, 0)
    gpu = tracker.new_worker("GPU")
    assert take(tracker, gpu, "GPU")["url"] == url


def test_updating_the_progress_of_nobody_succeeds(tracker):
    body = {"token": NOBODY, "type": "HYBRID", "progress": "Crashed"}
    assert tracker.post("/api/updateProgress", body).text == "success"
    assert state(tracker)["total_connected_workers"] == 0


def test_64_clients_never_hold_one_job_at_one_time(import_jobs, start_tracker):
    import_jobs(80)
    tracker = start_tracker("--quiet")

    def work(_):
        token = tracker.new_worker()
        done = []
        while True:
            answer = tracker.post("/api/newJob", {"token": token})
            if answer.status == 403:
                return done
            done.append(answer.json()["number"])
            assert finish(tracker, token, count=1).status == 200

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        done = [number for numbers in pool.map(work, range(64)) for number in numbers]
    assert sorted(done) == list(range(1, 161))
    assert state(tracker)["total_pairs_scraped"] == 160


def test_all_jobs_that_are_held_differ(import_jobs, start_tracker):
    import_jobs(32)
    tracker = start_tracker("--quiet")
    tokens = [tracker.new_worker() for _ in range(64)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        held = pool.map(lambda token: take(tracker, token)["number"], tokens)
    assert sorted(held) == list(range(1, 65))


# ---- time, crashes and restarts ----


def test_what_was_answered_outlives_a_kill(import_jobs, start_tracker):
    import_jobs(10)
    tracker = start_tracker("--quiet")
    token = tracker.new_worker(nickname="survivor")
    for _ in range(3):
        take(tracker, token)
        assert finish(tracker, token, count=5).status == 200
    held = take(tracker, token)
    before = state(tracker)
    tracker.kill()
    tracker.start()
    assert state(tracker) == before
    assert "survivor" in tracker.get("/leaderboard").text
    assert take(tracker, tracker.new_worker())["number"] != held["number"]
    assert finish(tracker, token, count=5).status == 200
    assert jobs(tracker)["done"] == 4


def test_an_idle_worker_is_swept_and_a_live_one_stays(import_jobs, start_tracker):
    import_jobs(10)
    tracker = start_tracker("--idle-timeout", 3, "--quiet")
    idle = tracker.new_worker()
    live = tracker.new_worker()
    take(tracker, idle)
    take(tracker, live)

    def is_swept():
        body = {"token": live, "progress": "at it"}
        assert tracker.post("/api/updateProgress", body).status == 200
        return state(tracker)["total_connected_workers"] == 1

    wait_until(is_swept)
    assert (jobs(tracker)["open"], jobs(tracker)["leased"]) == (19, 1)
    for call, fields in [
        ("newJob", {}),
        ("markAsDone", {"count": 1}),
        ("bye", {}),
    ]:
        answer = tracker.post(f"/api/{call}", {"token": idle, **fields})
        assert answer.status == 404, call
    assert tracker.post("/api/validateWorker", {"token": idle}).text == "False"
    assert tracker.post("/api/validateWorker", {"token": live}).text == "True"


def test_a_store_that_is_away_is_told_and_comes_back(tracker):
    token = tracker.new_worker()
    before = jobs(tracker)
    other = sqlite3.connect(tracker.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = tracker.post("/api/newJob", {"token": token})
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert str(tracker.store) not in answer.text
    assert len(answer.text.splitlines()) == 1
    other.execute("ROLLBACK")
    other.close()
    assert jobs(tracker) == before
    assert take(tracker, token)["number"] == 1


def test_a_restart_begins_the_time_outs_anew(import_jobs, start_tracker):
    import_jobs(10)
    tracker = start_tracker("--quiet")
    token = tracker.new_worker()
    take(tracker, token)
    tracker.stop()
    tracker.args = ["--idle-timeout", "3600", "--quiet"]
    tracker.start()
    assert tracker.post("/api/validateWorker", {"token": token}).text == "True"
    assert jobs(tracker)["leased"] == 1


# ---- HTTP ----


def connect(tracker):
    host, port = tracker.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def raw(tracker, data):
    """The status of the first answer to `data`, None where none comes soon."""
    with connect(tracker) as sock:
        sock.sendall(data)
        sock.settimeout(1)
        got = b""
        try:
            while b"\r\n" not in got and (chunk := sock.recv(65536)):
                got += chunk
        except TimeoutError:
            return None
    match = re.match(rb"HTTP/1\.[01] (\d+)", got)
    return int(match[1]) if match else None


@pytest.mark.parametrize(
    "path", ["/", "/data", "/install", "/leaderboard", "/api/jobCount", "/style.css"]
)
def test_head_answers_as_get_without_a_body(idle_tracker, path):
    got = idle_tracker.get(path)
    head = idle_tracker.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name], name


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_other_methods_are_refused(idle_tracker, method, path):
    path = path.replace("{type}", "cpu").replace("{name}", "x")
    others = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
    others -= {"GET", "HEAD"} if method == "GET" else {"POST"}
    for other in others:
        answer = idle_tracker.get(path, method=other)
        assert answer.status == 405, other
        allowed = "GET, HEAD" if method == "GET" else "POST"
        assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/data/", "//data", "/./data"])
def test_slashes_too_many_are_let_pass(idle_tracker, path):
    assert idle_tracker.get(path).status == (404 if "." in path else 200)


def test_a_base_url_with_a_final_slash_works(tracker):
    answer = tracker.get("//api//new/?nickname=me")
    assert answer.status == 200
    body = {"token": answer.json()["token"]}
    assert tracker.post("//api/newJob", body).status == 200


def test_a_body_may_be_of_64_kib(tracker):
    token = tracker.new_worker()
    body = json.dumps({"token": token, "pad": "x" * 65536})
    body = body[: -2 - (len(body) - 65536)] + '"}'
    assert len(body) == 65536
    json_type = {"Content-Type": "application/json"}
    answer = tracker.post("/api/newJob", body.encode(), headers=json_type)
    assert answer.status == 200
    answer = tracker.post("/api/newJob", (body + " ").encode(), headers=json_type)
    assert answer.status == 413
    answer = tracker.post("/api/newJob", b" " * 3_000_000, headers=json_type)
    assert answer.status == 413
    body = {"addresses": ["x" * 90] * 9000}
    assert tracker.post("/api/isCompleted", body).status == 200
    body = {"addresses": ["x" * 120] * 9000}
    assert tracker.post("/api/isCompleted", body).status == 413


def test_a_chunked_body_is_counted(idle_tracker):
    connection = http.client.HTTPConnection(idle_tracker.address, timeout=PATIENCE)
    for size, status in [(100, 404), (100_000, 413)]:
        pieces = iter([b'{"token": "', b"x" * size, b'"}'])
        connection.request("POST", "/api/newJob", pieces, encode_chunked=True)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


@pytest.mark.parametrize(
    ("type", "status"),
    [
        ("application/json", 404),
        ("Application/JSON; charset=utf-8", 404),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
def test_a_body_says_that_it_is_json(idle_tracker, type, status):
    body = json.dumps({"token": NOBODY}).encode()
    answer = idle_tracker.post("/api/newJob", body, headers={"Content-Type": type})
    assert answer.status == status


def test_a_body_without_a_type_is_read_as_json(idle_tracker):
    body = json.dumps({"token": NOBODY}).encode()
    head = b"POST /api/newJob HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    size = b"Content-Length: %d\r\n\r\n" % len(body)
    assert raw(idle_tracker, head + size + body) == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 415),
        (b"{", 415),
        (b"token=1", 415),
        (b'{"token": "\xff"}', 415),
        (b'{"token": "\\ud800"}', 415),
        (b"[]", 422),
        (b'"x"', 422),
        (b"[" * 60000, 422),
        (b'{"a":' * 10000, 422),
        (b'{"token": 1e999}', 400),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(idle_tracker, body, status):
    headers = {"Content-Type": "application/json"}
    answer = idle_tracker.post("/api/newJob", body, headers=headers)
    assert answer.status == status
    assert len(answer.text.splitlines()) == 1


def test_odd_requests_leave_the_tracker_up(tracker):
    for data in [
        b"\r\n\r\n",
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\0/data HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x.test/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x.test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 9"
        + b"9" * 30
        + b"\r\n\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
        b"POST /api/bye HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]:
        try:
            status = raw(tracker, data)
        except ConnectionError:
            continue
        assert status != 500, data[:80]
    absolute = (
        b"GET http://x.test/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert raw(tracker, absolute) == 200
    assert tracker.get("/data").status == 200
    assert tracker.stop() == 0


def test_connections_past_the_limit_wait_or_are_closed(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--max-connections", 5, "--quiet")
    held = [connect(tracker) for _ in range(20)]
    for sock in held:
        sock.close()
    wait_until(lambda: raw(tracker, b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n") == 200)


def random_value(rng, depth=0):
    pick = rng.randrange(8 if depth < 3 else 6)
    if pick == 0:
        return None
    if pick == 1:
        return rng.choice([0, 1, -1, 2**31, 2**63, 10**40, 1.5, -0.0])
    if pick == 2:
        return rng.choice(["HYBRID", "CPU", "GPU", "", "\0", "x" * 3000, "é", NOBODY])
    if pick == 3:
        return rng.choice([True, False])
    if pick == 4:
        return "".join(chr(rng.randrange(0xD7FF)) for _ in range(rng.randrange(30)))
    if pick == 5:
        return rng.randrange(1, 30)
    if pick == 6:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.randrange(30)): random_value(rng, depth + 1) for _ in range(3)}


def test_no_input_gives_500(admin_tracker):
    tracker = admin_tracker
    rng = random.Random(7)
    names = ["token", "type", "count", "url", "progress", "nickname", "shards"]
    names += ["urls", "addresses", "text"]
    connection = http.client.HTTPConnection(tracker.address, timeout=PATIENCE)
    statuses = set()
    for _ in range(1500):
        method, path = rng.choice(CALLS)
        body = None
        if method == "POST":
            fields = {n: random_value(rng) for n in names if rng.random() < 0.7}
            if rng.random() < 0.2:
                fields["password"] = SECRET
            if rng.random() < 0.3:
                fields["token"] = tracker_token(tracker, rng)
            body = json.dumps(fields)
        else:
            values = (str(random_value(rng)) for _ in range(3))
            path = path.replace("{type}", rng.choice(["hybrid", "cpu", "x"]))
            path = path.replace("{name}", "x%00%ff")
            query = dict(zip(["nickname", "type", "page"], values, strict=True))
            path += "?" + urllib.parse.urlencode(query)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    assert statuses <= {200, 400, 401, 403, 404, 413, 415, 422}
    assert {200, 400, 404, 422} <= statuses
    assert tracker.stop() == 0


def tracker_token(tracker, rng):
    return tracker.new_worker(rng.choice(["HYBRID", "CPU", "GPU"]))


# ---- the command ----


def test_a_second_tracker_of_one_store_is_refused(tracker, run_cah):
    done = run_cah(
        *("tracker", "--listen", "127.0.0.1:0"),
        *("--store", f"sqlite:{tracker.store}"),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "another tracker" in done.stderr


def test_an_address_that_is_taken_is_told(tracker, run_cah, tmp_path):
    done = run_cah(
        *("tracker", "--listen", tracker.address),
        *("--store", f"sqlite:{tmp_path / 'other.db'}"),
    )
    assert done.returncode == 1
    assert tracker.address in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["--listen", "8080"],
        ["--listen", "127.0.0.1:"],
        ["--listen", "127.0.0.1:65536"],
        ["--listen", "::1:80"],
        ["--listen", ":80"],
        ["--idle-timeout", "0"],
        ["--idle-timeout", "x"],
        ["--max-connections", "0"],
        ["--upload-address", "ALL=x"],
        ["--upload-address", "CPU"],
        ["--upload-address", "CPU=a\nb"],
        ["--log-format", "xml"],
        ["--store", "nothing:x"],
        ["operand"],
        ["--no-such-option"],
    ],
)
def test_bad_usage_ends_with_status_2(run_cah, tmp_path, args):
    store = [] if "--store" in args else ["--store", f"sqlite:{tmp_path / 'a.db'}"]
    done = run_cah("tracker", *store, *args)
    assert done.returncode == 2
    assert done.stderr.startswith("cah tracker: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [None, b"", b" \n", b"a\0b", b"x" * 2000])
def test_a_secret_that_is_none_is_refused(run_cah, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    done = run_cah(
        *("tracker", "--store", f"sqlite:{tmp_path / 'a.db'}"),
        *("--listen", "127.0.0.1:0", "--admin-token-file", path),
    )
    assert done.returncode in (1, 2)
    assert "--admin-token-file" in done.stderr


def test_help_shows_examples(run_cah):
    done = run_cah("tracker", "--help", check=True)
    assert "--idle-timeout SECONDS" in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_though_connections_are_open(tracker, number):
    with connect(tracker) as idle, connect(tracker) as used:
        used.sendall(b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.recv(10000).startswith(b"HTTP/1.1 200")
        tracker.process.send_signal(number)
        assert tracker.process.wait(PATIENCE) == 0
        assert idle.recv(1) == b""


def test_what_was_begun_is_answered_before_it_stops(tracker):
    token = tracker.new_worker()
    take(tracker, token)
    body = json.dumps({"token": token, "count": 3}).encode()
    with connect(tracker) as sock:
        sock.sendall(
            b"POST /api/markAsDone HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body[:5])
        )
        # Once this is answered, the tracker has read the beginning of the other.
        assert tracker.get("/data").status == 200
        tracker.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        sock.sendall(body[5:])
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"success")
    assert tracker.process.wait(PATIENCE) == 0
    tracker.start()
    assert jobs(tracker)["done"] == 1


def test_the_log_is_json_on_request(cah, import_jobs, start_tracker, tmp_path):
    import_jobs(1)
    tracker = start_tracker("--json", "--verbose")
    tracker.stop()
    # The fixture leaves standard error alone, so once more by hand.
    process = subprocess.Popen(
        [cah, "tracker", "--json", "--listen", "127.0.0.1:0"]
        + ["--store", f"sqlite:{tracker.store}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert lines[-1]["msg"] == "stopped"
