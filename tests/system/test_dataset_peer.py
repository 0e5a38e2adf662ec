"""A shard as those see it who use it: pyarrow, numpy, webdataset, json."""

import hashlib
import json
import random
import resource
import signal
import subprocess
import tarfile

import numpy as np
import pyarrow.parquet
import pytest
import webdataset
from conftest import BUILD

PEER = BUILD / "tests" / "peer" / "dataset_peer"
COLUMNS = {
    "SAMPLE_ID": "int64",
    "URL": "string",
    "TEXT": "string",
    "HEIGHT": "int32",
    "WIDTH": "int32",
    "LICENSE": "string",
    "NSFW": "string",
    "similarity": "double",
    "language": "string",
    "md5": "string",
    "page_url": "string",
}
TEXTS = [
    "",
    'He said "no" \\ and left',
    "猫と犬 🐈 — a cat",
    "tab\tand\nnew line\x01",
    "مرحبا بالعالم",
    "a\u2028b",
    "long " * 2000,
    "NUL \0 inside",
]
DIMENSION = 6


def make_pairs(folder, count):
    rng = random.Random(5)
    images = []
    for i in range(7):
        image = folder / f"{i}.image"
        image.write_bytes(rng.randbytes(rng.randint(0, 2000)))
        images.append(image)
    pairs = []
    for i in range(count):
        url = f"https://example.org/ü/{i}.jpg?q='{i}'"
        text = TEXTS[i % len(TEXTS)]
        pairs.append(
            {
                "SAMPLE_ID": 8_569_337_500_000 + i,
                "URL": url,
                "TEXT": text,
                "HEIGHT": rng.randint(1, 65535),
                "WIDTH": rng.randint(1, 65535),
                "LICENSE": rng.choice(
                    ["?", "https://creativecommons.org/licenses/by/4.0/"]
                ),
                "NSFW": "UNSURE",
                "similarity": rng.random(),
                "language": "en",
                "md5": hashlib.md5((url + text).encode()).hexdigest(),
                "page_url": f"https://example.org/{i // 3}",
                "image": str(images[i % len(images)]),
                "image_embedding": [rng.gauss(0, 0.1) for _ in range(DIMENSION)],
                "text_embedding": [rng.gauss(0, 1e-6) for _ in range(DIMENSION)],
            }
        )
    return pairs


def write(folder, name, pairs, dimension=DIMENSION, tar="tar", **options):
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    return subprocess.run(
        [PEER, folder, name, str(dimension), tar],
        check=False,
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def whole(name):
    return sorted(
        [
            f"{name}.parquet",
            f"{name}.stats.json",
            f"{name}.tar",
            f"img_emb_{name}.npy",
            f"text_emb_{name}.npy",
        ]
    )


@pytest.fixture
def pairs(tmp_path):
    return make_pairs(tmp_path, 2000)


@pytest.fixture
def shard(tmp_path, pairs):
    folder = tmp_path / "deep" / "out"
    done = write(folder, "00001-0", pairs)
    assert done.returncode == 0, done.stderr
    return folder


def test_parquet_has_every_value(shard, pairs):
    file = pyarrow.parquet.ParquetFile(shard / "00001-0.parquet")
    types = {f.name: str(f.type) for f in file.schema_arrow}
    assert list(types.items()) == list(COLUMNS.items())
    assert file.metadata.created_by.startswith("cah ")
    assert b"cah.version" in file.metadata.metadata
    rows = file.read().to_pylist()
    assert rows == [{key: pair[key] for key in COLUMNS} for pair in pairs]


def test_parquet_of_many_rows_has_groups(tmp_path):
    pairs = make_pairs(tmp_path, 40)
    many = [{**pairs[i % 40], "TEXT": "x", "SAMPLE_ID": i} for i in range(20001)]
    assert write(tmp_path / "out", "n", many, 0, "-").returncode == 0
    assert names(tmp_path / "out") == ["n.parquet", "n.stats.json"]
    file = pyarrow.parquet.ParquetFile(tmp_path / "out" / "n.parquet")
    groups = [
        file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)
    ]
    assert groups == [10000, 10000, 1]
    assert file.read()["SAMPLE_ID"].to_pylist() == list(range(20001))


def test_embeddings_are_the_same_rows(shard, pairs):
    for name, key in (("img", "image"), ("text", "text")):
        array = np.load(shard / f"{name}_emb_00001-0.npy", mmap_mode="r")
        want = np.asarray([pair[f"{key}_embedding"] for pair in pairs])
        want = want.astype(np.float32).astype(np.float16)
        assert array.dtype == np.float16
        assert array.shape == want.shape
        assert (array == want).all()


def test_half_precision_rounds_as_numpy(tmp_path):
    """Every half, its neighbours and the ties between them, and what lies out."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2
    values = np.concatenate(
        [
            halves,
            ties,
            np.nextafter(ties, np.float32(np.inf)),
            np.nextafter(ties, np.float32(-np.inf)),
            np.float32([65519.996, 65520, 1e38, -1e38, 1e-40, 2**-25, 2**-26]),
        ]
    )
    values = np.resize(values, (-(-values.size // 1000), 1000))
    pair = make_pairs(tmp_path, 1)[0]
    rows = [
        {**pair, "image_embedding": row, "text_embedding": row}
        for row in values.astype(float).tolist()
    ]
    done = write(tmp_path / "out", "h", rows, 1000, "-")
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "out" / "img_emb_h.npy")
    with np.errstate(over="ignore"):
        want = values.astype(np.float16)
    assert (got.view(np.uint16) == want.view(np.uint16)).all()


def test_webdataset_reads_the_tar(shard, pairs):
    samples = list(
        webdataset.WebDataset(
            str(shard / "00001-0.tar"), shardshuffle=False, empty_check=False
        )
    )
    assert len(samples) == len(pairs)
    for sample, pair in zip(samples, pairs, strict=True):
        key = f"{pair['SAMPLE_ID']:013}"
        assert sample["__key__"] == key
        with open(pair["image"], "rb") as image:
            assert sample["jpg"] == image.read()
        assert sample["txt"].decode() == pair["TEXT"]
        assert json.loads(sample["json"]) == {
            "key": key,
            **{column: pair[column] for column in COLUMNS},
        }


def test_equal_input_makes_an_equal_tar(shard, pairs, tmp_path):
    assert write(tmp_path / "again", "x", pairs).returncode == 0
    again = (tmp_path / "again" / "x.tar").read_bytes()
    assert again == (shard / "00001-0.tar").read_bytes()
    with tarfile.open(shard / "00001-0.tar") as tar:
        assert {(m.mtime, m.uid, m.mode) for m in tar} == {(0, 0, 0o644)}


def test_stats_have_every_fate(shard, pairs):
    text = (shard / "00001-0.stats.json").read_text()
    stats = json.loads(text)
    assert text.startswith('{\n  "name": "00001-0",\n')
    assert stats["pairs"] == stats["fates"]["kept"] == len(pairs)
    assert stats["candidates"] == sum(stats["fates"].values()) == len(pairs) + 7
    assert stats["threshold"] == 0.3
    assert len(stats["fates"]) > 30
    assert names(shard) == whole("00001-0")


def test_a_shard_of_no_pairs_is_whole(tmp_path):
    assert write(tmp_path / "out", "none", []).returncode == 0
    folder = tmp_path / "out"
    assert names(folder) == whole("none")
    table = pyarrow.parquet.read_table(folder / "none.parquet")
    assert table.num_rows == 0
    assert table.column_names == list(COLUMNS)
    assert np.load(folder / "img_emb_none.npy").shape == (0, DIMENSION)
    with tarfile.open(folder / "none.tar") as tar:
        assert tar.getnames() == []


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path, pairs):
    folder = tmp_path / "out"
    process = subprocess.Popen(
        [PEER, folder, "k", str(DIMENSION), "tar", "stop"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("".join(json.dumps(p) + "\n" for p in pairs[:500]))
    process.stdin.close()
    said = [process.stdout.readline() for _ in range(501)]
    assert said == ["added\n"] * 500 + ["waiting\n"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = names(folder)
    assert len(left) == 5
    assert all(".tmp." in name for name in left)

    # Of another shard, and of a writer that lives: init's.
    (folder / "kk.tar.tmp.999999999.0").write_bytes(b"")
    (folder / "k.tar.tmp.1.0").write_bytes(b"")
    assert write(folder, "k", pairs[:3]).returncode == 0
    assert names(folder) == sorted(
        [*whole("k"), "k.tar.tmp.1.0", "kk.tar.tmp.999999999.0"]
    )


def test_a_second_shard_of_the_name_takes_the_place_of_the_first(tmp_path, pairs):
    folder = tmp_path / "out"
    assert write(folder, "s", pairs[:10]).returncode == 0
    assert write(folder, "s", pairs[:2], 0, "-").returncode == 0
    assert names(folder) == ["s.parquet", "s.stats.json"]
    assert json.loads((folder / "s.stats.json").read_text())["pairs"] == 2


@pytest.mark.parametrize("limit", [0, 100, 20_000, 300_000])
@pytest.mark.parametrize("tar", ["tar", "-"])
def test_a_full_disk_leaves_nothing(tmp_path, pairs, limit, tar):
    """A limit on the size of files, for the test: writes fail the same way."""

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = write(tmp_path / "out", "f", pairs, tar=tar, preexec_fn=small_files)
    if done.returncode == 0:
        assert (tar, limit) == ("-", 300_000)  # all of it fits
        return
    assert done.stderr.startswith("shard f: "), done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", ".hidden", "-n", "a b", "é", "x" * 201]
)
def test_names_that_are_none_are_refused(tmp_path, name):
    done = write(tmp_path / "out", name, [])
    assert done.returncode == 1
    assert done.stderr.startswith("shard name")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = write(tmp_path / "file" / "out", "n", [])
    assert done.returncode == 1
    assert "file" in done.stderr
