"""What `make install` leaves works without the checkout's virtual environment."""

import json
import os
import subprocess

import pytest
from conftest import BUILD


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that stands for /, and the prefix in it."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    options = json.loads(
        subprocess.check_output(
            ["meson", "introspect", "--buildoptions", BUILD], timeout=60
        )
    )
    values = {o["name"]: o["value"] for o in options}
    prefix = root / values["prefix"].lstrip("/")
    return prefix, prefix / values["libdir"]


@pytest.fixture(scope="module")
def env(installed):
    """As the run path would have it, were the prefix where it says."""
    return {**os.environ, "LD_LIBRARY_PATH": str(installed[1] / "cah")}


def test_the_wheels_libraries_come_along(installed, env):
    prefix, libdir = installed
    said = subprocess.check_output(
        ["ldd", prefix / "bin" / "cah"], env=env, text=True, timeout=60
    )
    found = dict(
        line.split("=>") for line in said.replace(" ", "").splitlines() if "=>" in line
    )
    wheels = [n.strip() for n in found if any(w in n for w in ("openvino", "arrow"))]
    assert len(wheels) >= 3
    for name, path in found.items():
        if "openvino" in name or "arrow" in name or "tbb" in name or "parquet" in name:
            assert path.startswith(str(libdir / "cah")), path


def test_the_installed_program_and_model_work(installed, env):
    prefix, _ = installed
    done = subprocess.run(
        [
            *(prefix / "bin" / "cah", "model", "check"),
            *(prefix / "share" / "cah" / "models" / "demo", "--json"),
        ],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_what_the_demo_shows_is_installed(installed):
    data = installed[0] / "share" / "cah"
    assert (data / "docs-en.warc.wat.gz").stat().st_size > 1_000_000
    truth = (data / "demo-world" / "truth.jsonl").read_text()
    assert len(truth.splitlines()) > 500


def test_a_c_program_finds_the_library(installed, tmp_path):
    prefix, libdir = installed
    source = tmp_path / "x.c"
    source.write_text(
        "#include <cah/client.h>\n"
        "#include <cah/version.h>\n"
        "#include <stdio.h>\n"
        'int main(void) { puts(cah_version()); return cah_worker_type_parse("gpu"); }\n'
    )
    flags = [f"-I{prefix}/include", f"-L{libdir}", "-lcah", f"-Wl,-rpath,{libdir}"]
    subprocess.run(
        ["cc", "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        + [str(source), "-o", str(tmp_path / "x"), *flags],
        check=True,
        timeout=60,
    )
    done = subprocess.run(
        [tmp_path / "x"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2  # CAH_GPU
    assert done.stdout.strip()
