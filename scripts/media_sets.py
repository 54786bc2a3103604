"""The sets of scripts/bench_media.py: pictures as PNM and recordings as WAV, made from a folder of data."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

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
