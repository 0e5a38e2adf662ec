"""The tokenizers that ours is compared with, and texts of many scripts."""

import functools
import gzip
import importlib.util
import json
import random
import sys
import types
import unicodedata

from conftest import ROOT

PEERS = ROOT / ".venv" / "peers"
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 49152 - 256 - 2  # how many lines of CLIP's list are in use


def on_path():
    if str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))


def fast_tokenizer(path):
    """The `tokenizers` library, with special tokens in a text taken as text."""
    on_path()
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


@functools.cache
def original_tokenizer():
    """open_clip's tokenizer module. It imports torch, but not to cut texts."""
    on_path()
    stand_in = types.ModuleType("torch")
    stand_in.Tensor = stand_in.LongTensor = None
    spec = importlib.util.spec_from_file_location(
        "open_clip_tokenizer", PEERS / "open_clip" / "tokenizer.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["torch"] = stand_in
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["torch"]
    return module


def clip_vocabulary():
    """CLIP's tokens and merges, from the list that open_clip carries."""
    names = original_tokenizer().bytes_to_unicode().values()
    path = PEERS / "open_clip" / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    merges = lines[1 : MERGES + 1]
    tokens = [*names, *(n + "</w>" for n in names)]
    tokens += [m.replace(" ", "") for m in merges] + [START, END]
    return {t: i for i, t in enumerate(tokens)}, merges


def write_originals(folder, context=77):
    """vocab.json and merges.txt of the real CLIP."""
    folder.mkdir(exist_ok=True)
    vocab, merges = clip_vocabulary()
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    config = {"model_max_length": context, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_tokenizer(folder, pairs=False, context=77):
    """tokenizer.json of the real CLIP, made like the demo model's."""
    folder.mkdir(exist_ok=True)
    vocab, merges = clip_vocabulary()
    root = json.loads((ROOT / "models" / "demo" / "tokenizer.json").read_text())
    for row in root["added_tokens"]:
        row["id"] = vocab[row["content"]]
    root["post_processor"]["cls"] = [START, vocab[START]]
    root["post_processor"]["sep"] = [END, vocab[END]]
    root["model"]["vocab"] = vocab
    root["model"]["merges"] = [m.split(" ") for m in merges] if pairs else merges
    (folder / "tokenizer.json").write_text(json.dumps(root, ensure_ascii=False))
    config = {"model_max_length": context, "pad_token": {"content": END}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


SCRIPTS = (  # first and last character of a part of each script
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0xFF), (0x100, 0x24F),
    (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF), (0x391, 0x3A9), (0x400, 0x52F),
    (0x531, 0x587), (0x5D0, 0x5F2), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF),
    (0xE01, 0xE5B), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x13A0, 0x13FF),
    (0x1C80, 0x1CBF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x209C), (0x20A0, 0x20BF), (0x2100, 0x218F), (0x2460, 0x24FF),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xA640, 0xA69F), (0xA720, 0xA7CA),
    (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFB00, 0xFB4F), (0xFF00, 0xFFEF),
    (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF), (0x1E900, 0x1E943),
)  # fmt: skip

PIECES = (
    "'s", "'T", "don't", "I'LL", "we'Ve", "they're", "'d'm", "''s", "'street",
    "10,000", "3.14", "½", "²", "Ⅷ", "ÀÉÎ", "e\u0301", "A\u030a", "\u212b",
    "STRASSE", "straße", "ΟΔΥΣΣΕΥΣ", "Σ", "ΑΣ.", "İstanbul", "I\u0307", "ﬁ", "Ǆ",
    "the quick brown fox", "jumps_over", "the-lazy-dog", "e-mail@example.com",
    "https://example.com/a?b=c&d=e", "#hashtag", "$5.00", "50%", "C++", "(c) 2021",
    "日本語のテキスト", "中文字符", "한국어", "русский язык", "ไทย", "हिन्दी",
    "עברית", "العربية", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "\u00a0", "\u2003", "\u3000", "  ", "\t",
    "\u200b", "\ufeff", "\u0085", "…", "—", "“quoted”", END, START, "</w>",
    "a" * 70, "antidisestablishmentarianism", "ab" * 300, "!" * 40, "1234567890" * 3,
)  # fmt: skip


def is_composed_alike(text):
    """The `tokenizers` library composes by Unicode 9: marks that came later are
    not put in order. No model was trained on such texts."""
    on_path()
    import tokenizers

    theirs = tokenizers.normalizers.NFC().normalize_str(text)
    return theirs == unicodedata.normalize("NFC", text)


def assigned(rng, first, last):
    """A character between the two that this Python's Unicode knows: of newer
    ones the peers differ by their age."""
    while True:
        c = chr(rng.randint(first, last))
        if unicodedata.category(c) != "Cn":
            return c


def strings(count, seed):
    """`count` lines: words of many scripts, odd pieces, captions, and noise."""
    rng = random.Random(seed)
    out = []
    while len(out) < count:
        parts = []
        for _ in range(rng.randrange(1, 12)):
            if rng.random() < 0.4:
                parts.append(rng.choice(PIECES))
                continue
            script = rng.choice(SCRIPTS)
            parts.append(
                "".join(assigned(rng, *script) for _ in range(rng.randrange(1, 9)))
            )
        out.append(rng.choice((" ", " ", "", "  ", ",")).join(parts))
    return out
