"""The tracker's dedup service: what many workers share, and what stays of it."""

import hashlib
import http.client
import threading
import time

import pytest
from calls import PATIENCE
from conftest import Tracker, http_request
from test_watch import value
from trouble import TroubledTracker

LIST = 100_000  # lines of one list at most
LINES = {"Content-Type": "text/plain"}
SMALL = ("--dedup-capacity", 1_000_000)


def md5s(first, count):
    return [
        hashlib.md5(b"pair %d" % n).hexdigest() for n in range(first, first + count)
    ]


def form(keys, **fields):
    """A body and its headers, as Python's requests sends them."""
    head = 'Content-Disposition: form-data; name="{}"'
    parts = [(head.format("file") + '; filename="hash.txt"', "\n".join(keys))]
    parts += [(head.format(name), value) for name, value in fields.items()]
    body = "".join(f"--b0undary\r\n{h}\r\n\r\n{text}\r\n" for h, text in parts)
    headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
    return (body + "--b0undary--\r\n").encode(), headers


def ask(tracker, keys, path="/deduplicate/", **fields):
    """As the ancestors' workers do; what the answer's lines are."""
    body, headers = form(keys, **fields)
    answer = tracker.post(path, body, headers=headers)
    assert answer.status == 200, answer
    return answer.text.split("\n") if answer.text else []


def add(tracker, keys, **fields):
    (count,) = ask(tracker, keys, "/add/", **fields)
    return int(count)


@pytest.fixture
def filtering(start_tracker, tmp_path):
    return start_tracker(
        *("--dedup", tmp_path / "seen", *SMALL, "--dedup-error-rate", "1e-6")
    )


def test_an_ancestors_worker_goes_round(filtering):
    keys = md5s(0, 1000)
    assert ask(filtering, keys, key="clipped") == keys
    assert ask(filtering, keys, key="clipped") == keys
    assert add(filtering, keys[:400], key="clipped") == 400
    assert ask(filtering, keys, key="clipped") == keys[400:]
    assert add(filtering, keys, key="clipped") == 600
    assert ask(filtering, keys, key="clipped") == []


def test_lines_alone_are_a_list_too(filtering):
    keys = md5s(0, 10)
    body = "\r\n".join(keys).upper().encode()
    answer = filtering.post("/add?key=clipped", body, headers=LINES)
    assert (answer.status, answer.text) == (200, "10")
    assert ask(filtering, md5s(5, 10)) == md5s(10, 5)
    answer = filtering.post("/deduplicate", b"", headers=LINES)
    assert (answer.status, answer.text) == (200, "")


def test_a_list_has_up_to_100_000_lines(filtering):
    keys = md5s(0, LIST)
    assert ask(filtering, keys) == keys
    assert add(filtering, keys) == LIST
    assert ask(filtering, keys) == []
    body = "\n".join([*keys, keys[0]]).encode()
    answer = filtering.post("/deduplicate/", body, headers=LINES)
    assert (answer.status, answer.text) == (
        413,
        "the list has more than 100000 lines",
    )


def test_filters_have_names_and_differ(start_tracker, tmp_path):
    tracker = start_tracker(
        *("--dedup", f"main={tmp_path}/a", "--dedup", tmp_path / "b", *SMALL)
    )
    assert tracker.get("/api/new?nickname=me").json()["dedup"] == ["main", "clipped"]
    keys = md5s(0, 10)
    add(tracker, keys, key="main")
    assert ask(tracker, keys, key="clipped") == keys
    assert ask(tracker, keys, key="main") == []
    assert ask(tracker, keys) == []  # the first one
    body, headers = form(keys, key="urls")
    answer = tracker.post("/add/", body, headers=headers)
    assert answer.status == 400
    assert answer.text == "key: there is no filter of that name"


def test_of_many_that_ask_and_add_one_gets_each_pair(filtering):
    """Lists that overlap, asked for at one time by eight."""
    got = []

    def work(seed):
        for step in range(10):
            keys = md5s((seed * 37 + step * 53) % 500, 300)
            body = "\n".join([*keys, keys[7]]).encode()
            answer = filtering.post("/deduplicate?add=1", body, headers=LINES)
            assert answer.status == 200
            got.extend(answer.text.split())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got))
    assert set(got) >= set(md5s(0, 500))
    assert ask(filtering, got) == []


def test_what_was_added_outlives_kill_and_a_power_cut(filtering, tmp_path):
    """After the cut the filter's file is as old as a disk may leave it."""
    before = (tmp_path / "seen").read_bytes()
    acknowledged = []
    is_over = threading.Event()

    def work():
        connection = http.client.HTTPConnection(filtering.address, timeout=PATIENCE)
        try:
            for n in range(10_000):
                keys = md5s(n * 100, 100)
                connection.request("POST", "/add/", "\n".join(keys), LINES)
                assert connection.getresponse().read() == b"100"
                acknowledged.append(n)
        except (OSError, http.client.HTTPException):
            pass
        is_over.set()

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while len(acknowledged) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    filtering.kill()
    thread.join()
    assert len(acknowledged) >= 20
    (tmp_path / "seen").write_bytes(before)
    filtering.start()
    keys = md5s(0, 100 * len(acknowledged))
    assert ask(filtering, keys) == []
    # The list that was under way may be there; nothing else is.
    assert len(ask(filtering, md5s(len(keys), 1000))) >= 900


def test_without_a_filter_there_is_no_such_service(tracker):
    for path in ("/deduplicate/", "/add/"):
        answer = tracker.post(path, b"x", headers=LINES)
        assert (answer.status, answer.text) == (
            404,
            "this tracker has no dedup service",
        )
    assert "dedup" not in tracker.get("/api/new?nickname=me").json()


FORM = {"Content-Type": "multipart/form-data; boundary=xx"}
PART = b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
KEY = b"0123456789abcdef0123456789abcdef"
HOSTILE = [
    (KEY + b"\nnot an md5", LINES, 400, "line 2: not an MD5 in hexadecimal"),
    (KEY + b"\0", LINES, 400, "line 1: not an MD5 in hexadecimal"),
    (b"\xff" * 40, LINES, 400, "line 1: not an MD5 in hexadecimal"),
    (b'{"a":1}', {"Content-Type": "application/json"}, 415, "Content-Type: not text"),
    (b"", FORM, 422, "the form is broken"),
    (PART + KEY, FORM, 422, "the form is broken"),
    (PART + KEY + b"\r\n--xx--", {"Content-Type": "multipart/form-data"}, 422, "form"),
    (b"--xx--\r\n", FORM, 422, "file: missing"),
    (
        b'--xx\r\nA: b; name="c"\r\n\r\n\r\n' * 40 + b"--xx--",
        FORM,
        422,
        "file: missing",
    ),
    (PART.replace(b"file", b"f") * 1 + b"\r\n--xx--", FORM, 422, "file: missing"),
    ((PART + b"\r\n") * 17 + b"--xx--", FORM, 413, "more than 16 parts"),
    (b"\n" * (4 << 20), LINES, 200, ""),
    (b"\n" * (4 << 20) + b"\n", LINES, 413, "the body is longer than 4194304 bytes"),
]


@pytest.mark.parametrize("case", range(len(HOSTILE)))
def test_hostile_bodies_are_refused(filtering, case):
    body, headers, status, text = HOSTILE[case]
    for path in ("/deduplicate/", "/add/"):
        answer = filtering.post(path, body, headers=headers)
        if (path, status) == ("/add/", 200):
            text = "0"
        assert answer.status == status, answer
        assert text in answer.text
    answer = filtering.post("/deduplicate?add=2", KEY, headers=LINES)
    assert (answer.status, answer.text) == (400, "add: not 0 or 1")
    assert filtering.get("/deduplicate/").status == 405
    assert ask(filtering, [KEY.decode()]) == [KEY.decode()]


def test_a_filter_is_not_filled_beyond_what_it_was_made_for(start_tracker, tmp_path):
    tracker = start_tracker("--dedup", tmp_path / "seen", "--dedup-capacity", 1000)
    assert add(tracker, md5s(0, 1000)) >= 990
    answer = tracker.post("/add/", "\n".join(md5s(1000, 500)).encode(), headers=LINES)
    assert (answer.status, answer.text) == (
        413,
        "the filter is full: it was made for 1000 pairs",
    )
    assert ask(tracker, md5s(0, 1000)) == []


def test_a_full_disk_does_not_stop_it(cah, tmp_path):
    """All of the journal and of the filter is there from the start."""
    tracker = TroubledTracker(
        cah, tmp_path / "tracker.db", ["--dedup", tmp_path / "f", *SMALL]
    )
    tracker.start()
    try:
        add(tracker, md5s(0, 100))
        tracker.fill_disk()
        assert ask(tracker, md5s(0, 200)) == md5s(100, 100)
        statuses = {
            tracker.post("/add/", md5s(n, 1)[0].encode(), headers=LINES).status
            for n in range(100, 110)
        }
        assert statuses <= {200, 503}
        tracker.fill_disk(False)
        added = add(tracker, md5s(100, 10))
        assert added == (0 if statuses == {200} else 10)
    finally:
        tracker.stop()


def test_a_disk_too_small_for_the_filter_is_told(run_cah, tmp_path):
    done = run_cah(
        *("tracker", "--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path}/t.db"),
        *("--dedup", tmp_path / "huge", "--dedup-capacity", "100000000000"),
        *("--dedup-error-rate", "1e-8"),
    )
    assert done.returncode == 1
    assert "huge: " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_lists_of_an_address_are_counted_apart(start_tracker, tmp_path):
    tracker = start_tracker(
        *("--dedup", tmp_path / "seen", *SMALL, "--dedup-per-minute", 3),
        *("--calls-per-minute", 1),
        limits=True,
    )
    statuses = [
        tracker.post("/deduplicate/", KEY, headers=LINES).status for _ in range(4)
    ]
    assert statuses == [200, 200, 200, 429]
    assert "too many lists of pairs from" in tracker.post("/add/", KEY).text
    assert tracker.get("/api/jobCount").status == 200


def test_workers_are_served_while_lists_are(import_jobs, start_tracker, tmp_path):
    import_jobs(10)
    tracker = start_tracker("--dedup", tmp_path / "seen", *SMALL)
    body = "\n".join(md5s(0, LIST)).encode()
    is_over = threading.Event()
    answers = []

    def work():
        while not is_over.is_set():
            answers.append(tracker.post("/add/", body, headers=LINES).status)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            token = tracker.new_worker()
            assert tracker.post("/api/newJob", {"token": token}).status == 200
            assert tracker.post("/api/bye", {"token": token}).status == 200
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200}


def test_one_tracker_has_a_filter(filtering, cah, tmp_path):
    second = Tracker(cah, tmp_path / "second.db", ["--dedup", tmp_path / "seen"])
    with pytest.raises(AssertionError, match="tracker said: ''"):
        second.start()
    second.stop()


def test_a_damaged_filter_is_told(filtering, run_cah, tmp_path):
    filtering.stop()
    data = bytearray((tmp_path / "seen").read_bytes())
    data[24] ^= 1
    (tmp_path / "seen").write_bytes(data)
    done = run_cah(
        *("tracker", "--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path}/t.db"),
        *("--dedup", tmp_path / "seen"),
    )
    assert done.returncode == 1
    assert done.stderr.endswith("seen: its header is damaged\n")


def test_the_metrics_tell_of_the_filter(filtering):
    add(filtering, md5s(0, 100))
    ask(filtering, md5s(50, 100))
    expected = {"pairs": 100, "asked_total": 200, "seen_total": 50, "added_total": 100}
    for name, number in expected.items():
        assert value(filtering, f"cah_dedup_{name}", filter="clipped") == number
    assert value(filtering, "cah_dedup_capacity", filter="clipped") == 1_000_000
    assert value(filtering, "cah_dedup_broken", filter="clipped") == 0
    assert 0 <= value(filtering, "cah_dedup_error_rate", filter="clipped") <= 1e-6
    assert value(filtering, "cah_dedup_errors_total") == 0


def test_bad_usage(run_cah, tmp_path):
    for args, text in [
        (["--dedup", "=x"], "--dedup: '=x': a name of 1 to 64 bytes"),
        (["--dedup", "a="], "--dedup: 'a=' has no file"),
        (["--dedup", "a", "--verify-share", "0.1"], "--dedup goes without"),
        (["--dedup-error-rate", "0.9"], "--dedup-error-rate"),
        (["--dedup", f"{tmp_path}/a", "--dedup", f"{tmp_path}/b"], "are called"),
    ]:
        done = run_cah("tracker", "--store", f"sqlite:{tmp_path}/t.db", *args)
        assert done.returncode == 2, (args, done.stderr)
        assert text in done.stderr


def test_only_the_list_of_a_request_counts(filtering):
    """The body is not JSON to this call, and JSON is none to it."""
    assert http_request(filtering.url + "/add/", body=["x"]).status == 415
