"""The set of pictures that benchmarks share, and nginx to serve it."""

import contextlib
import socket
import subprocess
import time

from measure import HERE, ROOT, BenchError, run

ADDRESS = "127.0.0.1"
START_S = 10
STOP_S = 10


def make_pictures(bench):
    """The folder of make_images.py's set."""
    count = bench.pick(2000, 60)
    folder = bench.cache / f"images-{count}"
    if not (folder / "urls.csv").exists():
        photos = ROOT / ".venv" / "photos"
        sources = [photos / "skimage" / "data", photos / "sklearn/datasets/images"]
        make = [bench.python, HERE / "make_images.py", "--sources", *sources]
        run([*make, "--out", folder, "--count", count])
    return folder


def picture_files(folder, least_bytes=0):
    """(name, bytes) of each whole picture, from the manifest."""
    lines = (folder / "manifest.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(r[0], int(r[5])) for r in rows if int(r[5]) >= least_bytes]


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serve(bench, folder):
    """nginx on loopback, in one process; its port."""
    port = free_port()
    run_folder = bench.scratch / f"nginx-{port}"
    run_folder.mkdir()
    conf = (HERE / "image_site.conf").read_text()
    for name, value in (("ROOT", folder), ("RUN", run_folder), ("PORT", port)):
        conf = conf.replace(f"@{name}@", str(value))
    (run_folder / "nginx.conf").write_text(conf)
    log = run_folder / "error.log"
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-p", run_folder, "-c", run_folder / "nginx.conf"]
        + ["-e", log, "-g", "daemon off; master_process off;"]
    )
    try:
        wait_for(process, port, log)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(process, port, log):
    for _ in range(START_S * 50):
        if process.poll() is not None:
            raise BenchError(f"nginx did not start: {log.read_text().strip()}")
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port)):
            return
        time.sleep(0.02)
    raise BenchError("nginx does not answer")
