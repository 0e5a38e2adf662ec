"""Names looked up by real name servers on loopback, and by one that lies."""

import collections
import subprocess

import pytest
from conftest import BUILD
from lying_names import LyingServer
from nameservers import DNS_PORT, Bind, Tree, can_serve_port_53

LOOK_UP = BUILD / "tests" / "bench" / "bench_dns"
SECONDS = 60
NAMES = 500

needs_port_53 = pytest.mark.skipif(
    not can_serve_port_53(),
    reason=f"referrals name no port, and this user may not listen on {DNS_PORT}",
)


def look_up(tmp_path, names, how, *options):
    """What became of each name: its fate and, of a failure, why; and the log."""
    listing = tmp_path / "names.txt"
    listing.write_text("".join(f"{name}\n" for name in names))
    done = subprocess.run(
        [LOOK_UP, "-v", *map(str, options), listing, how],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()[:-1]]
    assert sorted(line[0] for line in lines) == sorted(names)
    return {name: (fate, why) for name, fate, why in lines}, done.stderr


def counts(found):
    return collections.Counter(fate for fate, _ in found.values())


# ---- bind9, forwarding ----

# In the words of its zone file.
MORE = """\
six AAAA ::1
none TXT "no address"
alias CNAME n1
far CNAME alias
dangling CNAME nowhere
ping CNAME pong
pong CNAME ping
"""


@pytest.fixture(scope="module")
def bind():
    with Bind(NAMES, more=MORE) as server:
        yield server


def test_all_names_of_a_zone_are_found_by_a_forwarder(bind, tmp_path):
    found, _ = look_up(tmp_path, bind.names, bind.upstream)
    assert counts(found) == {"kept": NAMES}


def test_failures_of_a_real_server_are_told_apart(bind, tmp_path):
    expected = {
        "six": "kept",
        "alias": "kept",
        "far": "kept",
        "none": "no_such_host",
        "nowhere": "no_such_host",
        "dangling": "no_such_host",
        "ping": "dns_failed",
        "pong": "dns_failed",
    }
    names = {f"{label}.{bind.zone}": fate for label, fate in expected.items()}
    found, _ = look_up(tmp_path, names, bind.upstream)
    assert {name: fate for name, (fate, _) in found.items()} == names


def test_a_server_that_is_away_costs_no_name(bind, tmp_path):
    # Nobody is at port 1.
    found, _ = look_up(tmp_path, bind.names, f"127.0.0.1@1,{bind.upstream}")
    assert counts(found) == {"kept": NAMES}


# ---- NSD, from the root down ----


@pytest.fixture(scope="module")
def tree():
    with Tree(zones=100, each=5) as servers:
        yield servers


@needs_port_53
def test_names_are_found_from_the_root_down(tree, tmp_path):
    found, _ = look_up(tmp_path, tree.names, "recursive", "-r", tree.root_hints)
    assert counts(found) == {"kept": len(tree.names)}


@needs_port_53
def test_failures_of_authorities_are_told_apart(tree, tmp_path):
    expected = {
        "nowhere.z0.example": "no_such_host",
        "zone-that-is-not.example": "no_such_host",
        "tld.that.is.not": "no_such_host",
        "n0.z1.example": "kept",
    }
    found, _ = look_up(
        tmp_path, expected, "recursive", "-r", tree.root_hints, "-t", 3000
    )
    assert {name: fate for name, (fate, _) in found.items()} == expected


@needs_port_53
def test_name_servers_with_private_addresses_are_not_asked(tree, tmp_path):
    found, _ = look_up(
        tmp_path, ["n0.z0.example"], "recursive", "-r", tree.root_hints, "-p"
    )
    assert found["n0.z0.example"][0] == "dns_failed"


@needs_port_53
@pytest.mark.parametrize("label", ["servfail", "silent"])
def test_auto_leaves_servers_that_fail_for_recursion(tree, tmp_path, label):
    with LyingServer(everything=label) as liar:
        options = ["-r", tree.root_hints, "-s", liar.upstream, "-t", 2000]
        found, _ = look_up(tmp_path, tree.names, "auto", *options)
    assert counts(found) == {"kept": len(tree.names)}


@needs_port_53
def test_auto_leaves_recursion_that_fails_for_the_servers(bind, tree, tmp_path):
    # The root is on loopback, and that is refused.
    options = ["-r", tree.root_hints, "-s", bind.upstream, "-p", "-t", 2000]
    found, log = look_up(tmp_path, bind.names, "auto", *options)
    assert counts(found) == {"kept": NAMES}
    assert "dns: system from now on" in log


# ---- one that lies ----


@pytest.fixture(scope="module")
def liar():
    with LyingServer() as server:
        yield server


LIES = {
    "wrongid": "kept",
    "onlywrongid": "dns_timeout",
    # libunbound takes an answer to something else, from the right port and with
    # the right number, for a failure of the server.
    "wrongname": "dns_failed",
    "query": "dns_failed",
    "self": "dns_failed",
    "ping": "dns_failed",
    "chain5": "kept",
    "chain40": "dns_failed",
    "huge": "kept",
    "text": "no_such_host",
    "nothing": "no_such_host",
    "nosuch": "no_such_host",
    "refused": "dns_failed",
    "notimplemented": "dns_failed",
    "servfail": "dns_failed",
    "silent": "dns_timeout",
}
# Whatever becomes of these, it is a failure.
BROKEN = ["noise", "short", "cut", "counts", "pointers", "longdata"]


def test_lies_have_their_fates(liar, tmp_path):
    names = {f"{label}.lies.example": fate for label, fate in LIES.items()}
    found, _ = look_up(tmp_path, names, liar.upstream, "-t", 2000)
    assert {name: fate for name, (fate, _) in found.items()} == names
    for name, (fate, why) in found.items():
        text = why.partition(": ")[2]
        assert text == "127.0.0.1" if fate == "kept" else text, name


def test_broken_messages_are_failures(liar, tmp_path):
    names = [f"{label}.broken.example" for label in BROKEN]
    found, _ = look_up(tmp_path, names, liar.upstream, "-t", 2000)
    assert set(counts(found)) <= {"dns_failed", "dns_timeout", "no_such_host"}, found


def test_nobody_answers_for_another(liar, tmp_path):
    found, _ = look_up(tmp_path, ["poison.p.example"], liar.upstream)
    assert found["poison.p.example"][0] == "kept"
    found, _ = look_up(
        tmp_path, ["poison.p.example", "victim.p.example"], liar.upstream
    )
    assert found["victim.p.example"] == ("kept", "victim.p.example: 127.0.0.1")


def test_lies_beside_good_names_cost_those_nothing(liar, tmp_path):
    names = [
        f"{label}.{i}.mix.example" for i in range(40) for label in (*LIES, *BROKEN)
    ]
    good = [f"ok.{i}.mix.example" for i in range(300)]
    found, _ = look_up(tmp_path, names + good, liar.upstream, "-t", 4000)
    assert {found[name][0] for name in good} == {"kept"}
