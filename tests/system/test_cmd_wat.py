"""cah wat finds what an independent scan in Python finds, in whole files and in
broken ones, and says what it did."""

import contextlib
import csv
import gzip
import hashlib
import http.server
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter

import pyarrow.parquet
import pytest
from conftest import ROOT
from wat_scan import Found, join, records_of, reference

MAKE_WAT = ROOT / "tests" / "bench" / "make_wat.py"
DOCS_EN = ROOT / "demo" / "docs-en.warc.wat.gz"
DOCS_JA = ROOT / "tests" / "data" / "docs-ja.warc.wat.gz"


# ---- what the program finds ----


def run_wat(run_cah, *args, check=True, **kwargs):
    """(candidates, counts) of one run."""
    done = run_cah("wat", *args, "--json", check=check, **kwargs)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines, json.loads(done.stderr.splitlines()[-1])


def page_texts(lines):
    return Counter((line["page_url"], line["text"]) for line in lines)


def assert_equals(lines, counts, found):
    """Every candidate of the scan, dropped or not, and nothing else."""
    assert page_texts(lines) == found.page_texts
    assert counts["candidates"] == len(found.candidates) == len(lines)
    assert counts["candidates"] == sum(counts["fates"].values())
    assert Counter(line["fate"] for line in lines) == Counter(
        {k: v for k, v in counts["fates"].items() if v}
    )
    assert counts["image_links"] == found.images
    assert counts["pages"] == found.pages
    assert counts["broken_records"] == found.broken


def make_wat(path, *args):
    subprocess.run(
        [sys.executable, MAKE_WAT, "--out", path, *map(str, args)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return path


def write_record(body, head="Content-Type: application/json\r\n", length=None):
    length = len(body) if length is None else length
    return (
        (
            f"WARC/1.0\r\nWARC-Type: metadata\r\n{head}Content-Length: {length}\r\n\r\n"
        ).encode()
        + body
        + b"\r\n\r\n"
    )


def page(number, links=None, **payload):
    """The JSON of a page with one image of its own, or with @links."""
    if links is None:
        links = [
            {
                "path": "IMG@/src",
                "url": f"{number}.png",
                "alt": f"castle {number} on a hill",
            }
        ]
    html_metadata = {"Head": {}, "Links": links, **payload}
    return {
        "Envelope": {
            "Payload-Metadata": {
                "HTTP-Response-Metadata": {"HTML-Metadata": html_metadata}
            },
            "WARC-Header-Metadata": {"WARC-Target-URI": f"http://site.test/{number}/"},
        }
    }


def member(number):
    return gzip.compress(write_record(json.dumps(page(number)).encode()))


def numbers(lines):
    return [int(line["text"].split()[1]) for line in lines]


# ---- whole files ----


@pytest.mark.parametrize(
    "seed, args",
    [
        (1, ["--keys", "linked"]),
        (2, ["--keys", "hash"]),
        (3, ["--keys", "linked", "--triplet", "no"]),
        (
            4,
            [
                *("--keys", "hash", "--broken", "0.3"),
                *("--broken-kinds", "trunc,garbage,empty,quote,utf8,noenv"),
            ],
        ),
    ],
)
def test_equals_the_reference(run_cah, tmp_path, seed, args):
    path = make_wat(tmp_path / "a.wat.gz", "--records", 150, "--seed", seed, *args)
    found = reference(path)
    lines, counts = run_wat(run_cah, path, "--all", "--urls-only")
    assert_equals(lines, counts, found)
    assert len(found.candidates) > 500
    assert counts["raw_bytes"] == len(gzip.decompress(path.read_bytes()))

    got = Counter((line["page_url"], line["url"], line["text"]) for line in lines)
    wanted = Counter()
    for page_url, base, url, text in found.candidates:
        if joined := join(page_url, base, url):
            wanted[page_url, joined, text] += 1
    assert wanted.total() > 0.6 * len(found.candidates)
    assert wanted - got == Counter()


def test_plain_and_one_member_and_standard_input_are_the_same(run_cah, tmp_path):
    raw = gzip.decompress(DOCS_EN.read_bytes())
    plain, one = tmp_path / "plain.wat", tmp_path / "one.wat.gz"
    plain.write_bytes(raw)
    one.write_bytes(gzip.compress(raw))
    want, _ = run_wat(run_cah, DOCS_EN)
    assert run_wat(run_cah, plain)[0] == want
    assert run_wat(run_cah, one)[0] == want
    with plain.open() as file:
        assert run_wat(run_cah, "-", stdin=file)[0] == want
    assert run_wat(run_cah, plain.as_uri())[0] == want


@pytest.mark.parametrize(
    "path, images, candidates, kinds",
    [
        (DOCS_EN, 6785, 6242, {"png": 1343, "jpg": 378}),
        (DOCS_JA, 6889, 6276, {"png": 1369, "jpg": 377}),
    ],
)
def test_a_real_file_has_what_is_known_of_it(run_cah, path, images, candidates, kinds):
    lines, counts = run_wat(run_cah, path, "--no-rules")
    assert (counts["pages"], counts["image_links"]) == (685, images)
    assert counts["candidates"] == candidates
    assert len(lines) == counts["fates"]["kept"] == sum(kinds.values())
    pairs = {(line["url"], line["text"]) for line in lines}
    assert len(pairs) == len(lines)
    md5 = {hashlib.md5((url + text).encode()).hexdigest() for url, text in pairs}
    assert {line["md5"] for line in lines} == md5
    assert Counter(line["url"].rsplit(".", 1)[1] for line in lines) == kinds
    assert_equals(*run_wat(run_cah, path, "--all"), reference(path))


def test_the_two_pieces_are_the_whole(run_cah, tmp_path):
    for seed in (5, 6):
        path = make_wat(tmp_path / "a.wat.gz", "--records", 40, "--seed", seed)
        whole, counts = run_wat(run_cah, path, "--urls-only")
        first, counts0 = run_wat(run_cah, path, "--urls-only", "--piece", 0)
        second, counts1 = run_wat(run_cah, path, "--urls-only", "--piece", 1)
        assert first and second
        assert first + second == whole
        assert counts0["records"] + counts1["records"] == counts["records"]
        # Each reads its own half only, but for the member at the cut.
        assert counts1["packed_bytes"] <= path.stat().st_size / 2 + 1
    plain = tmp_path / "plain.wat"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    first, _ = run_wat(run_cah, plain, "--urls-only", "--piece", 0)
    second, _ = run_wat(run_cah, plain, "--urls-only", "--piece", 1)
    assert first and second
    assert first + second == whole


def test_threads_change_nothing(run_cah, tmp_path):
    path = make_wat(tmp_path / "a.wat.gz", "--records", 400, "--broken", "0.05")
    cut = tmp_path / "cut.wat.gz"
    cut.write_bytes(path.read_bytes()[:-100000])
    assert path.stat().st_size > 8 * 256 * 1024
    # The second time, for its pairs are in the file from then on.
    for args in [], ["--languages", "all"], ["--piece", 0], ["--piece", 1]:
        for file in path, cut:
            got = []
            for threads in 1, 2, 5:
                seen = tmp_path / f"seen-{threads}"
                seen_args = ["--seen", seen, "--seen-capacity", 100000]
                done = run_cah(
                    *("wat", file, "--threads", threads, "--all", "--json"),
                    *(*args, *seen_args),
                    check=False,
                )
                counts = done.stderr.split('"seconds"')[0]
                got.append((done.returncode, done.stdout, counts))
            assert got[0][1]
            assert got[1:] == got[:1] * 2
            assert (got[0][0] == 0) == (file == path or args[-1:] == [0])


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Serves DOCS_EN from the byte on that is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        data = DOCS_EN.read_bytes()
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))
        start = int(asked[1])
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        if start:
            part = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send_header("Content-Range", part)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # it may have had enough
            self.wfile.write(data[start:])

    def log_message(self, *args):
        pass


def test_asks_for_its_own_half_only(run_cah):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler)
    server.starts = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/a.wat.gz"
        args = [url, "--allow-private-addresses", "--piece"]
        first, _ = run_wat(run_cah, *args, 0)
        second, _ = run_wat(run_cah, *args, 1)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.starts[-1] == DOCS_EN.stat().st_size // 2
    # Each is deduplicated by itself.
    assert first == run_wat(run_cah, DOCS_EN, "--piece", 0)[0]
    assert second == run_wat(run_cah, DOCS_EN, "--piece", 1)[0]


def test_reads_pieces_over_http(run_cah, site):
    url = site.put("wat/a.wat.gz", DOCS_EN.read_bytes())
    args = [url.replace("127.0.0.1", "wat.test"), "--allow-private-addresses"]
    args += ["--resolve", f"wat.test:{site.port}:127.0.0.1", "--urls-only"]
    whole, _ = run_wat(run_cah, *args)
    assert whole == run_wat(run_cah, DOCS_EN, "--urls-only")[0]
    first, _ = run_wat(run_cah, *args, "--piece", 0)
    second, _ = run_wat(run_cah, *args, "--piece", 1)
    assert first and second
    assert first + second == whole
    done = run_cah("wat", url)
    assert done.returncode == 1
    assert "not a public address" in done.stderr
    done = run_cah("wat", url + "x", "--allow-private-addresses")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# ---- broken and odd files ----


def test_a_broken_member_costs_itself_only(run_cah, tmp_path):
    members = [member(i) for i in range(40)]
    draw = random.Random(3)
    for i in (3, 4, 17, 31):
        broken = bytearray(members[i])
        for _ in range(5):
            broken[draw.randrange(12, len(broken))] ^= draw.randrange(1, 256)
        members[i] = bytes(broken)
    members[22] = b""
    members.insert(30, b"no member at all")
    path = tmp_path / "broken.wat.gz"
    path.write_bytes(b"".join(members))
    lines, counts = run_wat(run_cah, path)
    assert numbers(lines) == [i for i in range(40) if i not in (3, 4, 17, 22, 31)]
    # Two broken ones side by side are one stretch, or two.
    assert counts["broken_records"] in (4, 5)


def test_a_cut_file_is_read_as_far_as_it_goes(run_cah, tmp_path):
    path, out = tmp_path / "cut.wat.gz", tmp_path / "out.jsonl"
    path.write_bytes(DOCS_EN.read_bytes()[:1000000])
    raw = zlib.decompressobj(31)
    found, data = Found(), path.read_bytes()
    while data:
        raw = zlib.decompressobj(31)
        inflated = raw.decompress(data)
        if not raw.eof:
            break
        data = raw.unused_data
        for body in records_of(inflated):
            found.add(body)
    done = run_cah("wat", path, "--all")
    assert page_texts(map(json.loads, done.stdout.splitlines())) == found.page_texts
    assert done.returncode == 1
    assert "middle of a record" in done.stderr
    done = run_cah("wat", path, "--output", out)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == [path]


def test_keys_may_come_in_any_order_and_odd_forms(run_cah, tmp_path):
    def shuffled(value):
        if isinstance(value, dict):
            items = [(k, shuffled(v)) for k, v in value.items()]
            draw.shuffle(items)
            return dict(items)
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    draw = random.Random(1)
    raw, found = b"", Found()
    for i in range(60):
        links = [
            {
                "path": draw.choice(["IMG@/src", "IMG@/src", "A@/href"]),
                "url": draw.choice(
                    ["a.png", "../b.jpg", "//c.test/d.png", "\u00e9", ""]
                ),
                "alt": draw.choice(
                    ["x", "", " ", "a\n b", "\ud800", "\0", "\U0001f600"]
                )
                + draw.choice(["", "tree", "caf\u00e9", '"\\/']),
                "n": draw.choice([None, 1.5e3, -0, True, [], {"alt": "no"}]),
            }
            for _ in range(draw.randrange(9))
        ]
        value = shuffled({**page(i, links), "Container": {"a": [1, {"b": []}]}})
        value = json.dumps(
            value,
            indent=draw.choice([None, 1, "\t"]),
            ensure_ascii=any("\ud800" in x["alt"] for x in links)
            or draw.random() < 0.5,
        )
        if draw.random() < 0.3:
            value = value.replace("/", "\\/")
        body = value.encode()
        if draw.random() < 0.2:
            body = body[: draw.randrange(len(body))]
        found.add(body)
        raw += write_record(body)
    path = tmp_path / "odd.wat"
    path.write_bytes(raw)
    assert 0 < found.broken < 30
    assert_equals(*run_wat(run_cah, path, "--all", "--urls-only"), found)


def test_a_huge_line_is_a_line(run_cah, tmp_path):
    links = [
        {"path": "IMG@/src", "url": f"/{i}.png", "alt": f"castle {i} on a hill"}
        for i in range(100000)
    ]
    raw = write_record(json.dumps(page(0, links)).encode())
    assert len(raw) > 5000000
    path = tmp_path / "huge.wat.gz"
    path.write_bytes(member(1) + gzip.compress(raw) + member(2))
    lines, counts = run_wat(run_cah, path)
    assert numbers(lines) == [1, *range(100000), 2]
    assert counts["broken_records"] == 0


def test_line_ends_and_header_cases_do_not_matter(run_cah, tmp_path):
    body = [json.dumps(page(i)).encode() for i in range(6)]
    raw = (
        write_record(body[0]).replace(b"\r\n", b"\n")
        + write_record(body[1], "X: y\r\n").upper().split(b"{")[0]
        + body[1]
        + b"\n"
        + write_record(body[2], "no colon\r\ncontent-type:application/json\n")
        + write_record(body[3], length=7)
        + write_record(body[4], length=10**6)
        + write_record(body[5])
    )
    path = tmp_path / "odd.wat"
    path.write_bytes(raw)
    lines, counts = run_wat(run_cah, path)
    assert numbers(lines) == [0, 1, 2, 5]
    assert counts["broken_records"] == 2


def test_what_is_no_wat_is_refused_in_one_line(run_cah, tmp_path):
    empty, page_file, packed = (tmp_path / name for name in ("e", "p", "z"))
    empty.write_bytes(b"")
    page_file.write_bytes(b"<html>Slow down</html>")
    packed.write_bytes(gzip.compress(b"<html>Slow down</html>"))
    for path in (empty, page_file, packed, tmp_path / "missing", tmp_path):
        for args in ([], ["--piece", "0"], ["--piece", "1"]):
            if path == packed and args == ["--piece", "1"]:
                continue  # it is gzip, and has nothing in its second half
            done = run_cah("wat", path, *args, "--output", tmp_path / "out")
            assert done.returncode == 1, (path, args)
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1
            assert str(path) in done.stderr
            assert not (tmp_path / "out").exists()


# ---- the command ----


def test_writes_rows_of_all_kinds(run_cah, tmp_path):
    lines, _ = run_wat(run_cah, DOCS_EN, "--all")
    names = [*lines[0]]
    words = {"true": True, "false": False}
    csv.register_dialect("no quotes", "excel-tab", quoting=csv.QUOTE_NONE)
    for kind, dialect in ("csv", "excel"), ("tsv", "no quotes"):
        text = run_cah("wat", DOCS_EN, "--format", kind, "--all", check=True).stdout
        rows = list(csv.DictReader(text.splitlines(keepends=True), dialect=dialect))
        for row in rows:
            row["language_sure"] = words[row["language_sure"]]
        assert [*rows[0]] == names
        assert rows == lines

    out, stats = tmp_path / "out.jsonl", tmp_path / "stats.json"
    done = run_cah("wat", DOCS_EN, "--output", out, "--stats", stats, check=True)
    assert done.stdout == ""
    assert "candidates" in done.stderr
    kept = [line for line in lines if line.pop("fate") == "kept"]
    assert [json.loads(line) for line in out.open()] == kept
    assert json.loads(stats.read_text())["fates"]["kept"] == len(kept)
    assert sorted(tmp_path.iterdir()) == [out, stats]
    assert run_cah("wat", DOCS_EN, "--quiet", check=True).stderr == ""

    parquet = tmp_path / "out.parquet"
    run_cah("wat", DOCS_EN, "--format", "parquet", "--output", parquet, check=True)
    assert pyarrow.parquet.read_table(parquet).to_pylist() == kept


def test_csv_has_quotes_where_it_takes_them(run_cah, tmp_path):
    alts = ['a "good" day, at last', "plain words here", "Überfluß, überall"]
    links = [{"path": "IMG@/src", "url": "/a.jpg", "alt": alt} for alt in alts]
    wat = tmp_path / "a.wat.gz"
    wat.write_bytes(gzip.compress(write_record(json.dumps(page(1, links)).encode())))
    text = run_cah("wat", wat, "--format", "csv", "--quiet", check=True).stdout
    assert [row["text"] for row in csv.DictReader(text.splitlines())] == alts


def test_parquet_of_a_url_that_is_none_is_parquet_still(run_cah, tmp_path):
    links = [{"path": "IMG@/src", "url": "http://[\xff", "alt": "a good caption"}]
    body = json.dumps(page(1, links), ensure_ascii=False).encode("latin-1")
    wat, out = tmp_path / "a.wat.gz", tmp_path / "a.parquet"
    wat.write_bytes(gzip.compress(write_record(body)))
    run_cah("wat", wat, "--all", "--format", "parquet", "--output", out, check=True)
    (row,) = pyarrow.parquet.read_table(out).to_pylist()
    assert (row["url"], row["fate"]) == ("http://[\ufffd", "bad_url")


def test_cah_fetch_reads_what_is_written(run_cah, tmp_path):
    links = [
        {"path": "IMG@/src", "url": f"http://127.0.0.1/{n}.jpg", "alt": f"a castle {n}"}
        for n in range(3)
    ]
    wat = tmp_path / "a.wat.gz"
    wat.write_bytes(gzip.compress(write_record(json.dumps(page(1, links)).encode())))
    for kind in "jsonl", "csv", "tsv", "parquet":
        pairs = tmp_path / f"pairs.{kind}"
        run_cah("wat", wat, "--format", kind, "--output", pairs, check=True)
        out = tmp_path / f"out-{kind}"
        run_cah("fetch", pairs, "--out", out, "--output-format", "parquet")
        (table,) = out.glob("*.parquet")
        rows = pyarrow.parquet.read_table(table).to_pylist()
        assert len(rows) == 3
        assert {"page_url", "license", "language", "md5"} <= set(rows[0])


def test_several_files_are_read_one_after_the_other(run_cah):
    once, _ = run_wat(run_cah, DOCS_EN)
    twice, counts = run_wat(run_cah, DOCS_EN, DOCS_EN)
    assert twice == once + once
    assert counts["files"] == 2


def test_keeps_the_languages_that_are_asked_for(run_cah, tmp_path):
    path = make_wat(tmp_path / "a.wat.gz", "--records", 60, "--seed", 8)
    lines, _ = run_wat(run_cah, path, "--languages", "de,en", "--all")
    kept = Counter(line["language"] for line in lines if line["fate"] == "kept")
    other = {line["language"] for line in lines if line["fate"] == "language"}
    assert set(kept) == {"de", "en"}
    assert len(other) > 5
    assert not other & {"de", "en"}


def test_drops_what_is_on_the_lists(run_cah, tmp_path):
    wat = tmp_path / "a.wat.gz"
    hosts = ["a.test", "img.a.test", "ba.test", "b.test", "b.test.", "bücher.test"]
    urls = [f"http://{host}/{n}.png" for host in hosts for n in range(2)]
    links = [
        {"path": "IMG@/src", "url": url, "alt": f"castle {n} on a hill"}
        for n, url in enumerate(urls)
    ]
    wat.write_bytes(gzip.compress(write_record(json.dumps(page(1, links)).encode())))
    whole, _ = run_wat(run_cah, wat)
    assert len(whole) == len(urls)

    blocked_hosts, blocked_urls = tmp_path / "hosts", tmp_path / "urls"
    blocked_hosts.write_text("# ours\r\n\r\n A.test\r\nb.test\nBÜCHER.test")
    hashes = [
        hashlib.md5(b"http://ba.test/0.png").hexdigest(),
        hashlib.sha256(b"http://ba.test/1.png").hexdigest().upper(),
    ]
    blocked_urls.write_text("\n".join(hashes))
    lists = ["--block-hosts", blocked_hosts, "--block-urls", blocked_urls]
    for args in [], ["--urls-only"]:
        lines, counts = run_wat(run_cah, wat, "--all", *args, *lists)
        fates = {line["url"]: line["fate"] for line in lines}
        assert Counter(fates.values()) == {"blocked_host": 10, "blocked_url": 2}
        assert counts["fates"]["blocked_host"] == 10
    lines, _ = run_wat(run_cah, wat, "--block-hosts", blocked_hosts)
    assert [line["url"] for line in lines] == urls[4:6]


@pytest.mark.parametrize(
    "option, text, why",
    [
        ("--block-hosts", "a.test\nhttp://b.test/\n", "line 2: 'http://b.test/'"),
        ("--block-hosts", "a.test:80", "is no host's name"),
        ("--block-hosts", "x" * 3000, "is no host's name"),
        ("--block-urls", "\n" + "0" * 31, "line 2: "),
        ("--block-urls", "g" * 32, "is neither MD5 nor SHA-256"),
        ("--block-urls", None, "cannot read"),
    ],
)
def test_says_what_is_wrong_with_a_list(run_cah, tmp_path, option, text, why):
    path = tmp_path / "list"
    if text is not None:
        path.write_text(text)
    done = run_cah("wat", DOCS_EN, option, path, check=False)
    assert done.returncode == 1
    assert why in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_remembers_what_earlier_runs_kept(run_cah, tmp_path):
    seen = ["--seen", tmp_path / "seen", "--seen-capacity", "100000"]
    files = [tmp_path / f"{i}.wat.gz" for i in range(3)]
    for i, file in enumerate(files):
        make_wat(file, "--records", "40", "--seed", str(i))
    first, counts = run_wat(run_cah, *files[:2], *seen)
    assert counts["fates"]["seen_before"] == 0
    assert len({line["md5"] for line in first}) == len(first) > 100
    lines, counts = run_wat(run_cah, files[2], files[0], *seen)
    plain, _ = run_wat(run_cah, files[2])
    assert lines == plain
    assert counts["fates"]["seen_before"] > 0
    # One file twice in a run: the second adds nothing.
    lines, counts = run_wat(run_cah, files[1], files[1], "--seen", tmp_path / "other")
    once, _ = run_wat(run_cah, files[1])
    assert lines == once
    assert counts["fates"]["seen_before"] == len(once)


def test_a_run_that_failed_has_seen_nothing(run_cah, tmp_path):
    whole, cut, seen = (tmp_path / name for name in ("whole.gz", "cut.gz", "seen"))
    make_wat(whole, "--records", "40")
    cut.write_bytes(whole.read_bytes()[:-100])
    done = run_cah("wat", cut, "--seen", seen, check=False)
    assert done.returncode == 1
    lines, _ = run_wat(run_cah, whole, "--seen", seen)
    assert lines == run_wat(run_cah, whole)[0]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["x", "--piece", "2"],
        ["x", "--format", "xml"],
        ["x", "--format", "parquet"],
        ["x", "--languages", "en,,de"],
        ["x", "--languages", "English"],
        ["x", "--urls-only", "--languages", "en"],
        ["x", "--urls-only", "--seen", "y"],
        ["x", "--seen", "y", "--seen-error-rate", "0"],
        ["x", "--seen", "y", "--seen-error-rate", "0.01x"],
        ["x", "--seen", "y", "--seen-capacity", "0"],
        ["x", "--resolve", "nonsense"],
        ["x", "--threads", "-1"],
        ["x", "--threads", "65"],
        ["x", "--min-characters", "20", "--max-characters", "10"],
        ["x", "--min-letters", "1.1"],
        ["x", "--max-repeated", "-0.1"],
        ["-", "--piece", "1"],
    ],
)
def test_refuses_bad_usage(run_cah, args):
    done = run_cah("wat", *args, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_output_that_cannot_be_written_is_told(cah, run_cah, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [cah, "wat", DOCS_EN],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run_cah("wat", DOCS_EN, "--output", tmp_path / "no" / "out")
    assert done.returncode == 1
    assert "no/out" in done.stderr


def test_ends_quietly_when_nobody_reads(cah, tmp_path):
    process = subprocess.Popen(
        [cah, "wat", DOCS_EN, DOCS_EN, DOCS_EN, "--all", "--threads", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 1


def test_shows_its_progress_on_a_terminal(cah):
    ours, theirs = os.openpty()
    subprocess.run(
        [cah, "wat", DOCS_EN],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        timeout=60,
    )
    os.close(theirs)
    shown = b""
    while chunk := read_terminal(ours):
        shown += chunk
    os.close(ours)
    assert re.search(rb"0\.\d of 1\.6 MB, .* MB/s, \d+ s left, \d+ kept", shown)
    assert b"candidates" in shown


def read_terminal(fd):
    try:
        return os.read(fd, 65536)
    except OSError:  # the other side is closed, and all is read
        return b""


def test_stops_at_ctrl_c_and_leaves_nothing(cah, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [cah, "wat", "-", "--output", out],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(DOCS_EN.read_bytes()[:500000])
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert len(process.stderr.read().splitlines()) == 1
    process.stdin.close()
    process.stderr.close()
    assert list(tmp_path.iterdir()) == []
