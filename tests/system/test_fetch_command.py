"""cah fetch: every kind of list in, every kind of shard out, and what is left when
it is stopped on the way. Parquet is read by pyarrow, tars by webdataset, pictures
by Pillow."""

import csv
import fcntl
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import resource
import signal
import subprocess
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from conftest import ROOT, BusyServer, Site
from PIL import Image, ImageDraw

COUNT = 12  # pictures of the site
WAIT_SECONDS = 60
LETTERS = 'ünï, "quoted"\nшрифт 画 \t🎨'


def picture(k, width=300, height=200, **save):
    image = Image.new("RGB", (width, height), (20 * k % 256, 90, 200))
    ImageDraw.Draw(image).ellipse((20, 20, 80 + 5 * k, 90), fill=(250, 240, 10 * k))
    out = io.BytesIO()
    image.save(out, **{"format": "JPEG", "quality": 90, **save})
    return out.getvalue()


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A site of COUNT pictures and of what is none."""
    site = Site(tmp_path_factory.mktemp("web") / "site")
    for k in range(COUNT):
        site.put(f"{k}.jpg", picture(k))
    site.put("page.html", b"<html>Not what it was</html>")
    site.put("cut.jpg", picture(1)[:900])
    site.put("small.jpg", picture(1, 20, 20))
    site.put("long.jpg", picture(1, 800, 40))
    site.put("bild ü.jpg", picture(2))
    yield site
    site.stop()


@pytest.fixture
def fetch(run_cah, tmp_path):
    """fetch(lists, *args): the CompletedProcess; .report of one that ended well."""

    def run(lists, *args, out=None, status=0, **kwargs):
        lists = lists if isinstance(lists, list) else [lists]
        done = run_cah(
            "fetch",
            *lists,
            "--out",
            out or tmp_path / "out",
            "--allow-private-addresses",
            "--json",
            *args,
            **kwargs,
        )
        assert done.returncode == status, done.stderr
        done.report = json.loads(done.stdout) if done.stdout else None
        return done

    return run


@pytest.fixture
def urls(web, tmp_path):
    """A list of all pictures, a URL a line."""
    path = tmp_path / "urls.txt"
    path.write_text("".join(f"{web.url}/{k}.jpg\n" for k in range(COUNT)))
    return path


def table(folder):
    """The rows of all shards, as dictionaries, in the order of the files."""
    files = sorted(folder.glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def names(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def samples(folder):
    """What webdataset reads of all tars, in the order of the keys."""
    tars = [str(p) for p in sorted(folder.glob("*.tar"))]
    found = webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)
    return sorted(found, key=lambda sample: sample["__key__"])


# -------------------------------------------------------------------- lists


def write_txt(path, rows):
    path.write_text("".join(row["url"] + "\n" for row in rows))


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_tsv(path, rows):
    lines = ["\t".join(rows[0])]
    lines += ["\t".join(str(value) for value in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)


WRITERS = {
    "txt": write_txt,
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}
FORMATS = [*WRITERS, "txt.gz", "csv.gz", "tsv.gz", "jsonl.gz"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_list_says_the_same(fetch, web, tmp_path, kind):
    # A tab or a line's end cannot stand in TSV.
    text = (
        LETTERS if "tsv" not in kind else LETTERS.replace("\n", " ").replace("\t", " ")
    )
    rows = [
        {"url": f"{web.url}/{k}.jpg", "text": f"{k} {text}", "n": k, "x": k / 4}
        for k in range(COUNT)
    ]
    path = tmp_path / f"list.{kind.removesuffix('.gz')}"
    WRITERS[kind.removesuffix(".gz")](path, rows)
    if kind.endswith(".gz"):
        packed = tmp_path / f"list.{kind}"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    fetch(path, "--shard-size", 10)
    got = table(tmp_path / "out")
    assert [row["url"] for row in got] == [row["url"] for row in rows]
    assert [row["key"] for row in got] == [f"{k:06d}" for k in range(COUNT)]
    assert {row["status"] for row in got} == {"success"}
    if kind.startswith("txt"):
        assert "caption" not in got[0]
        return
    assert [row["caption"] for row in got] == [row["text"] for row in rows]
    typed = kind.startswith(("jsonl", "parquet"))
    for name in "n", "x":
        want = [row[name] if typed else str(row[name]) for row in rows]
        assert [row[name] for row in got] == want
    for sample, row in zip(samples(tmp_path / "out"), got, strict=True):
        assert sample["__key__"] == row["key"]
        assert sample["txt"].decode() == row["caption"]
        assert json.loads(sample["json"]) == row


def test_columns_of_parquet_keep_their_types(fetch, web, tmp_path):
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    columns = {
        "URL": pa.array([f"{web.url}/{k}.jpg" for k in range(3)], pa.large_string()),
        "TEXT": pa.array([b"one", None, b"three"], pa.binary()),
        "i8": pa.array([1, None, -3], pa.int8()),
        "u32": pa.array([1, 2, 2**32 - 1], pa.uint32()),
        "i64": pa.array([2**62, None, -1], pa.int64()),
        "f32": pa.array([0.5, None, 2], pa.float32()),
        "bool": pa.array([True, False, None]),
        "bytes": pa.array([b"\xff\x00", None, b""], pa.binary()),
        "word": words,
        "list": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "day": pa.array([0, 1, None], pa.date32()),
        "key": ["x", "y", "z"],
    }
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    fetch(tmp_path / "list.parquet", "--output-format", "parquet")
    got = pq.read_table(tmp_path / "out" / "00000.parquet").to_pydict()
    assert got["url"] == [f"{web.url}/{k}.jpg" for k in range(3)]
    assert got["caption"] == ["one", None, "three"]
    assert got["key"] == ["000000000", "000000001", "000000002"]
    assert got["list_key"] == ["x", "y", "z"]
    for name in "i8", "u32", "i64", "f32", "bool", "bytes":
        assert got[name] == columns[name].to_pylist(), name
    assert got["word"] == ["a", "b", "a"]
    assert got["day"] == ["1970-01-01", "1970-01-02", None]
    assert got["list"][1] is None and "1" in got["list"][0]


def test_which_columns_are_kept(fetch, web, tmp_path):
    rows = [{"link": f"{web.url}/1.jpg", "alt": "x", "a": 1, "b": 2, "c": 3}]
    write_jsonl(tmp_path / "l.jsonl", rows)
    given = ("--url-column", "link", "--text-column", "alt")
    for keep, want in (("b,a", {"a", "b"}), ("", set()), ("zz", {"zz"})):
        fetch(tmp_path / "l.jsonl", *given, "--keep", keep, out=tmp_path / f"o{keep}")
        (row,) = table(tmp_path / f"o{keep}")
        assert {"a", "b", "c", "zz"} & set(row) == want
        assert row["caption"] == "x"


def test_a_column_that_is_not_there_is_bad_usage(fetch, tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("address,text\nx,y\n")
    done = fetch(path, status=2)
    assert "--url-column: no column 'url'" in done.stderr
    assert "address, text" in done.stderr
    for option in "--url-column", "--text-column", "--verify-hash", "--keep":
        done = fetch(path, "--url-column", "address", option, "nö", status=2)
        assert f"{option}: no column 'nö'" in done.stderr
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


def test_a_list_may_come_by_standard_input_by_http_or_in_parts(
    fetch, web, tmp_path, urls
):
    text = urls.read_text()
    fetch("-", out=tmp_path / "a", input=text)
    far = web.put("urls.txt", text.encode())
    fetch(far, out=tmp_path / "b")
    lines = text.splitlines(keepends=True)
    for k in range(3):
        (tmp_path / f"{k}.txt").write_text("".join(lines[4 * k : 4 * k + 4]))
    fetch([tmp_path / f"{k}.txt" for k in range(3)], out=tmp_path / "c")
    assert table(tmp_path / "a") == table(tmp_path / "b") == table(tmp_path / "c")
    assert len(table(tmp_path / "a")) == COUNT
    done = fetch("-", "--input-format", "parquet", status=2, input="")
    assert "standard input" in done.stderr


def test_text_that_is_no_unicode_and_urls_of_any_letters(fetch, web, tmp_path):
    path = tmp_path / "l.csv"
    path.write_bytes(
        b"url,text\n" + f"{web.url}/bild ü.jpg,ü\n".encode() + b"\xff,a\xfe\xc3b\n"
    )
    fetch(path)
    first, second = table(tmp_path / "out")
    assert first["fate"] == "kept"
    assert first["url"].endswith("bild ü.jpg")
    assert second["caption"] == "a\ufffd\ufffdb"
    assert second["fate"] == "bad_url"


def test_an_empty_list_is_no_error(fetch, tmp_path):
    for name, text in ("a.txt", ""), ("b.txt", "\n \n"), ("c.csv", "url\n"):
        (tmp_path / name).write_text(text)
        done = fetch(tmp_path / name)
        assert done.report["rows"] == done.report["shards"] == 0
    write_parquet(tmp_path / "d.parquet", [{"url": "x"}])
    pq.write_table(pq.read_table(tmp_path / "d.parquet")[:0], tmp_path / "e.parquet")
    done = fetch(tmp_path / "e.parquet", out=tmp_path / "other")
    assert done.report["rows"] == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("l.txt", b"x" * 3_000_000, "l.txt, line 1: longer than"),
        ("l.csv", b"url\n" + b'"' * 3_000_001, "l.csv, line 2: "),
        ("l.csv", b"," * 2000 + b"\n", "l.csv, line 1: too many"),
        ("l.csv", b"", "l.csv: empty"),
        ("l.csv", b'url\n"x" y\n', "l.csv, line 2: text behind"),
        ("l.csv", b"url,a\nx,y\nx\n", "l.csv, line 3: 1 fields"),
        ("l.jsonl", b'{"url": 1}\n{"url"\n', "l.jsonl, line 2: "),
        ("l.txt.gz", gzip.compress(b"x" * 99)[:-9], "ends too early"),
        ("l.parquet", b"PAR1 and nothing", "l.parquet: "),
    ],
)
def test_a_broken_list_is_told_by_file_and_line(fetch, tmp_path, name, text, told):
    (tmp_path / name).write_bytes(text)
    done = fetch(tmp_path / name, "--quiet", status=1)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("seed", range(8))
def test_a_parquet_file_with_wrong_bytes_ends_in_rows_or_an_error(
    run_cah, tmp_path, seed
):
    dice = random.Random(seed)
    rows = [{"url": f"no url {k}", "text": "t" * k, "l": [k]} for k in range(200)]
    path = tmp_path / "l.parquet"
    pq.write_table(
        pa.Table.from_pylist(rows), path, compression=dice.choice(["none", "zstd"])
    )
    good = path.read_bytes()
    for _ in range(5):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 5)):
            start = dice.choice([4, len(bad) - 1500])
            bad[dice.randrange(start, len(bad))] = dice.randrange(256)
        path.write_bytes(bad)
        args = ["--out", tmp_path / "out", "--no-sandbox", "--overwrite", "--quiet"]
        done = run_cah("fetch", path, *args)
        assert done.returncode in {0, 1, 2}, done.stderr
        assert done.stderr.count("\n") == (done.returncode != 0)


def test_a_missing_list_is_an_error(fetch, tmp_path):
    for name in "no.txt", "no.parquet":
        assert name in fetch(tmp_path / name, status=1).stderr


def test_a_bomb_of_gzip_is_a_long_line(fetch, tmp_path):
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="w") as file:
        for _ in range(100):
            file.write(bytes(1_000_000))
    (tmp_path / "l.txt").write_bytes(bomb.getvalue())
    assert "line 1: longer than" in fetch(tmp_path / "l.txt", status=1).stderr


def test_rows_that_come_twice(fetch, web, tmp_path):
    path = tmp_path / "l.txt"
    path.write_text(f"{web.url}/1.jpg\n" * 3 + f"{web.url}/2.jpg\n")
    fetch(path, "--shard-size", 3)
    rows = table(tmp_path / "out")
    assert [row["fate"] for row in rows] == ["kept"] * 4
    assert len({row["key"] for row in rows}) == 4
    fetch(path, "--unique-urls", "--shard-size", 3, out=tmp_path / "u")
    rows = table(tmp_path / "u")
    assert [row["fate"] for row in rows] == ["kept"] + ["duplicate"] * 2 + ["kept"]


# ------------------------------------------------------------------- shards


def test_each_kind_of_output(fetch, web, tmp_path):
    path = tmp_path / "l.csv"
    write_csv(path, [{"url": f"{web.url}/{k}.jpg", "text": f"t{k}"} for k in range(15)])
    out = {kind: tmp_path / kind for kind in ("files", "webdataset", "parquet", "none")}
    for kind, folder in out.items():
        done = fetch(path, "--output-format", kind, "--shard-size", 10, out=folder)
        assert done.report["kept"] == COUNT
        assert done.report["fates"]["http_not_found"] == 3
        assert sum(done.report["fates"].values()) == done.report["rows"] == 15
    stats = ["00000_stats.json", "00001_stats.json", "fetch.json"]
    parquet = ["00000.parquet", "00001.parquet"]
    assert names(out["none"]) == stats
    assert names(out["parquet"]) == sorted(stats + parquet)
    assert names(out["webdataset"]) == sorted(
        [*stats, *parquet, "00000.tar", "00001.tar"]
    )
    assert names(out["files"]) == sorted([*stats, *parquet, "00000", "00001"])

    rows = table(out["parquet"])
    pictures = [row.pop("jpg") for row in rows]
    assert rows == table(out["webdataset"]) == table(out["files"])
    assert [row["status"] for row in rows] == ["success"] * COUNT + [
        "failed_to_download"
    ] * 3
    tarred = samples(out["webdataset"])
    assert [s["jpg"] for s in tarred] == [p for p in pictures if p is not None]
    for sample, row in zip(tarred, rows, strict=False):
        key = row["key"]
        folder = out["files"] / key[:5]
        for ending in "jpg", "txt", "json":
            assert (folder / f"{key}.{ending}").read_bytes() == sample[ending]
        assert sample["txt"].decode() == row["caption"]
        with Image.open(io.BytesIO(sample["jpg"])) as image:
            image.load()
            assert image.size == (row["width"], row["height"]) == (256, 256)
        assert (row["original_width"], row["original_height"]) == (300, 200)
    assert len(list((out["files"] / "00000").iterdir())) == 30
    assert len(list((out["files"] / "00001").iterdir())) == 6


def test_what_failed_is_told_by_row(fetch, web, tmp_path):
    paths = ["1.jpg", "none.jpg", "page.html", "cut.jpg", "small.jpg", "long.jpg"]
    lines = [f"{web.url}/{path}" for path in paths]
    lines += ["http://127.0.0.1:1/x.jpg", "ftp://a/b", "http://[", "/relative.jpg"]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    done = fetch(tmp_path / "l.txt", "--min-side", 30, "--max-aspect", 3)
    rows = table(tmp_path / "out")
    assert [row["fate"] for row in rows] == [
        "kept",
        "http_not_found",
        "not_an_image",
        "truncated_image",
        "short_side",
        "aspect_ratio",
        "connect_failed",
        "not_http",
        "bad_url",
        "bad_url",
    ]
    resized = {"not_an_image", "truncated_image", "short_side", "aspect_ratio"}
    for row in rows[1:]:
        at_image = row["fate"] in resized
        want = "failed_to_resize" if at_image else "failed_to_download"
        assert row["status"] == want
        assert row["error_message"]
        assert row["width"] is None
    assert rows[0]["error_message"] is None
    assert [row["http_status"] for row in rows[:3]] == [200, 404, 200]
    stats = json.loads((tmp_path / "out" / "00000_stats.json").read_text())
    assert stats["count"] == 10
    assert stats["successes"] == 1
    assert stats["failed_to_download"] == 5
    assert stats["failed_to_resize"] == 4
    assert stats["status_dict"].pop("success") == 1
    assert sum(stats["status_dict"].values()) == 9
    assert stats["status_dict"]["bad_url"] == 2
    assert {k: v for k, v in done.report["fates"].items() if v} == stats["fates"]
    assert stats["start_time"] <= stats["end_time"] and stats["duration"] > 0


@pytest.mark.parametrize(
    ("args", "size"),
    [
        (("--resize", "no"), (300, 200)),
        (("--resize", "border", "--size", 120), (120, 120)),
        (("--resize", "keep_ratio", "--size", 120), (180, 120)),
        (("--resize", "keep_ratio_largest", "--size", 120), (120, 80)),
        (("--resize", "center_crop", "--size", 120), (120, 120)),
        (("--resize", "keep_ratio", "--size", 400), (600, 400)),
        (("--resize", "keep_ratio", "--size", 400, "--only-if-bigger"), (300, 200)),
        (("--encode-format", "png", "--size", 64), (64, 64)),
        (("--encode-format", "webp", "--size", 64, "--quality", 50), (64, 64)),
    ],
)
def test_sizes_and_formats(fetch, web, tmp_path, args, size):
    (tmp_path / "l.txt").write_text(f"{web.url}/3.jpg\n")
    fetch(tmp_path / "l.txt", *args)
    (row,) = table(tmp_path / "out")
    assert (row["width"], row["height"]) == size
    (sample,) = samples(tmp_path / "out")
    ending = args[1] if "--encode-format" in args else "jpg"
    with Image.open(io.BytesIO(sample[ending])) as image:
        image.load()
        assert image.size == size
        assert image.format == {"jpg": "JPEG"}.get(ending, ending.upper())


@pytest.mark.parametrize(
    "args", [("--no-reencode",), ("--skip-reencode", "--resize", "no")]
)
def test_files_stay_as_they_came(fetch, web, tmp_path, args):
    (tmp_path / "l.txt").write_text(f"{web.url}/3.jpg\n")
    fetch(tmp_path / "l.txt", *args)
    (sample,) = samples(tmp_path / "out")
    assert sample["jpg"] == picture(3)


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha512"])
def test_hashes_are_of_the_file_as_fetched_and_can_be_wanted(
    fetch, web, tmp_path, kind
):
    hashes = [hashlib.new(kind, picture(k)).hexdigest() for k in range(3)]
    rows = [
        {"url": f"{web.url}/{k}.jpg", "wanted": want}
        for k, want in enumerate([hashes[0], hashes[0], hashes[2].upper()])
    ]
    write_csv(tmp_path / "l.csv", rows)
    fetch(tmp_path / "l.csv", "--hash", kind, "--verify-hash", "wanted")
    got = table(tmp_path / "out")
    assert [row["fate"] for row in got] == ["kept", "hash_mismatch", "kept"]
    assert [row[kind] for row in got] == [hashes[0], None, hashes[2]]
    assert got[1]["status"] == "failed_to_download"
    fetch(tmp_path / "l.csv", "--hash", "none", out=tmp_path / "none")
    assert not {"md5", "sha256", "sha512"} & set(table(tmp_path / "none")[0])


def test_exif_and_the_perceptual_hash(fetch, web, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "A Camera"
    web.put("exif.jpg", picture(4, exif=exif.tobytes()))
    (tmp_path / "l.txt").write_text(f"{web.url}/exif.jpg\n{web.url}/4.jpg\n")
    fetch(tmp_path / "l.txt", "--exif", "--phash")
    with_exif, without = table(tmp_path / "out")
    assert "A Camera" in json.loads(with_exif["exif"]).values()
    assert with_exif["phash"] == without["phash"]
    assert len(with_exif["phash"]) == 16 and int(with_exif["phash"], 16)


def test_pictures_are_the_same_without_the_sandbox(fetch, urls, tmp_path):
    fetch(urls, out=tmp_path / "a")
    fetch(urls, "--no-sandbox", "--threads", 3, out=tmp_path / "b")
    assert table(tmp_path / "a") == table(tmp_path / "b")
    pairs = zip(samples(tmp_path / "a"), samples(tmp_path / "b"), strict=True)
    assert all(a["jpg"] == b["jpg"] for a, b in pairs)


def test_profiles_are_followed_within_the_sandbox(fetch, web, tmp_path):
    profile = (ROOT / "tests/fuzz/corpus/image/profile.png").read_bytes()
    web.put("profile.png", profile)
    (tmp_path / "l.txt").write_text(f"{web.url}/profile.png\n")
    shapes = ("--resize", "no", "--encode-format", "png", "--min-side", 1)
    pictures = []
    for n, args in enumerate([(), ("--to-srgb",), ("--to-srgb", "--no-sandbox")]):
        fetch(tmp_path / "l.txt", *shapes, *args, out=tmp_path / str(n))
        (row,) = table(tmp_path / str(n))
        assert row["fate"] == "kept", row
        pictures.append(samples(tmp_path / str(n))[0]["png"])
    plain, there, here = pictures
    assert there == here != plain


# ------------------------------------------------------ stops and goes on


class Gate(http.server.SimpleHTTPRequestHandler):
    """Serves pictures; those from `closed_from` on wait for the gate."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        number = int(self.path.split("/")[-1].split(".")[0])
        if number >= self.server.closed_from:
            self.server.gate.wait(WAIT_SECONDS)
        self.path = f"/{number % COUNT}.jpg"
        super().do_GET()


@pytest.fixture
def gated(web, tmp_path):
    """A site whose pictures from the 25th on are not given until .gate is set; a
    list of 40 of them."""
    handler = functools.partial(Gate, directory=str(web.folder))
    server = BusyServer(("127.0.0.1", 0), handler)
    server.requests = []
    server.closed_from = 25
    server.gate = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    server.list = tmp_path / "gated.txt"
    address = f"http://127.0.0.1:{server.server_address[1]}"
    server.list.write_text("".join(f"{address}/{k}.jpg\n" for k in range(40)))
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stopped(cah, gated, tmp_path):
    """stopped(signal, *args): runs until the first shard is there, then sends the
    signal; returns the exit status."""

    def run(number, *args):
        out = tmp_path / "out"
        command = [cah, "fetch", gated.list, "--out", out, "--shard-size", "10"]
        command += ["--allow-private-addresses", "--quiet", *args]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + WAIT_SECONDS
        while not (out / "00001_stats.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        return process.wait(WAIT_SECONDS)

    return run


def leftovers(folder):
    return [name for name in names(folder) if ".tmp." in name]


@pytest.mark.parametrize("kind", ["webdataset", "files", "parquet", "none"])
def test_goes_on_after_a_kill(fetch, gated, stopped, tmp_path, kind):
    args = ("--output-format", kind)
    assert stopped(signal.SIGKILL, *args) == -signal.SIGKILL
    out = tmp_path / "out"
    before = {p: p.stat().st_mtime_ns for p in out.glob("*_stats.json")}
    assert {p.name for p in before} >= {"00001_stats.json"}
    assert len(before) < 4
    gated.gate.set()
    gated.requests.clear()
    done = fetch(gated.list, "--shard-size", 10, *args)
    assert done.report["shards_skipped"] == len(before)
    assert done.report["rows_skipped"] == 10 * len(before)
    assert done.report["kept"] == 40 - 10 * len(before)
    assert all(p.stat().st_mtime_ns == then for p, then in before.items())
    asked = {int(path.split("/")[-1].split(".")[0]) // 10 for path in gated.requests}
    assert asked == set(range(4)) - {int(p.name[:5]) for p in before}
    assert leftovers(out) == []
    fetch(gated.list, "--shard-size", 10, *args, out=tmp_path / "at-once")
    assert names(out) == names(tmp_path / "at-once")
    assert table(out) == table(tmp_path / "at-once")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_cleanly(fetch, gated, stopped, tmp_path, number):
    assert stopped(number) == 130
    out = tmp_path / "out"
    assert leftovers(out) == []
    whole = {name[:5] for name in names(out) if name.endswith("_stats.json")}
    for ending in ".tar", ".parquet":
        assert {n[:5] for n in names(out) if n.endswith(ending)} == whole
    gated.gate.set()
    done = fetch(gated.list, "--shard-size", 10)
    assert done.report["shards_skipped"] == len(whole)
    assert len(table(out)) == 40


def test_a_whole_folder_is_left_alone(fetch, urls, web, tmp_path):
    fetch(urls, "--shard-size", 5)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("0*")}
    asked = len(web.requests)
    renamed = tmp_path / "renamed.csv"
    renamed.write_text("url\n" + urls.read_text())
    done = fetch(renamed, "--shard-size", 5)
    assert done.report["shards"] == 0 and done.report["shards_skipped"] == 3
    assert len(web.requests) == asked
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("0*")}


def test_a_shard_that_lost_a_file_is_made_anew(fetch, urls, tmp_path):
    fetch(urls, "--shard-size", 5)
    (tmp_path / "out" / "00001.tar").unlink()
    (tmp_path / "out" / "00002_stats.json").write_text("{")
    done = fetch(urls, "--shard-size", 5)
    assert done.report["shards"] == 2 and done.report["shards_skipped"] == 1
    assert len(samples(tmp_path / "out")) == COUNT


def test_a_folder_of_other_things_is_refused(fetch, urls, web, tmp_path):
    out = tmp_path / "out"
    (out / "keep").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    fetch(urls, "--shard-size", 5)
    done = fetch(urls, "--shard-size", 5, "--size", 128, status=2)
    assert "size was 256 and is 128 now" in done.stderr
    done = fetch(urls, "--shard-size", 6, status=2)
    assert "shard-size was 5 and is 6 now" in done.stderr
    done = fetch(urls, "--shard-size", 5, "--no-resume", status=2)
    assert "--no-resume" in done.stderr
    lines = urls.read_text().splitlines()
    other = tmp_path / "other.txt"
    for changed in (lines[::-1], lines[:7], [*lines, lines[0]], lines[:5]):
        other.write_text("\n".join(changed))
        done = fetch(other, "--shard-size", 5, status=2)
        assert "shard 0000" in done.stderr and "--overwrite" in done.stderr
    assert len(table(out)) == COUNT
    other.write_text("\n".join(lines[:4]))
    done = fetch(other, "--size", 64, "--overwrite")
    assert done.report["kept"] == len(table(out)) == 4
    assert names(out) == [
        "00000.parquet",
        "00000.tar",
        "00000_stats.json",
        "fetch.json",
        "keep",
        "notes.txt",
    ]


def test_one_process_at_a_time_has_the_folder(fetch, urls, tmp_path):
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out" / ".fetch.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another cah fetch" in fetch(urls, status=1).stderr
    fetch(urls)


@pytest.mark.parametrize("kind", ["webdataset", "files", "parquet"])
def test_a_full_disk_leaves_nothing_half(fetch, urls, tmp_path, kind):
    """A limit on the size of files, for the test: writes fail the same way."""

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    args = ("--output-format", kind, "--no-sandbox", "--quiet")
    done = fetch(urls, *args, status=1, preexec_fn=small_files)
    assert "shard 00000" in done.stderr or "cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert names(tmp_path / "out") == ["fetch.json"]
    assert fetch(urls, *args).report["kept"] == COUNT


def test_a_folder_that_cannot_be_made_is_an_error(fetch, urls, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in fetch(urls, out=tmp_path / "file" / "out", status=1).stderr


def test_a_machine_without_a_network_makes_no_shards(fetch, tmp_path):
    (tmp_path / "l.txt").write_text("http://127.0.0.1:1/x.jpg\n" * 120)
    done = fetch(tmp_path / "l.txt", status=1)
    assert "network" in done.stderr
    assert names(tmp_path / "out") == ["fetch.json"]


@pytest.mark.parametrize(
    "args",
    [
        ("--resize", "grow"),
        ("--output-format", "tfrecord"),
        ("--input-format", "xml"),
        ("--encode-format", "gif"),
        ("--hash", "crc32"),
        ("--shrink-filter", "area"),
        ("--shard-size", "0"),
        ("--quality", "101"),
        ("--encode-format", "png", "--quality", "80"),
        ("--max-aspect", "0.5"),
        ("--verify-hash", "x", "--hash", "none"),
        ("--overwrite", "--no-resume"),
        ("--out", "s3://bucket/x"),
    ],
)
def test_bad_usage_is_told_in_a_line(fetch, urls, tmp_path, args):
    done = fetch(urls, *args, status=2)
    assert done.stderr.startswith("cah fetch: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_list_or_no_folder_is_bad_usage(run_cah, urls):
    assert run_cah("fetch").returncode == 2
    done = run_cah("fetch", urls)
    assert done.returncode == 2 and "--out is missing" in done.stderr


def test_what_is_said_on_the_way(run_cah, urls, tmp_path):
    args = ["fetch", urls, "--allow-private-addresses", "--shard-size", 5, "--out"]
    done = run_cah(*args, tmp_path / "a", check=True)
    assert done.stdout == ""
    assert done.stderr.count("shard 0000") == 3
    assert f"{COUNT} rows, {COUNT} kept" in done.stderr.splitlines()[-1]
    done = run_cah(*args, tmp_path / "b", "--quiet", check=True)
    assert done.stdout == done.stderr == ""
    done = run_cah(*args, tmp_path / "c", "--json", check=True)
    assert all(json.loads(line)["msg"] for line in done.stderr.splitlines())
    report = json.loads(done.stdout)
    assert report["rows"] == report["kept"] == COUNT
    assert report["shards"] == 3 and report["cpu_seconds"] > 0


def test_a_terminal_gets_a_progress_line(cah, gated, tmp_path):
    near, far = os.openpty()
    process = subprocess.Popen(
        [cah, "fetch", gated.list, "--out", tmp_path / "out", "--shard-size", "10"]
        + ["--allow-private-addresses"],
        stderr=far,
    )
    os.close(far)
    said = b""
    while b"rows, " not in said or b" left, " not in said:
        said += os.read(near, 4096)
    gated.gate.set()
    try:
        while chunk := os.read(near, 4096):
            said += chunk
    except OSError:  # the other end is closed
        pass
    os.close(near)
    assert process.wait(WAIT_SECONDS) == 0
    assert b"40 rows, 40 kept" in said
