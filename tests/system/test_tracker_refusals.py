"""What the tracker refuses, and how; odd and broken HTTP."""

import http.client
import json
import random
import urllib.parse

import pytest
from calls import (
    CALLS,
    LONG_URL,
    NOBODY,
    PATIENCE,
    connect,
    finish,
    jobs,
    mark_cpu,
    raw,
    state,
    take,
    wait_until,
)
from conftest import SECRET

# ---- refusals: METHOD, PATH, BODY, STATUS, what the text names ----

REFUSALS = [
    ("GET", "/api/new", None, 422, "nickname"),
    ("GET", "/api/new?nickname=", None, 422, "nickname"),
    ("GET", "/api/new?nickname=" + "x" * 256, None, 422, "nickname"),
    ("GET", "/api/new?nickname=" + "%C3%A9" * 128, None, 422, "nickname"),
    ("GET", "/api/new?nickname=a%00b", None, 422, "nickname"),
    ("GET", "/api/new?nickname=a%0Ab", None, 422, "nickname"),
    ("GET", "/api/new?nickname=%FF", None, 422, "nickname"),
    ("GET", "/api/new?nickname=me&type=hybrid", None, 400, "type"),
    ("GET", "/api/new?nickname=me&type=", None, 400, "type"),
    ("GET", "/api/jobCount?type=NONE", None, 400, "type"),
    ("GET", "/api/getUploadAddress?type=cpu", None, 400, "type"),
    ("POST", "/api/newJob", {}, 422, "token"),
    ("POST", "/api/newJob", {"token": None}, 422, "token"),
    ("POST", "/api/newJob", {"token": 5}, 422, "token"),
    ("POST", "/api/newJob", {"token": "{free}", "type": "x"}, 400, "type"),
    ("POST", "/api/newJob", {"token": "{free}", "type": None}, 422, "type"),
    ("POST", "/api/newJob", {"token": NOBODY}, 404, "worker"),
    ("POST", "/api/newJob", {"token": ""}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "a\0b"}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "x" * 50000}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "{free}", "type": "GPU"}, 404, "worker"),
    ("POST", "/api/newJob", {"token": "{gpu}", "type": "GPU"}, 403, "job"),
    ("POST", "/api/updateProgress", {"token": None, "progress": "x"}, 422, "token"),
    ("POST", "/api/updateProgress", {"token": "{free}"}, 422, "progress"),
    (
        "POST",
        "/api/updateProgress",
        {"token": "{free}", "progress": 1},
        422,
        "progress",
    ),
    ("POST", "/api/markAsDone", {"count": 1}, 422, "token"),
    ("POST", "/api/markAsDone", {"token": "{held}"}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": None}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": "5"}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 0.5}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": True}, 422, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": -1}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 2**31}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{held}", "count": 10**30}, 400, "count"),
    ("POST", "/api/markAsDone", {"token": "{free}", "count": 1}, 403, "job"),
    ("POST", "/api/markAsDone", {"token": NOBODY, "count": 1}, 404, "worker"),
    ("POST", "/api/markAsDone", {"token": "{cpu}", "type": "CPU"}, 422, "url"),
    *(
        (
            "POST",
            "/api/markAsDone",
            {"token": "{cpu}", "type": "CPU", "url": url},
            status,
            "url",
        )
        for url, status in [
            ("", 400),
            (LONG_URL, 400),
            ("http://a\0b/", 400),
            ("http://a\nb/", 400),
            (None, 422),
            (7, 422),
        ]
    ),
    ("POST", "/api/gpuInvalidDownload", {"token": "{gpu}"}, 400, "type"),
    ("POST", "/api/gpuInvalidDownload", {"token": "{gpu}", "type": "GPU"}, 403, "job"),
    (
        "POST",
        "/api/gpuInvalidDownload",
        {"token": NOBODY, "type": "GPU"},
        404,
        "worker",
    ),
    ("POST", "/api/validateWorker", {"token": "{free}", "type": "all"}, 400, "type"),
    ("POST", "/api/validateWorker", {}, 422, "token"),
    ("POST", "/api/bye", {"token": NOBODY}, 404, "worker"),
    ("POST", "/api/bye", {"token": "{free}", "type": "CPU"}, 404, "worker"),
    ("POST", "/api/bye", {}, 422, "token"),
    ("POST", "/api/isCompleted", {}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": "x"}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": [1]}, 422, "addresses"),
    ("POST", "/api/isCompleted", {"addresses": [""] * 10001}, 400, "addresses"),
    ("POST", "/custom/lookup-wat", {}, 422, "url"),
    ("POST", "/custom/lookup-wat", {"url": []}, 422, "url"),
    ("POST", "/custom/markasdone", {"password": SECRET}, 422, "nickname"),
    (
        "POST",
        "/custom/markasdone",
        {"password": SECRET, "nickname": "x", "shards": [999], "count": 1},
        400,
        "999",
    ),
    (
        "POST",
        "/custom/markasdone",
        {"password": SECRET, "nickname": "x", "shards": [1], "count": -1},
        400,
        "count",
    ),
    *(
        (
            "POST",
            "/custom/markasdone",
            {**password, "nickname": "x", "shards": [1], "count": 1},
            403,
            "secret",
        )
        for password in [{}, {"password": ""}, {"password": "x"}, {"password": None}]
    ),
    ("POST", "/admin/set-banner", {"text": "x"}, 401, "secret"),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x", "password": SECRET + "x"},
        401,
        "secret",
    ),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x", "password": SECRET[:-1]},
        401,
        "secret",
    ),
    ("POST", "/admin/set-banner", {"password": SECRET}, 422, "text"),
    (
        "POST",
        "/admin/set-banner",
        {"text": "x" * 2049, "password": SECRET},
        400,
        "text",
    ),
    ("POST", "/admin/set-banner", {"text": "a\0", "password": SECRET}, 400, "text"),
    ("GET", "/worker/HYBRID/x/data", None, 400, "type"),
    ("GET", "/worker/none/x", None, 400, "type"),
    ("GET", "/worker/hybrid/nobody", None, 404, "worker"),
    ("GET", "/worker/hybrid/nobody/data", None, 404, "worker"),
    ("GET", "/worker/hybrid/%00%FF%0A", None, 404, "worker"),
    ("GET", "/?page=0", None, 400, "page"),
    ("GET", "/?page=x", None, 400, "page"),
    ("GET", "/leaderboard?page=99999999999999999999", None, 400, "page"),
    ("GET", "/?" + "a=1&" * 40, None, 400, "query"),
    ("GET", "/?a=" + "x" * 9000, None, 400, "query"),
    ("GET", "/nothing", None, 404, "page"),
    ("GET", "/api", None, 404, "page"),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, 404, "page"),
]


def fill(value, tokens):
    """`value` with "{name}" replaced by the token of that name."""
    if isinstance(value, dict):
        return {k: fill(v, tokens) for k, v in value.items()}
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in tokens:
        return tokens[value[1:-1]]
    return value


def test_refusals_name_the_field_and_change_nothing(admin_tracker):
    tracker = admin_tracker
    tokens = {
        "free": tracker.new_worker(),
        "held": tracker.new_worker(),
        "cpu": tracker.new_worker("CPU"),
        "gpu": tracker.new_worker("GPU"),
    }
    take(tracker, tokens["held"])
    take(tracker, tokens["cpu"], "CPU")
    before = state(tracker)
    for method, path, body, status, names in REFUSALS:
        row = f"{method} {path[:80]} {str(body)[:80]}"
        answer = tracker.get(path, body=fill(body, tokens), method=method)
        assert answer.status == status, (row, answer)
        assert names in answer.text, (row, answer)
        assert "\n" not in answer.text, row
        assert answer.headers["Content-Type"].startswith("text/plain"), row
    assert state(tracker) == before
    assert finish(tracker, tokens["held"], count=1).status == 200
    assert finish(tracker, tokens["cpu"], "CPU", url="x").status == 200


def test_markasdone_cpu_refuses_what_is_wrong(tracker):
    cpu = tracker.new_worker("CPU")
    before = state(tracker)
    rows = [
        ({"token": NOBODY}, 404, "worker"),
        ({"token": ...}, 422, "token"),
        ({"nickname": ...}, 422, "nickname"),
        ({"nickname": "a\0"}, 422, "nickname"),
        ({"shards": ...}, 422, "shards"),
        ({"shards": []}, 400, "shards"),
        ({"shards": [1, 1]}, 400, "shards"),
        ({"shards": [0]}, 400, "shards"),
        ({"shards": [2**60]}, 400, "shards"),
        ({"shards": ["1"]}, 422, "shards"),
        ({"shards": [1, 2]}, 422, "urls"),
        ({"urls": ...}, 422, "urls"),
        ({"urls": ["a"]}, 422, "urls"),
        ({"urls": {"1": 5}}, 422, "urls"),
        ({"urls": {"1": ""}}, 400, "urls"),
        ({"urls": {"1": LONG_URL}}, 400, "urls"),
    ]
    for fields, status, names in rows:
        answer = mark_cpu(tracker, **{"token": cpu, **fields})
        assert answer.status == status, (fields, answer)
        assert names in answer.text, (fields, answer)
    unknown = mark_cpu(
        tracker,
        token=cpu,
        shards=[1, 999],
        urls={"1": "http://a.test/1", "999": "http://a.test/2"},
    )
    assert (unknown.status, unknown.json()["status"]) == (200, "failed")
    assert state(tracker) == before


def test_without_a_secret_the_organisers_calls_are_off(tracker):
    for password in ("", "None", "null"):
        body = {"shards": [1], "count": 1, "nickname": "x", "password": password}
        assert tracker.post("/custom/markasdone", body).status == 403
        body = {"text": "x", "password": password}
        answer = tracker.post("/admin/set-banner", body)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    empty = {"Authorization": "Bearer "}
    assert tracker.post("/admin/set-banner", {"text": "x"}, headers=empty).status == 401
    assert jobs(tracker)["done"] == 0


# ---- HTTP ----


@pytest.mark.parametrize(
    "path", ["/", "/data", "/install", "/leaderboard", "/api/jobCount", "/style.css"]
)
def test_head_answers_as_get_without_a_body(idle_tracker, path):
    got = idle_tracker.get(path)
    head = idle_tracker.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name], name


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_other_methods_are_refused(idle_tracker, method, path):
    path = path.replace("{type}", "cpu").replace("{name}", "x")
    others = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
    others -= {"GET", "HEAD"} if method == "GET" else {"POST"}
    for other in others:
        answer = idle_tracker.get(path, method=other)
        assert answer.status == 405, other
        allowed = "GET, HEAD" if method == "GET" else "POST"
        assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/data/", "//data", "/./data"])
def test_slashes_too_many_are_let_pass(idle_tracker, path):
    assert idle_tracker.get(path).status == (404 if "." in path else 200)


def test_a_base_url_with_a_final_slash_works(tracker):
    answer = tracker.get("//api//new/?nickname=me")
    assert answer.status == 200
    body = {"token": answer.json()["token"]}
    assert tracker.post("//api/newJob", body).status == 200


def test_a_body_may_be_of_64_kib(tracker):
    token = tracker.new_worker()
    body = json.dumps({"token": token, "pad": "x" * 65536})
    body = body[: -2 - (len(body) - 65536)] + '"}'
    assert len(body) == 65536
    json_type = {"Content-Type": "application/json"}
    answer = tracker.post("/api/newJob", body.encode(), headers=json_type)
    assert answer.status == 200
    answer = tracker.post("/api/newJob", (body + " ").encode(), headers=json_type)
    assert answer.status == 413
    answer = tracker.post("/api/newJob", b" " * 3_000_000, headers=json_type)
    assert answer.status == 413
    body = {"addresses": ["x" * 90] * 9000}
    assert tracker.post("/api/isCompleted", body).status == 200
    body = {"addresses": ["x" * 120] * 9000}
    assert tracker.post("/api/isCompleted", body).status == 413


def test_a_chunked_body_is_counted(idle_tracker):
    connection = http.client.HTTPConnection(idle_tracker.address, timeout=PATIENCE)
    for size, status in [(100, 404), (100_000, 413)]:
        pieces = iter([b'{"token": "', b"x" * size, b'"}'])
        connection.request("POST", "/api/newJob", pieces, encode_chunked=True)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


@pytest.mark.parametrize(
    ("type", "status"),
    [
        ("application/json", 404),
        ("Application/JSON; charset=utf-8", 404),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
def test_a_body_says_that_it_is_json(idle_tracker, type, status):
    body = json.dumps({"token": NOBODY}).encode()
    answer = idle_tracker.post("/api/newJob", body, headers={"Content-Type": type})
    assert answer.status == status


def test_a_body_without_a_type_is_read_as_json(idle_tracker):
    body = json.dumps({"token": NOBODY}).encode()
    head = b"POST /api/newJob HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    size = b"Content-Length: %d\r\n\r\n" % len(body)
    assert raw(idle_tracker, head + size + body) == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 415),
        (b"{", 415),
        (b"token=1", 415),
        (b'{"token": "\xff"}', 415),
        (b'{"token": "\\ud800"}', 415),
        (b"[]", 422),
        (b'"x"', 422),
        (b"[" * 60000, 422),
        (b'{"a":' * 10000, 422),
        (b'{"token": 1e999}', 400),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(idle_tracker, body, status):
    headers = {"Content-Type": "application/json"}
    answer = idle_tracker.post("/api/newJob", body, headers=headers)
    assert answer.status == status
    assert len(answer.text.splitlines()) == 1


def test_odd_requests_leave_the_tracker_up(tracker):
    for data in [
        b"\r\n\r\n",
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\0/data HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x.test/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x.test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 9"
        + b"9" * 30
        + b"\r\n\r\n",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx",
        b"POST /api/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
        b"POST /api/bye HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]:
        try:
            status = raw(tracker, data)
        except ConnectionError:
            continue
        assert status is None or status < 500 or status == 505, data[:80]
    absolute = (
        b"GET http://x.test/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert raw(tracker, absolute) == 200
    assert tracker.get("/data").status == 200
    assert tracker.stop() == 0


def everything(tracker, data):
    """All that comes until the connection is closed."""
    with connect(tracker) as sock:
        sock.sendall(data)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    return got


POST = b"POST /api/bye HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 2\r\nContent-Length: 2\r\n",
        b"Content-Length: 2\r\nContent-Length: 44\r\n",
        b"Content-Length: 2\r\n" + CHUNKED,
        CHUNKED + b"Content-Length: 2\r\n",
        CHUNKED + CHUNKED,
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"transfer-encoding: xchunked\r\n",
    ],
)
def test_no_request_hides_in_the_body_of_another(idle_tracker, fields):
    hidden = b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n"
    got = everything(idle_tracker, POST + fields + b"\r\n{}" + hidden * 3)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"\r\n\r\nContent-Length and Transfer-Encoding: " in got


MARK = b"<script>x</script>"


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (b"431", b"GET / HTTP/1.1\r\nA: " + MARK * 6000),
        (b"431", b"GET / HTTP/1.1\r\n" + (MARK + b": b\r\n") * 5000),
        (b"414", b"GET /" + MARK * 6000 + b" HTTP/1.1\r\nHost: x"),
        (b"400", b"GET / HTTP/1.1\r\n" + MARK),
        (b"400", b"GET / " + MARK),
        (b"505", b"GET /" + MARK + b" HTTP/9.9"),
        (b"400", POST + b"Content-Length: " + MARK),
        (b"413", POST + b"Content-Length: 18446744073709551616\r\nA: " + MARK),
        (b"400", POST + CHUNKED + b"\r\n" + MARK),
    ],
)
def test_what_the_http_library_refuses_by_itself_is_harmless(
    idle_tracker, status, data
):
    """Its answers are not ours: no 500, nothing of the request in them."""
    got = everything(idle_tracker, data + b"\r\n\r\n")
    assert got.split()[1] == status
    assert MARK not in got
    assert len(got) < 1000


def test_connections_past_the_limit_wait_or_are_closed(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--max-connections", 5, "--quiet")
    held = [connect(tracker) for _ in range(20)]
    for sock in held:
        sock.close()
    wait_until(lambda: raw(tracker, b"GET /data HTTP/1.1\r\nHost: x\r\n\r\n") == 200)


def random_value(rng, depth=0):
    pick = rng.randrange(8 if depth < 3 else 6)
    if pick == 0:
        return None
    if pick == 1:
        return rng.choice([0, 1, -1, 2**31, 2**63, 10**40, 1.5, -0.0])
    if pick == 2:
        return rng.choice(["HYBRID", "CPU", "GPU", "", "\0", "x" * 3000, "é", NOBODY])
    if pick == 3:
        return rng.choice([True, False])
    if pick == 4:
        return "".join(chr(rng.randrange(0xD7FF)) for _ in range(rng.randrange(30)))
    if pick == 5:
        return rng.randrange(1, 30)
    if pick == 6:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.randrange(30)): random_value(rng, depth + 1) for _ in range(3)}


def test_no_input_gives_500(admin_tracker):
    tracker = admin_tracker
    rng = random.Random(7)
    names = ["token", "type", "count", "url", "progress", "nickname", "shards"]
    names += ["urls", "addresses", "text"]
    connection = http.client.HTTPConnection(tracker.address, timeout=PATIENCE)
    statuses = set()
    for _ in range(1500):
        method, path = rng.choice(CALLS)
        body = None
        if method == "POST":
            fields = {n: random_value(rng) for n in names if rng.random() < 0.7}
            if rng.random() < 0.2:
                fields["password"] = SECRET
            if rng.random() < 0.3:
                fields["token"] = tracker_token(tracker, rng)
            body = json.dumps(fields)
        else:
            values = (str(random_value(rng)) for _ in range(3))
            path = path.replace("{type}", rng.choice(["hybrid", "cpu", "x"]))
            path = path.replace("{name}", "x%00%ff")
            query = dict(zip(["nickname", "type", "page"], values, strict=True))
            path += "?" + urllib.parse.urlencode(query)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    assert statuses <= {200, 400, 401, 403, 404, 413, 415, 422}
    assert {200, 400, 404, 422} <= statuses
    assert tracker.stop() == 0


def tracker_token(tracker, rng):
    return tracker.new_worker(rng.choice(["HYBRID", "CPU", "GPU"]))
