"""Our tokenizer and engine against other people's, on the same files.

The tokenizers: the `tokenizers` library (tokenizer.json) and open_clip's
(vocab.json with merges.txt), both with CLIP's own vocabulary.
"""

import pytest
from clip_peers import (
    fast_tokenizer,
    is_composed_alike,
    original_tokenizer,
    strings,
    write_originals,
    write_tokenizer,
)
from conftest import ROOT

DEMO = ROOT / "models" / "demo"


@pytest.fixture(scope="module")
def tokens_of(run_cah):
    """The rows of `cah model tokens FOLDER` for texts of one line each."""

    def run(folder, texts):
        text = "".join(t + "\n" for t in texts)
        done = run_cah("model", "tokens", folder, input=text, check=True)
        return [[int(i) for i in row.split()] for row in done.stdout.splitlines()]

    return run


def check(texts, ours, theirs, context):
    """`theirs` has no limit; ours is cut, with the end at the end."""
    assert len(ours) == len(texts) == len(theirs)
    for text, our, their in zip(texts, ours, theirs, strict=True):
        if len(their) > context:
            their = [*their[: context - 1], their[-1]]
        assert our == their, repr(text)


def fast_rows(path, texts):
    return [e.ids for e in fast_tokenizer(path).encode_batch(texts)]


def test_tokens_of_the_demo_model_equal_the_tokenizers_library(tokens_of):
    texts = [t for t in strings(6100, seed=1) if is_composed_alike(t)]
    assert len(texts) > 6000
    theirs = fast_rows(DEMO / "tokenizer.json", texts)
    check(texts, tokens_of(DEMO, texts), theirs, context=32)


@pytest.mark.parametrize("pairs", [False, True], ids=["text merges", "pair merges"])
def test_tokens_of_clip_equal_the_tokenizers_library(tokens_of, tmp_path, pairs):
    write_tokenizer(tmp_path / "model", pairs)
    texts = strings(10100, seed=2 + pairs)
    texts = [t for t in texts if is_composed_alike(t)]
    assert len(texts) > 10000
    theirs = fast_rows(tmp_path / "model" / "tokenizer.json", texts)
    check(texts, tokens_of(tmp_path / "model", texts), theirs, context=77)


def test_tokens_of_clip_equal_open_clips(tokens_of, tmp_path):
    """open_clip mends and unescapes a text first; here both get it clean."""
    write_originals(tmp_path / "model")
    module = original_tokenizer()
    texts = strings(12000, seed=4)
    clean = [module.basic_clean(t).replace("\n", " ") for t in texts]
    same = [t for t in clean if module.basic_clean(t) == t]
    assert len(same) > 10000
    tokenizer = module.SimpleTokenizer()
    start, end = tokenizer.all_special_ids
    theirs = [[start, *tokenizer.encode(t), end] for t in same]
    check(same, tokens_of(tmp_path / "model", same), theirs, context=77)


def test_every_character_is_cut_as_the_tokenizers_library_does(tokens_of, tmp_path):
    """Each by itself between letters: its class, its composition, its case."""
    write_tokenizer(tmp_path / "model")
    # Without surrogates, and most of what is unassigned or all alike.
    points = [*range(1, 0xD800), *range(0xE000, 0x18E00), *range(0x1AFF0, 0x20100)]
    points += [*range(0x2A600, 0x32400), *range(0xE0000, 0xE0200), 0x10FFFF]
    points = [c for c in points if c not in (0x0A, 0x0D)]
    texts = [
        "".join(f"a{chr(c)}b " for c in points[i : i + 4])
        for i in range(0, len(points), 4)
    ]
    theirs = fast_rows(tmp_path / "model" / "tokenizer.json", texts)
    check(texts, tokens_of(tmp_path / "model", texts), theirs, context=77)
