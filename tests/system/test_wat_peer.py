"""URLs as another parser of the same standard resolves them (ada), texts as
Python's own Unicode and HTML tables make them, and the demo world's texts judged as
their truth says."""

import html.entities
import json
import random
import re
import subprocess
import sys
import unicodedata

import ada_url
import ftfy
import pytest
from conftest import BUILD, ROOT

SEED = 20210
HEADS = (
    "http:",
    "https:",
    "HTTP:",
    "hTTps:",
    "ws:",
    "ftp:",
    "mailto:",
    "data:",
    "x-y:",
)
SLASHES = ("", "/", "//", "///", "\\\\", "/\\", "\\")
USERS = (
    "",
    "",
    "",
    "me@",
    "me:pass@",
    ":@",
    "@",
    "a@b@",
    "ü:#@",
    "a:b:c@",
    ":p@",
    "[@",
)
HOSTS = (
    *("example.org", "EXAMPLE.org", "a.b-c.example.", "xn--mller-kva.de", "localhost"),
    *(
        "müller.de",
        "MÜLLER.de",
        "例え.jp",
        "россия.рф",
        "faß.de",
        "βόλος.com",
        "a%41.x",
    ),
    *("ex%C3%A4mple.org", "a..b", ".a", "a_b.c", "a b.c", "a<b", "a%00b", "%", "a%2fb"),
    *("1.2.3.4", "0x7f.1", "010.1", "256", "4294967295", "4294967296", "1.2.3.4.5"),
    *(
        "1.2.3.256",
        "1..2",
        "0x",
        "0xg.1",
        "a.0x1g",
        "1.2.3.08",
        "1.0x.3.4",
        "09.a",
        "a.9",
    ),
    *("[::1]", "[1:2:3:4:5:6:7:8]", "[1::8]", "[::ffff:1.2.3.4]", "[0:0:1:0:0:0:0:1]"),
    *(
        "[1:0:0:2::]",
        "[::1",
        "[1:2]",
        "[::1.2.3]",
        "[:::1]",
        "[1::2::3]",
        "[g::]",
        "[]",
    ),
    *("[0001:00::AbCd]", "[12345::]", "[1:2:3:4:5:6:7::]", "[::1.2.3.04]", "[::]"),
    *(
        "",
        "soft\u00adhyphen.org",
        "full。stop",
        "ｗｉｄｅ.org",
        "a\u200cb.org",
        "XN--",
        "xn--a.org",
        "a^b",
    ),
)
PORTS = ("", "", "", ":", ":80", ":443", ":8080", ":0", ":00080", ":65536", ":x", ":8 ")
EMOJI = "\U0001f600"
SEGMENTS = (
    *(
        "a",
        "b.jpg",
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "...",
        "a b",
        "ä",
        "%zz",
        "%",
    ),
    *(
        "a;b=c",
        "x'y",
        'q"r',
        "<>",
        "{}",
        "`",
        "^",
        "|",
        "[1]",
        "~!$&()*+,",
        "\\",
        "@:",
        "c:",
    ),
    *(
        "\u3042",
        EMOJI,
        "\x01",
        "\x7f",
        "\u00a0",
        "\ufffd",
        "\ufeff",
        "%2f",
        "a:b",
    ),
)
TAILS = (
    "",
    "",
    "",
    "?",
    "?q=1&r=ä",
    "?a'b\"c",
    "?x y#z",
    "#",
    "#f?g",
    "?a?b",
    "?{|}^`\\/",
)
JUNK = (
    " ",
    "\t",
    "\n",
    "\r",
    "/",
    "\\",
    ":",
    "@",
    "?",
    "#",
    "%",
    "[",
    "]",
    ".",
    "\x00",
    "é",
)
BASES = (
    "",
    "http://example.org/",
    "http://me:pass@example.org:8080/a/b/c.html?q=1",
    "https://example.org/a/./b/../c",
    "https://example.org?query",
    "ftp://example.org/x/y",
    "mailto:somebody",
    "data:text/plain,hello",
    "foo://host/a/b?c",
    "foo:/a/b",
    "foo://host",
)


def ask(lines):
    done = subprocess.run(
        [BUILD / "tests" / "peer" / "wat_peer"],
        check=False,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    return answers


def hexed(s):
    return (s if isinstance(s, bytes) else s.encode()).hex() or "-"


def plain(answer):
    return "" if answer == "-" else bytes.fromhex(answer).decode()


# ---- URLs ----


def reference_url(base, given):
    try:
        href = ada_url.URL(given, base or None).href
    except ValueError:
        return None
    return href.partition("#")[0]


def is_odd_name(url):
    """A name beyond ASCII that IDNA2008, and so libidn2, refuses; browsers take it."""
    host = ada_url.URL(url).hostname
    name = ada_url.idna.decode(host) if "xn--" in host else ""
    return any(
        label.strip("-") != label
        or label[2:4] == "--"
        or any(unicodedata.category(c)[0] not in "LMN" and c != "-" for c in label)
        for label in name.split(".")
    )


def made_url(rng):
    path = "/".join(rng.choices(SEGMENTS, k=rng.randrange(5)))
    kind = rng.randrange(10)
    if kind < 3:
        given = rng.choice(("", "/", "//", "\\", "?", "./", "../")) + path
    elif kind < 4:
        given = rng.choice(HEADS) + path
    else:
        given = rng.choice(HEADS[:4] if kind < 9 else HEADS)
        given += "//" if rng.random() < 0.7 else rng.choice(SLASHES)
        given += rng.choice(USERS) + rng.choice(HOSTS) + rng.choice(PORTS)
        given += rng.choice(("/", "/", "", "\\")) + path
    given += rng.choice(TAILS)
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        at = rng.randrange(len(given) + 1)
        given = given[:at] + rng.choice(JUNK) + given[at + rng.randrange(2) :]
    return given


def test_urls_are_resolved_as_ada_resolves_them():
    rng = random.Random(SEED)
    bases = [b and reference_url("", b) for b in BASES]
    pairs = [(b, h + "x/.." + t) for b in bases for h in SLASHES for t in TAILS]
    pairs += [(b, f"http://{h}{p}") for b in bases[:2] for h in HOSTS for p in PORTS]
    pairs += [(rng.choice(bases), made_url(rng)) for _ in range(30000)]
    answers = ask([f"url {hexed(base)} {hexed(given)}" for base, given in pairs])
    valid = 0
    for (base, given), answer in zip(pairs, answers, strict=True):
        want = reference_url(base, given)
        got = None if answer == "invalid" else plain(answer)
        if want is not None and is_odd_name(want):
            assert got in (None, want), (base, given)
            continue
        assert got == want, (base, given)
        valid += want is not None
    assert len(pairs) / 3 < valid < len(pairs)  # both kinds are met


def test_urls_of_broken_utf8_get_replacement_characters():
    rng = random.Random(SEED + 1)
    givens = [
        b"/a"
        + bytes(rng.choice(b"\xc3\xa4\xe2\x82\xf0\x9fz\xed\xa0") for _ in range(6))
        for _ in range(500)
    ]
    base = "http://example.org/"
    for given, answer in zip(
        givens, ask([f"url {hexed(base)} {hexed(g)}" for g in givens]), strict=True
    ):
        want = reference_url(base, given.decode("utf-8", "replace"))
        assert plain(answer) == want, given


# ---- texts ----

WHITE = frozenset(
    map(chr, (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))
) | frozenset("\u2028\u2029\u202f\u205f\u3000")
REFERENCE = re.compile("&(?:#([0-9]+);?|#[xX]([0-9a-fA-F]+);?|([0-9A-Za-z]{1,32};?))")


def numbered(n):
    if n == 0 or n > sys.maxunicode or 0xD800 <= n < 0xE000:
        return "\ufffd"
    if 0x80 <= n < 0xA0:
        return bytes([n]).decode("cp1252", "ignore") or chr(n)
    return chr(n)


def decoded(text):
    out, at = [], 0
    while found := REFERENCE.search(text, at):
        out.append(text[at : found.start()])
        at = found.start() + 1
        decimal, hexadecimal, name = found.groups()
        if name is None:
            out.append(numbered(int(decimal) if decimal else int(hexadecimal, 16)))
            at = found.end()
            continue
        names = html.entities.html5
        name = next(
            (name[:k] for k in range(len(name), 0, -1) if name[:k] in names), ""
        )
        end = at + len(name)
        after = text[end : end + 1]
        if not name or (name[-1] != ";" and re.match("[=0-9A-Za-z]", after)):
            out.append("&")
            continue
        out.append(names[name])
        at = end
    return "".join([*out, text[at:]])


def stays(c):
    return c in "\u200c\u200d" or not (
        unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs")
        or ord(c) & 0xFFFE == 0xFFFE
        or 0xFDD0 <= ord(c) <= 0xFDEF
    )


def reference_text(raw):
    text = decoded(raw.decode("utf-8", "replace")).replace("\n", " ")
    text = ftfy.fix_text(text, unescape_html=True, normalization=None)
    return folded(text)


def folded(text):
    text = "".join(" " if c in WHITE else c for c in text if c in WHITE or stays(c))
    return unicodedata.normalize("NFC", re.sub(" +", " ", text).strip(" "))


def made_text(rng):
    names = sorted(html.entities.html5)

    def piece():
        kind = rng.randrange(10)
        if kind == 0:
            return "&" + rng.choice(names)
        if kind == 1:
            name = rng.choice(names)
            return "&" + name[: rng.randrange(1, len(name) + 1)]
        if kind == 2:
            n = rng.choice((rng.randrange(0x120), rng.randrange(0x120000)))
            return rng.choice((f"&#{n};", f"&#{n}", f"&#x{n:x};", f"&#X{n:X}"))
        if kind == 3:
            return rng.choice(
                "  \t\n\r\f\v\x1c\x85\u00a0\u2003\u3000\u200b\u200d\ufeff"
            )
        if kind == 4:  # what NFC works on
            return rng.choice("aeoAEO가") + chr(rng.randrange(0x300, 0x345))
        if kind == 5:
            return chr(rng.choice((rng.randrange(0x3000), rng.randrange(0xD800))))
        if kind == 6:
            return chr(rng.randrange(0x1100, 0x1200))
        if kind == 7:
            return chr(rng.randrange(0xE000, 0x110000))
        return rng.choice(("word", "=", ";", "&", "&&", "#", "x1", "é", "&amp;lt;"))

    raw = bytearray("".join(piece() for _ in range(rng.randrange(12))), "utf-8")
    if raw and rng.random() < 0.3:
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw)


def test_texts_are_cleaned_as_python_cleans_them():
    rng = random.Random(SEED + 2)
    raws = [b"&" + name.encode() for name in html.entities.html5]
    raws += [chr(c).encode() for c in range(0x30000) if not 0xD800 <= c < 0xE000]
    raws += [made_text(rng) for _ in range(20000)]
    answers = ask([f"text {hexed(raw)}" for raw in raws])
    for raw, answer in zip(raws, answers, strict=True):
        assert plain(answer) == reference_text(raw), raw


# ---- the demo world ----


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = tmp_path_factory.mktemp("texts") / "world"
    script = ROOT / "tools" / "demo_world" / "make_world.py"
    subprocess.run(
        [sys.executable, script, "--out", world],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return world


def links_of(world):
    return [json.loads(line) for line in (world / "truth.jsonl").open()]


def test_the_demo_world_is_judged_as_its_truth_says(world):
    links = [line for line in links_of(world) if line["text"]]
    cleaned = ask([f"text {hexed(line['alt'])}" for line in links])
    verdicts = ask([f"judge {hexed(line['text'])}" for line in links])
    for link, clean, verdict in zip(links, cleaned, verdicts, strict=True):
        assert plain(clean) == link["text"]
        fate, _, is_english, _ = verdict.split()
        if link["kind"] == "not_text":
            assert fate.startswith("text_"), link["text"]
        elif link["kind"] == "foreign_language":
            assert (fate, is_english) == ("kept", "0"), link["text"]
        else:
            assert (fate, is_english) == ("kept", "1"), link["text"]


def test_the_demo_worlds_urls_are_what_its_truth_says(world):
    links = links_of(world)
    pages = ask([f"url - {hexed(link['page'])}" for link in links])
    bases = []
    for link in links:
        host, _, path = link["page"].removeprefix("http://").partition("/")
        html = (world / "site" / host.partition(":")[0] / path).read_text()
        base = re.search('<base href="([^"]*)"', html)
        bases.append(hexed(base[1]) if base else "-")
    resolved = zip(pages, bases, strict=True)
    bases = ask([f"url {page} {base}" for page, base in resolved])
    sources = zip(bases, links, strict=True)
    answers = ask([f"url {base} {hexed(link['src'])}" for base, link in sources])
    for link, answer in zip(links, answers, strict=True):
        want = "invalid" if link["url"] is None else hexed(link["url"])
        assert answer == want, link
