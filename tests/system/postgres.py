"""A PostgreSQL server of its own for tests, in a temporary folder, reached by a
socket there and by nothing else.

As a program: runs `postgres.py PROGRAM ARGS...` beside such a server, with
CAH_TEST_POSTGRES in the environment, the URI of an empty database.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_SECONDS = 60
STOP_SECONDS = 30
# Durable as in earnest; small, so that many may run beside each other.
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = on
shared_buffers = 32MB
max_connections = 50
wal_level = minimal
max_wal_senders = 0
logging_collector = off
"""


def unprivileged():
    """Who runs the server, for Popen: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("no user to run PostgreSQL as")


class Cluster:
    """`start()` and `stop()` or `kill()` may follow each other."""

    def __init__(self):
        programs = subprocess.run(
            ["pg_config", "--bindir"], check=True, capture_output=True, text=True
        )
        self.programs = pathlib.Path(programs.stdout.strip())
        self.who = unprivileged()
        # Not pytest's folder: a socket's path is short, and others may not enter.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cah-pg-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        if self.who:
            for path in (self.folder, self.data):
                os.chown(path, self.who["user"], self.who["group"])
        self.process = None
        self.made = 0
        self.run(
            self.programs / "initdb",
            *("--pgdata", self.data, "--no-sync", "--auth=trust"),
            *("--username=cah", "--encoding=UTF8", "--locale=C.UTF-8"),
        )
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(SETTINGS.format(folder=self.folder))

    def run(self, *command):
        done = subprocess.run(
            list(map(str, command)),
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **self.who,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                # Whoever started it may be killed: it ends with them.
                [
                    *("setpriv", "--pdeathsig", "QUIT"),
                    *(self.programs / "postgres", "-D", self.data),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **self.who,
            )
        deadline = time.monotonic() + START_SECONDS
        ready = [
            self.programs / "pg_isready",
            "-q",
            "-h",
            self.folder,
            "-U",
            "cah",
            "-d",
            "postgres",
        ]
        while subprocess.run(ready, check=False).returncode != 0:
            said = (self.folder / "log").read_text()
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        return self

    def end(self, how):
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(STOP_SECONDS)
        self.process = None

    def stop(self):
        """In order; clients are told so."""
        self.end(signal.SIGINT)

    def kill(self):
        """At once, as by a power cut; the next start recovers."""
        self.end(signal.SIGQUIT)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder)

    def uri(self, database="postgres"):
        return f"postgresql://cah@/{database}?host={self.folder}"

    def sql(self, text, uri=None):
        """What psql says to `text`: rows of values, | between them."""
        return self.run(
            *(self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
            *("-c", text, uri or self.uri()),
        ).strip()

    def new_database(self):
        """The URI of an empty one."""
        self.made += 1
        self.sql(f"CREATE DATABASE book{self.made}")
        return self.uri(f"book{self.made}")


def main():
    cluster = Cluster()
    try:
        cluster.start()
        env = {**os.environ, "CAH_TEST_POSTGRES": cluster.uri()}
        return subprocess.run(sys.argv[1:], check=False, env=env).returncode
    finally:
        cluster.remove()


if __name__ == "__main__":
    # An end from outside is an exception, so that the server ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
