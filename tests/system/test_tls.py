"""A tracker that speaks TLS, met with a certificate of its own making."""

import contextlib
import json
import select
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
import warnings

import crawlingathome
import pytest
from calls import PATIENCE
from conftest import ROOT


def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "tracker")


@pytest.fixture
def tls_tracker(import_jobs, start_tracker, pair):
    import_jobs(10)
    return start_tracker("--tls-cert", pair[0], "--tls-key", pair[1])


def context(cert):
    return ssl.create_default_context(cafile=str(cert))


def get(tracker, path, cert):
    handler = urllib.request.HTTPSHandler(context=context(cert))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
    with opener.open(tracker.url + path, timeout=PATIENCE) as got:
        return got.read().decode()


def test_calls_and_pages_work(tls_tracker, pair):
    assert tls_tracker.url.startswith("https://127.0.0.1:")
    assert get(tls_tracker, "/api/jobCount", pair[0]) == "20"
    assert "https://127.0.0.1:" in get(tls_tracker, "/install", pair[0])
    token = json.loads(get(tls_tracker, "/api/new?nickname=me", pair[0]))["token"]
    assert len(token) == 36


def test_the_client_works(tls_tracker, pair):
    client = crawlingathome.init(tls_tracker.url, nickname="me", ca_file=str(pair[0]))
    client.newJob()
    client.log("under way")
    client.completeJob(7)
    assert client.isAlive()
    client.bye()


def test_the_worker_works(start_tracker, run_cah, pair, tmp_path):
    tracker = start_tracker("--tls-cert", pair[0], "--tls-key", pair[1])
    work = [
        *("work", "--tracker", tracker.url, "--nickname", "me", "--retry", "1"),
        *("--model", ROOT / "models" / "demo", "--out", tmp_path / "out"),
    ]
    assert "registered" in run_cah(*work, "--ca-file", pair[0], check=True).stderr
    done = run_cah(*work)
    assert done.returncode == 1
    assert "certificate" in done.stderr


def test_a_client_that_does_not_trust_it_goes_away(tls_tracker):
    with pytest.raises(crawlingathome.errors.ServerError, match="certificate"):
        crawlingathome.init(tls_tracker.url, nickname="me", retry_s=1)
    # without a reason given
    with socket.create_connection(tls_tracker.address.split(":")) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            assert not sock.recv(100).startswith(b"HTTP")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_old_versions_are_refused(tls_tracker, pair, version):
    old = context(pair[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    refused = None
    try:
        served_certificate(tls_tracker, old)
    except (ssl.SSLError, ConnectionError) as error:
        refused = error
    assert (refused is None) is (version == ssl.TLSVersion.TLSv1_2)


def served_certificate(tracker, how):
    """The certificate that a connection meets, as bytes."""
    with (
        socket.create_connection(tracker.address.split(":"), timeout=PATIENCE) as sock,
        how.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        return tls.getpeercert(binary_form=True)


def test_a_renewed_certificate_is_read_at_sighup(start_tracker, tmp_path, capfd):
    any_one = ssl._create_unverified_context()
    cert, key = make_certificate(tmp_path, "first")
    tracker = start_tracker("--tls-cert", cert, "--tls-key", key)
    first = served_certificate(tracker, any_one)
    renewed, renewed_key = make_certificate(tmp_path, "second")

    # half of it: the former one stays, and the log says why
    renewed.replace(cert)
    tracker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "is not the key of" in capfd.readouterr().err)
    assert served_certificate(tracker, any_one) == first

    renewed_key.replace(key)
    tracker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: served_certificate(tracker, any_one) != first)
    assert served_certificate(tracker, context(cert)) != first


def wait_for(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_sighup_without_tls_changes_nothing(tracker):
    tracker.process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    assert tracker.get("/api/jobCount").text == "20"
    assert tracker.stop() == 0


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_key_that_all_can_read_is_told(start_tracker, tmp_path, capfd, mode):
    cert, key = make_certificate(tmp_path, "a")
    key.chmod(mode)
    start_tracker("--tls-cert", cert, "--tls-key", key)
    is_told = "a.key can be read by all" in capfd.readouterr().err
    assert is_told is (mode == 0o644)


def test_files_that_do_not_fit_are_told(run_cah, pair, tmp_path):
    _, other_key = make_certificate(tmp_path, "other")
    (tmp_path / "empty").write_text("")
    (tmp_path / "rubbish").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    cases = [
        ([pair[0], None], 2, "both or none"),
        ([None, pair[1]], 2, "both or none"),
        ([pair[0], other_key], 2, "is not the key of the certificate"),
        ([pair[0], pair[0]], 2, str(pair[0])),
        ([pair[1], pair[1]], 2, str(pair[1])),
        ([tmp_path / "empty", pair[1]], 2, "empty"),
        ([tmp_path / "rubbish", pair[1]], 2, "rubbish"),
        ([tmp_path / "none", pair[1]], 1, "none"),
        ([pair[0], tmp_path / "none"], 1, "none"),
        ([pair[0], tmp_path], 1, str(tmp_path)),
    ]
    for (cert, key), status, words in cases:
        done = run_cah(
            *("tracker", "--store", f"sqlite:{tmp_path / 'a.db'}"),
            *("--listen", "127.0.0.1:0"),
            *(["--tls-cert", cert] if cert else []),
            *(["--tls-key", key] if key else []),
        )
        assert done.returncode == status, (cert, key, done.stderr)
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_handshake_that_drips_is_ended(start_tracker, pair):
    args = ["--tls-cert", pair[0], "--tls-key", pair[1], "--request-timeout", 1]
    tracker = start_tracker(*args)
    with socket.create_connection(tracker.address.split(":")) as sock:
        sock.sendall(b"\x16\x03\x01\x01\x00")
        wait_for(lambda: select.select([sock], [], [], 0)[0])
    assert "Join in" in get(tracker, "/install", pair[0])
