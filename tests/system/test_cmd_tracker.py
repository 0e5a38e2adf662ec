"""`cah tracker`: how it starts, stops, and what it says."""

import json
import signal
import subprocess
import time

import pytest
from calls import PATIENCE, connect, jobs, take


def test_a_second_tracker_of_one_store_is_refused(tracker, run_cah):
    done = run_cah(
        *("tracker", "--listen", "127.0.0.1:0"),
        *("--store", f"sqlite:{tracker.store}"),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "another tracker" in done.stderr


def test_an_address_that_is_taken_is_told(tracker, run_cah, tmp_path):
    done = run_cah(
        *("tracker", "--listen", tracker.address),
        *("--store", f"sqlite:{tmp_path / 'other.db'}"),
    )
    assert done.returncode == 1
    assert tracker.address in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["--listen", "8080"],
        ["--listen", "127.0.0.1:"],
        ["--listen", "127.0.0.1:65536"],
        ["--listen", "::1:80"],
        ["--listen", ":80"],
        ["--idle-timeout", "0"],
        ["--idle-timeout", "x"],
        ["--max-connections", "0"],
        ["--upload-address", "ALL=x"],
        ["--upload-address", "CPU"],
        ["--upload-address", "CPU=a\nb"],
        ["--log-format", "xml"],
        ["--store", "nothing:x"],
        ["operand"],
        ["--no-such-option"],
    ],
)
def test_bad_usage_ends_with_status_2(run_cah, tmp_path, args):
    store = [] if "--store" in args else ["--store", f"sqlite:{tmp_path / 'a.db'}"]
    done = run_cah("tracker", *store, *args)
    assert done.returncode == 2
    assert done.stderr.startswith("cah tracker: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [None, b"", b" \n", b"a\0b", b"x" * 2000])
def test_a_secret_that_is_none_is_refused(run_cah, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    done = run_cah(
        *("tracker", "--store", f"sqlite:{tmp_path / 'a.db'}"),
        *("--listen", "127.0.0.1:0", "--admin-token-file", path),
    )
    assert done.returncode in (1, 2)
    assert "--admin-token-file" in done.stderr


def test_help_shows_examples(run_cah):
    done = run_cah("tracker", "--help", check=True)
    assert "--idle-timeout SECONDS" in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_though_connections_are_open(tracker, number):
    with connect(tracker) as idle, connect(tracker) as used:
        used.sendall(b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.recv(10000).startswith(b"HTTP/1.1 200")
        tracker.process.send_signal(number)
        assert tracker.process.wait(PATIENCE) == 0
        assert idle.recv(1) == b""


def test_what_was_begun_is_answered_before_it_stops(tracker):
    token = tracker.new_worker()
    take(tracker, token)
    body = json.dumps({"token": token, "count": 3}).encode()
    with connect(tracker) as sock:
        sock.sendall(
            b"POST /api/markAsDone HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body[:5])
        )
        # Once this is answered, the tracker has read the beginning of the other.
        assert tracker.get("/data").status == 200
        tracker.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        sock.sendall(body[5:])
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"success")
    assert tracker.process.wait(PATIENCE) == 0
    tracker.start()
    assert jobs(tracker)["done"] == 1


def test_the_log_is_json_on_request(cah, import_jobs, start_tracker, tmp_path):
    import_jobs(1)
    tracker = start_tracker("--json", "--verbose")
    tracker.stop()
    # The fixture leaves standard error alone, so once more by hand.
    process = subprocess.Popen(
        [cah, "tracker", "--json", "--listen", "127.0.0.1:0"]
        + ["--store", f"sqlite:{tracker.store}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert lines[-1]["msg"] == "stopped"
