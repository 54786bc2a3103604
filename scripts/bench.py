"""Compare lmzip's levels with the installed peers on given files; write CSV, Markdown and a plot.

    scripts/bench.py --levels 1,3,9 --runs 3 --output-dir work/bench --files FILE... [--update-docs]

Programs run as commands, in turn, one at a time; every round trip is checked; a missing peer is reported.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path

import bench_report
from bench_peers import select
from bench_run import Measurement, RoundTripError, measure

ROOT = Path(__file__).resolve().parent.parent
PLOT_NAME = "bench.svg"


def numbers(text: str) -> list[int]:
    """Return the levels named by "1,3,6-9"."""
    levels: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        levels += range(int(first), int(last or first) + 1)
    if not levels or min(levels) < 1 or max(levels) > 9:
        raise argparse.ArgumentTypeError("levels are 1 to 9")
    return levels


def positive(text: str) -> int:
    """Return a number of at least one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def names(text: str) -> list[str]:
    """Return a list of peers; "none" is the empty list."""
    return [] if text == "none" else [name.strip() for name in text.split(",")]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", nargs="+", type=Path, required=True, metavar="FILE", help="files to compress")
    parser.add_argument("--levels", type=numbers, default=numbers("1,3,6,9"), help="lmzip's levels, as 1,3,6-9")
    parser.add_argument("--model", help="also run lmzip's levels with this model, which is installed")
    parser.add_argument("--peers", type=names, default=None, help="peers, as xz,zpaq; none; all if not given")
    parser.add_argument("--runs", type=positive, default=3, help="runs of each program on each file (median counts)")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="threads for lmzip and zpaq")
    parser.add_argument("--output-dir", type=Path, default=Path("work/bench"), help="folder for the results")
    parser.add_argument("--unpack-xz", action="store_true", help="measure on the contents of inputs named *.xz")
    parser.add_argument("--update-docs", action="store_true", help="put the tables into README.md and docs/RESULTS.md")
    return parser.parse_args(arguments)


def labels(files: list[Path]) -> list[str]:
    """Return a short name for each file: its own, or with its folder's where two files share one."""
    plain = [path.name for path in files]
    return [path.name if plain.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in files]


def prepare(path: Path, folder: Path, unpack_xz: bool) -> Path:
    """Return the file to measure on: the path itself, or what an .xz holds, unpacked into a folder."""
    if not (unpack_xz and path.suffix == ".xz"):
        return path
    unpacked = folder / path.stem
    with lzma.open(path) as source, open(unpacked, "wb") as target:
        shutil.copyfileobj(source, target)
    return unpacked


def run_all(options: argparse.Namespace, report) -> tuple[list[Measurement], list[str]]:
    """Return all measurements and the names of missing programs."""
    programs, missing = select(options.levels, options.peers, options.threads, options.model)
    for name in missing:
        report(f"not installed: {name}")
    measurements = []
    with tempfile.TemporaryDirectory(prefix="lmzip-bench-") as folder:
        for path, label in zip(options.files, labels(options.files), strict=True):
            source = prepare(path, Path(folder), options.unpack_xz)
            if not source.stat().st_size:
                report(f"left out: {path} is empty")
                continue
            if source != path:
                label = label.removesuffix(".xz")
            measurements += measure(programs, source, label, options.runs, report)
            if source != path:
                source.unlink()
    return measurements, missing


def conditions(options: argparse.Namespace, missing: list[str]) -> str:
    """Return one paragraph on how the figures came about."""
    text = (
        f"Measured by `scripts/bench.py` on {bench_report.machine()}; lmzip and zpaq with {options.threads} threads, "
        f"the others as they come; {bench_report.runs_text(options.runs)}; every round trip checked by SHA-256; sizes "
        "are those of whole output files; speeds count raw bytes; 1 kB is 1000 bytes; ? marks runs too short to tell."
    )
    return textwrap.fill(text + (f" Not installed here: {', '.join(missing)}." if missing else ""), 120)


def write_results(options: argparse.Namespace, measurements: list[Measurement], missing: list[str], report) -> None:
    """Write CSV, Markdown and, where matplotlib is installed, the plot; update the documents if asked to."""
    folder = options.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    bench_report.write_csv(folder / "bench.csv", measurements)
    summary, sizes = bench_report.summary_table(measurements), bench_report.size_table(measurements)
    note = conditions(options, missing)
    (folder / "bench.md").write_text("\n".join([*summary, "", *sizes, "", note, ""]))
    drawn = True
    try:
        bench_report.plot(folder / PLOT_NAME, measurements)
    except ImportError:
        drawn = False
        report("no plot: matplotlib is not installed (extra `bench`)")
    if options.update_docs:
        update_documents(folder, summary, sizes, note, drawn)


def update_documents(folder: Path, summary: list[str], sizes: list[str], note: str, drawn: bool) -> None:
    """Put tables, note and plot between the markers of README.md and docs/RESULTS.md, the CSV beside the latter."""
    docs = ROOT / "docs"
    shutil.copyfile(folder / "bench.csv", docs / "bench.csv")
    if drawn:
        shutil.copyfile(folder / PLOT_NAME, docs / PLOT_NAME)
    for path, place, body in (
        (ROOT / "README.md", f"docs/{PLOT_NAME}", [*summary]),
        (docs / "RESULTS.md", PLOT_NAME, [*summary, "", *sizes]),
    ):
        picture = ["", f"![bits per byte against speed]({place})"] if drawn else []
        path.write_text(bench_report.replace_between(path.read_text(), "bench", [*body, *picture, "", note]))


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return the exit status."""
    options = parse_arguments(arguments)

    def report(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        measurements, missing = run_all(options, report)
    except (RoundTripError, ValueError, OSError) as error:
        report(f"bench: {error}")
        return 1
    if not measurements:
        report("bench: nothing was measured")
        return 1
    write_results(options, measurements, missing, report)
    print("\n".join(bench_report.summary_table(measurements)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
