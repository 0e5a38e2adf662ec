"""A site of 20,000 pictures with its missing, slow, cut, redirected and HTML
answers: `cah fetch` beside img2dataset."""

import os

from measure import HERE, run
from pictures import make_pictures

COPIES = 10  # of each picture: whoever fetches them does not know


def make_site(bench):
    """A folder as make_pictures', with COPIES files of each picture, and the
    lists of make_images.py over them."""
    folder = make_pictures(bench)
    site = bench.cache / f"site-{folder.name}"
    if (site / "done").exists():
        return site
    lines = (folder / "manifest.tsv").read_text().splitlines()
    rows = [lines[0]]
    for copy in range(COPIES):
        for line in lines[1:]:
            name, rest = line.split("\t", 1)
            kind, shelf, file = name.split("/")
            new = f"{kind}/{shelf}/{copy}{file}"
            (site / new).parent.mkdir(parents=True, exist_ok=True)
            if not (site / new).exists():
                os.link(folder / name, site / new)
            rows.append(f"{new}\t{rest}")
    (site / "manifest.tsv").write_text("\n".join(rows) + "\n")
    make = [bench.python, HERE / "make_images.py", "--lists-only"]
    run([*make, "--sources", folder, "--out", site])
    (site / "done").touch()
    return site
