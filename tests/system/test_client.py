"""The client library and the Python package, against real trackers and sites."""

import gzip
import http.server
import io
import json
import os
import pathlib
import pickle
import random
import re
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time

import crawlingathome as cah
import numpy as np
import pytest
from conftest import BUILD, ROOT

errors = cah.errors


def wat_bytes(seed, members=20):
    """A small WAT of several gzip members, and what it inflates to."""
    plain = [f"WARC/1.0 {seed} {i} IMG@/src\n".encode() * 20 for i in range(members)]
    return b"".join(map(gzip.compress, plain)), b"".join(plain)


@pytest.fixture
def world(site, import_jobs, start_tracker, tmp_path, monkeypatch):
    """A tracker with two WATs (four jobs) that lie on a site; cwd is empty."""
    wats = {}
    for k in range(2):
        packed, plain = wat_bytes(k)
        wats[site.put(f"wat/{k}.warc.wat.gz", packed)] = plain
    import_jobs([f"wat/{k}.warc.wat.gz" for k in range(2)], base_url=site.url + "/")
    tracker = start_tracker()
    tracker.wats = wats
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    monkeypatch.chdir(cwd)
    return tracker


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.play(self)

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.play(self)

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class FakeServer:
    """Answers by play(handler); a tracker or a site that misbehaves."""

    def __init__(self, play):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.play = play
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def fake_server():
    started = []

    def start(play):
        started.append(FakeServer(play))
        return started[-1]

    yield start
    for server in started:
        server.stop()


NEW = {"token": "t", "display_name": "Quiet Otter", "upload_address": ""}


def tracker_of(answers):
    """A fake tracker: {path: (status, body, headers)}; /api/new works."""

    def play(handler):
        path = handler.path.partition("?")[0]
        if path == "/api/new":
            handler.reply(200, json.dumps(NEW).encode())
            return
        answer = answers[path]
        answer = answer.pop(0) if isinstance(answer, list) else answer
        status, body, headers = (*answer, {})[:3]
        handler.reply(status, body.encode(), **headers)

    return play


def job_of(url):
    return json.dumps(
        {"url": url, "start_id": "0", "end_id": "1000000", "shard": 0, "number": 1}
    )


class PausedSite:
    """Serves one resource with Range and ETag; waits in the middle for a word."""

    def __init__(self, data, pause_at):
        self.data = data
        self.pause_at = pause_at
        self.etag = '"one"'
        self.go_on = threading.Event()
        self.ranges = []
        self.conditions = []

    def play(self, handler):
        start = 0
        self.ranges.append(handler.headers.get("Range"))
        self.conditions.append(handler.headers.get("If-Range"))
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        if wanted and handler.headers.get("If-Range") in (None, self.etag):
            start = int(wanted[1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", len(self.data) - start)
        handler.send_header("ETag", self.etag)
        if start:
            last = len(self.data) - 1
            handler.send_header(
                "Content-Range", f"bytes {start}-{last}/{len(self.data)}"
            )
        handler.end_headers()
        try:
            handler.wfile.write(self.data[start : max(start, self.pause_at)])
            self.go_on.wait()
            handler.wfile.write(self.data[max(start, self.pause_at) :])
        except OSError:
            handler.close_connection = True


def start_python(code, *args, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def wait_for(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_the_loop_runs_as_it_stands(world):
    URL = world.url
    num_pairs_found = np.int64(7)
    seen = []
    client = cah.init(url=URL, nickname="me", type="HYBRID")
    while client.jobCount() > 0 and client.isAlive():
        client.newJob()
        client.downloadShard()
        client.log("Completed x / y images")
        seen.append((client.shard, client.shard_piece))
        assert pathlib.Path("shard.wat").read_bytes() == world.wats[client.shard]
        assert isinstance(client.start_id, np.int64)
        assert client.end_id - client.start_id == 1_000_000
        client.completeJob(num_pairs_found)
    client.bye()
    assert sorted(seen) == [(url, piece) for url in world.wats for piece in (0, 1)]
    assert os.listdir() == ["shard.wat"]
    assert world.get("/data").json()["total_pairs_scraped"] == 28


@pytest.mark.parametrize("base", ["", "/", "//"])
def test_final_slashes_make_no_difference(world, base):
    client = cah.init(url=world.url + base, nickname="me")
    assert client.jobCount() == 4
    client.newJob()
    assert client.isAlive()
    assert client.url == world.url + base


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("hybrid", "HybridClient"),
        ("HYBRID", "HybridClient"),
        ("Cpu", "CPUClient"),
        ("gpu", "GPUClient"),
        ("FullWAT", "FullWATClient"),
        (cah.core.HybridClient, "HybridClient"),
        (cah.core.CPUClient, "CPUClient"),
        (cah.core.GPUClient, "GPUClient"),
        (cah.core.FullWATClient, "FullWATClient"),
    ],
)
def test_types_are_names_in_any_case_or_classes(world, type, name):
    client = cah.init(world.url, "me", type)
    assert client.__class__ is getattr(cah.core, name)
    assert client.type == name.removesuffix("Client").upper()
    kind = {"FULLWAT": "cpu"}.get(client.type, client.type.lower())
    page = world.get(f"/worker/{kind}/{client.display_name}/data")
    assert page.json()["user_nickname"] == "me"


@pytest.mark.parametrize("type", ["TPU", "", None, 3, int, cah.core.Client])
def test_other_types_are_refused(type):
    with pytest.raises(ValueError, match="type"):
        cah.init("http://127.0.0.1:9", "me", type)


def test_the_address_and_the_name_may_come_from_the_environment(world, monkeypatch):
    with pytest.raises(ValueError, match="nickname"):
        cah.init(url=world.url)
    monkeypatch.setenv("CAH_TRACKER", world.url)
    monkeypatch.setenv("CAH_NICKNAME", "somebody")
    client = cah.init()
    assert (client.url, client.nickname) == (world.url, "somebody")


def test_a_killed_download_goes_on_where_it_was(world, fake_server, tmp_path):
    plain = random.Random(1).randbytes(3_000_000)
    paused = PausedSite(gzip.compress(plain, 1), pause_at=1_000_000)
    url = fake_server(paused.play).url + "/a.warc.wat.gz"
    state = {**cah.init(world.url, "me").dump(), "shard": url}
    state.update(start_id=0, end_id=1_000_000, shard_piece=0, number=1)

    code = (
        "import sys, json, crawlingathome as cah\n"
        "cah.load(**json.loads(sys.argv[1])).downloadShard()\n"
    )
    process = start_python(code, json.dumps(state))
    part = pathlib.Path("shard.wat.part")
    wait_for(lambda: part.exists() and part.stat().st_size >= 900_000)
    process.kill()
    process.communicate()
    size = part.stat().st_size
    assert not pathlib.Path("shard.wat").exists()

    paused.go_on.set()
    cah.load(**state).downloadShard()
    assert pathlib.Path("shard.wat").read_bytes() == plain
    assert paused.ranges == [None, f"bytes={size}-"]
    assert paused.conditions == [None, '"one"']
    assert os.listdir() == ["shard.wat"]


def test_a_killed_download_of_what_has_changed_begins_anew(world, fake_server):
    paused = PausedSite(gzip.compress(b"old" * 10), pause_at=10)
    url = fake_server(paused.play).url + "/a.warc.wat.gz"
    state = {**cah.init(world.url, "me").dump(), "shard": url}
    state.update(start_id=0, end_id=1_000_000, shard_piece=0)
    pathlib.Path("shard.wat.part").write_bytes(paused.data[:10])
    note = {"url": url, "validator": '"one"', "size": len(paused.data)}
    pathlib.Path("shard.wat.part.json").write_text(json.dumps(note))
    paused.etag, paused.data = '"two"', gzip.compress(b"new" * 5)
    paused.go_on.set()
    cah.load(**state).downloadShard()
    assert pathlib.Path("shard.wat").read_bytes() == b"new" * 5
    assert os.listdir() == ["shard.wat"]


def test_calls_outlive_a_tracker_that_is_away(world):
    client = cah.init(world.url, "me")
    world.kill()
    back = threading.Timer(1, world.start)
    back.start()
    try:
        client.newJob()
        client.completeJob(3)
    finally:
        back.join()
    assert client.jobCount() == 3


def test_a_call_gives_up_in_the_end(world):
    client = cah.init(world.url, "me", retry_s=1)
    world.kill()
    with pytest.raises(errors.ServerError, match="no answer from") as caught:
        client.jobCount()
    assert caught.value.http_status == 0
    world.start()


def test_a_download_is_tried_again_as_long_as_asked(fake_server, tmp_path):
    packed, plain = wat_bytes(0)
    refusal = (503, b"", 0)
    # More refusals than are waited out without a retry_s, then without end.
    answers = [refusal] * 9 + [(200, packed, 0)] + [refusal] * 12 + [(429, b"", 100)]

    def play(handler):
        status, body, after = answers.pop(0)
        handler.reply(status, body, Retry_After=after)

    state = {**NEW, "type": "HYBRID", "url": fake_server(play).url, "nickname": "me"}
    state.update(start_id=0, end_id=1, shard_piece=0, shard=state["url"] + "/wat.gz")
    cah.load(**state, retry_s=60).downloadShard(tmp_path / "wat")
    assert (tmp_path / "wat").read_bytes() == plain
    with pytest.raises(errors.ServerError, match=r"given up after \d+ tries"):
        cah.load(**state, retry_s=1).downloadShard(tmp_path / "wat")
    del answers[:-1]
    with pytest.raises(errors.ServerError, match="given up after 1 tries"):
        cah.load(**state, retry_s=1).downloadShard(tmp_path / "wat")


def test_retry_after_is_heard(fake_server):
    answers = [(503, "busy", {"Retry-After": 1}), (429, "slow"), (200, "12")]
    server = fake_server(tracker_of({"/api/jobCount": answers}))
    assert cah.init(server.url, "me").jobCount() == 12
    assert answers == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ValueError),
        (422, ValueError),
        (403, errors.ZeroJobError),
        (404, errors.WorkerTimedOutError),
        (401, errors.ServerError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.ServerError),
        (429, errors.ServerError),
    ],
)
def test_statuses_become_exceptions(fake_server, status, error):
    server = fake_server(tracker_of({"/api/newJob": (status, "a reason\nmore")}))
    client = cah.init(server.url, "me", retry_s=1)
    with pytest.raises(error, match=rf"^a reason \(status {status}\)$") as caught:
        client.newJob()
    assert caught.value.http_status == status


def test_every_error_code_has_its_exception():
    import builtins

    text = (ROOT / "include/cah/errors.def").read_text()
    rows = re.findall(r"^ERR\((\w+), (-\d+), \d+, (\w+)", text, re.MULTILINE)
    assert len(rows) > 10
    for _, _, name in rows:
        found = getattr(errors, name, None) or getattr(builtins, name)
        assert issubclass(found, BaseException)


def test_a_real_tracker_says_what_is_wrong(world):
    client = cah.init(world.url, "me")
    with pytest.raises(errors.ZeroJobError):
        client.completeJob(1)
    client.newJob()
    with pytest.raises(ValueError, match="count"):
        client.completeJob(-1)
    with pytest.raises(TypeError):
        client.completeJob("many")
    for _ in range(3):
        cah.init(world.url, "me").newJob()
    with pytest.raises(errors.ZeroJobError):
        cah.init(world.url, "me").newJob()
    client.bye()
    assert not client.isAlive()
    with pytest.raises(errors.WorkerTimedOutError):
        client.newJob()
    client.bye()
    client.recreate()
    assert client.isAlive()
    client.newJob()
    with pytest.raises(ValueError, match="nickname"):
        cah.init(world.url, "x" * 256)


def test_upload_addresses_are_asked_for_anew(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--upload-address", "HYBRID=rsync://one/")
    client = cah.init(tracker.url, "me")
    assert client.upload_address == "rsync://one/"
    client.updateUploadServer()
    assert client.upload_address == "rsync://one/"
    assert cah.init(tracker.url, "me", "CPU").upload_address == ""


def test_a_client_can_be_dumped_at_any_moment(world):
    client = cah.init(world.url, "me")
    for moment in range(3):
        state = cah.dump(client)
        assert state == client.dump()
        for copy in (json.loads(json.dumps(state)), pickle.loads(pickle.dumps(state))):
            assert cah.load(**copy).dump() == state
        client = cah.load(**state)
        if moment == 0:
            client.newJob()
            assert client.shard in world.wats
        elif moment == 1:
            client.downloadShard()
            client.completeJob(5)
    assert client.shard is None and client.start_id is None
    assert world.get("/data").json()["total_pairs_scraped"] == 5


def test_dumps_of_older_clients_are_taken():
    client = cah.load(
        _type="HYBRID",
        url="http://127.0.0.1:9/",
        token="t",
        nickname="me",
        display_name="Quiet Otter",
        shard="http://w/1.gz",
        start_id=np.int64(1_000_000),
        end_id="2000000",
        shard_piece=1,
    )
    assert client.start_id == 1_000_000 and client.end_id == 2_000_000
    assert client.shard_piece == 1 and client.upload_address == ""


@pytest.mark.parametrize(
    "change",
    [
        {"type": "TPU", "_type": "TPU"},
        {"token": None},
        {"url": "nowhere"},
        {"nickname": ""},
        {"shard": "u", "start_id": "x"},
        {"token": object()},
    ],
)
def test_what_is_no_dump_is_refused(change):
    state = {"url": "http://h", "token": "t", "nickname": "n", "display_name": "d"}
    assert cah.load(**state, type="GPU").nickname == "n"
    with pytest.raises(errors.DumpError):
        cah.load(**{**state, "type": "GPU", **change})
    with pytest.raises(errors.DumpError):
        cah.load()
    with pytest.raises(errors.DumpError):
        cah.dump(object())


def test_ctrl_c_ends_a_call_that_waits(fake_server, tmp_path):
    reached = threading.Event()
    over = threading.Event()

    def play(handler):
        if handler.path.startswith("/api/new?"):
            handler.reply(200, json.dumps(NEW).encode())
            return
        reached.set()
        over.wait()
        handler.close_connection = True

    server = fake_server(play)
    waits = {
        "an answer": f"cah.init({server.url!r}, 'me').jobCount()",
        "a tracker": "cah.init('http://127.0.0.1:9', 'me')",
        "a download": f"cah.load(**{{**cah.init({server.url!r}, 'me').dump(),"
        f"'shard': '{server.url}/x.gz', 'start_id': 0, 'end_id': 1,"
        "'shard_piece': 0}).downloadShard()",
    }
    for what, code in waits.items():
        reached.clear()
        process = start_python(
            f"import crawlingathome as cah\nprint('ready', flush=True)\n{code}",
            cwd=tmp_path,
        )
        assert process.stdout.readline() == "ready\n"
        if what == "a tracker":
            time.sleep(0.5)
        else:
            assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert said.rstrip().endswith("KeyboardInterrupt"), what
    over.set()


def test_other_threads_run_while_a_download_waits(world, fake_server):
    plain = random.Random(2).randbytes(500_000)
    paused = PausedSite(gzip.compress(plain, 1), pause_at=100_000)
    url = fake_server(paused.play).url + "/a.gz"
    state = {**cah.init(world.url, "me").dump(), "shard": url}
    client = cah.load(**state, start_id=0, end_id=1, shard_piece=0)
    # If the call kept the GIL, neither the server's threads nor this timer
    # could run, and it would wait for ever.
    timer = threading.Timer(0.2, paused.go_on.set)
    timer.start()
    client.downloadShard(pathlib.Path("other.wat"))
    timer.join()
    assert pathlib.Path("other.wat").read_bytes() == plain


def test_another_thread_can_cancel(fake_server):
    over = threading.Event()

    def play(handler):
        if handler.path.startswith("/api/new?"):
            handler.reply(200, json.dumps(NEW).encode())
            return
        over.wait()

    client = cah.init(fake_server(play).url, "me")
    timer = threading.Timer(0.3, client.cancel)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        client.jobCount()
    timer.join()
    over.set()


def test_broken_wats_leave_nothing(world, site):
    packed, _ = wat_bytes(5)
    damaged = bytearray(packed)
    damaged[-6] ^= 0xFF  # in the last checksum
    state = cah.init(world.url, "me").dump()
    state.update(start_id=0, end_id=1, shard_piece=0)
    for name, data in {
        "cut.gz": packed[:-7],
        "damaged.gz": bytes(damaged),
        "page.gz": b"<html>",
        "empty.gz": b"",
    }.items():
        client = cah.load(**state, shard=site.put(name, data))
        with pytest.raises(ValueError, match=name):
            client.downloadShard()
    with pytest.raises(FileNotFoundError):
        cah.load(**state, shard=site.url + "/none.gz").downloadShard()
    for url in ("ftp://h/x.gz", "gopher://h", "-", "http://"):
        with pytest.raises(errors.InvalidURLError):
            cah.load(**state, shard=url).downloadShard()
    assert os.listdir() == []


def test_a_full_disk_is_an_error_and_can_be_gone_on_from(world, site):
    plain = random.Random(3).randbytes(100_000)
    url = site.put("big.gz", gzip.compress(plain + bytes(300_000)))
    state = {**cah.init(world.url, "me").dump(), "shard": url}
    state.update(start_id=0, end_id=1, shard_piece=0)
    code = (
        "import sys, json, resource, crawlingathome as cah\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "cah.load(**json.loads(sys.argv[1])).downloadShard()\n"
    )
    _, said = start_python(code, json.dumps(state)).communicate(timeout=60)
    assert "OSError" in said and "cannot write" in said
    assert sorted(os.listdir()) == ["shard.wat.part", "shard.wat.part.json"]
    asked = len(site.requests)
    cah.load(**state).downloadShard()
    assert pathlib.Path("shard.wat").stat().st_size == 400_000
    assert len(site.requests) == asked  # all of it was there already


def test_a_tracker_elsewhere_cannot_send_workers_into_their_own_network(site, tmp_path):
    url = site.put("a.gz", gzip.compress(b"inside"))
    state = {
        "url": "http://tracker.invalid:9/",
        "token": "t",
        "nickname": "me",
        "display_name": "d",
        "type": "HYBRID",
        "shard": url,
        "start_id": 0,
        "end_id": 1,
        "shard_piece": 0,
    }
    with pytest.raises(errors.InvalidURLError, match="not a public address"):
        cah.load(**state).downloadShard(tmp_path / "x.wat")
    assert site.requests == []
    cah.load(**state, allow_private=True).downloadShard(tmp_path / "x.wat")
    assert (tmp_path / "x.wat").read_bytes() == b"inside"


def tar_bytes(mode, entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in entries.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


IMAGES = {"0.jpg": b"zero", "deep/1.jpg": b"one" * 1000, "ünï.png": b"two"}


def give_to_gpu(world, url):
    cpu = cah.init(world.url, "cpu", "CPU")
    cpu.newJob()
    cpu.completeJob(url)
    gpu = cah.init(world.url, "gpu", "GPU")
    assert gpu.jobCount() == 1
    gpu.newJob()
    assert gpu.shard == url
    return gpu


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("place", ["http", "path", "file"])
def test_gpu_workers_unpack_tars(world, site, mode, place):
    url = site.put("images.tar", tar_bytes(mode, IMAGES))
    path = site.folder / "images.tar"
    url = {"http": url, "path": str(path), "file": path.as_uri()}[place]
    gpu = give_to_gpu(world, url)
    gpu.downloadShard()
    got = {
        str(p.relative_to("images")): p.read_bytes()
        for p in pathlib.Path("images").rglob("*")
        if p.is_file()
    }
    assert got == IMAGES
    assert os.listdir() == ["images"]
    gpu.completeJob(2)
    assert world.get("/data").json()["total_pairs_scraped"] == 2


def member(name, type, link=""):
    info = tarfile.TarInfo(name)
    info.type = type
    info.linkname = link
    return info


@pytest.mark.parametrize(
    "evil",
    [
        {"../evil": b"x"},
        {"a/../../evil": b"x"},
        {"/tmp/cah-evil": b"x"},
        {"s": member("s", tarfile.SYMTYPE, ".."), "s/evil": b"x"},
        {"h": member("h", tarfile.LNKTYPE, "/etc/passwd")},
        {"d": member("d", tarfile.CHRTYPE)},
        {"f": member("f", tarfile.FIFOTYPE)},
    ],
)
def test_gpu_workers_refuse_evil_tars(world, site, evil):
    url = site.put("evil.tar", tar_bytes("w", {"good": b"x", **evil}))
    gpu = give_to_gpu(world, url)
    with pytest.raises(ValueError, match="evil.tar"):
        gpu.downloadShard("here/images")
    assert [p for p in pathlib.Path().rglob("*") if p.is_file()] == []
    assert not pathlib.Path("/tmp/cah-evil").exists()
    before = cah.init(world.url, "cpu", "CPU").jobCount()
    gpu.invalidURL()
    assert cah.init(world.url, "cpu", "CPU").jobCount() == before + 1
    assert gpu.shard is None


def test_gpu_workers_say_what_cannot_be_had(world, site, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    state = cah.init(world.url, "me", "GPU").dump()
    state.update(start_id=0, end_id=1, shard_piece=0)
    for url, error in {
        site.url + "/none.tar": FileNotFoundError,
        str(tmp_path / "none.tar"): FileNotFoundError,
        str(tmp_path / "fifo"): errors.InvalidURLError,
        "/dev/zero": errors.InvalidURLError,
        "file://other.host/x": errors.InvalidURLError,
        "-": errors.InvalidURLError,
        "rsync://h/x": errors.InvalidURLError,
    }.items():
        with pytest.raises(error):
            cah.load(**state, shard=url).downloadShard()
    assert os.listdir() == []


def test_full_wats_are_done_at_once(world):
    client = cah.init(world.url, "me", "FULLWAT")
    assert client.jobCount() == 4
    client.newJob()
    assert [s["shard_piece"] for s in client.shards] == [0, 1]
    client = cah.load(**client.dump())
    client.downloadShard()
    assert pathlib.Path("shard.wat").read_bytes() == world.wats[client.shard]
    numbers = [s["number"] for s in client.shards]
    client.completeJob({n: f"http://r/{n}.tar" for n in numbers})
    assert client.jobCount() == 2 and client.shard is None
    client.newJob()
    with pytest.raises(ValueError, match="urls"):
        client.completeJob(["http://r/one"])
    client.completeJob("http://r/both.tar")
    with pytest.raises(errors.ZeroJobError):
        client.newJob()
    assert cah.init(world.url, "gpu", "GPU").jobCount() == 4


def test_trackers_are_had_by_https_from_whom_one_trusts(fake_server, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        f" -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {cert}",
        shell=True,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    packed, plain = wat_bytes(1)

    def play(handler):
        if handler.path == "/a.gz":
            handler.reply(200, packed)
        else:
            tracker_of({"/api/newJob": (200, job_of(url + "/a.gz"))})(handler)

    server = fake_server(play)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    with pytest.raises(errors.ServerError, match="certificate"):
        cah.init(url, "me")
    client = cah.init(url, "me", ca_file=str(cert))
    client.newJob()
    client.downloadShard(tmp_path / "a.wat")
    assert (tmp_path / "a.wat").read_bytes() == plain


def test_markjobasdone_still_works_with_a_warning(world):
    client = cah.init(world.url, "me")
    client.newJob()
    with pytest.warns(DeprecationWarning, match="completeJob"):
        client._markjobasdone(4)
    assert client.jobCount() == 3


def test_a_forked_child_has_its_own_connection(world):
    client = cah.init(world.url, "me")
    assert client.jobCount() == 4
    pid = os.fork()
    if pid == 0:
        os._exit(0 if all(client.jobCount() == 4 for _ in range(20)) else 1)
    counts = {client.jobCount() for _ in range(20)}
    assert os.waitpid(pid, 0)[1] == 0
    assert counts == {4}


@pytest.mark.parametrize("language", ["c", "python"])
def test_the_examples_work(world, language):
    program = {
        "c": [str(BUILD / "examples" / "example_worker")],
        "python": [sys.executable, str(ROOT / "examples" / "worker.py")],
    }[language]
    done = subprocess.run(
        [*program, world.url, "me"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Found 400 images") == 4
    assert world.get("/data").json()["total_pairs_scraped"] == 1600
    assert world.get("/data").json()["total_connected_workers"] == 0


def test_the_library_shows_its_interface_and_nothing_else():
    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(BUILD / "libcah.so")],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = set(re.findall(r"^\S+ [A-Z] (\w+)", done.stdout, re.MULTILINE))
    text = "".join(p.read_text() for p in (ROOT / "include/cah").glob("*.h"))
    declared = set(re.findall(r"CAH_API[^;]*?\b(cah_\w+)\(", text))
    assert shown == declared
