"""cah jobs export: the book as a table that other programs read."""

import csv
import io
import json
import resource
import subprocess

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from calls import finish, prepare_gpu_job, take
from conftest import store_uri

COLUMNS = [
    *("number", "url", "piece", "start_id", "end_id", "state", "pairs"),
    *("holder", "made_by", "done_by", "gpu_url"),
]
NUMBERS = {"number", "piece", "start_id", "end_id", "pairs"}
HARD_NAMES = [
    'Ann, "the quick"',
    " blanks around ",
    "=1+2",
    "\u00e4\u65e5\u672c\U0001f600",
]


@pytest.fixture
def busy(tracker):
    """A tracker that runs, with jobs in every state and names that are hard."""
    for pairs, name in enumerate(HARD_NAMES):
        worker = tracker.new_worker(nickname=name)
        take(tracker, worker)
        assert finish(tracker, worker, count=pairs).status == 200
    take(tracker, tracker.new_worker())
    prepare_gpu_job(tracker, 'http://store.test/a,"b".tar')
    take(tracker, tracker.new_worker("GPU"), "GPU")
    prepare_gpu_job(tracker)
    return tracker


@pytest.fixture
def export(busy, run_cah):
    """export(ARGS...) -> what it printed, of the busy tracker's book."""

    def run(*args):
        store = f"sqlite:{busy.store}"
        return run_cah("jobs", "export", *args, "--store", store, check=True).stdout

    return run


@pytest.fixture
def rows(busy, run_cah):
    """The book as `cah jobs list` has it."""
    store = ["--store", f"sqlite:{busy.store}"]
    done = run_cah("jobs", "list", "--json", "--limit", "99", *store, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["state"] for row in rows} == {
        *("open", "leased", "gpu_open", "gpu_leased", "done")
    }
    return rows


def read_csv(text):
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    for row in rows:
        row.update({key: int(row[key]) for key in NUMBERS})
    return rows


def test_python_reads_the_csv(export, rows):
    text = export()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert read_csv(text) == [{c: row[c] for c in COLUMNS} for row in rows]


def test_arrow_reads_the_csv(export, rows, tmp_path):
    export(tmp_path / "jobs.csv")
    table = pyarrow.csv.read_csv(tmp_path / "jobs.csv")
    assert table.column_names == COLUMNS
    assert table["url"].to_pylist() == [row["url"] for row in rows]
    assert table["done_by"].to_pylist() == [row["done_by"] for row in rows]


def test_arrow_reads_the_parquet(export, rows, tmp_path):
    path = tmp_path / "jobs.parquet"
    assert export(path) == f"{path} has 20 jobs\n"
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == COLUMNS
    for field in table.schema:
        text = pyarrow.string()
        whole = pyarrow.int32() if field.name == "piece" else pyarrow.int64()
        assert field.type == (whole if field.name in NUMBERS else text)
        assert not field.nullable
    assert table.to_pylist() == [{c: row[c] for c in COLUMNS} for row in rows]


def test_a_pipe_takes_what_a_file_takes(busy, export, cah, tmp_path):
    store = f"sqlite:{busy.store}"
    for name in ["csv", "parquet"]:
        export(tmp_path / f"jobs.{name}")
        call = [cah, "jobs", "export", "--format", name, "--store", store]
        done = subprocess.run(call, capture_output=True, check=True)
        assert done.stdout == (tmp_path / f"jobs.{name}").read_bytes()
        assert done.stderr == b""


def test_the_format_is_the_options_else_the_names(export, tmp_path):
    export(tmp_path / "a.CSV")
    assert (tmp_path / "a.CSV").read_bytes().startswith(b"number,")
    export(tmp_path / "b.csv", "--format", "parquet", "--quiet")
    assert pyarrow.parquet.read_table(tmp_path / "b.csv").num_rows == 20
    assert export("-") == export("--format", "csv") == export()


def test_one_state_alone(export, rows):
    got = read_csv(export("--state", "done"))
    assert [row["number"] for row in got] == [
        row["number"] for row in rows if row["state"] == "done"
    ]
    assert got != []


def test_the_report_as_json(export, tmp_path):
    path = tmp_path / "jobs.csv"
    assert json.loads(export(path, "--json")) == {"file": str(path), "jobs": 20}
    assert export(path, "--quiet") == ""


@pytest.mark.parametrize(
    "args",
    [
        ["a.xlsx"],
        ["csv"],
        ["a.csv", "b.csv"],
        ["--format", "xml"],
        ["--json"],
        ["a.csv", "--state", "closed"],
    ],
)
def test_bad_usage_is_one_line_and_2(run_cah, import_jobs, tmp_path, args):
    import_jobs(1)
    store = ["--store", f"sqlite:{tmp_path}/tracker.db"]
    done = run_cah("jobs", "export", *args, *store, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.csv*"))


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.parquet"])
def test_a_disk_that_is_full_leaves_the_file_of_before(
    run_cah, import_jobs, tmp_path, name
):
    store = import_jobs(5000)
    (tmp_path / name).write_text("of before")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = run_cah(
        *("jobs", "export", tmp_path / name, "--store", f"sqlite:{store}"),
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr
    assert (tmp_path / name).read_text() == "of before"
    assert list(tmp_path.glob("jobs.*")) == [tmp_path / name]


def test_the_table_is_of_one_moment(import_jobs, start_tracker, secret, cah):
    """A reader that waits after the first page meets no later change."""
    store = import_jobs(10_000)
    tracker = start_tracker("--admin-token-file", secret, "--quiet")
    process = subprocess.Popen(
        [cah, "jobs", "export", "--store", f"sqlite:{store}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    head = process.stdout.read(1000)
    body = {
        "password": secret.read_text().strip(),
        "shards": [20_000],
        "count": 7,
        "nickname": "later",
    }
    assert tracker.post("/custom/markasdone", body).status == 200
    rows = read_csv(head + process.communicate()[0])
    assert process.returncode == 0
    assert [row["number"] for row in rows] == list(range(1, 20_001))
    assert {row["state"] for row in rows} == {"open"}


def test_who_has_seen_enough_is_told_nothing(import_jobs, cah):
    store = import_jobs(10_000)
    process = subprocess.Popen(
        [cah, "jobs", "export", "--store", f"sqlite:{store}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()


def test_a_book_in_postgresql_gives_the_same_table(
    import_jobs, postgres, run_cah, tmp_path
):
    """More than a page of it, and what a second store calls the same."""
    tables = []
    for store in [postgres, tmp_path / "tracker.db"]:
        import_jobs(1200, store=store)
        call = ["jobs", "export", "--store", store_uri(store)]
        tables.append(run_cah(*call, check=True).stdout)
    assert tables[0] == tables[1]
    assert len(read_csv(tables[0])) == 2400
