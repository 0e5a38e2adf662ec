"""Checks a tracker against the model of its book (book_model.py): clients make
random calls at one time, the tracker is killed now and then, and every answer must
be one that some order of the calls gives (worlds.py).
"""

import itertools
import json
import random
import socket
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from book_model import TYPES, Answer, Book, Call
from calls import NOBODY, PATIENCE
from conftest import SECRET, store_uri
from worlds import Worlds

IDLE_S = 4  # a worker's silence until it is gone
CLIENTS = 5
CALLS_EACH = 16  # of one client in one burst
WORKERS_EACH = 3  # of one client at one time, at most
SILENT_MAX = 2  # workers left to time out at one time
OPEN_MIN = 8  # jobs: with fewer open, new ones are imported
IMPORT_WATS = 6
KILL_AFTER_S = 0.2  # at most, from the beginning of a burst
JOBS_MAX = 120  # of one book
NICKNAMES = ("ann", "bob", "née <b>", "x" * 255)
BASE = "http://wats.test/"


class Lost(Exception):
    """The connection ended where an answer should have come."""


class Connection:
    """HTTP without ceremony, so that many calls are made in little time."""

    def __init__(self, address):
        self.head = b""  # of the last answer, in lower case
        host, port = address.rsplit(":", 1)
        try:
            self.sock = socket.create_connection((host, int(port)), PATIENCE)
        except ConnectionError as error:
            raise Lost from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, method, path, body):
        """The answer's status and text."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            self.sock.sendall(head.encode() + b"\r\n" + body)
            return self.read()
        except ConnectionError as error:
            raise Lost from error

    def read(self):
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, _, rest = got.partition(b"\r\n\r\n")
        self.head = lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at:].split(b"\r\n", 1)[0])
        while len(rest) < length:
            rest += self.more()
        assert len(rest) == length, "more than was asked for"
        return int(head[9:12]), rest.decode()

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("closed")
        return data

    def close(self):
        self.sock.close()


# ---- a call on the wire ----

PATHS = {
    "new": "/api/new",
    "jobCount": "/api/jobCount",
    "newJob": "/api/newJob",
    "updateProgress": "/api/updateProgress",
    "markAsDone": "/api/markAsDone",
    "gpuInvalidDownload": "/api/gpuInvalidDownload",
    "validateWorker": "/api/validateWorker",
    "bye": "/api/bye",
    "isCompleted": "/api/isCompleted",
    "get-cpu-wat": "/custom/get-cpu-wat",
    "lookup-wat": "/custom/lookup-wat",
    "markasdone-cpu": "/custom/markasdone-cpu",
    "markasdone": "/custom/markasdone",
    "set-banner": "/admin/set-banner",
    "data": "/data",
    "leaderboard": "/leaderboard",
    "index": "/",
}
GETS = {"new", "jobCount", "get-cpu-wat", "data", "leaderboard", "index"}


def request_of(call, token):
    """Method, path and body."""
    if call.name == "wrong":
        return call.fields["method"], call.fields["path"], call.fields["body"]
    if call.name == "worker-data":
        name = urllib.parse.quote(call.fields["page"])
        return "GET", f"/worker/{call.type.lower()}/{name}/data", b""
    path = PATHS[call.name]
    fields = dict(call.fields)
    if call.type != "HYBRID" or len(fields) == 1:
        fields["type"] = call.type  # else left out, which means the same
    if call.name in GETS:
        query = urllib.parse.urlencode(fields)
        return "GET", f"{path}?{query}" if query else path, b""
    if call.name in ("markasdone", "set-banner"):
        fields["password"] = SECRET
    return "POST", path, json.dumps({"token": token, **fields}).encode()


def wrong_calls(token):
    """Calls that are refused whatever the book says: method, path, body, status."""
    url = "http://a.test/"
    cpu = {"token": token, "nickname": "ann"}
    admin = {"nickname": "ann", "shards": [1], "count": 1}
    bodies = [
        ("newJob", {}, 422),
        ("newJob", {"token": token, "type": "cpu"}, 400),
        ("newJob", {"token": token, "type": 1}, 422),
        ("updateProgress", {"token": None, "progress": "Crashed"}, 422),
        ("updateProgress", {"token": token}, 422),
        ("markAsDone", {"token": token, "count": -1}, 400),
        ("markAsDone", {"token": token, "count": 2**31}, 400),
        ("markAsDone", {"token": token, "count": 0.5}, 422),
        ("markAsDone", {"token": token}, 422),
        ("markAsDone", {"token": token, "type": "CPU", "url": ""}, 400),
        ("markAsDone", {"token": token, "type": "CPU", "url": "x" * 2049}, 400),
        ("markAsDone", {"token": token, "type": "CPU", "url": "a\0b"}, 400),
        ("gpuInvalidDownload", {"token": token, "type": "CPU"}, 400),
        ("validateWorker", {"token": token, "type": ""}, 400),
        ("bye", {"type": "HYBRID"}, 422),
        ("isCompleted", {"addresses": [1]}, 422),
        ("lookup-wat", {}, 422),
        ("markasdone-cpu", {**cpu, "shards": [1, 1], "urls": {"1": url}}, 400),
        ("markasdone-cpu", {**cpu, "shards": [1, 2], "urls": {"1": url}}, 422),
        ("markasdone-cpu", {**cpu, "shards": [], "urls": {}}, 400),
        ("markasdone", admin, 403),
        ("markasdone", {**admin, "password": SECRET + "x"}, 403),
        ("markasdone", {**admin, "password": SECRET, "shards": [0]}, 400),
        ("markasdone", {**admin, "password": SECRET, "count": -1}, 400),
        ("set-banner", {"text": "mine", "password": "x"}, 401),
        ("set-banner", {"text": "a\nb", "password": SECRET}, 400),
    ]
    for name, body, status in bodies:
        yield "POST", PATHS[name], json.dumps(body).encode(), status
    yield "POST", PATHS["newJob"], b"{", 415
    yield "POST", PATHS["bye"], b"[]", 422
    yield "POST", PATHS["bye"], b" " * 65537, 413
    yield "GET", PATHS["bye"], b"", 405
    yield "GET", "/api/new", b"", 422
    yield "GET", "/api/new?nickname=a%00", b"", 422
    yield "GET", "/api/new?nickname=ann&type=all", b"", 400
    yield "GET", "/api/jobCount?type=gpu", b"", 400
    yield "GET", "/worker/none/x/data", b"", 400
    yield "GET", "/leaderboard?page=0", b"", 400
    yield "GET", "/nothing", b"", 404


# ---- the clients ----


class Client:
    """Makes random calls, most of them such as deployed clients make."""

    def __init__(self, check, number, seed):
        self.check = check
        self.number = number
        self.rng = random.Random(seed)
        self.workers = []  # keys of its own
        self.calls = []  # of this burst
        self.connection = None

    def burst(self, first):
        self.calls = []
        try:
            self.connection = self.check.transport(self.check.tracker.address)
            for call in first:
                self.do(call)
            for _ in range(CALLS_EACH):
                self.do(self.choose())
        except Lost:
            self.check.note_lost()
        finally:
            if self.connection:
                self.connection.close()

    def do(self, call):
        call.client = self.number
        self.calls.append(call)
        call.sent = time.monotonic()
        if call.name in ("reset", "import", "list"):
            status, text = self.check.run(call)
        else:
            token, _ = self.check.known.get(call.worker, (NOBODY, ""))
            status, text = self.connection.exchange(*request_of(call, token))
        call.came = time.monotonic()
        call.answer = Answer(status, text)
        self.learn(call)

    def learn(self, call):
        if call.name == "new" and call.answer.status == 200:
            got = call.answer.json()
            self.check.known[call.worker] = got["token"], got["display_name"]
            self.workers.append(call.worker)
        if call.name == "bye" and call.worker in self.workers:
            self.workers.remove(call.worker)

    def choose(self):
        """The next call."""
        name = self.rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
        key, type = self.pick_worker()
        if name == "new" or (key == 0 and self.rng.random() < 0.8):
            return self.new()
        fields = FIELDS.get(name, lambda client, type: {})(self, type)
        if name in ("markasdone", "set-banner", "reset") or name in GETS:
            key = 0
        if name == "gpuInvalidDownload" and type != "GPU":
            return self.choose()  # the others are refused, see wrong_calls
        return Call(name, key, type, **fields)

    def new(self):
        if len(self.workers) >= WORKERS_EACH:
            self.let_go()
        key = next(self.check.keys)
        type = self.rng.choice(TYPES)
        self.check.types[key] = type
        return Call("new", key, type, nickname=self.rng.choice(NICKNAMES))

    def let_go(self):
        """One of its workers will be silent, if not too many are already."""
        if len(self.check.silent) < SILENT_MAX:
            key = self.rng.choice(self.workers)
            self.workers.remove(key)
            self.check.silent.add(key)

    def pick_worker(self):
        """A key and a type: mostly one of its own, rarely any or a wrong type."""
        keys = self.workers
        if self.rng.random() < 0.06:
            keys = [k for k in self.check.known if k not in self.check.silent]
        key = self.rng.choice(keys) if keys else 0
        type = self.check.types.get(key, "HYBRID")
        if self.rng.random() < 0.02:
            type = self.rng.choice(TYPES)
        return key, type

    def some_numbers(self):
        total = len(self.check.worlds.book.jobs)
        return self.rng.sample(range(1, total + 2), self.rng.randint(1, 3))

    def some_addresses(self, type):
        book = self.check.worlds.book
        known = [*book.wats, *(job.url for job in book.jobs if job.url), "nowhere"]
        return {"addresses": self.rng.choices(known, k=3)}

    def a_wat(self, type):
        return {"url": self.rng.choice([*self.check.worlds.book.wats, "nothing"])}

    def a_result(self, type):
        if type == "CPU":
            return {"url": self.new_url()}
        return {"count": self.rng.choice([0, 1, 7, 1000, 2**31 - 1])}

    def new_url(self):
        return f"http://store.test/{self.number}/{self.rng.randrange(10**9)}.tar"

    def marks(self, type):
        book = self.check.worlds.book
        numbers = self.some_numbers()
        if self.rng.random() < 0.7:
            numbers = [n for n, job in enumerate(book.jobs, 1) if job.state == "open"]
            numbers = self.rng.sample(numbers, min(2, len(numbers))) or [1]
        return {
            "nickname": self.rng.choice(NICKNAMES),
            "shards": numbers,
            "urls": {number: self.new_url() for number in numbers},
        }

    def admin_marks(self, type):
        return {
            "nickname": self.rng.choice(NICKNAMES),
            "shards": self.some_numbers(),
            "count": self.rng.choice([0, 50]),
        }

    def a_wrong_call(self, type):
        token, _ = self.check.known.get(self.pick_worker()[0], (NOBODY, ""))
        names = ("method", "path", "body", "status")
        values = self.rng.choice(list(wrong_calls(token)))
        return dict(zip(names, values, strict=True))

    def a_progress(self, type):
        return {"progress": self.rng.choice(["half", "é" * 300, "<i>", "Crashed"])}

    def a_banner(self, type):
        return {"text": self.rng.choice(["", "We move <b>soon</b>", "é & è"])}

    def a_name(self, type):
        names = [name for _, name in self.check.known.values()]
        return {"page": self.rng.choice([*names, "nobody"])}

    def a_number(self, type):
        return {"number": self.some_numbers()[0]}


FIELDS = {
    "updateProgress": Client.a_progress,
    "markAsDone": Client.a_result,
    "isCompleted": Client.some_addresses,
    "lookup-wat": Client.a_wat,
    "markasdone-cpu": Client.marks,
    "markasdone": Client.admin_marks,
    "set-banner": Client.a_banner,
    "wrong": Client.a_wrong_call,
    "reset": Client.a_number,
    "worker-data": Client.a_name,
}
WEIGHTS = {
    "new": 6,
    "newJob": 26,
    "markAsDone": 24,
    "updateProgress": 7,
    "gpuInvalidDownload": 9,
    "validateWorker": 5,
    "bye": 3,
    "isCompleted": 3,
    "get-cpu-wat": 3,
    "lookup-wat": 3,
    "markasdone-cpu": 4,
    "markasdone": 1.5,
    "set-banner": 1,
    "reset": 0.3,
    "jobCount": 4,
    "data": 4,
    "worker-data": 4,
    "leaderboard": 3,
    "index": 1,
    "wrong": 6,
}


# ---- the check ----


class Check:
    """One tracker over one book, from empty on."""

    def __init__(self, tracker, seed, clients=CLIENTS, transport=Connection):
        self.tracker = tracker
        self.transport = transport
        self.rng = random.Random(seed)
        self.worlds = Worlds(Book(), IDLE_S)
        self.keys = itertools.count(1)
        self.known = {}  # worker: its token and name
        self.types = {}
        self.silent = set()  # workers that nobody speaks for any more
        self.is_lost = False
        self.calls = 0
        self.kills = 0
        self.clients = [
            Client(self, n, self.rng.random()) for n in range(1, clients + 1)
        ]

    def begin(self):
        """The first jobs."""
        asker = Client(self, 0, 0)
        asker.do(*self.more_wats())
        self.worlds.take(asker.calls, time.monotonic())
        return self

    @property
    def is_over(self):
        return len(self.worlds.book.jobs) >= JOBS_MAX

    def note_lost(self):
        self.is_lost = True

    def run(self, call):
        """A call that is made by a command beside the tracker."""
        args = {
            "reset": ["reset", call.fields.get("number")],
            "list": ["list", "--json", "--limit", "1000"],
            "import": ["import", "-", "--base-url", BASE, "--quiet"],
        }[call.name]
        paths = [url.removeprefix(BASE) for url in call.fields.get("urls", ())]
        done = subprocess.run(
            [self.tracker.cah, "jobs", *map(str, args), "--store"]
            + [store_uri(self.tracker.store)],
            input="".join(path + "\n" for path in paths),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            return (404 if "there is no job" in done.stderr else 500), done.stderr
        return 200, done.stdout

    def more_wats(self):
        """An import, where the jobs run out."""
        book = self.worlds.book
        if book.count()["open"] >= OPEN_MIN:
            return []
        at = len(book.wats)
        urls = [f"{BASE}{k:04d}.warc.wat.gz" for k in range(at, at + IMPORT_WATS)]
        return [Call("import", urls=urls)]

    def burst(self, is_killed=False):
        """All clients at one time, and then the look at what that left."""
        self.is_lost = False
        with ThreadPoolExecutor(len(self.clients)) as pool:
            firsts = [self.more_wats(), *([()] * len(self.clients))]
            bursts = pool.map(Client.burst, self.clients, firsts)
            if is_killed:
                time.sleep(self.rng.uniform(0, KILL_AFTER_S))
                self.tracker.kill()
            list(bursts)
        assert is_killed or not self.is_lost, "the tracker closed a connection"
        until = time.monotonic()
        if is_killed:
            self.kills += 1
            self.tracker.start()
        calls = [call for client in self.clients for call in client.calls]
        self.calls += len(calls)
        self.worlds.take(calls, until)
        self.settle()

    def settle(self):
        """Asks for everything, alone."""
        asker = Client(self, 0, 0)
        asker.connection = self.transport(self.tracker.address)
        for key in list(self.known):
            name = self.known[key][1]
            questions = [Call("worker-data", key, self.types[key], page=name)]
            if key not in self.silent:
                questions.append(Call("validateWorker", key, self.types[key]))
            for call in questions:
                asker.do(call)
            if questions[0].answer.status == 404:
                self.forget(key)
        self.worlds.settle(asker.calls)
        asker.calls = []
        for name in ("list", "data", "leaderboard", "index"):
            asker.do(Call(name))
        self.worlds.take(asker.calls, time.monotonic())
        asker.connection.close()

    def forget(self, key):
        """A worker that is gone: few of those are asked for again."""
        self.silent.discard(key)
        for client in self.clients:
            if key in client.workers:
                client.workers.remove(key)
        if key % 10 != 0:
            del self.known[key]
