"""Each rule for texts drops what it is for, is counted under its name, and does as its
option says, in the steps alone and in a worker's help."""

import gzip
import json

import pytest

GOOD = "A castle on a hill above the river"


def record(alts):
    links = [
        {"path": "IMG@/src", "url": f"http://i.test/{n}.jpg", "alt": alt}
        for n, alt in enumerate(alts)
    ]
    body = json.dumps(
        {
            "Envelope": {
                "Payload-Metadata": {
                    "HTTP-Response-Metadata": {"HTML-Metadata": {"Links": links}}
                },
                "WARC-Header-Metadata": {"WARC-Target-URI": "http://p.test/"},
            }
        }
    ).encode()
    head = f"WARC/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return gzip.compress(head.encode() + b"\r\n\r\n" + body + b"\r\n\r\n")


def fates_of(run_cah, tmp_path, alts, *args):
    wat = tmp_path / "a.wat.gz"
    wat.write_bytes(record(alts))
    done = run_cah("wat", wat, "--all", "--json", *args)
    fates = [json.loads(line)["fate"] for line in done.stdout.splitlines()]
    counts = json.loads(done.stderr.splitlines()[-1])["fates"]
    for fate in set(fates):
        assert counts[fate] == fates.count(fate)
    return fates


RULES = [
    # fate, texts it drops, the option that keeps them
    ("text_too_short", ["Oslo", "山", "a b"], ["--min-characters", "1"]),
    ("text_too_long", ["castle and hill " * 70], ["--max-characters", "2000"]),
    ("text_few_letters", ["1024x768", "12:30 - 14:00 h"], ["--min-letters", "0.05"]),
    (
        "text_repeated",
        ["shoes red shoes red shoes red shoes red"],
        ["--max-repeated", "0.8"],
    ),
    (
        "text_placeholder",
        ["IMG_2034.JPG", "DSC 00417", "https://a.test/b", "www.a.test"],
        ["--keep-placeholders"],
    ),
    (
        "text_boilerplate",
        ["Click to enlarge!", "[logo]", "No image available"],
        ["--keep-boilerplate"],
    ),
]


@pytest.mark.parametrize("fate, texts, option", RULES, ids=[r[0] for r in RULES])
def test_a_rule_drops_what_it_is_for(run_cah, tmp_path, fate, texts, option):
    wide = ["--max-repeated", "1"] if fate == "text_too_long" else []
    got = fates_of(run_cah, tmp_path, [*texts, GOOD], *wide)
    assert got == [fate] * len(texts) + ["kept"]
    got = fates_of(run_cah, tmp_path, [*texts, GOOD], *wide, *option)
    assert got == ["kept"] * (len(texts) + 1)
    got = fates_of(run_cah, tmp_path, [*texts, GOOD], "--no-rules")
    assert got == ["kept"] * (len(texts) + 1)


@pytest.mark.parametrize(
    "option, dropped",
    [
        (["--min-characters", "35"], "text_too_short"),
        (["--max-characters", "33"], "text_too_long"),
        (["--min-letters", "1"], "kept"),
        (["--max-repeated", "0.1"], "text_repeated"),  # "a" comes twice
    ],
)
def test_a_rule_is_as_strict_as_its_option(run_cah, tmp_path, option, dropped):
    assert fates_of(run_cah, tmp_path, [GOOD], *option) == [dropped]


def test_the_summary_names_the_rules(run_cah, tmp_path):
    wat = tmp_path / "a.wat.gz"
    wat.write_bytes(record([texts[0] for _, texts, _ in RULES]))
    summary = run_cah("wat", wat).stderr
    for fate, _, _ in RULES:
        assert fate in summary


@pytest.mark.parametrize("command", ["work", "run", "wat"])
def test_workers_have_the_same_options(run_cah, command):
    text = run_cah(command, "--help").stdout
    for _, _, option in RULES:
        assert option[0] in text
