"""URLs are parsed as the published cases of the WHATWG URL Standard say (urltestdata.json
of web-platform-tests, as the Debian package librust-url-dev carries it). Cases whose URL
is not http or https are left out: an image of theirs is never fetched."""

import json
from pathlib import Path

import pytest
from test_wat_peer import ask, hexed, plain

CASES = sorted(Path("/usr/share/cargo/registry").glob("url-*/tests/urltestdata.json"))
WEB = ("http:", "https:")
# Ours is IDNA2008, which registries go by: it has no symbols in names.
OTHER = {"https://%e2%98%83": None}


def cases():
    for case in json.loads(CASES[-1].read_text()):
        if isinstance(case, dict) and (
            case.get("failure") or case["href"].startswith(WEB)
        ):
            yield case


def base_of(case):
    base = case.get("base")
    return "" if base in (None, "about:blank") else base.partition("#")[0]


def wanted(case):
    """Without a fragment, which is never sent."""
    return None if case.get("failure") else case["href"].partition("#")[0]


@pytest.fixture(scope="module")
def answers():
    lines = [f"url {hexed(base_of(c))} {hexed(c['input'])}" for c in cases()]
    return ["" if a == "invalid" else plain(a) for a in ask(lines)]


def test_every_case_of_the_web_is_as_the_standard_says(answers):
    others = {
        case["input"]: answer or None
        for case, answer in zip(cases(), answers, strict=True)
        # what fails in a scheme of no web is no matter
        if (answer or None) != wanted(case)
        and (answer.startswith(WEB) or not answer or not case.get("failure"))
    }
    assert others == OTHER


def test_there_are_hundreds_of_both_kinds(answers):
    failures = sum(bool(case.get("failure")) for case in cases())
    assert failures > 150
    assert len(answers) - failures > 150
