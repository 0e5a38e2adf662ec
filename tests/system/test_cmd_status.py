"""cah status, in a terminal and out of one."""

import contextlib
import fcntl
import http.server
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
from calls import PATIENCE, finish, prepare_gpu_job, take

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
# All that may ever be sent to a terminal, beside printable ASCII.
ALLOWED = re.compile(r"\x1b\[(\?1049[hl]|\?25[hl]|2J|H|K|J)|\r+\n")


class Terminal:
    """A pseudo-terminal with `cah status` as its foreground process."""

    def __init__(self, argv, columns=80, rows=24):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.sent = ""
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # In the child alone, where no other thread is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        self.slave = slave

    def resize(self, columns, rows):
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self):
        """Whether something came within a moment."""
        if not select.select([self.master], [], [], 0.05)[0]:
            return False
        self.sent += os.read(self.master, 65536).decode("ascii")
        return True

    def wait_for(self, is_there):
        """Reads until `is_there` of the last page that was drawn whole."""
        deadline = time.monotonic() + PATIENCE
        while not is_there(self.page()):
            assert time.monotonic() < deadline, self.page()
            self.read()

    def page(self):
        """The lines of the last page that was drawn whole."""
        pages = self.sent.split("\x1b[H")
        lines = re.split(r"\r+\n", pages[-2] if len(pages) > 2 else "")
        return [ALLOWED.sub("", line) for line in lines]

    def end(self):
        """The exit status, once all that was sent is read."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self.read()
        while self.read():
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def watch(cah):
    """watch(URL, ARGS..., columns=, rows=) -> Terminal"""
    with contextlib.ExitStack() as stack:

        def start(url, *args, **size):
            argv = [cah, "status", "--tracker", url, "--interval", "0.1", *args]
            terminal = Terminal(argv, **size)
            stack.callback(terminal.close)
            return terminal

        yield start


def has(text):
    return lambda page: any(text in line for line in page)


def assert_restored(terminal):
    """Nothing but what is allowed was sent, and the terminal is as it was."""
    assert re.search(r"[^ -~]", ALLOWED.sub("", terminal.sent)) is None
    assert terminal.sent.startswith(ENTER)
    assert terminal.sent.endswith(LEAVE)
    assert terminal.sent.count(ENTER) == terminal.sent.count(LEAVE)
    assert termios.tcgetattr(terminal.slave) == terminal.before


@pytest.fixture
def stub():
    """A server that answers stub.answers[path] = (status, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = self.server.answers.get(self.path, (404, b"no"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers = {}
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


# ---------------------------------------------------------- out of a terminal


def test_the_state_is_printed_once(tracker, run_cah):
    worker = tracker.new_worker()
    take(tracker, worker)
    assert finish(tracker, worker, count=1234).status == 200
    take(tracker, worker)
    prepare_gpu_job(tracker)
    done = run_cah("status", "--tracker", tracker.url + "/", check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(tracker.url)
    assert re.fullmatch(r"\[#+\++=+\.+ *\] +5.00 %", lines[2])
    for row in [
        r"# done +1 +5\.00 %",
        r"= leased +1 +5\.00 %",
        r"\+ gpu_open +1 +5\.00 %",
        r"\. open +17 +85\.00 %",
        r"  jobs +20",
        r"  pairs +1,234",
        r"  finished +1 in the last hour",
        r"  left +19 hours",
        r"  workers +2: 1 HYBRID, 1 CPU, 0 GPU",
    ]:
        assert any(re.fullmatch(row, line) for line in lines), (row, lines)
    assert re.search(r"[^ -~\n]", done.stdout) is None


def test_json_is_data_in_one_line(tracker, run_cah):
    done = run_cah("status", "--tracker", tracker.url, "--json", check=True)
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout) == tracker.get("/data").json()


def test_a_tracker_that_is_away_is_one_line_and_1(run_cah, stub):
    stub.answers["/data"] = (503, b"the \x1b[2Jstore is away\n")
    for url, text in [
        ("http://127.0.0.1:1", "onnect"),
        (stub.url, "the ?[2Jstore is away (status 503)"),
        (stub.url + "/nowhere", "no (status 404)"),
    ]:
        for args in [[], ["--once"], ["--json"]]:
            done = run_cah("status", "--tracker", url, *args)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"cah status: {url}")
            assert text in done.stderr
            assert re.fullmatch(r"[ -~]+\n", done.stderr)


def test_what_is_no_state_is_told(run_cah, stub):
    for body in [b"", b"[]", b"{}", b"<html>\x1b[2J", b'{"jobs":{"total":-1}}']:
        stub.answers["/data"] = (200, body)
        done = run_cah("status", "--tracker", stub.url)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"[ -~]+\n", done.stderr)


def test_json_of_hostile_text_is_harmless(run_cah, stub):
    text = "\x1b[2J\x00\x7f\x9b\u202e"
    stub.answers["/data"] = (200, json.dumps({"eta": text}).encode())
    done = run_cah("status", "--tracker", stub.url, "--json", check=True)
    assert re.fullmatch(r"[ -~]+\n", done.stdout)
    assert json.loads(done.stdout) == {"eta": text}
    stub.answers["/data"] = (200, '{"eta":"a\x7f\x9bb"}'.encode())
    done = run_cah("status", "--tracker", stub.url, "--json", check=True)
    assert done.stdout == '{"eta":"a\\u007f\\u009Bb"}\n'


@pytest.mark.parametrize(
    "args",
    [["--interval", "0"], ["--interval", "x"], ["--tracker", "ftp://x"], ["more"]],
)
def test_bad_usage_is_one_line_and_2(run_cah, args):
    done = run_cah("status", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_help_shows_examples(run_cah):
    out = run_cah("status", "--help", check=True).stdout
    assert "--tracker URL" in out
    assert "examples:" in out


# -------------------------------------------------------------- in a terminal


def test_a_page_that_refreshes_until_ctrl_c(tracker, watch):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open                    20"))
    take(tracker, tracker.new_worker())
    terminal.wait_for(has("leased                   1"))
    terminal.type("\x03")
    assert terminal.end() == 0
    assert_restored(terminal)


@pytest.mark.parametrize("way", ["q", signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_end_it(tracker, watch, way):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open"))
    if way == "q":
        terminal.type(way)
    else:
        terminal.process.send_signal(way)
    assert terminal.end() == 0
    assert_restored(terminal)


def test_keys_are_not_shown(tracker, watch):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open"))
    terminal.type("xyzzy")
    pages = terminal.sent.count("\x1b[H")
    while terminal.sent.count("\x1b[H") < pages + 3:
        terminal.read()
    terminal.type("q")
    assert terminal.end() == 0
    assert "xyzzy" not in terminal.sent


def test_a_tracker_that_is_away_is_said_and_asked_again(tracker, watch):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open"))
    tracker.stop()
    # What was known stays.
    terminal.wait_for(lambda page: has("no answer: ")(page) and has("open")(page))
    tracker.start()
    terminal.wait_for(lambda page: not has("no answer")(page) and has("open")(page))
    terminal.type("q")
    assert terminal.end() == 0
    assert_restored(terminal)


def test_a_tracker_may_come_later(watch, stub):
    stub.answers["/data"] = (503, b"\x1b]0;title\x07 not yet \x9b")
    terminal = watch(stub.url)
    terminal.wait_for(has("no answer: ?]0;title? not yet"))
    terminal.type("\x03")
    assert terminal.end() == 0
    assert_restored(terminal)


@pytest.mark.parametrize("size", [(200, 50), (40, 10), (20, 3), (1, 1)])
def test_every_size_of_terminal(tracker, watch, size):
    columns, rows = size
    terminal = watch(tracker.url, columns=columns, rows=rows)
    terminal.wait_for(has("http"))
    for page in terminal.sent.split("\x1b[H")[1:-1]:
        lines = [ALLOWED.sub("", line) for line in re.split(r"\r+\n", page)]
        assert all(len(line) <= max(columns, 20) for line in lines)
        assert len(lines) <= rows + 1
    terminal.type("q")
    assert terminal.end() == 0


def test_another_size_is_drawn_at_once(tracker, watch):
    terminal = watch(tracker.url, "--interval", "3600")
    terminal.wait_for(lambda page: True)
    while "workers" not in terminal.sent:
        terminal.read()
    terminal.resize(30, 10)
    terminal.resize(31, 10)
    deadline = time.monotonic() + PATIENCE
    bar = re.compile(r"\[\.{17}\]")
    while bar.search(terminal.sent) is None:
        assert time.monotonic() < deadline
        terminal.read()
    terminal.type("q")
    assert terminal.end() == 0


def test_ctrl_z_gives_the_terminal_back_for_a_while(tracker, watch):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open"))
    terminal.process.send_signal(signal.SIGTSTP)
    pid = terminal.process.pid
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == 0:
        assert time.monotonic() < deadline
        terminal.read()
    while terminal.read():
        pass
    assert_restored(terminal)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.sent = ""
    terminal.wait_for(has("open"))
    terminal.type("q")
    assert terminal.end() == 0
    assert_restored(terminal)


def test_a_terminal_that_goes_ends_it(tracker, watch):
    terminal = watch(tracker.url)
    terminal.wait_for(has("open"))
    os.close(terminal.slave)
    os.close(terminal.master)
    assert terminal.process.wait(PATIENCE) in (0, -signal.SIGHUP)
    terminal.master, terminal.slave = pty.openpty()
