"""CLIP's byte-level BPE with a small vocabulary of its own.

The algorithm is that of CLIP's tokenizer (Radford et al., 2021): lower case, the
words of its pattern, bytes as printable characters, "</w>" at the end of a word,
merges by rank. Any text can be written: all 256 bytes are in the vocabulary.
"""

import itertools
import re
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters():
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in printable}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    order = printable + [b for b in range(256) if b not in printable]
    return {b: table[b] for b in order}


BYTES = byte_characters()


# CLIP's pattern says \p{L}, \p{N}; [^\W\d_] and \d are the nearest that Python's
# own module knows, and equal on the captions here.
WORDS = re.compile(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


def words_of(text):
    return WORDS.findall(text.lower())


def learn(texts, limit):
    """Merges, the most frequent pair first, until each word is one token or
    @limit merges are made."""
    counts = {}
    for text in texts:
        for word in words_of(text):
            counts[word] = counts.get(word, 0) + 1
    split = {w: [BYTES[b] for b in w.encode()] for w in counts}
    for parts in split.values():
        parts[-1] += "</w>"
    merges = []
    while len(merges) < limit:
        pairs = {}
        for word, parts in split.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] = pairs.get(pair, 0) + counts[word]
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        for word, parts in split.items():
            split[word] = merge(parts, best)
    return merges


def merge(parts, pair):
    out, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, merges, context):
        self.merges, self.context = merges, context
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        tokens = list(BYTES.values())
        tokens += [t + "</w>" for t in tokens]
        tokens += [a + b for a, b in merges] + [START, END]
        self.vocab = {}
        for token in tokens:
            self.vocab.setdefault(token, len(self.vocab))
        self.cache = {}

    @classmethod
    def read(cls, folder, context):
        """From merges.txt of a model's folder."""
        lines = (Path(folder) / "merges.txt").read_text("utf-8").splitlines()
        pairs = [tuple(line.split(" ")) for line in lines if " " in line]
        return cls([p for p in pairs if p[0] != "#version:"], context)

    def word(self, word):
        if word not in self.cache:
            parts = [BYTES[b] for b in word.encode()]
            parts[-1] += "</w>"
            while len(parts) > 1:
                best = min(
                    itertools.pairwise(parts), key=lambda p: self.ranks.get(p, 1 << 30)
                )
                if best not in self.ranks:
                    break
                parts = merge(parts, best)
            self.cache[word] = [self.vocab[p] for p in parts]
        return self.cache[word]

    def __call__(self, text):
        """Ids of @text, cut and padded with the end token to the context."""
        ids = [i for w in words_of(text) for i in self.word(w)][: self.context - 2]
        end = self.vocab[END]
        ids = [self.vocab[START], *ids, end]
        return ids + [end] * (self.context - len(ids))
