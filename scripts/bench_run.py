"""Runs one program on one file, both ways: sizes, wall-clock times, peak memory, and an exact round trip."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench_peers import UNPACKED, Program, search_path

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Run:
    """One command: wall-clock seconds, peak resident bytes (None where they could not be told)."""

    seconds: float
    memory: int | None


@dataclass
class Measurement:
    """All runs of one program on one file; times are medians, memory the largest seen."""

    program: str
    file: str
    raw_size: int
    compressed_size: int = 0
    compress_runs: list[Run] = field(default_factory=list)
    decompress_runs: list[Run] = field(default_factory=list)
    ours: bool = False

    @property
    def compress_seconds(self) -> float:
        return statistics.median(run.seconds for run in self.compress_runs)

    @property
    def decompress_seconds(self) -> float:
        return statistics.median(run.seconds for run in self.decompress_runs)

    @property
    def bits_per_byte(self) -> float:
        return 8 * self.compressed_size / self.raw_size

    def memory(self, direction: str) -> int | None:
        """Return the peak memory in bytes of "compress" or "decompress", None where no run told it."""
        runs = self.compress_runs if direction == "compress" else self.decompress_runs
        return max((run.memory for run in runs if run.memory), default=None)


class RoundTripError(Exception):
    """A program failed or did not give the input back."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class _MemoryWatch(threading.Thread):
    """Polls the high-water mark of a process.

    wait4's ru_maxrss will not do for small programs: Linux counts the memory of the parent at the time of the fork in.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.highest: int | None = None
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(POLL_SECONDS):
            try:
                lines = self.status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM:"):
                    self.highest = int(line.split()[1]) * 1024


def own_peak() -> int:
    """Return this process's own peak resident bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_command(command: tuple[str, ...], folder: Path, output: str) -> Run:
    """Run a command in a folder; its standard output becomes the file `output` unless the command names that itself.

    Raises RoundTripError if it fails.
    """
    environment = os.environ | {"PATH": search_path()}
    target = os.devnull if output in command else folder / output
    floor = own_peak()
    with open(target, "wb") as stdout, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.over.set()
        watch.join()
        if process.returncode:
            errors.seek(0)
            message = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RoundTripError(f"{' '.join(command)}: exit status {process.returncode}: {''.join(message)}")
    peak = usage.ru_maxrss * 1024
    return Run(seconds, peak if peak > floor else watch.highest)


def measure_once(program: Program, source: Path, digest: str, measurement: Measurement) -> None:
    """Compress and decompress a file once and add what was seen to its measurement.

    Raises RoundTripError if a command fails, the bytes do not come back, or the size differs from an earlier run's.
    """
    with tempfile.TemporaryDirectory(prefix="lmzip-bench-") as name:
        folder = Path(name)
        shutil.copyfile(source, folder / "input")
        measurement.compress_runs.append(run_command(program.compress, folder, program.packed))
        size = (folder / program.packed).stat().st_size
        (folder / "input").unlink()
        measurement.decompress_runs.append(run_command(program.decompress, folder, UNPACKED))
        if sha256(folder / UNPACKED) != digest:
            raise RoundTripError(f"{program.name} does not give {source.name} back")
    if program.ours and measurement.compressed_size not in (0, size):
        raise RoundTripError(f"{program.name} on {source.name}: {size} bytes, {measurement.compressed_size} before")
    measurement.compressed_size = size


def measure(programs: list[Program], source: Path, label: str, n_runs: int, report) -> list[Measurement]:
    """Measure every program on one file, in turn within each round, so that a slow minute of the machine hits all.

    report(text) is called before each run.  A peer that fails is reported and left out; lmzip failing raises.
    """
    raw_size, digest = source.stat().st_size, sha256(source)
    results = {p.name: Measurement(p.name, label, raw_size, ours=p.ours) for p in programs}
    for round_number in range(n_runs):
        for program in [p for p in programs if p.name in results]:
            report(f"{label}: {program.name}, run {round_number + 1} of {n_runs}")
            try:
                measure_once(program, source, digest, results[program.name])
            except RoundTripError as error:
                if program.ours:
                    raise
                report(f"left out: {error}")
                del results[program.name]
    return list(results.values())
