"""Writes WAT files as Common Crawl's extractor does: one gzip member a record,
the warcinfo record first, then for each page those of its request, its response
and its metadata."""

import base64
import gzip
import hashlib
import json
import uuid
import zlib
from urllib.parse import urlsplit

DATE = "2024-03-02T09:30:00Z"
CRAWLED = "2024-03-01T12:00:00Z"
INFO = """\
Software-Info: ia-web-commons.1.1.10-SNAPSHOT
Extracted-Date: Sat, 02 Mar 2024 09:30:00 GMT
ip: 127.0.0.1
hostname: localhost
format: WARC File Format 1.0
conformsTo: http://bibnum.bnf.fr/WARC/WARC_ISO_28500_version1_latestdraft.pdf

"""


def digest(data):
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


class WatWriter:
    def __init__(self, path, name):
        self.path, self.name = path, name
        self.members, self.offset, self.ids = [], 0, 0
        self.info_id = self.new_id()
        body = INFO.replace("\n", "\r\n").encode()
        head = [
            ("WARC-Type", "warcinfo"),
            ("WARC-Date", DATE),
            ("WARC-Filename", f"{name}.warc.wat.gz"),
            ("WARC-Record-ID", self.info_id),
            ("Content-Type", "application/warc-fields"),
        ]
        self.add_record(head, body)

    def new_id(self):
        """The same ones in each run."""
        self.ids += 1
        name = f"{self.name}/{self.ids}"
        return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}>"

    def add_record(self, head, body):
        lines = ["WARC/1.0", *(f"{k}: {v}" for k, v in head)]
        lines += [f"Content-Length: {len(body)}", "", ""]
        record = "\r\n".join(lines).encode() + body + b"\r\n\r\n"
        self.members.append(gzip.compress(record, 6, mtime=0))

    def add_metadata(self, url, kind, body, payload):
        """The WAT record of a WARC record of type @kind with @body."""
        record_id = self.new_id()
        media = {
            "request": "application/http; msgtype=request",
            "response": "application/http; msgtype=response",
            "metadata": "application/metadata-fields",
        }[kind]
        packed = len(zlib.compress(body))
        crc = zlib.crc32(body)
        value = {
            "Container": {
                "Filename": f"{self.name}.warc.gz",
                "Compressed": True,
                "Offset": str(self.offset),
                "Gzip-Metadata": {
                    "Deflate-Length": str(packed),
                    "Header-Length": "10",
                    "Footer-Length": "8",
                    "Inflated-CRC": str(crc - (1 << 32) if crc >> 31 else crc),
                    "Inflated-Length": str(len(body)),
                },
            },
            "Envelope": {
                "Payload-Metadata": {
                    "Actual-Content-Type": media,
                    **payload,
                    "Actual-Content-Length": str(len(body)),
                    "Block-Digest": digest(body),
                    "Trailing-Slop-Length": "4",
                },
                "Format": "WARC",
                "WARC-Header-Length": "420",
                "WARC-Header-Metadata": {
                    "WARC-Type": kind,
                    "WARC-Date": CRAWLED,
                    "WARC-Record-ID": record_id,
                    "Content-Length": str(len(body)),
                    "Content-Type": media,
                    "WARC-Warcinfo-ID": self.info_id,
                    "WARC-IP-Address": "127.0.0.1",
                    "WARC-Target-URI": url,
                },
            },
        }
        self.offset += packed + 18
        head = [
            ("WARC-Type", "metadata"),
            ("WARC-Target-URI", url),
            ("WARC-Date", DATE),
            ("WARC-Record-ID", self.new_id()),
            ("WARC-Refers-To", record_id),
            ("Content-Type", "application/json"),
        ]
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self.add_record(head, text.encode())

    def add_page(self, url, html, html_metadata):
        """One crawled page: @html as served, @html_metadata as extracted."""
        parts = urlsplit(url)
        asked = {"Host": parts.netloc, "User-Agent": "CCBot/2.0", "Accept": "*/*"}
        request = "".join(
            [
                f"GET {parts.path} HTTP/1.1\r\n",
                *(f"{k}: {v}\r\n" for k, v in asked.items()),
            ]
        )
        message = {
            "Request-Message": {
                "Method": "GET",
                "Path": parts.path,
                "Version": "HTTP/1.1",
            },
            "Headers-Length": str(len(request) + 2),
            "Headers": asked,
            **entity(b""),
        }
        self.add_metadata(
            url,
            "request",
            request.encode() + b"\r\n",
            {"HTTP-Request-Metadata": message},
        )
        answered = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(html)),
        }
        response = "HTTP/1.1 200 OK\r\n"
        response += "".join(f"{k}: {v}\r\n" for k, v in answered.items()) + "\r\n"
        message = {
            "Response-Message": {
                "Version": "HTTP/1.1",
                "Status": "200",
                "Reason": "OK",
            },
            "Headers-Length": str(len(response)),
            "Headers": answered,
            "HTML-Metadata": html_metadata,
            **entity(html),
        }
        self.add_metadata(
            url,
            "response",
            response.encode() + html,
            {"HTTP-Response-Metadata": message},
        )
        fields = [("fetchTimeMs", "12"), ("charset-detected", "UTF-8")]
        body = "".join(f"{k}: {v}\r\n" for k, v in fields).encode()
        records = [{"Name": k, "Value": v} for k, v in fields]
        self.add_metadata(
            url,
            "metadata",
            body,
            {"WARC-Metadata-Metadata": {"Metadata-Records": records}},
        )

    def close(self):
        self.path.write_bytes(b"".join(self.members))


def entity(body):
    return {
        "Entity-Length": str(len(body)),
        "Entity-Digest": digest(body),
        "Entity-Trailing-Slop-Length": "0",
    }
