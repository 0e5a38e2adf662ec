"""Writes the tables of src/wat/mojibake.c: the characters that one-byte encodings have
above ASCII, with their bytes and the classes that mojibake_rules.def speaks of; and
what src/wat/mend.c writes for ligatures, curly quotes and characters of odd widths.

The encodings and the properties come from Python's codecs and Unicode tables; the
classes are those by which ftfy 6.3.1 (R. Speer, Apache-2.0) knows mojibake.

    python3 tools/make_mojibake.py > mojibake.inc
"""

import unicodedata

# In the order in which they are tried.
ENCODINGS = (
    *("latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257"),
    *("iso-8859-2", "mac-roman", "cp437"),
)
# Those that are much like Latin-1: a lead byte of UTF-8 is a letter in all of them.
ALIKE = ENCODINGS[:7]

FACES = "ÒÓÔÕÖÙÚÛÜòóôõöøùúûüŐŌŪŲ°"  # letters that faces are drawn with
BOX = "│┌┐┘├┤┬┼" + "".join(map(chr, range(0x2550, 0x256D))) + "▀▄█▌▐░▒▓"
LITERAL = {
    "COMMON": "\u00a0\u00ad·´–—―…’",
    "C1": "".join(map(chr, range(0x80, 0xA0))),
    "BAD": "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\ufffdªº",
    "LAW": "¶§",
    "CURRENCY": "¢£¥₧€",
    "START": "¡«¿©΄΅‘‚“„•‹\uf8ff",
    "END": "®»˝”›™",
    "NUMERIC": "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№",
    "FACE": FACES,
    "BOX": BOX,
}
# Latin letters that are too usual in good texts to speak against one, or too rare.
SPARED = FACES.replace("Ü", "").replace("ü", "") + "ÞĮŔŖýþÿıńņňőŗřţōūůűųƒµ"


def sloppy(byte, encoding):
    """What decoders make of @byte that do as browsers: none is undefined."""
    try:
        return bytes([byte]).decode(encoding)
    except UnicodeDecodeError:
        return chr(byte)


def letters(category, more):
    found = {
        sloppy(byte, encoding) for encoding in ENCODINGS for byte in range(0x80, 0x100)
    }
    return {
        c
        for c in found
        if ord(c) < 0x250 and unicodedata.category(c) == category and c not in SPARED
    } | set(more)


def among(first, last):
    """Characters that @first to @last stand for in encodings much like Latin-1."""
    out = set()
    for encoding in ALIKE:
        for byte in range(first, last + 1):
            out.add(bytes([byte]).decode(encoding, "ignore"))
    return out - {""}


def span(first, last):
    return {chr(c) for c in range(ord(first), ord(last) + 1)}


def classes():
    tails = among(0x80, 0xBF)
    # Controls that cp1252 and its like have no character for are Latin-1's.
    out = {name: set(chars) for name, chars in LITERAL.items()}
    out["UPPER"] = letters("Lu", "Ґ")
    out["LOWER"] = letters("Ll", "ґﬁﬂ")
    out["UPPER_COMMON"] = {"Þ", *"ΆΈΉΊΌΎΏΪΫ"} | span("Α", "Ω") | span("Ё", "Я")
    out["LOWER_COMMON"] = {*"άέήίΰ"} | span("α", "ω") | span("а", "џ")
    out["LEAD2"] = among(0xC2, 0xDF)
    out["LEAD3"] = among(0xE0, 0xEF)
    out["LEAD4"] = among(0xF0, 0xF0) | among(0xF3, 0xF3)
    out["TAIL"] = tails
    out["TAIL_STRICT"] = tails - set("–—―‘’‚“”„•…")
    return out


def byte_of(char, encoding):
    if char == "\ufffd" and encoding.startswith("cp12"):
        return 0x1A  # a byte that was lost
    for byte in range(0x80, 0x100):
        if sloppy(byte, encoding) == char:
            return byte
    return 0


def chars_of(known):
    out = set().union(*known.values()) - {" "}
    out |= {sloppy(b, e) for e in ENCODINGS for b in range(0x80, 0x100)}
    out |= {c for c in map(chr, range(0x80, 0x3001)) if c.isspace()}
    return sorted(out)


def print_rows():
    known = classes()
    chars = chars_of(known)
    print("static const struct letter letters[] = {\n{0, IN_ANY | IN_NO_LATIN, {0}},")
    for char in chars:
        names = [name for name, members in known.items() if char in members]
        names += ["WHITE"] * char.isspace() + ["WORD"] * char.isalnum()
        names += ["ANY", "NO_LATIN"]
        mask = " | ".join(f"IN_{name}" for name in names)
        row = ", ".join(f"{byte_of(char, e):#x}" for e in ENCODINGS)
        print(f"{{{ord(char):#x}, {mask}, {{{row}}}}},")
    print("};")
    print_index("letter_low", chars, 0x80, 0x500)
    print_index("letter_high", chars, 0x2000, 0x2600)
    print("static const uint16_t letter_far[][2] = {")
    for row, char in enumerate(chars, 1):
        if not (ord(char) < 0x500 or 0x2000 <= ord(char) < 0x2600):
            print(f"{{{ord(char):#x}, {row}}},")
    print("};")


def print_index(name, chars, first, end):
    row_of = {ord(c): row for row, c in enumerate(chars, 1)}
    cells = ", ".join(str(row_of.get(cp, 0)) for cp in range(first, end))
    print(f"static const uint16_t {name}[{end - first}] = {{{cells}}};")


def folds():
    """Ligatures of Latin letters, and digraphs that old encodings had; curly quotes;
    wide and narrow forms."""
    out = {}
    spans = ("\u0132\u0149", "\u01c4\u01cc", "\u01f1\u01f3", "\ufb00\ufb06")
    for first, last in (("Ĳ", "ĳ"), *spans[1:]):
        for char in span(first, last):
            out[char] = unicodedata.normalize("NFKC", char)
    out["ﬅ"] = "\u017ft"
    out["ŉ"] = "'n"
    out |= dict.fromkeys("ʼ‘’‚‛", "'") | dict.fromkeys("“”„‟", '"')
    out["\u3000"] = " "
    for char in span("\uff01", "\uffef"):
        out[char] = unicodedata.normalize("NFKC", char)
    return {c: to for c, to in out.items() if c != to}


def print_folds():
    print("static const struct fold folds[] = {")
    for char, to in sorted(folds().items()):
        cells = ", ".join(f"{ord(c):#x}" for c in to)
        print(f"{{{ord(char):#x}, {{{cells}}}}},")
    print("};")


print("#ifdef MOJIBAKE_LETTERS")
print_rows()
print("#endif\n#ifdef MOJIBAKE_FOLDS")
print_folds()
print("#endif")
