"""Measure what each part of the predictor of pixels is worth: the kernel without it, in bytes and in speed.

    scripts/measure_parts.py --data FOLDER [--runs 9]

Each row is a copy of the kernel's sources with a small edit, compiled; payloads are those of excerpts of pictures that
scripts/media_sets.py makes.  Speeds are in proportion to the whole kernel's: of encoding one picture in colour, by the
least processor time of the runs, all kernels in turn.  Starting values stay those that were trained with everything in
place, so a part is worth a little less than its row says.  Prints a Markdown table for docs/ABLATIONS.md.  Wants
Pillow, soundfile and numpy.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import media_sets
import numpy as np
from pixel_parts import PARTS, Edit

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lmzip" / "native" / "src"
DRIVER = Path(__file__).with_name("media_training") / "driver.c"
FLAGS = ["-std=c99", "-D_GNU_SOURCE", "-O3", "-fno-wrapv", "-pthread"]  # those of setup.py and the Makefile
PROFILE, IMAGE = 4, 1
SIDE, N_PATCHES = 256, 200
TIMED = "Kodak, colour"  # the set of which the first picture is timed


def excerpts(data: Path) -> dict[str, list[media_sets.Media]]:
    """Return pictures by set: the middles of larger ones, and patches in one."""

    def middle(pixels: media_sets.Media) -> media_sets.Media:
        top, left = ((n - SIDE) // 2 for n in pixels.shape[:2])
        return pixels[top : top + SIDE, left : left + SIDE]

    kodak = [middle(pixels) for _, pixels in media_sets.pictures(data / "images")]
    return {
        "photographs": [middle(pixels) for _, pixels in media_sets.pictures(data / "photos")],
        TIMED: kodak[:3],
        "Kodak, grey": [media_sets.grey(pixels) for pixels in kodak],
        "patches": [np.concatenate(media_sets.patches(data)[:N_PATCHES])],
    }


def packed(pictures: list[media_sets.Media]) -> bytes:
    """Return pictures as the driver reads them."""
    found = b""
    for pixels in pictures:
        channels, raw = (pixels.shape[2] if pixels.ndim == 3 else 1), pixels.tobytes()
        found += struct.pack("=8i", PROFILE, IMAGE, channels, 8, 0, 0, pixels.shape[1], len(raw)) + raw
    return found


def compiled(edits: list[Edit], folder: Path, compiler: str) -> Path:
    """Return a program that codes pictures with an edited copy of the kernel.

    Raises ValueError for an edit that does not fit, CalledProcessError.
    """
    copy = folder / "src"
    shutil.copytree(SOURCES, copy)
    for edit in edits:
        edit.apply(copy)
    program, files = folder / "program", [*copy.glob("*.c"), DRIVER]

    def compile_one(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        subprocess.run([compiler, *FLAGS, f"-I{copy}", "-c", "-o", target, source], check=True)
        return target

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(compile_one, files))
    subprocess.run([compiler, *FLAGS, "-o", program, *objects], check=True)
    return program


def encode(program: Path, pictures: bytes) -> tuple[int, float]:
    """Return bytes of payloads and seconds of processor time."""
    before = os.times().children_user
    output = subprocess.run([program], input=pictures, stdout=subprocess.PIPE, check=True).stdout.decode()
    sizes = [int(line.split()[1]) for line in output.splitlines() if line.startswith("size ")]
    return sum(sizes), os.times().children_user - before


def report(sets: dict[str, list[media_sets.Media]], sizes: dict[str, list[int]], seconds: dict[str, float]) -> str:
    rows = [f"| without | {' | '.join(sets)} | all | | speed |", "|---" * (len(sets) + 4) + "|"]
    raw = [sum(pixels.nbytes for pixels in pictures) for pictures in sets.values()]
    rows.append(f"| (raw) | {' | '.join(f'{n:,}' for n in raw)} | {sum(raw):,} | | |")
    first, fastest = sizes["nothing"], seconds["nothing"]
    for name, numbers in sizes.items():
        total = sum(numbers)
        more = "" if name == "nothing" else f"{100 * (total / sum(first) - 1):+.2f} %"
        cells = " | ".join(f"{n:,}" for n in numbers)
        rows.append(f"| {name} | {cells} | {total:,} | {more} | {fastest / seconds[name]:.2f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with images and photos")
    parser.add_argument("--runs", type=int, default=9, help="to tell the speeds from")
    args = parser.parse_args()
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), "cc")
    sets = excerpts(args.data)
    with tempfile.TemporaryDirectory(prefix="lmzip-parts-") as folder:
        programs = {}
        for i, (name, edits) in enumerate(PARTS.items()):
            programs[name] = compiled(edits, Path(folder, str(i)), compiler)
            print(f"compiled without {name}", file=sys.stderr)
        sizes = {}
        for name, program in programs.items():
            sizes[name] = [encode(program, packed(pictures))[0] for pictures in sets.values()]
            print(f"{name}: {sizes[name]}", file=sys.stderr)
        timed = packed(sets[TIMED][:1])
        seconds = dict.fromkeys(programs, math.inf)
        for _ in range(args.runs):
            for name, program in programs.items():
                seconds[name] = min(seconds[name], encode(program, timed)[1])
    print(report(sets, sizes, seconds))


if __name__ == "__main__":
    main()
