"""A WAT the way scripts read it: gzip, json, urljoin, a set of pairs seen.

usage: peer_scan.py [--clean] FILE

--clean: texts are mended with ftfy, and those of fewer than 5 characters
dropped.  Languages are not told.
"""

import gzip
import json
import sys
import urllib.parse


def links_of(line):
    try:
        envelope = json.loads(line)["Envelope"]
        response = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]
        page = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
        html = response["HTML-Metadata"]
    except (KeyError, TypeError, ValueError):
        return "", []
    return html.get("Head", {}).get("Base", page), html.get("Links", [])


def pairs_of(line, mend):
    page, links = links_of(line)
    for link in links:
        if "IMG@" not in link.get("path", "") or not link.get("alt"):
            continue
        text = " ".join(link["alt"].split())
        if mend is not None:
            text = mend(text)
            if len(text) < 5:
                continue
        try:
            url = urllib.parse.urljoin(page, link.get("url", ""))
        except ValueError:
            continue
        if text and url.startswith("http"):
            yield url, text


def main():
    mend = None
    if "--clean" in sys.argv:
        import ftfy

        mend = ftfy.fix_text
    seen = set()
    with gzip.open(sys.argv[-1], "rb") as wat:
        for line in wat:
            if b'"IMG@' not in line:
                continue
            for pair in pairs_of(line, mend):
                if pair not in seen:
                    seen.add(pair)
                    print(json.dumps({"url": pair[0], "text": pair[1]}))


if __name__ == "__main__":
    main()
