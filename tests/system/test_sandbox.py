"""Decoders as they run: locked in, replaceable, and gone when the program is."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ROOT

MODEL = ROOT / "models" / "demo"
CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "image"
PICTURE = CORPUS / "rgb.jpg"
WAIT_S = 30


def children(pid):
    names = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for name in names for child in name.read_text().split()]


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def is_running(pid):
    """Not a process whose end nobody has asked for yet, either."""
    try:
        return status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds):
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(cah, tmp_path):
    """Starts `cah score` on a list that does not end; (process, its decoder)."""
    started = []

    def run(*more):
        args = [cah, "score", "-", "--model", MODEL, *more]
        with open(tmp_path / "out.tsv", "w") as out:
            process = subprocess.Popen(
                args,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        started.append(process)
        wait_until(lambda: children(process.pid) or process.poll() is not None)
        decoder = children(process.pid)[0]
        wait_until(lambda: "Seccomp" not in status(decoder) or is_locked(decoder))
        return process, decoder

    yield run
    for process in started:
        process.kill()
        process.communicate()


def is_locked(decoder):
    return status(decoder)["Seccomp"] == "2"


def test_a_decoder_has_nothing(start):
    process, decoder = start()
    seen = status(decoder)
    assert seen["Name"] == "cah-decoder"
    assert seen["NoNewPrivs"] == "1"
    assert int(seen["CapEff"], 16) == 0
    assert "0" not in seen["Uid"].split()
    limits = pathlib.Path(f"/proc/{decoder}/limits").read_text().splitlines()
    for name in ("Max open files", "Max processes", "Max file size"):
        line = next(line for line in limits if line.startswith(name))
        assert line[len(name) :].split()[:2] == ["0", "0"]
    if os.geteuid() == 0:  # others may not look
        assert os.listdir(f"/proc/{decoder}/fd") == ["0"]
        env = pathlib.Path(f"/proc/{decoder}/environ").read_text()
        assert "PATH=" not in env.replace("LD_LIBRARY_PATH=", "")
    assert process.poll() is None


def test_decoders_do_not_outlive_a_program_that_is_killed(start):
    process, decoder = start()
    process.kill()
    wait_until(lambda: not is_running(decoder))


def test_a_decoder_that_somebody_killed_is_replaced(start, tmp_path):
    process, decoder = start()
    os.kill(decoder, signal.SIGKILL)
    wait_until(lambda: not is_running(decoder))
    _, said = process.communicate(f"{PICTURE}\ta thing\n" * 3, timeout=WAIT_S)
    assert process.returncode == 0, said
    assert "3 pairs scored, 0 without" in said
    assert not is_running(decoder)


def test_ctrl_c_is_for_the_program_to_act_on(start):
    """A terminal sends it to all; the decoder ends with the program, not before."""
    process, decoder = start()
    os.kill(decoder, signal.SIGINT)
    os.kill(decoder, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(f"{PICTURE}\ta thing\n", timeout=WAIT_S)
    # 0 where it had the pair before it heard of it.
    assert process.returncode in (0, 130), said
    assert "crashed" not in said
    assert not is_running(decoder)


def test_scores_are_the_same_without_it(run_cah, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{p}\ta thing\n" for p in sorted(CORPUS.iterdir())))
    args = ("score", pairs, "--model", MODEL, "--embeddings", "--format", "jsonl")
    inside = run_cah(*args, "--no-sandbox", check=True)
    assert run_cah(*args, check=True).stdout == inside.stdout
    assert inside.stdout.count('"similarity"') > 10


def test_a_program_without_its_decoder_says_what_helps(cah, tmp_path):
    alone = tmp_path / "cah"
    shutil.copy(cah, alone)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(f"{PICTURE}\ta thing\n")

    def run(*more):
        return subprocess.run(
            [alone, "score", pairs, "--model", MODEL, *more],
            check=False,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )

    done = run()
    assert done.returncode == 1
    assert "--no-sandbox" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert run("--no-sandbox").returncode == 0
