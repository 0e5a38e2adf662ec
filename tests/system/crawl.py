"""A small web on loopback for the worker's tests: the demo world, made for a free
port, and served as tools/demo_world/README.md says."""

import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

from conftest import ROOT

HOSTS = ("photos.test", "scenes.test", "shop.test")
WAT_HOST = "crawl.test"


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def translate_path(self, path):
        path = urllib.parse.unquote(urllib.parse.urlsplit(path).path)
        host = self.headers["Host"].split(":")[0]
        folder = self.server.world / "site" / host if host in HOSTS else None
        if host == WAT_HOST:
            folder = self.server.world
        return str((folder or self.server.world / "nowhere") / path.lstrip("/"))

    def do_GET(self):
        web = self.server.web
        web.requests.append((self.headers["Host"].split(":")[0], self.path))
        if web.gate is not None and not self.path.endswith(".wat.gz"):
            web.gate.wait(60)
        parts = self.path.split("/")
        if parts[1] == "redir":
            self.send_response(302)
            self.send_header("Location", self.path[len("/redir") :])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if parts[1] == "slow":
            time.sleep(int(parts[2]) / 1000)
            self.path = "/" + "/".join(parts[3:])
        super().do_GET()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a worker opens dozens of connections at once

    def handle_error(self, request, client_address):
        """Workers that are stopped hang up in the middle."""


class Web:
    """`gate`, an Event, holds all images back until it is set."""

    def __init__(self, folder):
        self.requests = []
        self.gate = None
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.web = self
        self.server.world = folder
        self.port = self.server.server_address[1]
        self.folder = folder
        make = ROOT / "tools" / "demo_world" / "make_world.py"
        subprocess.run(
            [sys.executable, make, "--out", folder, "--port", str(self.port)],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def base_url(self):
        return f"http://{WAT_HOST}:{self.port}/"

    @property
    def wats(self):
        return (self.folder / "wat.paths").read_text().split()

    @property
    def truth(self):
        with (self.folder / "truth.jsonl").open("rb") as lines:
            return [json.loads(line) for line in lines]

    @property
    def options(self):
        """What makes `cah` find the hosts here."""
        options = ["--allow-private-addresses"]
        for host in (*HOSTS, WAT_HOST):
            options += ["--resolve", f"{host}:{self.port}:127.0.0.1"]
        return options

    def stop(self):
        if self.gate is not None:
            self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def leftovers(folder):
    """The files of a folder by name, hidden and half-written ones too."""
    return sorted(p.name for p in pathlib.Path(folder).rglob("*") if p.is_file())
