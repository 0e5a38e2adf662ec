"""The Crawling@Home dialect, call by call, against a tracker that runs."""

import concurrent.futures
import re
import sqlite3
import urllib.parse

import pytest
from calls import (
    CALLS,
    NOBODY,
    finish,
    jobs,
    mark_cpu,
    prepare_gpu_job,
    state,
    take,
    wait_until,
)
from conftest import ROOT, SECRET

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
    assert take(tracker, tokens[1])["number"] == 5, "not the one given back"
    assert take(tracker, tracker.new_worker())["number"] == 2
    tracker.post("/api/bye", {"token": tokens[0], "type": "HYBRID"})
    assert take(tracker, tokens[2])["number"] == 6
    assert take(tracker, tracker.new_worker())["number"] == 1
    assert take(tracker, tracker.new_worker())["number"] == 3


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
