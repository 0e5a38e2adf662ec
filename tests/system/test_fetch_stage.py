"""The download stage as a process (`bench_fetch`): links that are slow, HTTP/2, and
too few open files."""

import collections
import contextlib
import json
import resource
import socket
import subprocess
import sys
import time

import pytest
from conftest import BUILD, ROOT

ADDRESS = "127.0.0.1"
FIRST = 32  # transfers that adaptive concurrency begins with
START_S = 10

CONF = """
worker_processes 1;
pid {run}/pid;
error_log {run}/error.log crit;
events {{ worker_connections 4096; }}
http {{
    log_format short "$server_protocol $connection";
    access_log {run}/access.log short;
    keepalive_requests 100000;
    client_body_temp_path {run}/b; proxy_temp_path {run}/p;
    fastcgi_temp_path {run}/f; uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {run}/cert.pem;
        ssl_certificate_key {run}/key.pem;
        root {run}/files;
    }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


class Server:
    """nginx: a plain port, and one with TLS and HTTP/2."""

    def __init__(self, run):
        self.run, self.plain, self.tls = run, free_port(), free_port()
        self.files = run / "files"
        self.cert = run / "cert.pem"
        self.files.mkdir()
        names = ",".join(f"DNS:img{i}.test" for i in range(1, 5))
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=img"),
                *("-addext", f"subjectAltName={names}"),
                *("-keyout", run / "key.pem", "-out", self.cert),
            ],
            check=True,
            capture_output=True,
        )
        conf = run / "nginx.conf"
        conf.write_text(CONF.format(run=run, plain=self.plain, tls=self.tls))
        log = run / "error.log"
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", run, "-c", conf, "-e", log]
            + ["-g", "daemon off; master_process off;"]
        )
        for _ in range(START_S * 50):
            with contextlib.suppress(OSError):
                socket.create_connection((ADDRESS, self.tls)).close()
                return
            time.sleep(0.02)
        raise AssertionError(log.read_text())

    def requests(self):
        """(protocol, number of its connection) of each."""
        lines = (self.run / "access.log").read_text().splitlines()
        return [tuple(line.split()) for line in lines]

    def stop(self):
        self.process.terminate()
        self.process.wait(START_S)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def link():
    """Starts a link of a delay and a rate to a port; returns its own."""
    running = []

    def start(port, delay_ms, rate):
        args = [ROOT / "tests" / "bench" / "link.py", port, delay_ms, rate]
        process = subprocess.Popen(
            [sys.executable, *map(str, args)], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return int(process.stdout.readline())

    yield start
    for process in running:
        process.terminate()
        process.wait(START_S)
        process.stdout.close()


def fetch(tmp_path, urls, port, *args):
    listing = tmp_path / "urls.txt"
    listing.write_text("".join(f"{url}\n" for url in urls))
    done = subprocess.run(
        [str(a) for a in (BUILD / "tests/bench/bench_fetch", listing, port, *args)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_more_at_once_where_only_latency_is_the_limit(tmp_path, server, link):
    (server.files / "small").write_bytes(b"x" * 2000)
    port = link(server.plain, 200, 12_500_000)
    urls = [f"http://img{i % 4 + 1}.test:{port}/small" for i in range(1000)]
    got = fetch(tmp_path, urls, port, 0)
    assert got["fates"] == {"kept": 1000}
    assert got["active"] >= 2 * FIRST


def test_fewer_at_once_where_capacity_is_the_limit(tmp_path, server, link):
    """Five a second: 32 at once would take over six seconds each."""
    (server.files / "large").write_bytes(b"x" * 50_000)
    port = link(server.plain, 50, 250_000)
    urls = [f"http://img{i % 4 + 1}.test:{port}/large" for i in range(40)]
    got = fetch(tmp_path, urls, port, 0)
    assert got["fates"] == {"kept": 40}
    assert got["window"] < FIRST


def test_a_site_with_http_2_is_asked_over_few_connections(tmp_path, server):
    (server.files / "small").write_bytes(b"x" * 2000)
    urls = [f"https://img{i % 4 + 1}.test:{server.tls}/small" for i in range(800)]
    got = fetch(tmp_path, urls, server.tls, 0, 16, server.cert)
    assert got["fates"] == {"kept": 800}
    protocols = collections.Counter(protocol for protocol, _ in server.requests())
    assert protocols == {"HTTP/2.0": 800}
    # One request to each connection at a time would need 16 for each host.
    assert len({connection for _, connection in server.requests()}) <= 32


def test_a_site_without_http_2_keeps_its_connections(tmp_path, server):
    (server.files / "small").write_bytes(b"x" * 2000)
    urls = [f"http://img{i % 4 + 1}.test:{server.plain}/small" for i in range(800)]
    got = fetch(tmp_path, urls, server.plain, 0, 16)
    assert got["fates"] == {"kept": 800}
    assert {protocol for protocol, _ in server.requests()} == {"HTTP/1.1"}
    assert len({connection for _, connection in server.requests()}) <= 64


def allow_files(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def test_more_downloads_than_files_are_refused(run_cah, tmp_path):
    listing = tmp_path / "urls.txt"
    listing.write_text("http://img.example/\n")
    args = ["fetch", listing, "--out", tmp_path / "out", "--concurrency", "400"]
    done = run_cah(*args, preexec_fn=allow_files(300))
    assert done.returncode == 1
    assert "400 downloads at once need 528 open files" in done.stderr
    assert "300 (ulimit -n)" in done.stderr


def test_what_is_found_out_stays_within_the_files(run_cah, tmp_path, server):
    (server.files / "small").write_bytes(b"x" * 2000)
    listing = tmp_path / "urls.txt"
    url = f"http://{ADDRESS}:{server.plain}/small"
    listing.write_text(f"{url}\n" * 300)
    args = ["fetch", listing, "--out", tmp_path / "out", "--no-reencode", "--json"]
    args += ["--allow-private-addresses", "--quiet"]
    done = run_cah(*args, preexec_fn=allow_files(192), check=True)
    assert json.loads(done.stdout)["fates"]["not_an_image"] == 300
