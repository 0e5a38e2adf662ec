#!/usr/bin/env python3
"""A project with two stages in its smallest form (docs/stages.md).

    pip install .
    printf 'to be or not to be\\nthe quick brown fox\\n' | cah tasks import -
    cah tracker --project Words --stage a=Split --stage b=Count &
    python examples/stages.py a &
    python examples/stages.py b
    cah tasks results

Stage a takes an input apart into words; stage b counts them. Each worker ends
after ten seconds without a job. Ctrl-C ends it, too.
"""

import argparse
import collections
import time

from crawlingathome import distcompute as dc


def split(text):
    return text.split()


def count(words):
    """None where these are no words."""
    return dict(collections.Counter(words)) if isinstance(words, list) else None


WORK = {"a": split, "b": count}


def work(client, patience_s):
    idle_s = 0.0
    # A worker that asks in vain and says nothing else is soon gone.
    while idle_s < patience_s and client.is_alive():
        try:
            client.new_job()
        except dc.errors.ZeroJobError:
            # The stage before may still be at it.
            time.sleep(0.5)
            idle_s += 0.5
            continue
        idle_s = 0.0
        result = WORK[client.stage](client.job)
        if result is None:
            client.flag_invalid_data()
        else:
            client.complete_job(result)


def main():
    parser = argparse.ArgumentParser(description="A worker of one stage.")
    parser.add_argument("stage", choices=sorted(WORK))
    parser.add_argument("url", nargs="?", help="of the tracker")
    parser.add_argument("--nickname", default="example")
    parser.add_argument("--patience", type=float, default=10, metavar="SECONDS")
    options = parser.parse_args()
    client = dc.init(options.url, options.stage, options.nickname)
    try:
        work(client, options.patience)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        client.bye()


if __name__ == "__main__":
    main()
