#!/usr/bin/env python3
"""A hybrid worker in its smallest form.

    pip install .
    python examples/worker.py http://127.0.0.1:8080 me

It takes jobs, downloads their WATs, counts the links to images in them, and
reports that number as its pairs. Ctrl-C ends it.
"""

import sys

import crawlingathome as cah


def count_images(path):
    """A real worker downloads the images and keeps those that fit their texts."""
    with open(path, "rb") as wat:
        return sum(line.count(b"IMG@/src") for line in wat)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else None
    nickname = sys.argv[2] if len(sys.argv) > 2 else "example"
    client = cah.init(url=url, nickname=nickname, type="HYBRID")
    print("working as", client.display_name)
    try:
        while client.jobCount() > 0 and client.isAlive():
            try:
                client.newJob()
            except cah.errors.ZeroJobError:
                break  # others took the last one meanwhile
            client.downloadShard()
            pairs = count_images("./shard.wat")
            client.log(f"Found {pairs} images")
            client.completeJob(pairs)
            print(f"Found {pairs} images")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        client.bye()


if __name__ == "__main__":
    main()
