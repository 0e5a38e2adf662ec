#!/usr/bin/env python3
"""Cycles a second of a tracker: newJob, updateProgress, markAsDone.

usage: tracker_load.py [--clients N] [--seconds S] [--jobs N] [--cah PATH]

Starts a tracker over a new store in a temporary folder (see TMPDIR: the speed of
that disk's fsync is what counts), and lets N clients go round on connections that
stay open, four to a process. Prints one line of JSON.
"""

import argparse
import gzip
import json
import multiprocessing
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS_PER_PROCESS = 4


class Connection:
    """HTTP without ceremony, so that the client costs little."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.sock.recv(65536)
        head, _, rest = got.partition(b"\r\n\r\n")
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at:].split(b"\r\n", 1)[0])
        while len(rest) < length:
            rest += self.sock.recv(65536)
        return int(head[9:12]), rest


def go_round(address, until, times):
    connection = Connection(address)
    _, answer = connection.call("GET", "/api/new?nickname=load")
    token = json.loads(answer)["token"]
    body = {"token": token, "type": "HYBRID", "progress": "half", "count": 100}
    body = json.dumps(body).encode()
    while time.monotonic() < until:
        start = time.perf_counter()
        for call in ("newJob", "updateProgress", "markAsDone"):
            status, answer = connection.call("POST", f"/api/{call}", body)
            if status != 200:
                raise SystemExit(f"{call}: {status} {answer!r}")
        times.append(time.perf_counter() - start)


def run_process(address, clients, until, results):
    times = [[] for _ in range(clients)]
    threads = [
        threading.Thread(target=go_round, args=(address, until, t)) for t in times
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put([x for t in times for x in t])


def measure(address, clients, seconds):
    until = time.monotonic() + seconds
    results = multiprocessing.Queue()
    sizes = [
        min(CLIENTS_PER_PROCESS, clients - i)
        for i in range(0, clients, CLIENTS_PER_PROCESS)
    ]
    processes = [
        multiprocessing.Process(target=run_process, args=(address, n, until, results))
        for n in sizes
    ]
    for process in processes:
        process.start()
    times = sorted(x for _ in processes for x in results.get())
    for process in processes:
        process.join()
    return {
        "clients": clients,
        "cycles": len(times),
        "cycles_per_s": round(len(times) / seconds, 1),
        "median_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--cah", default=ROOT / "build/cah")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = pathlib.Path(folder, "wat.paths.gz")
        lines = (f"wat/{k:08d}.warc.wat.gz\n" for k in range(args.jobs // 2))
        paths.write_bytes(gzip.compress("".join(lines).encode(), 1))
        store = f"sqlite:{folder}/load.db"
        subprocess.run(
            [args.cah, "jobs", "import", paths, "--store", store, "--quiet"], check=True
        )
        with subprocess.Popen(
            [args.cah, "tracker", "--store", store, "--listen", "127.0.0.1:0"]
            + ["--quiet"],
            stdout=subprocess.PIPE,
            text=True,
        ) as tracker:
            url = tracker.stdout.readline().split()[-1]
            address = url.removeprefix("http://").rstrip("/")
            print(json.dumps(measure(address, args.clients, args.seconds)))
            tracker.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
