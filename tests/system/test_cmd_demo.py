"""`cah demo`: two worlds, one dataset, and a check that can fail."""

import functools
import http.client
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pyarrow.parquet
import pytest
from conftest import BUILD

WORLD = BUILD / "src" / "demo" / "demo-world"


@pytest.fixture(scope="session")
def run_demo(run_cah):
    """`cah demo ARGS...`, with time for a machine that does other things, too."""
    return functools.partial(run_cah, "demo", timeout=300)


@pytest.fixture(scope="module")
def demo(run_demo, tmp_path_factory):
    """One run of the demo: (report, folder)."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = run_demo("--out", folder, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), folder


def test_every_check_holds(demo):
    report, _ = demo
    assert report["ok"] is True
    for world in ("docs", "world"):
        assert len(report[world]["checks"]) >= 4
        assert all(check["ok"] for check in report[world]["checks"])


def test_the_real_pages_give_1721_pairs(demo):
    report, folder = demo
    tables = [
        pyarrow.parquet.read_table(folder / "shards" / f"{k:08d}.parquet")
        for k in (1, 2)
    ]
    found = {(row["URL"], row["TEXT"]) for table in tables for row in table.to_pylist()}
    assert len(found) == report["docs"]["distinct"] == 1721
    assert all(url.startswith("http://docs-en.test:8091/") for url, _ in found)


def test_the_known_world_is_told_apart(demo):
    report, folder = demo
    world = report["world"]
    kept = sum(
        pyarrow.parquet.read_metadata(path).num_rows
        for path in (folder / "shards").glob("*.parquet")
        if int(path.stem) > 2
    )
    assert kept == world["kept"] == world["rightly_kept"] + world["wrongly_kept"]
    assert world["wrongly_kept"] <= 0.05 * world["wrong"]


def test_the_report_for_people(run_demo, tmp_path):
    done = run_demo("--out", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for words in ("jobs done", "candidates", "dropped: duplicate", "pairs kept"):
        assert words in done.stdout
    assert str(tmp_path / "out" / "shards") in done.stdout
    assert "checks held, 0 failed" in done.stdout


def test_a_dataset_that_is_wrong_fails_the_check(run_demo, tmp_path):
    """One picture taken away: the truth says it must be there."""
    world = tmp_path / "world"
    shutil.copytree(WORLD, world)
    truth = [json.loads(line) for line in (world / "truth.jsonl").open("rb")]
    url = next(t["url"] for t in truth if t["kind"] == "right")
    host, path = re.match(r"http://([^:/]+):\d+/(.*)", url).groups()
    (world / "site" / host / path).unlink()
    done = run_demo("--out", tmp_path / "out", "--world", world)
    assert done.returncode == 1
    assert "[FAIL] dropped as http_not_found" in done.stdout
    assert "checks failed" in done.stderr.splitlines()[-1]


def test_serve_keeps_the_pages_up_until_ctrl_c(cah, tmp_path):
    process = subprocess.Popen(
        [cah, "demo", "--serve", "--out", tmp_path / "out", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stderr.readline()
        address = re.search(r"http://([\d.:]+)/", line).group(1)
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/leaderboard")
        answer = connection.getresponse()
        assert answer.status == 200
        assert "demo" in answer.read().decode()
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_folder_with_something_in_it_is_left_alone(run_cah, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = run_cah("demo", "--out", tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert [p.name for p in pathlib.Path(tmp_path).iterdir()] == ["mine.txt"]


def test_a_port_in_use_is_no_obstacle(run_demo, tmp_path):
    with socket.create_server(("127.0.0.1", 8091)):
        done = run_demo("--out", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
