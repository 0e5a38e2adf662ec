"""Texts that were read in a wrong encoding come out as ftfy mends them, and good texts
stay as they are. mojibake_texts.py does the same with more of them."""

import pytest
from catalogues import LANGUAGES, catalogues
from mojibake_texts import KINDS, cleaned, compare, folded, make_texts

COUNT = 3000
SAME = 0.999


@pytest.fixture(scope="module")
def results():
    return compare(make_texts(COUNT))


def test_texts_come_out_as_ftfy_mends_them(results):
    _, others = results
    assert len(others) <= (1 - SAME) * COUNT, others[:5]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_trouble_is_mended(results, kind):
    table, _ = results
    texts, mended, others = table[kind]
    assert texts > COUNT / 50
    assert mended > texts / 2 or kind == "clean"
    assert others <= 0.03 * texts


def test_good_texts_stay_as_they_are():
    """But for the quotes, and for wide forms in Chinese and Japanese."""
    texts = [text for l in LANGUAGES for text in catalogues()[l][:300]]
    texts = [
        t for t in texts if not any(c in "“”‘’„‚：，！？；（）＋－［］～ｆ" for c in t)
    ]
    changed = [t for t, c in zip(texts, cleaned(texts), strict=True) if c != folded(t)]
    assert len(texts) > 10000
    assert changed == []
