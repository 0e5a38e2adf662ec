"""A site of 20,000 pictures with its missing, slow, cut, redirected and HTML
answers: `cah fetch` beside img2dataset, and the download stage by itself, which
finds out how many transfers to have at once, beside numbers that were tuned."""

import contextlib
import json
import os
import shutil
import subprocess

from measure import HERE, LESS, MORE, ROOT, in_turn, row, run
from pictures import ADDRESS, make_pictures, picture_files, serve

COPIES = 10  # of each picture: whoever fetches them does not know
TUNED = (16, 64, 256, 1024)  # transfers at once, of which the best is taken
MANY = 2000  # connections
MANY_MB = 300
SLOW_RATE = 10_000  # bytes a second, for each of many
DELAY_MS, LINK_RATE = 100, 12_500_000  # 100 Mbit/s
PEER = "img2dataset"
PLAIN = ("--resize", "no", "--skip-reencode")
PEER_PLAIN = ("--resize_mode", "no", "--skip_reencode", "True")


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


def write_csv(bench, site, port):
    """The list for both, its URLs at the port that the site has now."""
    listing = bench.scratch / "site.csv"
    text = (site / "urls.csv").read_text()
    listing.write_text(text.replace(".test:8090/", f".test:{port}/"))
    return listing


def read_urls(listing):
    return [line.split(",")[0] for line in listing.read_text().splitlines()[1:]]


def run_ours(bench, listing, port, *args):
    out = bench.scratch / "ours"
    shutil.rmtree(out, ignore_errors=True)
    where = ["--resolve", f"*:{port}:{ADDRESS}", "--allow-private-addresses"]
    command = [bench.cah, "fetch", listing, "--out", out, "--quiet", "--json", *where]
    used = run([*command, *args], keep=True)
    return used, json.loads(used.out)["kept"]


def run_peer(bench, listing, port, *args):
    """Names lead to this machine because nginx takes what is sent to a proxy."""
    out = bench.scratch / "peer"
    shutil.rmtree(out, ignore_errors=True)
    where = ["env", "NO_ALBUMENTATIONS_UPDATE=1", f"http_proxy=http://{ADDRESS}:{port}"]
    command = [*where, ROOT / ".venv/bench/bin/img2dataset", "--url_list", listing]
    command += ["--input_format", "csv", "--url_col", "url", "--caption_col", "caption"]
    command += ["--output_format", "webdataset", "--output_folder", out]
    command += ["--processes_count", bench.cores, "--thread_count", 64]
    used = run([*command, "--image_size", 256, "--retries", 0, *args])
    stats = [json.loads(p.read_text()) for p in out.glob("*_stats.json")]
    return used, sum(s["successes"] for s in stats)


def compare(bench, listing, port):
    """Rows beside img2dataset: with its defaults, which are ours too, and with
    files kept as they are."""
    subprocess.run([ROOT / "tools" / "bench-env"], check=True)
    for what, ours, peers in (
        ("256 pixels, JPEG", (), ()),
        ("not re-encoded", PLAIN, PEER_PLAIN),
    ):
        used, kept = run_ours(bench, listing, port, *ours)
        peer, peer_kept = run_peer(bench, listing, port, *peers)
        yield row(what, "good images", MORE, [kept], (PEER, "peer", [peer_kept]))
        costs = [used.cpu_s / kept * 1000], [peer.cpu_s / peer_kept * 1000]
        yield row(what, "CPU s/1,000 good", LESS, costs[0], (PEER, "peer", costs[1]))
        rates = [kept / used.wall_s], [peer_kept / peer.wall_s]
        yield row(what, "good/s", MORE, rates[0], (PEER, "peer", rates[1]))
        yield row(what, "peak MB", LESS, [used.peak_mb], (PEER, "peer", [peer.peak_mb]))


class Stage:
    """The download stage over lists of URLs."""

    def __init__(self, bench, port):
        self.bench, self.port = bench, port

    def run(self, urls, concurrency):
        listing = self.bench.scratch / "stage.txt"
        listing.write_text("".join(f"{url}\n" for url in urls))
        used = run(
            [self.bench.program("bench_fetch"), listing, self.port, concurrency],
            keep=True,
        )
        return used, json.loads(used.out)

    def rate(self, urls, concurrency=0):
        """URLs a second until 95 % are out: the rest wait for slow answers."""
        _, got = self.run(urls, concurrency)
        return 0.95 * len(urls) / got["most_seconds"]


def sweep(bench, stage, urls):
    """Found out beside the best of what was tuned, and what slow hosts cost."""
    quick = [url for url in urls if "/slow/" not in url]
    calls = {str(n): (lambda n=n: stage.rate(urls, n)) for n in TUNED}
    got = in_turn(
        bench.pick(3, 1),
        found=lambda: stage.rate(urls),
        quick=lambda: stage.rate(quick),
        **calls,
    )
    best = max((got[str(n)] for n in TUNED), key=lambda rates: sum(rates))
    what = "download alone, found out"
    yield row(what, "URLs/s", MORE, got["found"], ("best of tuned", "limit", best))
    against = ("without them", "limit", got["quick"])
    yield row("download alone, 3 % slow", "URLs/s", MORE, got["found"], against)


def many(bench, stage, site):
    """Each of many connections gets so little that all are open at once."""
    names = [name for name, size in picture_files(site) if 20_000 < size < 60_000]
    count = bench.pick(MANY, 20)
    urls = [
        f"http://img{i % 8 + 1}.test:{stage.port}/slow/{SLOW_RATE}/{name[2:]}"
        for i, name in enumerate(names[:count])
    ]
    used, got = stage.run(urls, len(urls))
    what = f"{got['active']:,} connections"
    against = ("wanted", "limit", [MANY_MB])
    return row(what, "peak MB", LESS, [used.peak_mb], against)


@contextlib.contextmanager
def link(port):
    args = [HERE / "link.py", port, DELAY_MS, LINK_RATE]
    process = subprocess.Popen(
        [str(a) for a in args], stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def narrow(bench, urls, port):
    """100 ms and 100 Mbit/s, nothing tuned."""
    urls = [url for url in urls if "/i/" in url][: bench.pick(3000, 40)]
    rates = []
    for _ in range(bench.pick(3, 1)):
        with link(port) as behind:
            moved = [url.replace(f":{port}/", f":{behind}/") for url in urls]
            _, got = Stage(bench, behind).run(moved, 0)
        rates.append(got["bytes"] / got["seconds"] / 1e6)
    against = ("the link", "limit", [LINK_RATE / 1e6] * len(rates))
    return row("100 ms, 100 Mbit/s", "MB/s", MORE, rates, against)


def measure(bench):
    site = make_site(bench)
    with serve(bench, site) as port:
        listing = write_csv(bench, site, port)
        urls = read_urls(listing)
        if bench.is_small:
            urls = [url for url in urls if "/slow/" not in url][:100]
        else:
            yield from compare(bench, listing, port)
        stage = Stage(bench, port)
        yield from sweep(bench, stage, urls)
        yield many(bench, stage, site)
        yield narrow(bench, urls, port)
