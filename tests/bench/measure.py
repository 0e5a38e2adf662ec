"""Processes measured from outside, and rows of ours beside another's.

The driver stays small and starts everything heavy as a process, so that what is
measured is a whole process by the kernel's own account.
"""

import dataclasses
import os
import pathlib
import select
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
LOOK_MS = 20  # how often the memory of a running process is read
LONGEST_S = 900  # of one process

LESS, MORE = "less", "more"  # which is better


class BenchError(Exception):
    """Something that is measured does not do its work."""


@dataclasses.dataclass
class Context:
    build: pathlib.Path
    cache: pathlib.Path  # generated once, kept
    scratch: pathlib.Path  # of this run
    is_small: bool
    python: str
    cores: int = len(os.sched_getaffinity(0))

    @property
    def cah(self):
        return str(self.build / "cah")

    def program(self, name):
        return str(self.build / "tests" / "bench" / name)

    def pick(self, full, small):
        return small if self.is_small else full


@dataclasses.dataclass
class Used:
    wall_s: float
    cpu_s: float
    peak_mb: float  # resident
    out: str


def peak_mb(pid):
    """VmHWM; 0 when the process has ended. wait4's ru_maxrss will not do: it is
    kept over exec, and so never less than this driver's own."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def run(args, keep=False):
    """Runs a command to its end; `keep`: its output is wanted."""
    args = [str(a) for a in args]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            args, stdout=out if keep else subprocess.DEVNULL, stderr=err
        )
        try:
            peak = watch(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - start
        if process.returncode != 0:
            err.seek(0)
            said = err.read().strip().splitlines()[-1:] or ["nothing"]
            raise BenchError(f"{args[0]} ended with {process.returncode}: {said[0]}")
        out.seek(0)
        return Used(wall, usage.ru_utime + usage.ru_stime, peak, out.read())


def run_with_input(args, text):
    """Runs a command that is fed `text`; returns what it prints."""
    done = subprocess.run(
        [str(a) for a in args],
        check=False,
        input=text,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    if done.returncode != 0:
        raise BenchError(f"{args[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def watch(pid):
    """Waits for the end; returns the largest memory seen."""
    peak = 0
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        for _ in range(LONGEST_S * 1000 // LOOK_MS):
            peak = max(peak, peak_mb(pid))
            if poll.poll(LOOK_MS):
                return peak
    finally:
        os.close(handle)
    raise BenchError(f"process {pid} did not end within {LONGEST_S} s")


def in_turn(rounds, **calls):
    """Calls each in turn, A B C A B C, so that a machine that slows down slows
    all; returns the results by name."""
    results = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            results[name].append(call())
    return results


def spread(values):
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
    }


def row(what, unit, better, ours, other):
    """One line of the report. `other` is (name, "peer" or "limit", values); the
    ratio is the median of the ratios round by round."""
    name, kind, values = other
    ratios = [a / b for a, b in zip(ours, values, strict=True) if b]
    return {
        "what": what,
        "unit": unit,
        "better": better,
        "ours": spread(ours),
        "against": name,
        "kind": kind,
        "other": spread(values),
        "ratio": statistics.median(ratios) if ratios else None,
    }
