"""What one address may do, how slow a client may be, who gets in when it is full."""

import contextlib
import http.client
import itertools
import json
import select
import socket
import time

import crawlingathome
import pytest
from calls import PATIENCE, connect, take
from conftest import SECRET

COUNT = "/api/jobCount"
ADMIN = "/admin/set-banner"


def statuses(tracker, path, count, headers=None):
    return [tracker.get(path, headers=headers).status for _ in range(count)]


def from_(address):
    return {"X-Forwarded-For": address}


def refused(answer, what):
    assert answer.status == 429, answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith(f"too many {what} from ")
    assert "\n" not in answer.text
    return True


def test_calls_pages_and_new_workers_are_counted_apart(start_tracker):
    tracker = start_tracker(
        *("--calls-per-minute", 3, "--pages-per-minute", 2, "--new-per-minute", 1),
        limits=True,
    )
    assert statuses(tracker, COUNT, 3) == [200] * 3
    assert refused(tracker.get(COUNT), "calls")
    assert refused(tracker.post("/api/bye", {"token": "x"}), "calls")
    assert statuses(tracker, "/", 2) == [200] * 2
    assert refused(tracker.get("/leaderboard"), "pages")
    assert refused(tracker.get("/no-such-page"), "pages")
    tracker.new_worker()
    answer = tracker.get("/api/new?nickname=me&type=CPU")
    assert refused(answer, "new workers")
    assert int(answer.headers["Retry-After"]) > 1


def test_a_refused_call_changes_nothing_and_keeps_its_connection(start_tracker):
    tracker = start_tracker("--calls-per-minute", 1, limits=True)
    token = tracker.new_worker()
    assert tracker.get(COUNT).status == 200
    connection = http.client.HTTPConnection(tracker.address, timeout=PATIENCE)
    body = b'{"token":"%s"}' % token.encode()
    for _ in range(3):
        connection.request("POST", "/api/bye", body)
        answer = connection.getresponse()
        assert answer.status == 429
        answer.read()
        assert not answer.will_close
    connection.close()
    assert "tester" in tracker.get("/").text


@pytest.mark.parametrize("kind", ["calls", "pages", "new"])
def test_none_is_no_limit(start_tracker, kind):
    tracker = start_tracker(f"--{kind}-per-minute", 0, limits=True)
    path = {"calls": COUNT, "pages": "/", "new": "/api/new?nickname=me"}[kind]
    assert set(statuses(tracker, path, 50)) == {200}


def test_a_school_behind_one_address_gets_along(import_jobs, start_tracker):
    import_jobs(250)
    tracker = start_tracker("--quiet", limits=True)
    connection = http.client.HTTPConnection(tracker.address, timeout=PATIENCE)

    def call(method, path, body=None):
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer.read().decode()

    registered = [call("GET", f"/api/new?nickname=pupil{k}") for k in range(500)]
    tokens = [json.loads(answer)["token"] for answer in registered]
    for token in tokens:
        call("POST", "/api/newJob", json.dumps({"token": token}))
        body = {"token": token, "progress": "."}
        call("POST", "/api/updateProgress", json.dumps(body))
    connection.close()


def test_our_client_waits_for_its_turn(import_jobs, start_tracker):
    import_jobs(10)
    tracker = start_tracker(
        "--calls-per-minute", 60, "--new-per-minute", 60, limits=True
    )
    for path in (COUNT, "/api/new?nickname=other"):
        while tracker.get(path).status == 200:
            pass
    client = crawlingathome.init(tracker.url, nickname="me")
    client.newJob()
    client.completeJob(3)
    assert ">3<" in tracker.get("/leaderboard").text


def test_an_address_has_so_many_live_workers(start_tracker):
    tracker = start_tracker("--workers-per-address", 2, limits=True)
    tokens = [tracker.new_worker() for _ in range(2)]
    answer = tracker.get("/api/new?nickname=me")
    assert refused(answer, "live workers")
    # one that could not register takes no place
    assert tracker.get("/api/new?nickname=").status == 429
    assert tracker.post("/api/bye", {"token": tokens[0]}).text == "success"
    assert tracker.get("/api/new?nickname=").status == 422
    tracker.new_worker()
    assert tracker.get("/api/new?nickname=me").status == 429


def test_a_worker_that_is_gone_makes_place(start_tracker):
    tracker = start_tracker(
        "--workers-per-address", 1, "--idle-timeout", 1, limits=True
    )
    tracker.new_worker()
    deadline = time.monotonic() + PATIENCE
    while tracker.get("/api/new?nickname=me").status == 429:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_after_a_restart_workers_count_when_they_are_heard_of(
    import_jobs, start_tracker
):
    import_jobs(10)
    tracker = start_tracker("--workers-per-address", 2, limits=True)
    tokens = [tracker.new_worker() for _ in range(2)]
    tracker.kill()
    tracker.start()
    for token in tokens:
        take(tracker, token)
    assert refused(tracker.get("/api/new?nickname=me"), "live workers")


def test_behind_a_trusted_proxy_each_client_counts(start_tracker):
    tracker = start_tracker(
        *("--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"),
        *("--calls-per-minute", 2),
        limits=True,
    )
    assert statuses(tracker, COUNT, 3, from_("192.0.2.1")) == [200, 200, 429]
    assert "192.0.2.1" in tracker.get(COUNT, headers=from_("192.0.2.1")).text
    assert statuses(tracker, COUNT, 3, from_("192.0.2.2")) == [200, 200, 429]
    # what the client wrote itself, before what the proxies wrote
    assert tracker.get(COUNT, headers=from_("8.8.8.8, 192.0.2.1")).status == 429
    assert tracker.get(COUNT, headers=from_("x, 192.0.2.1, 10.1.2.3")).status == 429
    # one client has a /64
    hosts = [f"2001:db8::{k:x}" for k in range(1, 4)]
    got = [tracker.get(COUNT, headers=from_(host)).status for host in hosts]
    assert got == [200, 200, 429]
    assert tracker.get(COUNT, headers=from_("2001:db8:0:1::1")).status == 200
    # what cannot be read counts for the proxy
    assert statuses(tracker, COUNT, 3, from_("unknown")) == [200, 200, 429]
    # and the proxy itself asks as often as it likes
    assert set(statuses(tracker, COUNT, 10)) == {200}


def test_a_proxy_that_adds_a_line_of_its_own_is_understood(start_tracker):
    tracker = start_tracker(
        "--trusted-proxy", "127.0.0.1", "--calls-per-minute", 1, limits=True
    )

    def ask(*addresses):
        lines = "".join(f"X-Forwarded-For: {a}\r\n" for a in addresses)
        with connect(tracker) as sock:
            sock.sendall(
                f"GET {COUNT} HTTP/1.1\r\nHost: a\r\n{lines}"
                "Connection: close\r\n\r\n".encode()
            )
            return sock.makefile("rb").readline().split()[1]

    assert ask("8.8.8.8", "192.0.2.1") == b"200"
    assert ask("8.8.4.4", "192.0.2.1") == b"429"
    # What the client wrote is long: it must not pass for the proxy by that.
    assert ask("8.8.4.4, " * 900, "192.0.2.1") == b"429"


def test_who_is_no_proxy_is_not_believed_and_told(start_tracker, capfd):
    tracker = start_tracker("--calls-per-minute", 2, limits=True)
    hosts = [from_(f"192.0.2.{k}") for k in range(3)]
    assert [tracker.get(COUNT, headers=h).status for h in hosts] == [200, 200, 429]
    told = [line for line in capfd.readouterr().err.splitlines() if "proxy" in line]
    assert len(told) == 1
    assert "127.0.0.1" in told[0]


@pytest.mark.parametrize("value", ["", "proxy.example", "10.0.0.0/33", "::/x"])
def test_a_proxy_that_is_no_address_is_refused(run_cah, tmp_path, value):
    done = run_cah(
        *("tracker", "--store", f"sqlite:{tmp_path / 'a.db'}"),
        *("--listen", "127.0.0.1:0", "--trusted-proxy", value),
    )
    assert done.returncode == 2
    assert "trusted" in done.stderr


# ---- the organiser ----


def test_wrong_secrets_are_limited_and_told(start_tracker, secret, capfd):
    tracker = start_tracker(
        *("--admin-token-file", secret, "--trusted-proxy", "127.0.0.1"), limits=True
    )
    body = {"text": "hello"}
    seen = []
    for k in range(30):
        wrong = {"Authorization": f"Bearer guess {k}", **from_("192.0.2.1")}
        seen.append(tracker.post(ADMIN, body, headers=wrong).status)
    assert set(seen[:20]) == {401}
    assert 429 in seen[20:]
    assert tracker.get("/").text.count("hello") == 0
    # the guesser is not let in now either; another address is, as often as it likes
    right = {"Authorization": f"Bearer {SECRET}"}
    guesser = tracker.post(ADMIN, body, headers={**right, **from_("192.0.2.1")})
    assert refused(guesser, "wrong secrets")
    for _ in range(30):
        answer = tracker.post(ADMIN, body, headers={**right, **from_("192.0.2.2")})
        assert answer.status == 200
    lines = capfd.readouterr().err.splitlines()
    told = [line for line in lines if "a wrong secret" in line]
    assert 10 <= len(told) <= 20
    assert "192.0.2.1" in told[0]
    assert "guess" not in "".join(told)


def test_a_call_without_a_secret_is_no_guess(admin_tracker):
    got = [admin_tracker.post(ADMIN, {"text": "x"}).status for _ in range(30)]
    assert set(got) == {401}


def test_a_short_secret_is_refused(run_cah, tmp_path):
    path = tmp_path / "secret"
    path.write_text("fifteen letters\n")
    done = run_cah(
        *("tracker", "--store", f"sqlite:{tmp_path / 'a.db'}"),
        *("--listen", "127.0.0.1:0", "--admin-token-file", path),
    )
    assert done.returncode == 2
    assert "16 bytes" in done.stderr
    assert "fifteen" not in done.stderr


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o600, False)])
def test_a_secret_that_all_can_read_is_told(
    start_tracker, secret, capfd, mode, is_told
):
    secret.chmod(mode)
    start_tracker("--admin-token-file", secret)
    assert ("can be read by all" in capfd.readouterr().err) is is_told


# ---- connections ----


def ask(sock, path=COUNT):
    """One request on a connection that is kept; the status, None where it is closed."""
    try:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        answer.read()
    except (ConnectionError, http.client.HTTPException):
        return None
    return answer.status


def is_ended(sock):
    """Whether the other side has closed, or has more to say."""
    readable, _, _ = select.select([sock], [], [], 0)
    return bool(readable)


@contextlib.contextmanager
def connections(tracker, count):
    socks = [connect(tracker) for _ in range(count)]
    yield socks
    for sock in socks:
        sock.close()


def test_an_address_has_so_many_connections(start_tracker):
    tracker = start_tracker("--connections-per-address", 2, limits=True)
    with connections(tracker, 2) as kept:
        assert [ask(sock) for sock in kept] == [200, 200]
        assert refused(tracker.get(COUNT), "connections")
        assert [ask(sock) for sock in kept] == [200, 200]
        with connections(tracker, 10) as more:
            got = [ask(sock) for sock in more]
            assert set(got) == {429, None}
            assert got[-1] is None
        assert [ask(sock) for sock in kept] == [200, 200]
    deadline = time.monotonic() + PATIENCE
    while tracker.get(COUNT).status != 200:
        assert time.monotonic() < deadline


def test_a_proxy_has_as_many_connections_as_it_needs(start_tracker):
    tracker = start_tracker(
        "--connections-per-address", 2, "--trusted-proxy", "127.0.0.1", limits=True
    )
    with connections(tracker, 10) as socks:
        assert {ask(sock) for sock in socks} == {200}


def test_the_longest_idle_makes_place(start_tracker):
    tracker = start_tracker("--max-connections", 3)
    with connections(tracker, 3) as socks:
        assert [ask(sock) for sock in socks] == [200] * 3
        assert ask(socks[0]) == 200
        with connections(tracker, 1) as new:
            assert ask(new[0]) == 200
            assert [is_ended(sock) for sock in socks] == [False, True, False]
        assert ask(socks[0]) == 200
        assert ask(socks[2]) == 200


def test_silent_connections_keep_nobody_out(start_tracker):
    tracker = start_tracker("--max-connections", 2)
    with connections(tracker, 2) as silent:
        for sock in silent:
            sock.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        deadline = time.monotonic() + PATIENCE
        while (answer := tracker.get(COUNT)).status != 200:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert any(is_ended(sock) for sock in silent)


def drip(sock, data):
    """Sends byte by byte until the other side ends it."""
    deadline = time.monotonic() + PATIENCE
    for byte in itertools.cycle(data):
        if is_ended(sock):
            return True
        if time.monotonic() > deadline:
            return False
        try:
            sock.sendall(bytes([byte]))
        except ConnectionError:
            return True
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (b"", b"G"),
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"x"),
        (b"POST /api/bye HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", b" "),
        (
            b"POST /api/bye HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\n \r\n",
        ),
    ],
    ids=["nothing", "line", "head", "body", "chunks"],
)
def test_a_request_that_drips_in_is_ended(start_tracker, begin, rest):
    tracker = start_tracker("--request-timeout", 1)
    with connections(tracker, 1) as socks:
        socks[0].sendall(begin)
        assert drip(socks[0], rest)
    assert tracker.get(COUNT).status == 200


def test_a_client_that_does_not_read_is_ended(start_tracker):
    tracker = start_tracker("--request-timeout", 1)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = tracker.address.split(":")
    sock.connect((host, int(port)))
    sock.setblocking(False)
    many = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    poll = select.poll()
    poll.register(sock, 0)  # only whether it was ended
    deadline = time.monotonic() + PATIENCE
    while not poll.poll(100):
        assert time.monotonic() < deadline
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock.send(many)
    sock.close()
    assert tracker.get(COUNT).status == 200


def test_an_idle_connection_is_kept_for_its_time_only(start_tracker):
    tracker = start_tracker("--keep-alive", 1, "--request-timeout", 60)
    with connections(tracker, 1) as socks:
        assert ask(socks[0]) == 200
        assert ask(socks[0]) == 200
        deadline = time.monotonic() + PATIENCE
        while not is_ended(socks[0]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert socks[0].recv(1) == b""
