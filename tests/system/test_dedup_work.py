"""Workers that leave to others what others have taken: by a file (--seen), and by
the tracker's dedup service."""

import json
import subprocess
import time
from collections import Counter

import pyarrow.parquet
import pytest
from conftest import ROOT
from crawl import Web
from test_watch import value

MODEL = ROOT / "models" / "demo"
WAIT_SECONDS = 120
SMALL = ("--dedup-capacity", 100_000, "--dedup-error-rate", "1e-6")


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    web = Web(tmp_path_factory.mktemp("web") / "w")
    yield web
    web.stop()


@pytest.fixture
def project(web, import_jobs, start_tracker, tmp_path):
    """A tracker with a filter; each WAT is there `times`, under as many names."""

    def start(*args, times=1):
        names = [
            wat + ("" if n == 0 else f"?again={n}")
            for n in range(times)
            for wat in web.wats
        ]
        import_jobs(names, base_url=web.base_url)
        return start_tracker("--dedup", tmp_path / "seen.filter", *SMALL, *args)

    return start


@pytest.fixture
def worker(cah, web, tmp_path):
    started = []

    def start(tracker, out, *args):
        process = subprocess.Popen(
            [
                *(cah, "work", "--tracker", tracker.url, "--nickname", "me"),
                *("--model", MODEL, "--out", tmp_path / out, "--no-embeddings"),
                *map(str, [*web.options, *args]),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process):
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    return err


def kept(*folders):
    """(URL, text) of all rows, and the fates of all shards."""
    pairs = []
    fates = Counter()
    for folder in folders:
        for path in folder.glob("*.parquet"):
            rows = pyarrow.parquet.read_table(path).to_pylist()
            pairs += [(row["URL"], row["TEXT"]) for row in rows]
        for path in folder.glob("*.stats.json"):
            fates.update(json.loads(path.read_bytes())["fates"])
    return pairs, fates


def scored(fates):
    return fates["kept"] + fates["low_similarity"]


def test_two_workers_share_what_was_taken(project, worker, tmp_path):
    """One does the first half, then both the second, which is the same."""
    tracker = project(times=2)
    first = finish(worker(tracker, "a", "--jobs", 4))
    assert "pairs that others have taken are left to them" in first
    pairs, fates = kept(tmp_path / "a")
    assert len(pairs) > 20
    assert value(tracker, "cah_dedup_pairs", filter="clipped") == scored(fates)

    both = [worker(tracker, "b"), worker(tracker, "c")]
    for process in both:
        finish(process)
    again, more = kept(tmp_path / "b", tmp_path / "c")
    assert not set(again) & set(pairs)
    assert more["seen_before"] >= scored(fates)
    assert more["kept"] == 0
    assert more.total() == fates.total()
    # What was never scored is tried again.
    assert more["http_not_found"] == fates["http_not_found"] > 0


def test_a_worker_may_go_without(project, worker, tmp_path):
    tracker = project(times=2)
    finish(worker(tracker, "a", "--no-dedup"))
    pairs, fates = kept(tmp_path / "a")
    assert fates["seen_before"] == 0
    assert max(Counter(pairs).values()) >= 2
    assert value(tracker, "cah_dedup_asked_total", filter="clipped") == 0


def test_a_worker_that_is_killed_takes_no_pair_with_it(project, worker, web, tmp_path):
    tracker = project("--idle-timeout", 2)
    killed = worker(tracker, "a")
    deadline = time.monotonic() + WAIT_SECONDS
    while value(tracker, "cah_dedup_asked_total", filter="clipped") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    done = {path.name for path in (tmp_path / "a").glob("*.stats.json")}
    assert value(tracker, "cah_dedup_pairs", filter="clipped") == 0 or done
    while tracker.get("/api/jobCount?type=HYBRID").text != str(4 - len(done)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    finish(worker(tracker, "b"))
    pairs, fates = kept(tmp_path / "a", tmp_path / "b")
    assert fates["kept"] == len(pairs) == len(set(pairs))
    right = {(t["url"], t["text"]) for t in web.truth if t["want"] == "kept"}
    assert len(right & set(pairs)) >= 0.75 * len(right)


def test_a_service_that_is_away_loses_no_pair(project, worker, web, tmp_path):
    """The tracker comes back without it: the calls are answered 404."""
    tracker = project(times=2)
    web.gate = None
    process = worker(tracker, "a", "--jobs", 5)
    deadline = time.monotonic() + WAIT_SECONDS
    while not list((tmp_path / "a").glob("*.stats.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    tracker.kill()
    tracker.args = tracker.args[tracker.args.index("1e-6") + 1 :]
    tracker.start()
    err = finish(process)
    assert "the tracker's dedup service: this tracker has no dedup service" in err
    pairs, fates = kept(tmp_path / "a")
    assert len(list((tmp_path / "a").glob("*.stats.json"))) == 5
    assert fates["kept"] == len(pairs) > 20


def test_a_file_of_this_machine_is_asked_too(
    import_jobs, start_tracker, worker, web, tmp_path
):
    import_jobs(web.wats, base_url=web.base_url)
    tracker = start_tracker()
    seen = ("--seen", tmp_path / "mine", "--seen-capacity", 100_000)
    rate = ("--seen-error-rate", "1e-6")
    finish(worker(tracker, "a", *seen, *rate))
    pairs, fates = kept(tmp_path / "a")
    assert fates["seen_before"] == 0
    import_jobs([w + "?again" for w in web.wats], base_url=web.base_url)
    finish(worker(tracker, "b", *seen))
    again, more = kept(tmp_path / "b")
    assert not set(again) & set(pairs)
    assert more["seen_before"] >= scored(fates)


def test_run_has_a_file_of_pairs_too(run_cah, web, tmp_path):
    wats = [str(web.folder / wat) for wat in web.wats]
    args = ["--model", MODEL, "--no-embeddings", *web.options]
    args += ["--seen", tmp_path / "seen", "--seen-capacity", 100_000]
    run_cah("run", *wats[:1], *args, "--out", tmp_path / "a", check=True)
    run_cah("run", *wats[:1], *args, "--out", tmp_path / "b", check=True)
    pairs, fates = kept(tmp_path / "a")
    again, more = kept(tmp_path / "b")
    assert pairs and not set(again) & set(pairs)
    assert more["seen_before"] >= scored(fates)


def test_a_file_that_is_no_filter_is_told(run_cah, web, tmp_path):
    (tmp_path / "seen").write_text("something else\n" * 1000)
    done = run_cah(
        *("work", "--tracker", "http://127.0.0.1:9", "--nickname", "me"),
        *("--model", MODEL, "--out", tmp_path / "out", "--seen", tmp_path / "seen"),
        *web.options,
    )
    assert done.returncode == 1
    assert "is no filter of cah's" in done.stderr
