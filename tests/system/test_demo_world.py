"""The demo world says what is so: its pages, WAT files, images and truth agree."""

import gzip
import html
import html.parser
import io
import json
import re
import subprocess
import sys
import urllib.parse
from collections import Counter

import pytest
from conftest import ROOT
from PIL import Image

MAKE = ROOT / "tools" / "demo_world" / "make_world.py"
MIN_BYTES = 5000


def make(folder):
    done = subprocess.run(
        [sys.executable, MAKE, "--out", folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make(tmp_path_factory.mktemp("world") / "w")


@pytest.fixture(scope="module")
def truth(world):
    return [json.loads(line) for line in (world / "truth.jsonl").open("rb")]


def read_records(path):
    """(headers, body) of each WARC record, and the members of the gzip file."""
    with gzip.open(path) as file:
        data = io.BytesIO(file.read())
    while line := data.readline():
        assert line == b"WARC/1.0\r\n"
        head = {}
        while (line := data.readline()) != b"\r\n":
            name, value = line.decode().rstrip("\r\n").split(": ", 1)
            head[name] = value
        yield head, data.read(int(head["Content-Length"]))
        assert data.read(4) == b"\r\n\r\n"


def images_of(body):
    """The image links of a WAT record, None where it is not of a response."""
    payload = json.loads(body)["Envelope"]["Payload-Metadata"]
    if "HTTP-Response-Metadata" not in payload:
        return None
    links = payload["HTTP-Response-Metadata"]["HTML-Metadata"]["Links"]
    return [(k["url"], k.get("alt")) for k in links if k["path"] == "IMG@/src"]


def file_of(world, url):
    parts = urllib.parse.urlsplit(url)
    path = re.sub(r"^/(redir|slow/\d+)/", "/", urllib.parse.unquote(parts.path))
    return world / "site" / parts.hostname / path[1:]


class Images(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append((dict(attrs)["src"], dict(attrs).get("alt")))


def test_the_wat_files_have_the_links_of_the_truth_in_its_order(world, truth):
    found = []
    for name in (world / "wat.paths").read_text().split():
        for head, body in list(read_records(world / name))[1:]:
            for src, alt in images_of(body) or ():
                found.append((head["WARC-Target-URI"], src, alt))
    assert found == [(t["page"], t["src"], t["alt"]) for t in truth]


def test_each_page_has_three_records_in_members_of_their_own(world):
    for name in (world / "wat.paths").read_text().split():
        records = list(read_records(world / name))
        assert records[0][0]["WARC-Type"] == "warcinfo"
        pages = Counter(head["WARC-Target-URI"] for head, _ in records[1:])
        assert set(pages.values()) == {3}
        members = (world / name).read_bytes().count(b"\x1f\x8b\x08\x00\0\0\0\0")
        assert members == len(records)


def test_the_pages_show_what_the_wat_files_say(world, truth):
    pages = {}
    for t in truth:
        alt = None if t["alt"] is None else html.unescape(t["alt"])
        pages.setdefault(t["page"], []).append((t["src"], alt))
    for page, links in pages.items():
        assert Images(file_of(world, page).read_text()).found == links


def test_plain_urls_are_resolved_as_python_does(world, truth):
    checked = 0
    for t in truth:
        if t["kind"] in ("odd_url", "bad_url", "data_uri"):
            continue
        base = re.search(r'<base href="(.*?)"', file_of(world, t["page"]).read_text())
        start = urllib.parse.urljoin(t["page"], base[1]) if base else t["page"]
        assert urllib.parse.urljoin(start, t["src"]) == t["url"]
        checked += 1
    assert checked > 400


def test_what_is_to_be_kept_can_be_had(world, truth):
    kept = [t for t in truth if t["want"] == "kept"]
    assert len(kept) >= 200
    assert sum("photos.test" in t["url"] for t in kept) >= 20
    for t in kept:
        file = file_of(world, t["url"])
        assert file.stat().st_size >= MIN_BYTES
        with Image.open(file) as image:
            image.load()


def test_what_cannot_be_had_has_the_cause_that_is_said(world, truth):
    for t in truth:
        if t["kind"] == "missing_image":
            assert not file_of(world, t["url"]).exists()
        elif t["kind"] == "too_small":
            assert file_of(world, t["url"]).stat().st_size < MIN_BYTES
        elif t["kind"] in ("broken_image", "html_instead"):
            assert file_of(world, t["url"]).stat().st_size >= MIN_BYTES
            with pytest.raises(OSError):
                Image.open(file_of(world, t["url"])).load()


def test_a_pair_stands_twice_only_where_that_is_said(truth):
    seen = set()
    for t in truth:
        if t["text"] and t["url"]:
            key = t["url"], t["text"]
            assert (key in seen) == (t["kind"] == "duplicate"), t
            seen.add(key)


def test_the_licence_is_the_last_one_before_the_image(world, truth):
    wanted = {}
    for t in truth:
        wanted.setdefault(t["page"], []).append(t["license"])
    for page, licences in wanted.items():
        now, found = "?", []
        for tag in re.findall(
            r"<a href=[^>]*>|<img ", file_of(world, page).read_text()
        ):
            if "creativecommons.org/licenses/" in tag:
                now = tag[9:-2]
            elif tag == "<img ":
                found.append(now)
        assert found == licences
    assert len({licence for group in wanted.values() for licence in group}) > 2


def test_the_same_world_comes_out_again(world, tmp_path):
    again = make(tmp_path / "again")
    files = sorted(p.relative_to(world) for p in world.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(again) for p in again.rglob("*") if p.is_file()
    )
    for name in files:
        assert (world / name).read_bytes() == (again / name).read_bytes(), name
