#!/usr/bin/env python3
"""Writes a file as a C array, for what is built into the program.

usage: embed.py INPUT OUTPUT
"""

import pathlib
import re
import sys

PER_LINE = 12


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    name = re.sub(r"\W", "_", source.name)
    data = source.read_bytes()
    lines = [
        "\t" + " ".join(f"{byte}," for byte in data[i : i + PER_LINE])
        for i in range(0, len(data), PER_LINE)
    ]
    target.write_text(
        f"static const unsigned char {name}[] = {{\n" + "\n".join(lines) + "\n};\n"
    )


if __name__ == "__main__":
    main()
