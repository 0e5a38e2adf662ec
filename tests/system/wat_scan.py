"""The candidates of a WAT as Python's own gzip, json, urllib and ftfy find them: what
`cah wat` is compared with."""

import html
import json
import re
import unicodedata
import urllib.parse
import zlib
from collections import Counter

import ftfy


def members_of(data):
    """Each whole gzip member, inflated."""
    while data:
        inflater = zlib.decompressobj(31)
        yield inflater.decompress(data)
        assert inflater.eof
        data = inflater.unused_data


def records_of(raw):
    """The body of each WARC record that holds JSON."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        fields = dict(
            line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line
        )
        length = int(fields[b"Content-Length"])
        body, raw = rest[:length], rest[length:].lstrip(b"\r\n")
        assert len(body) == length
        if fields[b"Content-Type"] == b"application/json":
            yield body


def refuse(constant):
    raise ValueError(constant)


def links_of(body):
    """(url of the page, its base, its links), None where there are none."""
    value = json.loads(body.decode(errors="replace"), parse_constant=refuse)
    for key in ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata"):
        value = value.get("Envelope", value) if key == "Payload-Metadata" else value
        if key not in value:
            return None
        value = value[key]
    envelope = json.loads(body.decode(errors="replace"))["Envelope"]
    page = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
    return page, value.get("Head", {}).get("Base", ""), value.get("Links", [])


def clean(alt):
    """As text.h says, for what the made files have."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", html.unescape(alt))
    text = ftfy.fix_text(text.replace("\n", " "), unescape_html=True)
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        " " if c.isspace() else c
        for c in text
        if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
    )
    return " ".join(text.split())


class Found:
    def __init__(self):
        self.records = self.broken = self.pages = self.images = 0
        self.candidates = []  # (page, base, url, text)

    def add(self, body):
        try:
            links = links_of(body)
        except ValueError:
            self.broken += 1
            return
        self.records += 1
        if links is None or not links[2]:
            return
        page, base, links = links
        self.pages += 1
        for link in links:
            if link.get("path") != "IMG@/src":
                continue
            self.images += 1
            text = clean(link.get("alt", ""))
            if text:
                self.candidates.append((page, base, link.get("url", ""), text))

    @property
    def page_texts(self):
        return Counter((page, text) for page, _, _, text in self.candidates)


def reference(path):
    found = Found()
    for raw in members_of(path.read_bytes()):
        for body in records_of(raw):
            found.add(body)
    return found


# A URL in which nothing has to be written differently.
PLAIN = re.compile(r"https?://[a-z0-9.-]+(/[A-Za-z0-9/._~%&=?+,@-]*)?$")


def join(page, base, url):
    """The absolute URL, None where Python's idea of it may differ."""
    url = url.replace("&amp;", "&")
    if (
        not re.match(r"[A-Za-z0-9/._?&=%~+,@:-]+$", url)
        or "//" in url[8:]
        or "///" in url
    ):
        return None
    joined = urllib.parse.urljoin(urllib.parse.urljoin(page, base), url)
    parts = urllib.parse.urlsplit(joined)
    if parts.path == "":
        joined = parts._replace(path="/").geturl()
    return joined if PLAIN.match(joined) and "/." not in parts.path else None
