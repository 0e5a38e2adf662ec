"""How a worker's stages do: the table of --stats, /metrics, the progress line."""

import contextlib
import itertools
import json
import os
import pty
import re
import select
import socket
import subprocess
import threading
import time

import pytest
from conftest import ROOT, http_request
from crawl import Web
from prometheus_client.parser import text_string_to_metric_families
from test_conventions import section, table_rows

MODEL = ROOT / "models" / "demo"
WAIT_SECONDS = 60
STAGES = ["wat", "dedup", "fetch", "image", "clip", "output"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    web = Web(tmp_path_factory.mktemp("web") / "w")
    yield web
    web.stop()


@pytest.fixture
def web(world):
    """Its images come when `gate` is set."""
    world.gate = threading.Event()
    yield world
    world.gate.set()
    world.gate = None


@pytest.fixture
def tracker(web, import_jobs, start_tracker):
    import_jobs(web.wats[:1], base_url=web.base_url)
    return start_tracker("--quiet")


@pytest.fixture
def worker(cah, tracker, web, tmp_path):
    started = []

    def start(*args, **kwargs):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        process = subprocess.Popen(
            [
                *(cah, "work", "--tracker", tracker.url, "--nickname", "me"),
                *("--model", MODEL, "--out", tmp_path / "out", *web.options),
                *("--image-timeout", "60", *args),
            ],
            text=True,
            **streams,
        )
        started.append(process)
        return process

    yield start
    web.gate.set()
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        got = condition()
        if got:
            return got
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def metrics_url(process):
    for line in process.stderr:
        found = re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", line)
        if found:
            return found[1]
    raise AssertionError("it said nothing of metrics")


def read(url):
    """{(sample, label's value): value}, and the families."""
    answer = http_request(url)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {f.name: f for f in text_string_to_metric_families(answer.text)}
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in found.values()
        for sample in family.samples
    }
    return samples, answer.text


def test_a_slow_site_makes_the_fetch_the_limit(worker, web):
    process = worker("--metrics", "0")
    url = metrics_url(process)
    name = "cah_worker_stage_is_limit"
    wait_for(lambda: read(url)[0][name, "fetch"] == 1)
    samples, _ = read(url)
    assert [stage for stage in STAGES if samples[name, stage]] == ["fetch"]
    assert samples["cah_worker_fetch_active",] > 0
    assert samples["cah_worker_stage_busy_seconds_total", "fetch"] > 1
    assert samples["cah_worker_stage_busy_seconds_total", "clip"] < 1
    assert samples["cah_worker_stage_threads", "clip"] == 1
    web.gate.set()
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err


def test_the_progress_line_names_the_limit(worker, web):
    head, tail = pty.openpty()
    process = worker(stderr=tail)
    os.close(tail)
    said = b""

    def names_it():
        nonlocal said
        if select.select([head], [], [], 0.1)[0]:
            said += os.read(head, 65536)
        return b"/s (fetch is the limit), kept 0" in said

    wait_for(names_it)
    web.gate.set()
    # Whoever writes to a terminal that nobody reads waits.
    with contextlib.suppress(OSError):  # it has closed its end
        while os.read(head, 65536):
            pass
    os.close(head)
    assert process.wait(WAIT_SECONDS) == 0


def test_the_document_has_the_metrics_that_there_are(worker):
    url = metrics_url(worker("--metrics", "127.0.0.1:0"))
    shown = {}
    for line in read(url)[1].splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            shown[name] = [kind, set()]
        elif not line.startswith("#"):
            name = re.match(r"[a-z_]+", line)[0]
            shown[name][1] |= set(re.findall(r'[{,]([a-z_]+)="', line))
    told = {
        row[0].strip("`"): [row[1], {w for w in row[2].split(", ") if w}]
        for row in table_rows(section("docs/metrics.md", "A worker's metrics"))
        if len(row) == 4 and row[0].startswith("`")
    }
    shown = {k: v for k, v in shown.items() if k.startswith("cah_")}
    assert told == shown


def test_counters_grow_from_shard_to_shard(worker, web, tmp_path):
    web.gate.set()
    process = worker("--metrics", "0")
    url = metrics_url(process)
    looks = []

    def look():
        try:
            looks.append(read(url)[0])
        except OSError:  # it has done all its shards
            return True
        return process.poll() is not None

    wait_for(look)
    process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert len(looks) > 2
    for before, after in itertools.pairwise(looks):
        for key, value in before.items():
            if key[0].endswith("_total"):
                assert after[key] >= value, key
    last = looks[-1]
    done = int(last["cah_worker_shards_total", "done"])
    stats = sorted((tmp_path / "out").glob("*.stats.json"))
    fates = [json.loads(path.read_bytes())["fates"] for path in stats]
    assert done <= len(stats) == 2
    for fate in fates[0]:
        least = sum(one[fate] for one in fates[:done])
        most = sum(one[fate] for one in fates)
        assert least <= last["cah_worker_candidates_total", fate] <= most
    assert last["cah_worker_wat_bytes_total",] > 0
    assert last["cah_worker_image_bytes_total",] > 0 or done == 0


def test_the_monitor_answers_nothing_else(worker):
    url = metrics_url(worker("--metrics", "0"))
    root = url.removesuffix("/metrics")
    assert http_request(root + "/").status == 404
    assert http_request(url + "/x").status == 404
    answer = http_request(url, body=b"x" * 100_000)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert http_request(url, method="HEAD").body == b""
    assert http_request(url).status == 200


def check_stages(stages, fates):
    assert [s["stage"] for s in stages] == STAGES
    by_name = {s["stage"]: s for s in stages}
    for stage in stages:
        assert 0 <= stage["busy"] <= 1
        assert stage["depth_mean"] <= stage["depth_most"] <= stage["room"]
        assert stage["rate"] >= 0
    assert by_name["dedup"]["items"] == 0
    scored = fates["kept"] + fates["low_similarity"]
    assert by_name["clip"]["items"] == scored
    assert by_name["output"]["items"] == fates["kept"]
    assert by_name["wat"]["items"] == by_name["fetch"]["items"] > scored
    assert by_name["fetch"]["busy"] > 0


def test_a_table_tells_of_each_shard(worker, web, tmp_path):
    web.gate.set()
    process = worker("--stats")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    heads = re.findall(r"^stage +threads +busy +items +items/s", err, re.MULTILINE)
    assert len(heads) == 2
    for stage in ("wat", "fetch", "image", "clip", "output"):
        lines = re.findall(rf"^{stage} +\d+ +\d+% +\d+ +[\d.]+", err, re.MULTILINE)
        assert len(lines) == 2, stage
    for path in (tmp_path / "out").glob("*.stats.json"):
        stats = json.loads(path.read_bytes())
        check_stages(stats["stages"], stats["fates"])


def test_json_tells_of_them_too(worker, web):
    web.gate.set()
    process = worker("--stats", "--json")
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    report = json.loads(out)
    check_stages(report["stages"], report["fates"])
    lines = [json.loads(line) for line in err.splitlines()]
    told = [line["stage"] for line in lines if line["msg"] == "stage"]
    assert told == STAGES * 2


@pytest.mark.parametrize("address", ["nowhere", "256.0.0.1:80", "1:2:3", "", "x:y"])
def test_an_address_that_is_none_is_told(run_cah, web, tmp_path, address):
    done = run_cah(
        *("work", "--nickname", "me", "--model", MODEL, "--out", tmp_path / "out"),
        *("--tracker", "http://127.0.0.1:9", "--metrics", address),
    )
    assert done.returncode in (1, 2)
    assert "--metrics: " in done.stderr


def test_an_address_that_is_taken_is_told(run_cah, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run_cah(
            *("work", "--nickname", "me", "--model", MODEL, "--out", tmp_path / "out"),
            *("--tracker", "http://127.0.0.1:9"),
            *("--metrics", server.getsockname()[1]),
        )
    assert done.returncode == 1
    assert "--metrics: cannot listen on 127.0.0.1:" in done.stderr
