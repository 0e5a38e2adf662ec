"""The demo model tells right captions from wrong ones, on pictures it never saw.

What is measured and how: tools/demo_model/evaluate.py and docs/demo-model.md.
"""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

MODEL = ROOT / "models" / "demo"
MAX_BYTES = 10_000_000
ATTRIBUTES = ("colour", "shape", "count", "place", "size", "background", "swap")


@pytest.fixture(scope="module")
def report():
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tools" / "demo_model" / "evaluate.py",
            *("--scenes", "1000", "--json"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_captions_of_other_scenes_are_told_apart(report):
    assert report["scenes"] == 1000
    assert report["other_scenes"]["auc"] >= 0.99


def test_one_altered_attribute_is_told_apart(report):
    assert report["altered"]["auc"] >= 0.95


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_each_altered_attribute_is_told_apart(report, attribute):
    assert report[f"altered_{attribute}"]["auc"] >= 0.95


def test_the_model_is_small():
    assert sum(f.stat().st_size for f in MODEL.rglob("*") if f.is_file()) <= MAX_BYTES
