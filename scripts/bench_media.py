"""Compare lmzip on photographs and speech with PNG, WebP, JPEG XL, FLAC, xz and zpaq; write CSV, Markdown and a plot.

    scripts/bench_media.py --data FOLDER --levels 1,4,6 --runs 3 [--sets photos,speech] [--update-docs]

FOLDER has `photos` (any pictures, in colour), `images` (the same; also as grey pictures and patches) and `speech`
(recordings of 16 bits).  Pictures become PNM, recordings WAV; every round trip is checked.  The sets `patches` and
`chunks` are those of "Language Modeling Is Compression": grey patches of 32 lines of 64 pixels and 2,048 samples of 8
bits, all in one file, and each by itself.  Wants Pillow, soundfile and numpy; peers that are missing are reported.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import bench_report
import media_codec
import media_report
from bench import numbers, positive
from bench_peers import Program, lmzip, peers
from bench_run import Measurement, RoundTripError, measure, measure_once, sha256
from media_sets import CHUNK, SETS

import lmzip as library

ROOT = Path(__file__).resolve().parent.parent
CODEC = Path(__file__).with_name("media_codec.py")
PLOT_NAME = "media.svg"
SOUND = ("speech", "chunks", "each-chunk")
KINDS = {"png": "PNG", "webp": "WebP", "jxl": "JPEG XL -e9"}  # of scripts/media_codec.py


def through_codec(kind: str) -> Program:
    """Return the program that codes pictures in a format."""
    words = (sys.executable, str(CODEC), kind)
    return Program(KINDS[kind], (*words, "pack", "input", "packed"), (*words, "unpack", "packed", "unpacked"))


def peers_of(name: str, threads: int) -> list[Program]:
    """Return the installed programs that a set is compared with."""
    flac = Program("FLAC -8", ("flac", "-8", "-s", "--no-padding", "-c", "input"), ("flac", "-dsc", "packed"))
    wanted = [flac] if name in SOUND else [through_codec(kind) for kind in KINDS if kind != "jxl" or has_jpeg_xl()]
    general = ("xz -9e",) if name.startswith("each-") else ("xz -9e", "zpaq -m5")  # archives of one patch: no
    wanted += [program for program in peers(threads) if program.name in general]
    return [program for program in wanted if program.executable]


def has_jpeg_xl() -> bool:
    """Return whether the programs of JPEG XL are installed."""
    return bool(shutil.which("cjxl") and shutil.which("djxl"))


def measure_each(
    folder: Path, name: str, levels: list[int], programs: list[Program], report: Callable[[str], None]
) -> list[Measurement]:
    """Return sums over many small files, without times: those of programs would be those of their starts.

    Raises RoundTripError where lmzip fails; a peer that does is reported and left out.
    """
    paths = sorted(folder.iterdir())
    raw = [path.read_bytes() for path in paths]
    raw_size = len(raw) * CHUNK  # headers are not counted as raw, as in the paper
    found = []
    for level in levels:
        report(f"{name}: lmzip -{level}")
        packed = [library.compress(data, level=level) for data in raw]
        if [library.decompress(data) for data in packed] != raw:
            raise RoundTripError(f"{name}: lmzip -{level}")
        found.append(Measurement(f"lmzip -{level}", name, raw_size, sum(map(len, packed)), ours=True))
    for program in programs:
        report(f"{name}: {program.name}")
        try:
            size = sum(packed_size(program, path) for path in paths)
        except (RoundTripError, OSError, subprocess.CalledProcessError) as error:
            report(f"left out: {error}")
            continue
        found.append(Measurement(program.name, name, raw_size, size))
    return found


def packed_size(program: Program, path: Path) -> int:
    """Return what a peer makes of a file; pictures are coded in this process, as Python would start thousands of times.

    Raises RoundTripError, OSError, CalledProcessError.
    """
    kind = next((kind for kind, shown in KINDS.items() if shown == program.name), None)
    if kind is None:
        once = Measurement(program.name, path.name, path.stat().st_size)
        measure_once(program, path, sha256(path), once)
        return once.compressed_size
    with tempfile.TemporaryDirectory(prefix="lmzip-media-") as folder:
        packed, unpacked = Path(folder, "packed"), Path(folder, "unpacked")
        media_codec.pack(kind, path, packed)
        media_codec.unpack(kind, packed, unpacked)
        if unpacked.read_bytes() != path.read_bytes():
            raise RoundTripError(f"{program.name} does not give {path.name} back")
        return packed.stat().st_size


def run_all(options: argparse.Namespace, report: Callable[[str], None]) -> list[Measurement]:
    """Return all measurements: of every file, or of sets of small ones their sums, without times."""
    found = []
    for name in options.sets:
        programs = peers_of(name, options.threads)
        with tempfile.TemporaryDirectory(prefix="lmzip-media-") as folder:
            SETS[name][1](options.data, Path(folder))
            if name.startswith("each-"):
                found += measure_each(Path(folder), name, options.levels, programs, report)
                continue
            wanted = [lmzip(level, options.threads) for level in options.levels] + programs
            for path in sorted(Path(folder).iterdir()):
                found += measure(wanted, path, f"{name}/{path.stem}", options.runs, report)
    return found


def conditions(options: argparse.Namespace) -> str:
    """Return one paragraph on how the figures came about."""
    return textwrap.fill(
        f"Measured by `scripts/bench_media.py` on {bench_report.machine()}; lmzip and zpaq with {options.threads} "
        f"threads, the others as they come; {bench_report.runs_text(options.runs)}; every round trip checked; PNG and "
        "WebP by Pillow at their strongest, which counts the start of Python; JPEG XL by cjxl. 1 MB is 1,000,000 raw "
        "bytes.",
        120,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, images and speech")
    parser.add_argument("--levels", type=numbers, default=numbers("1,4,6"), help="lmzip's levels, as 1,3,6-9")
    parser.add_argument("--runs", type=positive, default=3, help="runs of each program on each file (median counts)")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="threads for lmzip")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS), help="some of the sets")
    parser.add_argument("--output-dir", type=Path, default=Path("work/bench"), help="folder for the results")
    parser.add_argument("--update-docs", action="store_true", help="put the tables into README.md and docs/RESULTS.md")
    options = parser.parse_args(arguments)
    try:
        measurements = run_all(options, lambda text: print(text, file=sys.stderr, flush=True))
    except (RoundTripError, ValueError, OSError, KeyError) as error:
        print(f"bench_media: {error}", file=sys.stderr)
        return 1
    body = [*media_report.tables(measurements, options.sets), "", conditions(options)]
    folder = options.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    media_report.write_csv(folder / "media.csv", measurements)
    drawn = True
    try:
        media_report.plot(folder / PLOT_NAME, measurements, options.sets)
    except ImportError:
        drawn = False
        print("no plot: matplotlib is not installed (extra `bench`)", file=sys.stderr)
    print("\n".join(body))
    if options.update_docs:
        update_documents(folder, body, drawn)
    return 0


def update_documents(folder: Path, body: list[str], drawn: bool) -> None:
    """Put tables and plot between the markers of README.md and docs/RESULTS.md."""
    docs = ROOT / "docs"
    if drawn:
        shutil.copyfile(folder / PLOT_NAME, docs / PLOT_NAME)
    for path, place in ((ROOT / "README.md", f"docs/{PLOT_NAME}"), (docs / "RESULTS.md", PLOT_NAME)):
        picture = [f"![size against speed of pictures and sound]({place})", ""] if drawn else []
        path.write_text(bench_report.replace_between(path.read_text(), "media", [*picture, *body]))


if __name__ == "__main__":
    sys.exit(main())
