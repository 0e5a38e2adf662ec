"""tools/install-deps, in a copy of it among programs that only say what they were
asked to do: nothing is installed, whoever runs the tests."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT

FAKE = """#!/bin/sh
echo "{name} $*" >>"$SAID"
{body}
"""
# Everything is installed but what $MISSING names.
QUERY = """for last; do :; done
case " $MISSING " in *" $last "*) exit 1 ;; esac
printf installed"""


class Machine:
    """A checkout with its .venv, and the programs that the script calls."""

    def __init__(self, folder):
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.log = folder / "said"
        self.checkout.mkdir()
        self.bin.mkdir()
        tools = self.checkout / "tools"
        tools.mkdir()
        shutil.copy(ROOT / "tools" / "install-deps", tools)
        for path in (ROOT / "tools").glob("requirements*.txt"):
            shutil.copy(path, tools)
        self.put("dpkg-query", QUERY)
        self.put("apt-get", "exit ${APT_STATUS:-0}")
        self.set_user(1000)
        venv = self.checkout / ".venv" / "bin"
        venv.mkdir(parents=True)
        self.put("python", "", venv)
        self.put("pip", "exit ${PIP_STATUS:-0}", venv)

    def put(self, name, body, folder=None):
        path = (folder or self.bin) / name
        path.write_text(FAKE.format(name=name, body=body))
        path.chmod(0o755)

    def set_user(self, number, sudo=False):
        self.put("id", f"echo {number}")
        # With no password, or wanting one.
        self.put(
            "sudo", 'case $1 in -n) exit 0 ;; esac; exec "$@"' if sudo else "exit 1"
        )

    def run(self, **env):
        self.log.write_text("")
        return subprocess.run(
            [self.checkout / "tools" / "install-deps"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "SAID": str(self.log),
                **env,
            },
        )

    def said(self, name):
        """The arguments of each call of a program, in order."""
        lines = self.log.read_text().splitlines()
        return [
            line.removeprefix(name + " ") for line in lines if line.split()[0] == name
        ]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def complete(machine):
    """Where everything has been installed once."""
    assert machine.run().returncode == 0
    return machine


def test_says_nothing_and_does_nothing_when_nothing_is_missing(complete):
    done = complete.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert complete.said("apt-get") == complete.said("pip") == []


def test_tells_who_may_not_install_what_to_type(complete):
    done = complete.run(MISSING="libunbound-dev shellcheck")
    assert done.returncode == 1
    assert done.stdout == ""
    what, how = done.stderr.splitlines()
    assert what.startswith("tools/install-deps: these Debian packages are missing")
    assert how == "  sudo apt-get install shellcheck libunbound-dev"
    assert complete.said("apt-get") == complete.said("pip") == []


def test_no_sudo_is_as_one_that_is_refused(complete):
    (complete.bin / "sudo").write_text("#!/bin/sh\nexit 127\n")
    done = complete.run(MISSING="gcc")
    assert done.returncode == 1
    assert done.stderr.endswith("  sudo apt-get install gcc\n")


@pytest.mark.parametrize("by_sudo", [False, True])
def test_installs_what_is_missing_and_only_that(complete, by_sudo):
    complete.set_user(1000 if by_sudo else 0, sudo=by_sudo)
    done = complete.run(MISSING="libunbound-dev shellcheck")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "installing Debian packages: shellcheck libunbound-dev\n"
    update, install = complete.said("apt-get")
    assert update.startswith("update")
    assert install.startswith("install -y")
    assert install.endswith(" shellcheck libunbound-dev")
    assert bool(complete.said("sudo")) == by_sudo


def test_apt_that_fails_is_a_failure(complete):
    complete.set_user(0)
    assert complete.run(MISSING="gcc", APT_STATUS="100").returncode != 0


def test_wheels_are_installed_anew_when_a_list_has_changed(complete):
    with (complete.checkout / "tools" / "requirements.txt").open("a") as requirements:
        requirements.write("another==1.0\n")
    done = complete.run()
    assert (done.returncode, done.stdout) == (
        0,
        "installing Python wheels into .venv\n",
    )
    lists = [line.split(" -r ")[1] for line in complete.said("pip")]
    assert sorted(lists) == [
        "tools/requirements-demo.txt",
        "tools/requirements-peers.txt",
        "tools/requirements.txt",
    ]
    assert complete.run().stdout == ""


def test_wheels_that_failed_are_tried_again(complete):
    (complete.checkout / ".venv" / "requirements.installed").unlink()
    assert complete.run(PIP_STATUS="1").returncode != 0
    done = complete.run()
    assert (done.returncode, done.stdout) == (
        0,
        "installing Python wheels into .venv\n",
    )
