"""The language of short texts is what pycld2, another binding of CLD2, says: its sure
answer, else its best guess. As a script it prints how often that is right.

    .venv/bin/python tests/system/test_language_peer.py
"""

import collections
import random
import subprocess

from catalogues import LANGUAGES, catalogues
from clip_peers import on_path
from conftest import BUILD

on_path()
import pycld2

SEED = 20270
EACH = 500  # texts of a language; some have fewer
LEAST = 20000
# CLD2's own codes.
CODES = {"he": "iw", "nb": "no", "pt_BR": "pt", "zh_CN": "zh", "zh_TW": "zh-Hant"}
# Norwegian has two written forms, and "no" is what CLD2 calls the usual one.
ALSO = {"nb": ("nb", "nn")}
# pycld2 has no word for CLD2's verdict on a text of several languages, only their
# list: its first one is not always the verdict.
MIXED = 0.001
MIN_RIGHT = 0.87  # of all; the table in docs/texts.md is by language


def labelled():
    rng = random.Random(SEED)
    return [
        (language, text)
        for language in LANGUAGES
        for text in rng.sample(
            catalogues()[language], min(EACH, len(catalogues()[language]))
        )
    ]


def ours(texts):
    """(code, sure) pairs."""
    done = subprocess.run(
        [BUILD / "tests" / "peer" / "wat_peer"],
        check=True,
        input="".join(f"judge {text.encode().hex()}\n" for text in texts),
        capture_output=True,
        text=True,
        timeout=300,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(code, sure == "1") for _, code, _, sure in rows]


def theirs(text):
    sure, _, details = pycld2.detect(text, isPlainText=True)
    if details[0][1] != "un":
        return details[0][1], sure
    _, _, details = pycld2.detect(text, isPlainText=True, bestEffort=True)
    return details[0][1], False


def is_right(language, code):
    return code in (CODES.get(language, language), *ALSO.get(language, ()))


def test_answers_are_pycld2s():
    rows = labelled()
    assert len(rows) >= LEAST
    assert len(LANGUAGES) >= 40
    answers = ours([text for _, text in rows])
    others = [
        (text, got, want)
        for (_, text), got in zip(rows, answers, strict=True)
        if got != (want := theirs(text))
    ]
    assert len(others) <= MIXED * len(rows), others[:5]


def test_most_answers_are_right():
    rows = labelled()
    answers = ours([text for _, text in rows])
    right = collections.Counter()
    for (language, _), (code, _) in zip(rows, answers, strict=True):
        right[language] += is_right(language, code)
    assert right.total() > MIN_RIGHT * len(rows)
    assert min(right.values()) > EACH / 3  # no language is told for chance


def main():
    rows = labelled()
    table = collections.defaultdict(lambda: [0, 0, 0, 0])
    wrong = collections.defaultdict(collections.Counter)
    for (language, text), (code, sure) in zip(
        rows, ours([text for _, text in rows]), strict=True
    ):
        row = table[language]
        row[0] += 1
        row[1] += is_right(language, code)
        row[2] += sure
        row[3] += sure and is_right(language, code)
        if not is_right(language, code):
            wrong[language][code] += 1
    table["all"] = [sum(column) for column in zip(*table.values(), strict=True)]
    for language, (texts, right, sure, sure_right) in table.items():
        often = ", ".join(f"{c} {n}" for c, n in wrong[language].most_common(3))
        print(
            f"| {language} | {texts:,} | {100 * right / texts:.1f} % "
            f"| {100 * sure / texts:.1f} % | {100 * sure_right / sure:.1f} % "
            f"| {often} |"
        )


if __name__ == "__main__":
    main()
