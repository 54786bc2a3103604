"""Writes the measurements of scripts/bench.py: CSV, Markdown tables, a plot, and into documents between markers."""

from __future__ import annotations

import csv
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from bench_run import Measurement

MEBIBYTE = 1 << 20
CSV_COLUMNS = (
    "program", "file", "raw_size", "compressed_size", "bits_per_byte", "compress_seconds", "decompress_seconds",
    "compress_memory", "decompress_memory", "n_runs",
)  # fmt: skip


@dataclass(frozen=True)
class Total:
    """One program over all files: sums of sizes and of median times, the largest memory."""

    program: str
    ours: bool
    raw_size: int
    compressed_size: int
    compress_seconds: float
    decompress_seconds: float
    compress_memory: int | None
    decompress_memory: int | None

    @property
    def bits_per_byte(self) -> float:
        return 8 * self.compressed_size / self.raw_size

    @property
    def compress_speed(self) -> float:
        """Raw kB (1000 bytes) per second."""
        return self.raw_size / 1000 / self.compress_seconds

    @property
    def decompress_speed(self) -> float:
        """Raw kB (1000 bytes) per second."""
        return self.raw_size / 1000 / self.decompress_seconds


def totals(measurements: list[Measurement]) -> list[Total]:
    """Return a total for every program that has handled every file, in the order of first appearance."""
    by_program: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        by_program.setdefault(measurement.program, []).append(measurement)
    n_files = len({m.file for m in measurements})
    return [
        Total(
            program,
            rows[0].ours,
            sum(m.raw_size for m in rows),
            sum(m.compressed_size for m in rows),
            sum(m.compress_seconds for m in rows),
            sum(m.decompress_seconds for m in rows),
            max(m.memory("compress") or 0 for m in rows) or None,
            max(m.memory("decompress") or 0 for m in rows) or None,
        )
        for program, rows in by_program.items()
        if len(rows) == n_files
    ]


def write_csv(path: Path, measurements: list[Measurement]) -> None:
    """Write one row for each program and file; times in seconds, memory in bytes (empty where unknown)."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for m in measurements:
            memory = [m.memory("compress") or "", m.memory("decompress") or ""]
            times = [f"{m.compress_seconds:.4f}", f"{m.decompress_seconds:.4f}"]
            sizes = [m.raw_size, m.compressed_size, f"{m.bits_per_byte:.4f}"]
            writer.writerow([m.program, m.file, *sizes, *times, *memory, len(m.compress_runs)])


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    align = ["---"] + ["---:"] * (len(header) - 1)
    return [f"| {' | '.join(cells)} |" for cells in [header, align, *rows]]


def size_table(measurements: list[Measurement]) -> list[str]:
    """Return a Markdown table of compressed sizes in bytes: a row for each file, the smallest of the row in bold."""
    programs = list(dict.fromkeys(m.program for m in measurements))
    sizes = {(m.file, m.program): m.compressed_size for m in measurements}
    raw = {m.file: m.raw_size for m in measurements}
    rows = []
    for file in raw:
        here = [sizes.get((file, program)) for program in programs]
        best = min(size for size in here if size is not None)
        cells = ["-" if size is None else f"**{size:,}**" if size == best else f"{size:,}" for size in here]
        rows.append([file, f"{raw[file]:,}", *cells])
    return _table(["file", "raw", *programs], rows)


def _memory(size: int | None) -> str:
    return "?" if size is None else f"{size / MEBIBYTE:,.0f}"


def summary_table(measurements: list[Measurement]) -> list[str]:
    """Return a Markdown table of totals: size, bits per byte, speeds and memory, the smallest output first."""
    rows = [
        [
            f"**{t.program}**" if t.ours else t.program,
            f"{t.compressed_size:,}",
            f"{t.bits_per_byte:.3f}",
            f"{t.compress_speed:,.0f}",
            f"{t.decompress_speed:,.0f}",
            _memory(t.compress_memory),
            _memory(t.decompress_memory),
        ]
        for t in sorted(totals(measurements), key=lambda t: t.compressed_size)
    ]
    header = ["program", "bytes", "bits per byte", "compress kB/s", "decompress kB/s", "compress MiB", "decompress MiB"]
    return _table(header, rows)


def machine() -> str:
    """Return one line about this machine: processor, number of cores, system, Python."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {system}"


def runs_text(n_runs: int) -> str:
    """Return how often each program ran, in words."""
    return f"median of {n_runs} runs in turn" if n_runs > 1 else "each run once, in turn"


def plot(path: Path, measurements: list[Measurement]) -> None:
    """Draw bits per byte against speed (log axis), both directions; raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "lmzip"  # else the names inside the file are random: needless diffs
    from matplotlib import pyplot

    figure, panes = pyplot.subplots(1, 2, figsize=(11, 4.6), sharey=True)
    for pane, direction in zip(panes, ("compress", "decompress"), strict=True):
        for total in totals(measurements):
            speed = total.compress_speed if direction == "compress" else total.decompress_speed
            point = (speed, total.bits_per_byte)
            pane.plot(*point, "o" if total.ours else "s", color="C3" if total.ours else "C7")
            pane.annotate(total.program, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
        pane.set_xscale("log")
        pane.set_xlabel(f"{direction}, kB/s")
        pane.margins(x=0.15)
        pane.grid(True, which="both", alpha=0.3)
    panes[0].set_ylabel("bits per byte (lower is better)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def replace_between(text: str, name: str, body: list[str]) -> str:
    """Return a document with the lines between its markers `name` replaced; the markers stay.

    Raises ValueError if the document does not hold the two markers once each, in order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the document must hold {begin} and {end} once each, in this order")
    before, rest = text.split(begin)
    return "\n".join([before + begin, "", *body, "", end + rest.split(end)[1]])
