"""`cah run`: tracker, worker and output in one process."""

import gzip
import json
import signal
import subprocess
import threading
import time

import pyarrow.parquet
import pytest
from conftest import ROOT
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


def test_bad_usage(run_cah, tmp_path):
    assert run_cah("run").returncode == 2
    none = run_cah(
        *("run", tmp_path / "none", "--model", MODEL, "--out", tmp_path / "out")
    )
    assert none.returncode == 1
    assert len(none.stderr.splitlines()) == 1
