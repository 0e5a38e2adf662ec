"""Clients that go round, newJob, updateProgress, markAsDone, on connections that
stay open.

usage: tracker_load.py ADDRESS CLIENTS SECONDS

Ends after SECONDS, or when no job is left. Prints one line of JSON.
"""

import json
import multiprocessing
import socket
import sys
import threading
import time

CLIENTS_PER_PROCESS = 4
NONE_LEFT = ("newJob", 403)


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
    body = {"token": token, "type": "HYBRID", "count": 100}
    while time.monotonic() < until:
        # SQLite writes nothing for a progress that is as it was.
        body["progress"] = f"{len(times)} of many"
        data = json.dumps(body).encode()
        start = time.monotonic()
        for call in ("newJob", "updateProgress", "markAsDone"):
            status, answer = connection.call("POST", f"/api/{call}", data)
            if (call, status) == NONE_LEFT:
                return
            if status != 200:
                raise SystemExit(f"{call}: {status} {answer!r}")
        times.append((start, time.monotonic()))


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
    times = [x for _ in processes for x in results.get()]
    for process in processes:
        process.join()
    if not times:
        raise SystemExit("not one cycle was done")
    spent = max(end for _, end in times) - min(start for start, _ in times)
    return {"cycles": len(times), "cycles_per_s": len(times) / spent}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
