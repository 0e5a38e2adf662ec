"""`cah model`: what a folder holds, and what is wrong with a broken one."""

import json
import os
import pty
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ROOT

DEMO = ROOT / "models" / "demo"


def test_check_tells_what_the_demo_model_is(run_cah):
    done = run_cah("model", "check", DEMO, "--json", "--threads", 1, check=True)
    told = json.loads(done.stdout)
    assert told["dimension"] == 256
    assert (told["shortest_edge"], told["crop_width"], told["crop_height"]) == (
        64,
        64,
        64,
    )
    assert told["resample"] == "bicubic"
    assert told["mean"] == told["std"] == [0.5, 0.5, 0.5]
    assert (told["vocabulary"], told["context"]) == (1088, 32)
    assert told["images_per_second"] > 0
    assert told["texts_per_second"] > 0
    assert done.stderr == ""


def test_check_tells_it_to_people_and_can_be_quiet(run_cah):
    done = run_cah("model", "check", DEMO, "--full-precision", check=True)
    assert "256 numbers, computed in f32" in done.stdout
    quiet = run_cah("model", "check", DEMO, "--quiet", check=True)
    assert quiet.stdout == quiet.stderr == ""


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def swap(path):
    shutil.copy(path.with_name("text_model.onnx"), path)


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("onnx/vision_model.onnx", lambda p: p.unlink(), "no vision_model.onnx"),
        ("onnx/text_model.onnx", lambda p: p.unlink(), "no text_model.onnx"),
        ("onnx/vision_model.onnx", cut, "not an ONNX model, or cut short"),
        ("onnx/vision_model.onnx", swap, "is not [images, 3, height, width]"),
        ("preprocessor_config.json", lambda p: p.unlink(), "no such file"),
        ("preprocessor_config.json", cut, "preprocessor_config.json: line"),
        ("tokenizer.json", cut, "tokenizer.json: line"),
        ("tokenizer_config.json", cut, "tokenizer_config.json: line"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(run_cah, tmp_path, name, spoil, said):
    model = tmp_path / "model"
    shutil.copytree(DEMO, model)
    spoil(model / name)
    done = run_cah("model", "check", model)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cah model: {model}")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_folder_without_any_tokenizer_says_so(run_cah, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(DEMO, model)
    (model / "tokenizer.json").unlink()
    run_cah("model", "check", model, "--quiet", check=True)
    (model / "vocab.json").unlink()
    done = run_cah("model", "check", model)
    assert done.returncode == 1
    assert "neither tokenizer.json nor vocab.json" in done.stderr


def test_an_unknown_action_is_bad_usage(run_cah):
    done = run_cah("model", "pull", DEMO)
    assert done.returncode == 2
    assert "'pull' is neither check nor tokens" in done.stderr


def test_a_signal_stops_tokens_that_wait_for_input(cah):
    """On a terminal, whose lines come at once: after one it waits for the next."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [cah, "model", "tokens", DEMO],
        stdin=subprocess.PIPE,
        stdout=end,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"a red circle\n")
    process.stdin.flush()
    assert os.read(terminal, 100).split()
    time.sleep(0.2)  # from its answer to its next read
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    os.close(terminal)
    os.close(end)
    assert said == b"cah model: stopped\n"
    assert process.returncode == 130
