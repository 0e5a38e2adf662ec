"""`make soak`: `cah run` is killed at random moments until it is through, again and
again for SOAK_SECONDS, and each time the dataset must be the one of a run that nobody
disturbed. Not part of `make test`: pytest collects it only where it is named."""

import json
import os
import random
import shutil
import subprocess
import time

import pyarrow.parquet
import pytest
from conftest import ROOT
from crawl import Web, leftovers

MODEL = ROOT / "models" / "demo"
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
SEED = int(os.environ.get("SOAK_SEED", str(int(time.time()))))
KILLS_MAX = 12  # in one round, so that it ends
LONGEST = 4.0  # seconds until a kill; an undisturbed run takes about as long
THRESHOLD = 0.3
ROUNDING = 0.005  # of similarities: batches differ from run to run


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    web = Web(tmp_path_factory.mktemp("web") / "w")
    yield web
    web.stop()


def dataset(folder):
    """All rows by sample number."""
    rows = {}
    for path in folder.glob("*.parquet"):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            assert row["SAMPLE_ID"] not in rows, "a sample number twice"
            rows[row["SAMPLE_ID"]] = row
    return rows


def check_same(rows, wanted):
    for key in rows.keys() ^ wanted.keys():
        row = rows.get(key) or wanted[key]
        assert abs(row["similarity"] - THRESHOLD) < ROUNDING, row
    for key in rows.keys() & wanted.keys():
        difference = rows[key].pop("similarity") - wanted[key]["similarity"]
        assert abs(difference) < ROUNDING, rows[key]
        assert rows[key].items() <= wanted[key].items()


def test_kills_leave_no_trace(cah, web, tmp_path):
    print(f"SOAK_SEED={SEED}")
    rng = random.Random(SEED)

    def args(out):
        return [
            *(cah, "run", web.folder / "wat.paths", "--base-url", web.base_url),
            *("--model", MODEL, "--out", out, "--quiet", *web.options),
        ]

    subprocess.run(args(tmp_path / "whole"), check=True, timeout=300)
    wanted = dataset(tmp_path / "whole")
    assert len(wanted) > 150
    deadline = time.monotonic() + SECONDS
    rounds = kills = 0
    while time.monotonic() < deadline:
        out = tmp_path / f"round-{rounds}"
        for _ in range(rng.randint(1, KILLS_MAX)):
            process = subprocess.Popen(args(out))
            try:
                process.wait(rng.uniform(0, LONGEST))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        subprocess.run(args(out), check=True, timeout=300)
        check_same(dataset(out), wanted)
        for path in out.glob("*.stats.json"):
            stats = json.loads(path.read_bytes())
            assert sum(stats["fates"].values()) == stats["candidates"]
        assert not [name for name in leftovers(out) if ".tmp." in name]
        shutil.rmtree(out)
        rounds += 1
    print(f"{rounds} rounds, {kills} kills")
