"""Writes the named character references of the HTML Standard (13.5) as rows of a C
table, sorted by the bytes of their names, from the copy in Python's library.

    python3 tools/make_entities.py > entities.inc
"""

from html.entities import html5


def row(name):
    points = [ord(c) for c in html5[name]] + [0]
    return f'{{"{name}", {len(name)}, {{{points[0]:#x}, {points[1]:#x}}}}},'


for name in sorted(html5):
    print(row(name))
