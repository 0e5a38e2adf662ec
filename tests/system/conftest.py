"""What the system tests share: the program, a tracker that runs, a site.

Every process is started on a free port with its files in a temporary folder,
and is stopped by its own id.
"""

import functools
import gzip
import http.server
import json
import os
import pathlib
import selectors
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from postgres import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CAH_BUILD", ROOT / "build")).resolve()
START_SECONDS = 30  # a started program must say where it listens
STOP_SECONDS = 10
SECRET = "a secret of the organiser"


@pytest.fixture(scope="session")
def cah():
    """The path of the program under test."""
    path = BUILD / "cah"
    assert path.exists(), f"{path} is missing: build first (make)"
    return str(path)


@pytest.fixture(scope="session")
def run_cah(cah):
    """Runs `cah ARGS...` to its end; returns the CompletedProcess with text."""

    def run(*args, timeout=120, check=False, env=None, **kwargs):
        done = subprocess.run(
            [cah, *map(str, args)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            **kwargs,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


class Answer:
    """What came back from one HTTP request, of any status."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


OPENER = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))


def http_request(url, body=None, method=None, headers=None, timeout=30):
    """One request; `body` is bytes, or anything else to be sent as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with OPENER.open(request, timeout=timeout) as got:
            return Answer(got.status, got.headers, got.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def store_uri(store):
    """What --store gets for a path, or for a URI."""
    return store if str(store).startswith("postgres") else f"sqlite:{store}"


class Tracker:
    """A `cah tracker` process; `kill()` and `start()` may follow each other.

    A test does more from one address than anybody should: without `limits` there
    are none.
    """

    def __init__(self, cah, store, args=(), limits=False):
        self.cah = cah
        self.store = store
        self.args = [str(a) for a in args] + ([] if limits else ["--no-limits"])
        self.process = None
        self.url = None
        self.address = None  # what --listen gets; kept over restarts

    def start(self, **kwargs):
        self.process = subprocess.Popen(
            [
                self.cah,
                "tracker",
                "--listen",
                self.address or "127.0.0.1:0",
                "--store",
                store_uri(self.store),
                *self.args,
            ],
            stdout=subprocess.PIPE,
            text=True,
            **kwargs,
        )
        line = read_line(self.process, START_SECONDS)
        assert line.startswith("listening on http"), f"tracker said: {line!r}"
        self.url = line.split()[-1].rstrip("/")
        self.address = self.url.split("://")[1]
        return self

    def stop(self):
        """As Ctrl-C does; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def get(self, path, **kwargs):
        return http_request(self.url + path, **kwargs)

    def post(self, path, body, **kwargs):
        return http_request(self.url + path, body=body, **kwargs)

    def new_worker(self, type="HYBRID", nickname="tester"):
        """A new worker's token."""
        query = urllib.parse.urlencode({"nickname": nickname, "type": type})
        answer = self.get(f"/api/new?{query}")
        assert answer.status == 200, answer
        return answer.json()["token"]


def read_line(process, seconds):
    """One line of the process's output, or what it said before it ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if selector.select(0.1):
                return process.stdout.readline()
            if process.poll() is not None:
                return ""
    process.kill()
    raise AssertionError(f"nothing said within {seconds} s")


@pytest.fixture
def start_tracker(cah, tmp_path):
    """Starts trackers: start_tracker(*args, store=PATH or URI, limits=False)."""
    started = []

    def start(*args, store=None, limits=False):
        tracker = Tracker(cah, store or tmp_path / "tracker.db", args, limits)
        started.append(tracker)
        return tracker.start()

    yield start
    for tracker in started:
        tracker.stop()


@pytest.fixture
def import_jobs(run_cah, tmp_path):
    """Imports WAT paths into a store: import_jobs(PATHS, store=PATH or URI, base_url=URL).

    `PATHS` is a list of lines, or a number: so many made-up paths.
    """

    def run(paths, store=None, base_url=None):
        if isinstance(paths, int):
            paths = [f"crawl-data/TEST/wat/{k:08d}.warc.wat.gz" for k in range(paths)]
        listing = tmp_path / "wat.paths.gz"
        listing.write_bytes(gzip.compress("".join(p + "\n" for p in paths).encode()))
        args = ["--store", store_uri(store or tmp_path / "tracker.db")]
        if base_url is not None:
            args += ["--base-url", base_url]
        run_cah("jobs", "import", listing, *args, "--quiet", check=True)
        return store or tmp_path / "tracker.db"

    return run


@pytest.fixture
def tracker(import_jobs, start_tracker):
    """A tracker with ten WATs (twenty jobs) in a store of its own."""
    import_jobs(10)
    return start_tracker()


@pytest.fixture(scope="module")
def idle_tracker(cah, tmp_path_factory):
    """A tracker without jobs, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("idle")
    dedup = ["--dedup", folder / "seen", "--dedup-capacity", 1000]
    tracker = Tracker(cah, folder / "tracker.db", ["--quiet", *dedup]).start()
    yield tracker
    assert tracker.stop() == 0


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def admin_tracker(import_jobs, start_tracker, secret):
    """Twenty jobs, and an organiser with a secret."""
    import_jobs(10)
    return start_tracker("--admin-token-file", secret, "--quiet")


@pytest.fixture(scope="session")
def postgres_cluster():
    """A PostgreSQL server that tests share; who stops it starts it again."""
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def postgres(postgres_cluster):
    """The URI of an empty PostgreSQL database."""
    return postgres_cluster.new_database()


class BusyServer(http.server.ThreadingHTTPServer):
    """Takes many connections at once: one that is turned away tries again a second
    later."""

    daemon_threads = True
    request_queue_size = 256


class Site:
    """A web site on loopback that serves the files of `folder`."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        handler = functools.partial(QuietHandler, directory=str(folder))
        self.server = BusyServer(("127.0.0.1", 0), handler)
        self.server.requests = []  # (method, path) in order of arrival
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def requests(self):
        return list(self.server.requests)

    def put(self, name, data):
        """Adds a file; returns its URL."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{self.url}/{name}"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def log_request(self, *args):
        self.server.requests.append((self.command, self.path))


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "site")
    yield site
    site.stop()
