"""Compare lmzip on photographs and speech with PNG, WebP, JPEG XL and FLAC; write CSV, Markdown and a plot.

    scripts/bench_media.py --data FOLDER --levels 1,4,6 --runs 3 [--sets photos,speech] [--update-docs]

FOLDER has `photos` (any pictures, in colour), `images` (the same; also as grey pictures and patches) and `speech`
(recordings of 16 bits).  Pictures become PNM, recordings WAV; every round trip is checked.  The sets `patches` and
`chunks` are those of "Language Modeling Is Compression": grey patches of 32 lines of 64 pixels and 2,048 samples of 8
bits, all in one file, and each by itself.  Wants Pillow, soundfile and numpy; peers that are missing are reported.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import textwrap
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_report
import numpy as np
import soundfile
from bench import numbers, positive
from bench_peers import Program, lmzip
from bench_run import Measurement, RoundTripError, measure
from PIL import Image

import lmzip as library

ROOT = Path(__file__).resolve().parent.parent
CODEC = Path(__file__).with_name("media_codec.py")
PATCH_HEIGHT, PATCH_WIDTH, CHUNK = 32, 64, 2048  # as many pixels as samples
_KODAK_COLOUR = 3  # pictures of `images` that are taken in colour too

Media = np.ndarray


def pnm(pixels: Media) -> bytes:
    """Return a picture (height, width) or (height, width, 3) uint8 as PGM or PPM."""
    kind, height, width = 5 + (pixels.ndim == 3), *pixels.shape[:2]
    return b"P%d\n%d %d\n255\n" % (kind, width, height) + pixels.tobytes()


def wav(samples: Media, path: Path, rate: int = 16000) -> None:
    """Write samples (n) uint8 or int16 as a WAV file of one channel."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, samples.itemsize, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def pictures(folder: Path) -> Iterator[tuple[str, Media]]:
    """Yield name and pixels (height, width, 3) of each picture of a folder."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            yield path.stem, np.asarray(image.convert("RGB"))


def grey(pixels: Media) -> Media:
    """Return the mean of the channels."""
    return (pixels.astype(int).sum(2) // 3).astype(np.uint8)


def recordings(folder: Path) -> Iterator[tuple[str, Media]]:
    """Yield name and samples (n) int16 of each recording of a folder."""
    for path in sorted(folder.iterdir()):
        yield path.stem, soundfile.read(path, dtype="int16")[0]


def patches(data: Path) -> list[Media]:
    """Return the patches of all pictures of `images`, row by row."""
    found = []
    for _, pixels in pictures(data / "images"):
        plane = grey(pixels)
        height, width = (n // m * m for n, m in zip(plane.shape, (PATCH_HEIGHT, PATCH_WIDTH), strict=True))
        rows = plane[:height, :width].reshape(-1, PATCH_HEIGHT, width // PATCH_WIDTH, PATCH_WIDTH)
        found += list(rows.swapaxes(1, 2).reshape(-1, PATCH_HEIGHT, PATCH_WIDTH))
    return found


def chunks(data: Path) -> list[Media]:
    """Return the whole chunks of all recordings, of 8 bits."""
    found = []
    for _, samples in recordings(data / "speech"):
        coarse = ((samples.astype(int) >> 8) + 128).astype(np.uint8)
        found += list(coarse[: len(coarse) // CHUNK * CHUNK].reshape(-1, CHUNK))
    return found


def make_photos(data: Path, out: Path) -> None:
    for name, pixels in pictures(data / "photos"):
        (out / f"{name}.ppm").write_bytes(pnm(pixels))


def make_kodak_grey(data: Path, out: Path) -> None:
    for name, pixels in pictures(data / "images"):
        (out / f"{name}.pgm").write_bytes(pnm(grey(pixels)))


def make_kodak_colour(data: Path, out: Path) -> None:
    for name, pixels in list(pictures(data / "images"))[:_KODAK_COLOUR]:
        (out / f"{name}.ppm").write_bytes(pnm(pixels))


def make_patches(data: Path, out: Path) -> None:
    (out / "patches.pgm").write_bytes(pnm(np.concatenate(patches(data))))


def make_speech(data: Path, out: Path) -> None:
    for name, samples in recordings(data / "speech"):
        wav(samples, out / f"{name}.wav")


def make_chunks(data: Path, out: Path) -> None:
    wav(np.concatenate(chunks(data)), out / "chunks.wav")


def make_each_patch(data: Path, out: Path) -> None:
    for number, pixels in enumerate(patches(data)):
        (out / f"{number:04}.pgm").write_bytes(pnm(pixels))


def make_each_chunk(data: Path, out: Path) -> None:
    for number, samples in enumerate(chunks(data)):
        wav(samples, out / f"{number:04}.wav")


SETS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "photos": ("photographs, PPM", make_photos),
    "kodak-grey": ("Kodak, grey, PGM", make_kodak_grey),
    "kodak-colour": ("Kodak, colour, PPM", make_kodak_colour),
    "patches": ("grey patches 64 x 32, all in one PGM", make_patches),
    "speech": ("speech, WAV of 16 bits", make_speech),
    "chunks": ("chunks of 2,048 samples of 8 bits, all in one WAV", make_chunks),
    "each-patch": ("patches, each a PGM by itself", make_each_patch),
    "each-chunk": ("chunks, each a WAV by itself", make_each_chunk),
}


def peers_of(name: str) -> list[Program]:
    """Return the programs that such a set is compared with."""

    def through_codec(kind: str, shown: str) -> Program:
        words = (sys.executable, str(CODEC), kind)
        return Program(shown, (*words, "pack", "input", "packed"), (*words, "unpack", "packed", "unpacked"))

    if name in ("speech", "chunks", "each-chunk"):
        return [
            Program(
                "FLAC -8", ("flac", "-8", "-s", "--no-padding", "-c", "input"), ("flac", "-d", "-s", "-c", "packed")
            )
        ]
    shown = {"png": "PNG", "webp": "WebP", "jxl": "JPEG XL -e9"}
    return [through_codec(kind, text) for kind, text in shown.items()]


def measure_each(folder: Path, name: str, levels: list[int]) -> list[Measurement]:
    """Return sums over many small files, lmzip's within this process: programs would measure their own starts."""
    raw = [path.read_bytes() for path in sorted(folder.iterdir())]
    found = []
    for level in levels:
        packed = [library.compress(data, level=level) for data in raw]
        if [library.decompress(data) for data in packed] != raw:
            raise RoundTripError(f"{name}: lmzip -{level}")
        sizes = len(raw) * CHUNK, sum(map(len, packed))  # headers are not counted as raw, as in the paper
        found.append(Measurement(f"lmzip -{level}", name, *sizes, ours=True))
    return found


def run_all(options: argparse.Namespace, report: Callable[[str], None]) -> list[Measurement]:
    """Return all measurements: of every file, or of sets of small ones their sums, without times."""
    found = []
    for name in options.sets:
        with tempfile.TemporaryDirectory(prefix="lmzip-media-") as folder:
            SETS[name][1](options.data, Path(folder))
            if name.startswith("each-"):
                found += measure_each(Path(folder), name, options.levels)
                continue
            wanted = [lmzip(level, options.threads) for level in options.levels] + peers_of(name)
            for path in sorted(Path(folder).iterdir()):
                programs = [program for program in wanted if program.executable]
                found += measure(programs, path, f"{name}/{path.stem}", options.runs, report)
    return found


def sum_up(measurements: list[Measurement], name: str) -> dict[str, tuple[int, int, float, float]]:
    """Return raw and compressed size and both times of each program over a set."""
    sums: dict[str, tuple[int, int, float, float]] = {}
    for m in measurements:
        if m.file.split("/")[0] == name:
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


def conditions(options: argparse.Namespace) -> str:
    """Return one paragraph on how the figures came about."""
    runs = f"median of {options.runs} runs in turn" if options.runs > 1 else "each run once, in turn"
    return textwrap.fill(
        f"Measured by `scripts/bench_media.py` on {bench_report.machine()}; lmzip with {options.threads} threads, the "
        f"others as they come; {runs}; every round trip checked; PNG and WebP by Pillow "
        "at their strongest, which counts the start of Python; JPEG XL by cjxl. 1 MB is 1,000,000 raw bytes.",
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
    body = [*tables(measurements, options.sets), "", conditions(options)]
    options.output_dir.mkdir(parents=True, exist_ok=True)
    write_csv(options.output_dir / "media.csv", measurements)
    print("\n".join(body))
    if options.update_docs:
        for path in (ROOT / "README.md", ROOT / "docs" / "RESULTS.md"):
            path.write_text(bench_report.replace_between(path.read_text(), "media", body))
    return 0


if __name__ == "__main__":
    sys.exit(main())
