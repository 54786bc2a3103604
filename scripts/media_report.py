"""What scripts/bench_media.py tells: Markdown tables, CSV, and a plot of size against speed."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path

import bench_report
from bench_run import Measurement
from media_sets import SETS


def sum_up(measurements: list[Measurement], name: str) -> dict[str, tuple[int, int, float, float]]:
    """Return raw and compressed size and both times of each program that has handled every file of a set."""
    sums: dict[str, tuple[int, int, float, float]] = {}
    here = [m for m in measurements if m.file.split("/")[0] == name]
    files = Counter(m.program for m in here)
    for m in here:
        if files[m.program] == max(files.values()):
            raw, packed, there, back = sums.get(m.program, (0, 0, 0.0, 0.0))
            times = (m.compress_seconds, m.decompress_seconds) if m.compress_runs else (0.0, 0.0)
            sums[m.program] = raw + m.raw_size, packed + m.compressed_size, there + times[0], back + times[1]
    return sums


def tables(measurements: list[Measurement], sets: list[str]) -> list[str]:
    """Return the lines of two Markdown tables: sizes, and speeds in raw MB/s, compressing and decompressing."""
    programs = list(dict.fromkeys(m.program for m in measurements))
    programs.sort(key=lambda program: program.startswith("lmzip"))
    sizes, speeds = [], []
    for name in sets:
        sums = sum_up(measurements, name)
        raw = next(iter(sums.values()))[0]
        best = min(packed for _, packed, _, _ in sums.values())

        def size(program: str, sums=sums, raw=raw, best=best) -> str:
            if program not in sums:
                return ""
            packed = sums[program][1]
            text = f"{packed:,}" if packed != best else f"**{packed:,}**"
            return f"{text} ({100 * packed / raw:.1f} %)"

        def speed(program: str, sums=sums, raw=raw) -> str:
            times = sums.get(program, (0, 0, 0.0, 0.0))[2:]
            return " / ".join(f"{raw / 1e6 / seconds:.2f}" for seconds in times) if all(times) else ""

        sizes.append([SETS[name][0], f"{raw:,}", *map(size, programs)])
        if not name.startswith("each-"):
            speeds.append([SETS[name][0], *map(speed, programs)])
    head = ["whole outputs", "raw", *programs], ["MB/s, compress / decompress", *programs]
    return [*bench_report._table(head[0], sizes), "", *bench_report._table(head[1], speeds)]


def write_csv(path: Path, measurements: list[Measurement]) -> None:
    """Write program, file, sizes and median times; no times for sets of small files."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("program", "file", "raw_size", "compressed_size", "compress_seconds", "decompress_seconds"))
        for m in measurements:
            times = (f"{m.compress_seconds:.4f}", f"{m.decompress_seconds:.4f}") if m.compress_runs else ("", "")
            writer.writerow((m.program, m.file, m.raw_size, m.compressed_size, *times))


def plot(path: Path, measurements: list[Measurement], sets: list[str]) -> None:
    """Draw size in % of raw against speed (log axis), a pane for each set; raises ImportError without matplotlib.

    A program is a filled mark at its speed of compression, and a hollow one at that of decompression.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "lmzip"  # else the names inside the file are random: needless diffs
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a small file
    from matplotlib import pyplot

    timed = [name for name in sets if any(all(times) for _, _, *times in sum_up(measurements, name).values())]
    n_columns = min(len(timed), 3)
    n_rows = math.ceil(len(timed) / n_columns)
    figure, panes = pyplot.subplots(
        n_rows, n_columns, figsize=(4.2 * n_columns, 3.4 * n_rows), squeeze=False, layout="constrained"
    )
    for pane in panes.flat[len(timed) :]:
        pane.remove()
    for pane, name in zip(panes.flat, timed, strict=False):
        for program, (raw, packed, *times) in sum_up(measurements, name).items():
            there, back = (raw / 1e6 / seconds for seconds in times)
            percent, is_ours = 100 * packed / raw, program.startswith("lmzip")
            colour, mark = ("C3", "o") if is_ours else ("C7", "s")
            pane.plot((there, back), (percent, percent), "-", color=colour, linewidth=0.8)
            pane.plot(there, percent, mark, color=colour)
            pane.plot(back, percent, mark, color=colour, markerfacecolor="white")
            place = (-3, -13) if is_ours else (-3, 6)  # lmzip is the lowest
            pane.annotate(program, (there, percent), xytext=place, textcoords="offset points", fontsize=8)
        pane.set_title(SETS[name][0], fontsize=9)
        pane.set_xscale("log")
        pane.minorticks_off()
        pane.margins(x=0.12, y=0.15)
        pane.grid(True, alpha=0.3)
    figure.supxlabel("MB/s, compress (filled) and decompress (hollow)", fontsize=9)
    figure.supylabel("size, % of raw (lower is better)", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
