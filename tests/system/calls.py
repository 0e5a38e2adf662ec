"""The calls of the tracker, for the tests that make them by hand."""

import re
import socket
import time

from conftest import ROOT

NOBODY = "00000000-0000-4000-8000-000000000000"
PATIENCE = 30  # seconds that something may take which is sure to come

CALLS = [
    (method, path)
    for method, path in re.findall(
        r'ROUTE\(\w+, \w+, (\w+),\s*"([^"]+)"',
        (ROOT / "src/wire/routes.def").read_text(),
    )
]
LONG_URL = "http://a.test/" + "x" * 2048


def state(tracker):
    """Everything that a request may change, as far as it can be seen."""
    return tracker.get("/data").json()


def jobs(tracker):
    return state(tracker)["jobs"]


def take(tracker, token, type="HYBRID"):
    answer = tracker.post("/api/newJob", {"token": token, "type": type})
    assert answer.status == 200, answer
    return answer.json()


def finish(tracker, token, type="HYBRID", **fields):
    return tracker.post("/api/markAsDone", {"token": token, "type": type, **fields})


def prepare_gpu_job(tracker, url="http://store.test/1.tar"):
    """A CPU worker's job, done, so that it waits for a GPU worker."""
    cpu = tracker.new_worker("CPU", "cpu owner")
    job = take(tracker, cpu, "CPU")
    assert finish(tracker, cpu, "CPU", url=url).status == 200
    return job


def wait_until(is_true):
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def mark_cpu(tracker, **fields):
    body = {
        "token": NOBODY,
        "nickname": "me",
        "shards": [1],
        "urls": {"1": "http://a.test/1"},
        **fields,
    }
    body = {k: v for k, v in body.items() if v is not ...}
    return tracker.post("/custom/markasdone-cpu", body)


def connect(tracker):
    host, port = tracker.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def raw(tracker, data):
    """The status of the first answer to `data`, None where none comes soon."""
    with connect(tracker) as sock:
        sock.sendall(data)
        sock.settimeout(1)
        got = b""
        try:
            while b"\r\n" not in got and (chunk := sock.recv(65536)):
                got += chunk
        except TimeoutError:
            return None
    match = re.match(rb"HTTP/1\.[01] (\d+)", got)
    return int(match[1]) if match else None
