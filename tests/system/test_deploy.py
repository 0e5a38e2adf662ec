"""The files of deploy/, as far as one machine can try them."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
from calls import PATIENCE
from conftest import ROOT

DEPLOY = ROOT / "deploy"
# What debian:12-slim has in itself, because dpkg and apt need it.
BASE_PACKAGES = {"libc6", "libgcc-s1", "libstdc++6", "zlib1g"}


def read(name):
    return (DEPLOY / name).read_text()


# --------------------------------------------------------------- the service


@pytest.fixture
def unit(cah, tmp_path):
    """The unit with our program in the place of the installed one."""
    text, count = re.subn(
        r"^ExecStart=/usr/local/bin/cah tracker$",
        f"ExecStart={cah} tracker",
        read("cah-tracker.service"),
        flags=re.MULTILINE,
    )
    assert count == 1
    path = tmp_path / "cah-tracker.service"
    path.write_text(text)
    return path


def test_the_unit_is_one(unit):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_leaves_little_to_a_burglar(unit):
    """0 is nothing, 10 all; a unit that says nothing has 9.6."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_units_variables_are_options(run_cah):
    told = run_cah("tracker", "--help", check=True).stdout
    (line,) = re.findall(r"^Environment=.*", read("cah-tracker.service"), re.MULTILINE)
    for name in re.findall(r"\bCAH_([A-Z_]+)=", line):
        assert f"--{name.lower().replace('_', '-')} " in told


# ------------------------------------------------------------- the container


def needed(path):
    """The names of the libraries that a file asks for."""
    done = subprocess.run(
        ["readelf", "-d", path], check=True, capture_output=True, text=True
    )
    return re.findall(r"\(NEEDED\).*\[(.+)\]", done.stdout)


def packages_of(paths):
    """Debian knows files of /lib by their name there, or in /usr/lib."""
    bare = [path.removeprefix("/usr") for path in paths]
    names = bare + [f"/usr{path}" for path in bare]
    done = subprocess.run(
        ["dpkg-query", "-S", *names], check=False, capture_output=True, text=True
    )
    found = dict(line.split(": ")[::-1] for line in done.stdout.splitlines())
    assert {name.removeprefix("/usr") for name in found} == set(bare)
    return {package.split(":")[0] for package in found.values()}


def test_the_image_has_the_libraries_of_the_program(cah):
    """Those that `cah` and the libraries out of the wheels ask for themselves; what
    those need in turn comes along."""
    ldd = subprocess.run(["ldd", cah], check=True, capture_output=True, text=True)
    paths = dict(re.findall(r"^\t(\S+) => (/\S+)", ldd.stdout, re.MULTILINE))
    of_wheels = {name for name, path in paths.items() if ".venv" in path}
    assert of_wheels
    asked = set(needed(cah)).union(*(needed(paths[name]) for name in of_wheels))
    packages = packages_of([paths[n] for n in asked - of_wheels if n in paths])
    listed = re.search(
        r"--no-install-recommends \\\n(.*?) &&", read("Containerfile"), re.DOTALL
    )
    words = set(re.sub(r"[\\\s]+", " ", listed[1]).split())
    assert words - {"ca-certificates"} == packages - BASE_PACKAGES


def test_the_images_check_of_health_looks_at_healthz(start_tracker):
    check = re.search(r"HEALTHCHECK .*\\\n    (bash -c .*)\n", read("Containerfile"))[1]
    tracker = start_tracker("--quiet")
    port = tracker.address.split(":")[1]
    check = check.replace("/8080", f"/{port}")

    def run():
        return subprocess.run(check, shell=True, check=False, capture_output=True)

    assert run().returncode == 0
    tracker.stop()
    assert run().returncode != 0
    # Something else that answers is no tracker that is well.
    with socket.create_server(("127.0.0.1", int(port))) as server:
        process = subprocess.Popen(check, shell=True)
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        assert process.wait(PATIENCE) != 0


# ----------------------------------------------------------------- the proxy


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Proxy:
    """nginx with deploy/nginx.conf, on free ports and with a certificate of its
    own."""

    def __init__(self, folder, tracker):
        self.folder = folder
        self.http, self.https = free_port(), free_port()
        self.key, self.cert = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-keyout", self.key, "-out", self.cert, "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
        text = read("nginx.conf")
        for old, new in {
            "127.0.0.1:8080": tracker.address,
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.https} ssl http2;",
            "server_name tracker.example;": "server_name localhost;",
            "/etc/ssl/tracker.example/fullchain.pem": str(self.cert),
            "/etc/ssl/tracker.example/privkey.pem": str(self.key),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        (folder / "site.conf").write_text(text)
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        # Its workers write into a folder that is nobody else's.
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"{user}daemon off; worker_processes 1; pid {folder}/pid;\n"
            f"error_log {folder}/error.log;\nevents {{}}\n"
            f"http {{ access_log off;\n{temporary}include {folder}/site.conf; }}\n"
        )
        self.process = subprocess.Popen(
            ["nginx", "-p", folder, "-c", folder / "nginx.conf"],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", self.https)).close()
                return
            except OSError:
                time.sleep(0.02)

    def get(self, path, source="127.0.0.1", headers=None, body=None):
        context = ssl.create_default_context(cafile=self.cert)
        connection = http.client.HTTPSConnection(
            "localhost",
            self.https,
            timeout=PATIENCE,
            source_address=(source, 0),
            context=context,
        )
        connection.request("POST" if body else "GET", path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


@pytest.fixture
def behind_proxy(import_jobs, start_tracker, tmp_path):
    """(tracker, proxy): behind it an address may register one worker a minute."""
    import_jobs(10)
    tracker = start_tracker(
        *("--trusted-proxy", "127.0.0.1", "--new-per-minute", "1", "--quiet"),
        limits=True,
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    # Where it is started by root it serves as another user, who must get in.
    for part in [folder, *folder.parents]:
        if part.owner() == folder.owner() and part.name.startswith(
            ("test_", "pytest-")
        ):
            part.chmod(0o755)
    proxy = Proxy(folder, tracker)
    yield tracker, proxy
    proxy.stop()


def test_a_worker_works_through_the_proxy(behind_proxy, run_cah):
    tracker, proxy = behind_proxy
    answer, text = proxy.get("/api/new?nickname=Ann&type=HYBRID")
    assert answer.status == 200
    body = {"token": json.loads(text)["token"], "type": "HYBRID", "count": 3}
    kind = {"Content-Type": "application/json"}
    for call in ["newJob", "markAsDone"]:
        answer, text = proxy.get(f"/api/{call}", headers=kind, body=json.dumps(body))
        assert answer.status == 200, text
    told = run_cah(
        *("status", "--json", "--tracker", f"https://localhost:{proxy.https}"),
        *("--ca-file", proxy.cert),
        check=True,
    )
    assert json.loads(told.stdout) == tracker.get("/data").json()
    assert json.loads(told.stdout)["jobs"]["done"] == 1


def test_the_tracker_knows_who_is_behind_the_proxy(behind_proxy):
    _, proxy = behind_proxy
    new = "/api/new?nickname=Ann"
    assert proxy.get(new, "127.0.0.2")[0].status == 200
    # Neither of these makes somebody else of him.
    for headers in [
        {},
        {"X-Forwarded-For": "127.0.0.9"},
        {"Forwarded": "for=127.0.0.9"},
    ]:
        answer, _ = proxy.get(new, "127.0.0.2", headers)
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
    assert proxy.get(new, "127.0.0.3")[0].status == 200


def test_pages_behind_the_proxy_say_https(behind_proxy):
    _, proxy = behind_proxy
    _, text = proxy.get("/install")
    assert f"https://localhost:{proxy.https}" in text
    assert "http://" not in text.split("<main")[-1].split("https://localhost")[0]
    plain = http.client.HTTPConnection("localhost", proxy.http, timeout=PATIENCE)
    plain.request("GET", "/leaderboard?x=1")
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (
        308,
        "https://localhost/leaderboard?x=1",
    )
    plain.close()


def test_the_metrics_are_not_for_everybody(behind_proxy):
    tracker, proxy = behind_proxy
    assert proxy.get("/metrics")[0].status == 404
    assert proxy.get("/healthz")[0].status == 200
    assert tracker.get("/metrics").status == 200


def test_the_trackers_words_on_a_large_body_come_first(behind_proxy):
    _, proxy = behind_proxy
    kind = {"Content-Type": "application/json"}
    answer, text = proxy.get("/api/newJob", headers=kind, body="x" * 1_500_000)
    assert answer.status == 413
    assert "<" not in text


def test_while_the_tracker_is_away_workers_are_told_to_wait(behind_proxy):
    """Clients give up on a 502; a 503 they try again."""
    tracker, proxy = behind_proxy
    tracker.stop()
    answer, text = proxy.get("/api/jobCount")
    assert (answer.status, text) == (503, "the tracker is away\n")
    assert answer.headers["Retry-After"] == "10"
    tracker.start()
    assert proxy.get("/api/jobCount")[1] == "20"


# ------------------------------------------------------------- what is watched


def names_in(expression):
    """The metrics of an expression of PromQL: words that are no function, label or
    keyword."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
    bare = re.sub(r"\b(?:by|on|without)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"[a-zA-Z_:][\w:]*(?!\w|\s*\()", bare)
    return set(words) - {"and", "or", "unless", "by"}


def labels_in(expression):
    return set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!)", expression))


@pytest.fixture(scope="module")
def exposed(idle_tracker):
    """{sample: labels} of a tracker's /metrics."""
    idle_tracker.get("/data")
    found = {"up": set()}
    for line in idle_tracker.get("/metrics").text.splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"([\w:]+)(?:\{(.*)\})? ", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    assert "cah_jobs" in found
    return found


def dashboard():
    return json.loads(read("grafana.json"))


def expressions():
    """Of the dashboard and of the alerts."""
    found = [
        target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]
    ]
    rules = read("alerts.yml")
    alerts = re.findall(
        r"^        expr: (?:>\n)?(.*?)\n        \w+:", rules, re.MULTILINE | re.DOTALL
    )
    assert len(alerts) == rules.count("- alert:")
    return found + alerts


@pytest.mark.parametrize("expression", expressions())
def test_what_is_watched_is_there(exposed, expression):
    names = names_in(expression)
    assert names
    assert names <= set(exposed)
    # Prometheus adds two.
    labels = set().union({"instance", "job"}, *(exposed[name] for name in names))
    assert labels_in(expression) <= labels


def test_every_metric_of_the_tracker_is_on_the_dashboard(exposed):
    shown = set().union(*(names_in(e) for e in expressions()))
    left = {
        name
        for name in exposed
        if name not in shown and not re.search(r"_(sum|count|bucket)$", name)
    }
    assert left <= {"cah_build_info", "process_virtual_memory_bytes"}


def test_the_panels_of_the_dashboard_do_not_overlap():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_prometheus_finds_the_alerts():
    assert "  - alerts.yml\n" in read("prometheus.yml")
    assert 'targets: ["127.0.0.1:8080"]' in read("prometheus.yml")
    assert "job_name: crawl\n" in read("prometheus.yml")
    used = re.findall(r'job="(\w+)"', " ".join(expressions()))
    assert set(used) == {"crawl"}
