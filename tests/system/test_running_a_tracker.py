"""The back-up sections of docs/running-a-tracker.md, command by command, while a
tracker works."""

import os
import re
import subprocess
import urllib.parse

import pytest
from calls import finish, jobs, take
from test_conventions import read, section
from test_jobs_backup import Load, check

PAGE = "docs/running-a-tracker.md"


def commands(heading):
    """The lines of the section's blocks of code."""
    lines = re.findall(r"^    (.*)$", section(PAGE, heading), re.MULTILINE)
    assert lines
    return lines


@pytest.fixture
def organiser(cah, tmp_path):
    """organiser(TRACKER, ENV) -> run(LINE): what a line does on a machine whose
    folders are in the test's."""

    def of(tracker, env=None):
        user = subprocess.run(
            ["id", "-un"], check=True, capture_output=True, text=True
        ).stdout.strip()
        places = {
            "/var/lib/cah": str(tmp_path / "lib"),
            "/backup": str(tmp_path / "backup"),
            "cah:cah": f"{user}:",
        }

        def run(line):
            if line == "systemctl stop cah-tracker":
                assert tracker.stop() == 0
                return
            if line == "systemctl start cah-tracker":
                tracker.start()
                return
            for old, new in places.items():
                line = line.replace(old, new)
            done = subprocess.run(
                ["bash", "-euc", line],
                check=False,
                capture_output=True,
                text=True,
                env={
                    **os.environ,
                    "PATH": f"{os.path.dirname(cah)}:{os.environ['PATH']}",
                    **(env or {}),
                },
            )
            assert done.returncode == 0, (line, done.stderr)

        return run

    (tmp_path / "lib").mkdir()
    (tmp_path / "backup").mkdir()
    return of


def split(lines):
    """Those of the back-up, and those of the restore."""
    at = lines.index("systemctl stop cah-tracker")
    assert lines[-1] == "systemctl start cah-tracker"
    return lines[:at], lines[at:]


def try_it(tracker, heading, run):
    """As the page says: who is in the copy goes on, who came later begins anew."""
    back_up, restore = split(commands(heading))
    early = tracker.new_worker(nickname="early")
    take(tracker, early)
    with Load(tracker) as load:
        for line in back_up:
            run(line)
    late = tracker.new_worker(nickname="late")
    take(tracker, late)
    for line in restore:
        run(line)
    done = jobs(tracker)["done"]
    assert done <= sum(load.done)
    assert finish(tracker, early, count=5).status == 200
    assert finish(tracker, late, count=5).status == 404
    with Load(tracker) as load:
        pass
    assert jobs(tracker)["done"] == done + 1 + sum(load.done)


def test_sqlite(import_jobs, start_tracker, organiser, run_cah, tmp_path):
    store = import_jobs(2000, store=tmp_path / "lib" / "cah.db")
    tracker = start_tracker("--quiet", store=store)
    try_it(tracker, "Back-up and restore: SQLite", organiser(tracker))
    check(store, run_cah)
    check(tmp_path / "backup" / "cah.db", run_cah)


def test_postgresql(postgres_cluster, start_tracker, import_jobs, organiser, tmp_path):
    cluster = postgres_cluster
    cluster.sql("CREATE DATABASE cah OWNER cah")
    uri = cluster.uri("cah")
    import_jobs(500, store=uri)
    tracker = start_tracker("--quiet", store=uri)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)
    env = {
        "PGHOST": query["host"][0],
        "PGUSER": "cah",
        "PATH": f"{cluster.programs}:{os.environ['PATH']}",
    }
    try_it(tracker, "Back-up and restore: PostgreSQL", organiser(tracker, env))
    assert cluster.sql("SELECT count(*) FROM jobs", uri) == "1000"
    tracker.stop()
    cluster.sql("DROP DATABASE cah")


def test_the_page_tells_what_to_do_about_every_alert():
    alerts = re.findall(r"- alert: (\w+)", read("deploy/alerts.yml"))
    told = set(re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", section(PAGE, "Watching it")))
    assert set(alerts) <= told


def test_the_pages_settings_are_options(run_cah):
    told = run_cah("tracker", "--help", check=True).stdout
    names = re.findall(r"^    CAH_([A-Z_]+)=", read(PAGE), re.MULTILINE)
    assert names
    for name in names:
        assert f"--{name.lower().replace('_', '-')} " in told
