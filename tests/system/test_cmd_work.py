"""A volunteer's worker, from the first job to the last, and what may come between."""

import http.server
import io
import json
import os
import pty
import resource
import select
import signal
import subprocess
import threading
import time
import urllib.parse
from collections import Counter

import numpy as np
import pyarrow.parquet
import pytest
import webdataset
from conftest import ROOT
from crawl import Web, leftovers
from PIL import Image

MODEL = ROOT / "models" / "demo"
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Made once; the tests' webs differ in nothing but their gate."""
    web = Web(tmp_path_factory.mktemp("web") / "w")
    yield web
    web.stop()


@pytest.fixture
def web(world):
    world.requests.clear()
    world.gate = None
    yield world
    if world.gate is not None:
        world.gate.set()
    world.gate = None


@pytest.fixture
def project(web, import_jobs, start_tracker):
    """A tracker with the world's jobs."""

    def start(*args, wats=None):
        import_jobs(wats or web.wats, base_url=web.base_url)
        return start_tracker(*args)

    return start


@pytest.fixture
def worker(cah, web, tmp_path):
    """Starts `cah work`; returns the process."""
    started = []

    def start(tracker, *args, options=None, **kwargs):
        process = subprocess.Popen(
            [
                *(cah, "work", "--tracker", tracker.url, "--nickname", "zoë"),
                *("--model", MODEL, "--out", tmp_path / "out"),
                *(options or web.options),
                *map(str, args),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process):
    """The process's end: status, standard output and error."""
    out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def wait_for_image(web):
    wait_for(lambda: any(h != "crawl.test" for h, _ in web.requests), "an image")


def shards(folder):
    return sorted(folder.glob("*.parquet"))


def rows(folder):
    return [
        row
        for path in shards(folder)
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]


def open_jobs(tracker):
    return int(tracker.get("/api/jobCount?type=HYBRID").text)


def test_the_dataset_is_what_the_world_says(project, worker, web, tmp_path):
    tracker = project()
    status, _, err = finish(worker(tracker, "--save-images"))
    assert status == 0, err
    out = tmp_path / "out"
    assert len(shards(out)) == 4
    truth = web.truth

    stats = [json.loads(p.read_bytes()) for p in sorted(out.glob("*.stats.json"))]
    fates = Counter()
    for s in stats:
        fates.update(s["fates"])
    assert fates.total() == sum(t["fate"] != "no_candidate" for t in truth)
    for fate in ("duplicate", "bad_url", "not_http", "unwanted_type", "language"):
        assert fates[fate] == sum(t["fate"] == fate for t in truth), fate
    for fate in ("http_not_found", "too_small", "broken_image", "not_an_image"):
        assert fates[fate] == sum(t["fate"] == fate for t in truth), fate

    kept = rows(out)
    assert len(kept) == fates["kept"]
    right = {(t["url"], t["text"]): t for t in truth if t["want"] == "kept"}
    rightly = [r for r in kept if (r["URL"], r["TEXT"]) in right]
    assert len(rightly) >= 0.75 * len(right)
    assert len(kept) - len(rightly) <= 0.05 * len(kept)
    for row in rightly:
        assert row["LICENSE"] == right[row["URL"], row["TEXT"]]["license"]
        assert row["similarity"] >= 0.3

    data = tracker.get("/data").json()
    assert data["total_pairs_scraped"] == len(kept)
    assert open_jobs(tracker) == 0


def test_the_files_of_a_shard_agree(project, worker, web, tmp_path):
    tracker = project()
    status, _, err = finish(worker(tracker, "--save-images", "--jobs", 1))
    assert status == 0, err
    out = tmp_path / "out"
    (path,) = shards(out)
    name = path.stem
    table = pyarrow.parquet.read_table(path).to_pylist()
    for side in ("img", "text"):
        embeddings = np.load(out / f"{side}_emb_{name}.npy")
        assert embeddings.dtype == np.float16
        assert len(embeddings) == len(table)
        norms = np.linalg.norm(embeddings.astype(np.float32), axis=1)
        assert np.allclose(norms, 1, atol=2e-3)
    images = np.load(out / f"img_emb_{name}.npy").astype(np.float32)
    texts = np.load(out / f"text_emb_{name}.npy").astype(np.float32)
    wanted = [row["similarity"] for row in table]
    assert np.allclose((images * texts).sum(1), wanted, atol=2e-3)

    samples = list(webdataset.WebDataset(str(out / f"{name}.tar"), shardshuffle=False))
    assert len(samples) == len(table)
    by_id = {row["SAMPLE_ID"]: row for row in table}
    for sample in samples:
        row = by_id[json.loads(sample["json"])["SAMPLE_ID"]]
        assert sample["txt"].decode() == row["TEXT"]
        (ending,) = {"jpg", "png", "webp"} & set(sample)
        with Image.open(io.BytesIO(sample[ending])) as image:
            assert image.size == (row["WIDTH"], row["HEIGHT"])
    # Piece 0 of the first WAT.
    assert all(0 <= i < 500_000 for i in by_id)


def test_the_pieces_of_a_wat_share_no_sample_number(project, worker, web, tmp_path):
    tracker = project(wats=web.wats[:1])
    status, _, err = finish(worker(tracker))
    assert status == 0, err
    first, second = (
        {row["SAMPLE_ID"] for row in pyarrow.parquet.read_table(p).to_pylist()}
        for p in shards(tmp_path / "out")
    )
    assert first and second
    assert max(first) < 500_000 <= min(second)


def test_ctrl_c_gives_the_job_back_and_a_second_start_goes_on(
    project, worker, web, tmp_path
):
    tracker = project()
    web.gate = threading.Event()
    process = worker(tracker)
    wait_for_image(web)
    assert open_jobs(tracker) == 3
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130, err
    assert "given back" in err
    assert open_jobs(tracker) == 4
    assert leftovers(tmp_path / "out") == []

    web.gate.set()
    status, _, err = finish(worker(tracker))
    assert status == 0, err
    assert open_jobs(tracker) == 0
    assert len(shards(tmp_path / "out")) == 4


def test_a_killed_worker_leaves_no_half_shard(project, worker, web, tmp_path):
    tracker = project("--idle-timeout", 3)
    web.gate = threading.Event()
    process = worker(tracker)
    wait_for_image(web)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    out = tmp_path / "out"
    assert shards(out) == []
    assert list(out.glob("*.stats.json")) == []
    web.gate.set()
    wait_for(lambda: open_jobs(tracker) == 4, "the job to be open again")
    # This worker is to live longer than three seconds.
    tracker.stop()
    tracker.args = []
    tracker.start()

    status, _, err = finish(worker(tracker))
    assert status == 0, err
    assert len(shards(out)) == 4
    assert not [name for name in leftovers(out) if ".tmp" in name]


@pytest.fixture
def forget(web, import_jobs, tmp_path):
    """Another book at the tracker's address: it has never heard of anybody."""

    def forget(tracker):
        tracker.kill()
        tracker.store = import_jobs(
            web.wats, store=tmp_path / "new.db", base_url=web.base_url
        )
        tracker.start()

    return forget


@pytest.mark.parametrize("told_by", ["the heartbeat", "the report"])
def test_a_worker_that_timed_out_drops_the_job_and_goes_on(
    project, worker, web, forget, tmp_path, told_by
):
    tracker = project()
    web.gate = threading.Event()
    seconds = 1 if told_by == "the heartbeat" else 3600
    process = worker(tracker, "--heartbeat", seconds)
    wait_for_image(web)
    forget(tracker)
    if told_by == "the heartbeat":
        # It takes another job while no image has come yet.
        wait_for(lambda: open_jobs(tracker) == 3, "the worker to begin anew")
    web.gate.set()
    status, _, err = finish(process)
    assert status == 0, err
    said = "somebody else" if told_by == "the heartbeat" else "too late"
    assert err.count(said) == 1
    assert open_jobs(tracker) == 0
    assert tracker.get("/data").json()["total_pairs_scraped"] == len(
        rows(tmp_path / "out")
    )


def test_ctrl_c_ends_a_worker_whose_tracker_is_away(project, worker, web, tmp_path):
    tracker = project()
    web.gate = threading.Event()
    # By the time of the signal the heartbeat waits for the tracker.
    process = worker(tracker, "--heartbeat", 1, "--retry", -1)
    wait_for_image(web)
    tracker.kill()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130
    assert "stopped" in err
    assert leftovers(tmp_path / "out") == []


def test_a_worker_whose_tracker_is_away_says_so(project, worker, web):
    tracker = project()
    web.gate = threading.Event()
    process = worker(tracker, "--heartbeat", 1, "--retry", 7)
    wait_for_image(web)
    tracker.kill()
    web.gate.set()
    status, _, err = finish(process)
    assert status == 1, err
    said = [line for line in err.splitlines() if "does not answer" in line]
    assert said, err
    assert "level=warn" in said[0]


def test_the_second_ctrl_c_ends_it_at_once(project, worker, web):
    tracker = project()
    web.gate = threading.Event()
    process = worker(tracker, "--retry", -1)
    wait_for_image(web)
    # It takes connections and says nothing: the goodbye takes all its time.
    tracker.process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    tracker.process.send_signal(signal.SIGCONT)
    assert status == 130
    assert "stopped" not in err


def test_ctrl_c_during_the_report_of_a_shard_does_not_lose_it(
    project, worker, web, tmp_path
):
    tracker = project()
    web.gate = threading.Event()
    process = worker(tracker, "--heartbeat", 3600)
    wait_for_image(web)
    tracker.process.send_signal(signal.SIGSTOP)
    web.gate.set()
    out = tmp_path / "out"
    wait_for(lambda: list(out.glob("*.stats.json")), "the shard")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    tracker.process.send_signal(signal.SIGCONT)
    status, _, err = finish(process)
    assert status == 130, err
    assert open_jobs(tracker) == 3
    assert tracker.get("/data").json()["total_pairs_scraped"] == len(rows(out)) > 0


def test_a_tracker_that_is_away_for_a_while_is_waited_for(
    project, worker, web, tmp_path
):
    tracker = project()
    web.gate = threading.Event()
    process = worker(tracker)
    wait_for_image(web)
    tracker.kill()
    web.gate.set()
    time.sleep(1)
    tracker.start()
    status, _, err = finish(process)
    assert status == 0, err
    assert open_jobs(tracker) == 0
    assert len(shards(tmp_path / "out")) == 4


def test_a_finished_shard_is_reported_and_not_made_again(
    project, worker, web, import_jobs, tmp_path
):
    tracker = project()
    assert finish(worker(tracker))[0] == 0
    pairs = len(rows(tmp_path / "out"))
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    # As after a crash between the files and the report: the book knows nothing.
    tracker.stop()
    tracker.store = import_jobs(
        web.wats, store=tmp_path / "new.db", base_url=web.base_url
    )
    tracker.start()
    web.requests.clear()
    status, _, err = finish(worker(tracker))
    assert status == 0, err
    assert web.requests == []
    assert tracker.get("/data").json()["total_pairs_scraped"] == pairs
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}


def test_a_wat_that_cannot_be_had_ends_the_worker(project, worker, web, tmp_path):
    tracker = project(wats=["nowhere.warc.wat.gz"])
    status, _, err = finish(worker(tracker))
    assert status == 1
    assert "nowhere.warc.wat.gz" in err.splitlines()[-1]
    assert open_jobs(tracker) == 2
    assert leftovers(tmp_path / "out") == []


def test_a_wat_that_cannot_be_had_does_not_keep_others_out(
    project, worker, web, tmp_path
):
    tracker = project(wats=["nowhere.warc.wat.gz", web.wats[0]])
    status, _, err = finish(worker(tracker))
    assert status == 1
    assert "nowhere.warc.wat.gz" in err.splitlines()[-1]
    assert open_jobs(tracker) == 2
    assert len(shards(tmp_path / "out")) == 2


def test_a_tracker_sends_nobody_to_private_addresses(project, worker, web, tmp_path):
    tracker = project()
    options = [o for o in web.options if o != "--allow-private-addresses"]
    status, _, err = finish(worker(tracker, options=options))
    assert status == 1
    assert "127.0.0.1 is not a public address" in err.splitlines()[-1]
    assert web.requests == []
    assert open_jobs(tracker) == 4


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_tracker_names_no_files_of_this_machine(
    worker, web, import_jobs, start_tracker, tmp_path, prefix
):
    import_jobs([f"{web.folder / web.wats[0]}"], base_url=prefix)
    tracker = start_tracker()
    status, _, err = finish(worker(tracker))
    assert status == 1
    assert str(web.folder) in err.splitlines()[-1]
    assert "not allowed" in err.splitlines()[-1]
    assert leftovers(tmp_path / "out") == []


class Forgetful(http.server.BaseHTTPRequestHandler):
    """Registers anybody and knows nobody."""

    def log_message(self, *args):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer(200, '{"token": "t", "display_name": "d"}')

    def do_POST(self):
        self.server.posts.append(self.path)
        self.answer(404, "unknown worker")


def test_a_tracker_that_forgets_at_once_is_not_asked_for_ever(cah, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        server.posts = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        done = subprocess.run(
            [
                *(cah, "work", "--tracker", url, "--nickname", "me"),
                *("--model", MODEL, "--out", tmp_path / "out"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 1
    assert "forgot this worker 3 times" in done.stderr.splitlines()[-1]
    assert server.posts.count("/api/newJob") == 3


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_leaves_nothing_and_gives_the_job_back(
    project, worker, web, tmp_path
):
    tracker = project()
    process = worker(tracker, "--save-images", preexec_fn=limit_file_size)
    status, _, err = finish(process)
    assert status == 1
    assert "cannot write" in err or "File too large" in err
    assert open_jobs(tracker) == 4
    assert leftovers(tmp_path / "out") == []


def test_results_as_json(project, worker, web, tmp_path):
    tracker = project()
    status, out, err = finish(worker(tracker, "--json", "--jobs", 1))
    assert status == 0, err
    report = json.loads(out)
    assert report["jobs"] == 1
    assert report["kept"] == len(rows(tmp_path / "out"))
    assert sum(report["fates"].values()) == report["candidates"]
    assert all(json.loads(line)["msg"] for line in err.splitlines())


def test_drops_what_is_blocked(project, worker, web, tmp_path):
    tracker = project()
    hosts = tmp_path / "hosts"
    urls = [t["url"] for t in web.truth if t["want"] == "kept"]
    names = {urllib.parse.urlsplit(url).hostname for url in urls}
    hosts.write_text("\n".join(names))
    status, out, err = finish(
        worker(tracker, "--json", "--jobs", 1, "--block-hosts", hosts)
    )
    assert status == 0, err
    report = json.loads(out)
    assert report["kept"] == 0
    assert report["fates"]["blocked_host"] > 50


def test_quiet_says_nothing(project, worker, web):
    tracker = project()
    assert finish(worker(tracker, "--quiet", "--jobs", 1)) == (0, "", "")


def test_a_terminal_gets_a_progress_line(project, cah, web, tmp_path):
    tracker = project()
    near, far = pty.openpty()
    process = subprocess.Popen(
        [
            *(cah, "work", "--tracker", tracker.url, "--nickname", "me"),
            *("--model", MODEL, "--out", tmp_path / "out", "--jobs", "1"),
            *web.options,
        ],
        stderr=far,
    )
    os.close(far)
    said = b""
    while select.select([near], [], [], WAIT_SECONDS)[0]:
        try:
            said += os.read(near, 65536)
        except OSError:  # the other end is closed
            break
    os.close(near)
    assert process.wait(WAIT_SECONDS) == 0
    assert b" kept " in said and b" left" in said
    assert b"\r\x1b[K" in said


def test_a_model_that_is_none(run_cah, tmp_path):
    done = run_cah(
        *("work", "--nickname", "me", "--model", tmp_path, "--out", tmp_path / "out")
    )
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--nickname", "me"],
        ["--nickname", "me", "--model", MODEL],
        ["--nickname", "me", "--model", MODEL, "--out", "s3://bucket/x"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--type", "cpu"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--type", "x"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--languages", "xx"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--resolve", "nonsense"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--threshold", "2"],
        ["--nickname", "me", "--model", MODEL, "--out", "o", "--tracker", "ftp://x/"],
    ],
)
def test_bad_usage_is_told_in_one_line(run_cah, tmp_path, args):
    done = run_cah("work", *args, cwd=tmp_path)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
