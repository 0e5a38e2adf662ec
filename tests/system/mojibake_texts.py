"""Texts as they come out of pages whose encoding was told wrongly, made of good ones of
many languages; and good ones, which are to stay as they are.

    .venv/bin/python tests/system/mojibake_texts.py [COUNT]

makes COUNT texts (20,000), has `wat_peer` and ftfy mend them, and prints a table."""

import collections
import html
import random
import re
import subprocess
import sys
import unicodedata

import ftfy
import ftfy.bad_codecs  # registers the codecs named sloppy-*
from catalogues import catalogues
from conftest import BUILD

SEED = 20260
LIKELY = ("latin-1", "sloppy-windows-1252")
ENCODINGS = (
    *LIKELY,
    *("sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253"),
    *("sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"),
)
WHITE = frozenset(
    map(chr, (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))
) | frozenset("\u2028\u2029\u202f\u205f\u3000")


def stays(c):
    return c in "\u200c\u200d" or not (
        unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs")
        or ord(c) & 0xFFFE == 0xFFFE
        or 0xFDD0 <= ord(c) <= 0xFDEF
    )


def folded(text):
    """What docs/texts.md says besides mending: white space, controls, NFC."""
    text = "".join(" " if c in WHITE else c for c in text if c in WHITE or stays(c))
    return unicodedata.normalize("NFC", re.sub(" +", " ", text).strip(" "))


def misread(text, encoding):
    return text.encode().decode(encoding)


def once(rng, text, encoding):
    return misread(text, encoding)


def twice(rng, text, encoding):
    outer = rng.choice((*LIKELY, "sloppy-windows-1251"))
    return misread(misread(text, encoding), outer)


def with_references(rng, text, encoding):
    """Some characters as &#195;, and now and then HTML's own as &amp;."""
    text = misread(text, encoding)
    if rng.random() < 0.3:
        text = html.escape(text)
    return "".join(
        f"&#{ord(c)};" if ord(c) >= 0xA0 and rng.random() < 0.5 else c for c in text
    )


def escaped_twice(rng, text, encoding):
    return html.escape(html.escape(f'{text} & "more"'))


def without_nbsp(rng, text, encoding):
    return misread(text, "sloppy-windows-1252").replace("\u00a0", " ")


def in_part(rng, text, encoding):
    other = rng.choice(catalogues()[rng.choice(sorted(catalogues()))])
    pieces = [misread(text, encoding), other]
    rng.shuffle(pieces)
    return rng.choice((" ", " - ", ": ", " | ")).join(pieces)


def with_losses(rng, text, encoding):
    """By a decoder that knows undefined bytes, and writes U+FFFD for them."""
    return text.encode().decode(encoding.removeprefix("sloppy-"), "replace")


def of_latin_1(rng, text, encoding):
    """windows-1252 read as Latin-1: quotes and dashes become controls."""
    try:
        return text.encode("cp1252").decode("latin-1")
    except UnicodeEncodeError:
        return once(rng, text, encoding)


KINDS = {
    "clean": lambda _rng, text, _encoding: text,
    "read wrongly once": once,
    "twice": twice,
    "with character references": with_references,
    "escaped twice": escaped_twice,
    "without its no-break spaces": without_nbsp,
    "in part": in_part,
    "with bytes lost": with_losses,
    "windows-1252 as Latin-1": of_latin_1,
}
# As many clean ones as of all others.
WEIGHTS = [8 if kind == "clean" else 1 for kind in KINDS]


def typeset(rng, text):
    """As people write captions: quotes, dashes, ellipses, no-break spaces."""
    if rng.random() < 0.2:
        text = re.sub(r"\.$", "…", text).replace("'", "\u2019")
    if rng.random() < 0.15:
        text = rng.choice(("“{}”", "«\u00a0{}\u00a0»", "‘{}’", "„{}“")).format(text)
    if rng.random() < 0.1:
        text = text.replace(" ", rng.choice((" – ", "\u00a0", " — ")), 1)
    return text


def make_texts(count, seed=SEED):
    """(kind, text) pairs."""
    rng = random.Random(seed)
    texts = catalogues()
    languages = sorted(texts)
    out = []
    for _ in range(count):
        kind = rng.choices(list(KINDS), WEIGHTS)[0]
        text = typeset(rng, rng.choice(texts[rng.choice(languages)]))
        encoding = rng.choice(LIKELY * 3 + ENCODINGS)
        out.append((kind, KINDS[kind](rng, text, encoding)))
    return out


def cleaned(texts):
    """What our program makes of them."""
    done = subprocess.run(
        [BUILD / "tests" / "peer" / "wat_peer"],
        check=True,
        input="".join(f"text {text.encode().hex() or '-'}\n" for text in texts),
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [
        "" if line == "-" else bytes.fromhex(line).decode()
        for line in done.stdout.splitlines()
    ]


def wanted(text):
    return folded(ftfy.fix_text(text.replace("\n", " ")))


def compare(made):
    """Kind -> [texts, that ftfy changes, that come out otherwise], and the last."""
    table = collections.defaultdict(lambda: [0, 0, 0])
    others = []
    answers = cleaned([text for _, text in made])
    for (kind, text), got in zip(made, answers, strict=True):
        want = wanted(text)
        row = table[kind]
        row[0] += 1
        row[1] += want != folded(text)
        row[2] += got != want
        if got != want:
            others.append((kind, text, got, want))
    return table, others


def main(count=20000):
    table, others = compare(make_texts(int(count)))
    print(f"{'kind':30} {'texts':>7} {'mended':>7} {'not as ftfy':>12}")
    for kind in KINDS:
        print(f"{kind:30} {table[kind][0]:7} {table[kind][1]:7} {table[kind][2]:12}")
    print(f"the same: {100 * (1 - len(others) / int(count)):.2f} %")
    for kind, text, got, want in others[:20]:
        print(f"{kind}: {text!r}\n  ours {got!r}\n  ftfy {want!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
