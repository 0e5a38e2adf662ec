"""What a site sees of `cah fetch`: who asks, how often, and how soon again."""

import collections
import http.server
import json
import re
import threading
import time

import pytest
from conftest import ROOT

PICTURE = ROOT / "tests/fuzz/corpus/image/profile.png"
CONTACT = "https://who.example/bot"


@pytest.fixture
def site():
    """A server that answers 503 to the first request for a path, and a picture to
    the next ones; .asked has the times by path, .agents who asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            server.asked[self.path].append(time.monotonic())
            server.agents.add(self.headers["User-Agent"])
            is_first = len(server.asked[self.path]) == 1
            body = PICTURE.read_bytes()
            self.send_response(503 if is_first and "busy" in self.path else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = collections.defaultdict(list)
        server.agents = set()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


@pytest.fixture
def fates(run_cah, tmp_path):
    """fates(urls, *args): how many of each."""

    def fetch(urls, *args):
        listing = tmp_path / "list.txt"
        listing.write_text("".join(f"{url}\n" for url in urls))
        args = ("--out", tmp_path / "out", "--overwrite", "--json", *args)
        allowed = "--allow-private-addresses"
        done = run_cah("fetch", listing, *args, allowed, "--no-reencode", check=True)
        counts = json.loads(done.stdout)["fates"]
        return {fate: n for fate, n in counts.items() if n}

    return fetch


@pytest.mark.parametrize(
    ("retries", "fate", "tries"), [(0, "http_server_error", 1), (1, "kept", 2)]
)
def test_what_may_pass_is_asked_for_again(site, fates, retries, fate, tries):
    assert fates([f"{site.url}/busy.png"], "--retries", retries) == {fate: 1}
    assert len(site.asked["/busy.png"]) == tries


def test_who_asks_says_whom_to_write_to(site, fates):
    assert fates([f"{site.url}/1.png"], "--contact", CONTACT) == {"kept": 1}
    (agent,) = site.agents
    assert re.fullmatch(rf"crawlingathome/\S+ \(\+{re.escape(CONTACT)}\)", agent)


@pytest.mark.parametrize("contact", ["", "a b", "x(y", "é", "x" * 201])
def test_a_contact_that_is_none_is_refused(run_cah, tmp_path, contact):
    (tmp_path / "list.txt").write_text("")
    args = ("--out", tmp_path / "out", "--contact", contact)
    done = run_cah("fetch", tmp_path / "list.txt", *args)
    assert done.returncode == 2
    assert done.stderr.startswith("cah fetch: --contact: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_host_has_its_rest_between_two_requests(site, fates):
    urls = [f"{site.url}/{n}.png" for n in range(5)]
    assert fates(urls, "--host-delay", 200) == {"kept": 5}
    times = sorted(at for times in site.asked.values() for at in times)
    # Not less: sleeping is never too short.
    assert times[-1] - times[0] > 0.7
