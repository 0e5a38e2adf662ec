"""`make bench` in its smallest form: every row is there and has numbers. How
fast anything is, no test says."""

import json
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT
from nameservers import can_serve_port_53

ROWS = {
    "wat": 21,  # three modes of a small file, and of a whole one
    "dedup": 3,  # asked one by one and in batches, added
    "tracker": 15,  # two sizes; a crowd; answers; idle; PostgreSQL; start, import
    "image": 4,  # three formats, and all
    "decode": 6,  # two numbers of threads, and cah run
    "clip": 4,  # images and texts, two engines
    "dns": 1 + can_serve_port_53(),  # forwarded, and from the root down
    "fetch": 2,
    "site": 4,  # without img2dataset: rates, memory, a narrow link
    "whole": 9,  # three runs: speed, processor time, memory
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "rows.json"
    script = ROOT / "tests" / "bench" / "bench.py"
    done = subprocess.run(
        [sys.executable, script, "--small", "--json", path, "--build", BUILD],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_every_bench_has_its_rows(report):
    counts = dict.fromkeys(ROWS, 0)
    for row in report[1]["rows"]:
        counts[row["bench"]] += 1
    assert counts == ROWS


def test_rows_have_both_sides_and_their_ratio(report):
    for row in report[1]["rows"]:
        ours, other = row["ours"], row["other"]
        assert 0 < ours["min"] <= ours["median"] <= ours["max"], row
        assert 0 < other["min"] <= other["median"] <= other["max"], row
        assert row["kind"] in ("peer", "limit"), row
        assert row["ratio"] == pytest.approx(ours["median"] / other["median"]), row


def test_rows_are_printed_as_a_table(report):
    lines = [line for line in report[0].splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + sum(ROWS.values())


def test_its_scratch_folder_is_gone(report):
    assert list((BUILD / "bench").glob("run-*")) == []
