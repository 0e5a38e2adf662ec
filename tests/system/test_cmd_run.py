"""`cah run`: tracker, worker and output in one process."""

import gzip
import json
import re
import signal
import subprocess
import threading
import time

import pyarrow.parquet
import pytest
from conftest import ROOT, http_request
from crawl import Web, leftovers

MODEL = ROOT / "models" / "demo"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    web = Web(tmp_path_factory.mktemp("web") / "w")
    yield web
    web.stop()


@pytest.fixture
def args(web, tmp_path):
    return [
        *("run", web.folder / "wat.paths", "--base-url", web.base_url),
        *("--model", MODEL, "--out", tmp_path / "out", *web.options),
    ]


def pairs(folder):
    return sum(
        pyarrow.parquet.read_metadata(p).num_rows for p in folder.glob("*.parquet")
    )


def test_all_jobs_are_done_and_a_second_run_finds_none(run_cah, args, web, tmp_path):
    done = run_cah(*args, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["jobs"] == 4
    assert report["kept"] == pairs(tmp_path / "out") > 0

    web.requests.clear()
    again = run_cah(*args, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"] == 0
    assert web.requests == []


def test_it_goes_on_where_it_was_stopped(cah, run_cah, args, web, tmp_path):
    web.gate = threading.Event()
    web.requests.clear()
    process = subprocess.Popen([cah, *map(str, args)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not any(h != "crawl.test" for h, _ in web.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not list((tmp_path / "out").glob("*.parquet"))

    web.gate.set()
    web.gate = None
    done = run_cah(*args, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"] == 4


@pytest.mark.parametrize("after", [0.3, 1.0, 2.0])
def test_it_goes_on_after_kill_9(cah, run_cah, args, tmp_path, after):
    process = subprocess.Popen([cah, *map(str, args)], stderr=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    process.wait()
    done = run_cah(*args, "--json")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert len(list(out.glob("*.stats.json"))) == 4
    assert not [name for name in leftovers(out) if ".tmp." in name]
    kept = [json.loads(p.read_bytes())["fates"]["kept"] for p in out.glob("*.json")]
    assert sum(kept) == pairs(out)


@pytest.fixture
def running(cah, args, web):
    """A run that has a job and waits for its images; it says where its pages are."""
    web.gate = threading.Event()
    web.requests.clear()
    process = subprocess.Popen(
        [cah, *map(str, args)], stderr=subprocess.PIPE, text=True
    )
    process.url = None
    while process.url is None:
        line = process.stderr.readline()
        assert line, "ended early"
        found = re.search(r"the pages are at (http://[\d.:]+)", line)
        process.url = found and found.group(1)
    deadline = time.monotonic() + 60
    while not any(h != "crawl.test" for h, _ in web.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    if web.gate is not None:
        web.gate.set()
    web.gate = None
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_second_run_on_the_same_folder_at_the_same_time(run_cah, args, running):
    second = run_cah(*args)
    assert second.returncode == 1
    assert re.fullmatch(r"cah run: another tracker uses \S+\n", second.stderr)
    assert running.poll() is None


def test_others_may_join_and_are_waited_for(cah, args, running, web, tmp_path):
    tracker = running.url
    other = subprocess.Popen(
        [
            *(cah, "work", "--tracker", tracker, "--nickname", "other"),
            *("--model", MODEL, "--out", tmp_path / "other", *web.options),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while int(http_request(f"{tracker}/api/jobCount?type=HYBRID").text) != 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    web.gate.set()
    assert other.wait(60) == 0, other.stderr.read()
    other.stderr.close()
    running.communicate(timeout=60)
    assert running.returncode == 0
    names = [
        path.name
        for folder in (tmp_path / "out", tmp_path / "other")
        for path in folder.glob("*.parquet")
    ]
    assert sorted(names) == [f"{k:08d}.parquet" for k in range(1, 5)]
    assert list((tmp_path / "other").glob("*.parquet"))


def test_the_output_may_be_a_file_uri(run_cah, web, tmp_path):
    wat = web.folder / web.wats[0]
    done = run_cah(
        *("run", wat, "--model", f"{MODEL}/", "--out", f"file:{tmp_path}/o%20o"),
        *("--jobs", 1, *web.options),
    )
    assert done.returncode == 0, done.stderr
    (stats,) = (tmp_path / "o o").glob("*.stats.json")
    assert json.loads(stats.read_bytes())["model"] == "demo"


def test_wat_files_of_this_machine(run_cah, web, tmp_path):
    listing = tmp_path / "wat.paths.gz"
    lines = "".join(f"{web.folder / name}\n" for name in web.wats[:1])
    listing.write_bytes(gzip.compress(lines.encode()))
    done = run_cah(
        *("run", listing, "--base-url", "", "--json"),
        *("--model", MODEL, "--out", tmp_path / "out", *web.options),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"] == 2


def test_shards_of_another_list_are_not_lost(run_cah, args, web, tmp_path):
    assert run_cah(*args, "--jobs", 1).returncode == 0
    (path,) = (tmp_path / "out").glob("*.parquet")
    before = path.read_bytes()
    other = [
        *("run", web.folder / web.wats[1], "--store", f"sqlite:{tmp_path}/new.db"),
        *args[2:],
    ]
    done = run_cah(*other)
    assert done.returncode == 1
    assert "a folder is for one tracker" in done.stderr.splitlines()[-1]
    assert path.read_bytes() == before


def test_bad_usage(run_cah, tmp_path):
    assert run_cah("run").returncode == 2
    none = run_cah(
        *("run", tmp_path / "none", "--model", MODEL, "--out", tmp_path / "out")
    )
    assert none.returncode == 1
    assert len(none.stderr.splitlines()) == 1
