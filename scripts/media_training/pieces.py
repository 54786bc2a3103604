"""Pieces of photographs and recordings to train on: many small ones, for starting values matter at the start."""

from __future__ import annotations

import io
import random
import tarfile
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

IMAGE, SOUND = 1, 2
_SIGNED = 2
Media = np.ndarray


class Piece(NamedTuple):
    """A block: its content and profile, and its bytes."""

    profile: int
    kind: int
    channels: int
    depth: int
    flags: int
    offset: int
    width: int
    raw: bytes


def image(pixels: Media, profile: int) -> Piece:
    """Return a block of pixels, (height, width) or (height, width, channels), of uint8 or uint16."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    raw = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return Piece(profile, IMAGE, channels, 8 * pixels.itemsize, 0, 0, pixels.shape[1], raw)


def sound(samples: Media, profile: int) -> Piece:
    """Return a block of samples (n), uint8 or int16."""
    raw = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    return Piece(profile, SOUND, 1, 8 * samples.itemsize, 0 if samples.itemsize == 1 else _SIGNED, 0, 0, raw)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an archive by name; raises OSError, tarfile.TarError."""
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            file = archive.extractfile(member)
            if file:
                yield member.name, file.read()


def photographs(path: Path) -> list[Media]:
    """Return the pictures (height, width, 3) of an archive; Pillow reads what is no PPM of 8 bits."""

    def read(name: str, data: bytes) -> Media:
        if name.endswith(".ppm"):
            _, width, height, _ = data.split(maxsplit=4)[:4]
            return np.frombuffer(data, np.uint8)[-int(width) * int(height) * 3 :].reshape(int(height), int(width), 3)
        from PIL import Image

        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))

    return [read(*member) for member in _members(path)]


def recordings(path: Path, every: int = 1, first: int = 0) -> list[Media]:
    """Return recordings (n) int16 of an archive, each `every`-th by name from the first; soundfile reads what is no
    WAV."""

    def read(name: str, data: bytes) -> Media:
        if name.endswith(".wav"):
            with wave.open(io.BytesIO(data)) as file:
                return np.frombuffer(file.readframes(file.getnframes()), "<i2")
        import soundfile

        return soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)[0][:, 0]

    return [read(*member) for member in list(_members(path))[first::every]]


def grey(pixels: Media) -> Media:
    """Return the mean of the channels."""
    return (pixels.astype(int).sum(2) // 3).astype(np.uint8)


def _deep(pixels: Media) -> Media:
    """Return grey of 16 bits: sums over squares of two by two pixels and their channels, 4,095 being the largest,
    times 16."""
    plane = pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2].astype(np.uint16).sum(2)
    squares = plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]
    return (squares * 16).astype(np.uint16)


class Kinds(NamedTuple):
    """A way to make a piece: of how many lines and columns of a photograph, how, and coded with which profile."""

    height: int
    width: int
    convert: Callable[[Media], Media]
    profile: int


def _colour(pixels: Media) -> Media:
    return pixels


_STRONG, _MIDDLE, _FAST = 4, 2, 1  # profiles, one for each shape of the bases
KINDS = (
    (24, Kinds(32, 64, grey, _STRONG)),
    (12, Kinds(32, 64, _colour, _STRONG)),
    (4, Kinds(160, 160, grey, _STRONG)),
    (3, Kinds(128, 128, _colour, _STRONG)),
    (2, Kinds(192, 192, _deep, _STRONG)),
    (2, Kinds(96, 96, _colour, _MIDDLE)),
    (2, Kinds(96, 96, grey, _FAST)),
)  # behind the number of pieces


def crops(pictures: list[Media], kinds: Kinds, n: int, seed: int) -> list[Piece]:
    """Return n pieces of one kind, of pictures in turn at places that the seed decides."""
    choice = random.Random(seed)
    order = choice.sample(range(len(pictures)), len(pictures))
    found = []
    for i in range(n):
        pixels = pictures[order[i % len(order)]]
        y = choice.randrange(max(1, len(pixels) - kinds.height + 1))
        x = choice.randrange(max(1, pixels.shape[1] - kinds.width + 1))
        found.append(image(kinds.convert(pixels[y : y + kinds.height, x : x + kinds.width]), kinds.profile))
    return found


def sets_of_pixels(pictures: list[Media], every: int) -> list[list[Piece]]:
    """Return sets of pieces that count alike: grey and colour, patches and larger ones, 16 bits, other profiles.

    every: of so many pieces only one is taken.
    """
    return [crops(pictures, kinds, -(-n // every), seed) for seed, (n, kinds) in enumerate(KINDS)]


def typical_pixels(pictures: list[Media], n: int) -> list[Piece]:
    """Return n pieces of the pictures in grey and n in colour, large enough to learn what is typical."""
    kinds = [Kinds(96, 96, convert, _STRONG) for convert in (grey, _colour)]
    return [piece for i, kind in enumerate(kinds) for piece in crops(pictures, kind, n, 100 + i)]


def typical_samples(sounds: list[Media]) -> list[Piece]:
    """Return the first 65,536 samples of each recording, of 16 and of 8 bits."""
    parts = [samples[: 1 << 16] for samples in sounds]
    return [sound(part, _STRONG) for part in parts] + [sound(upper(part), _STRONG) for part in parts]


def sets_of_samples(sounds: list[Media], every: int) -> list[list[Piece]]:
    """Return the same of sound: chunks of 2,048 samples of 8 and 16 bits, longer ones, other profiles."""
    kinds: tuple[tuple[int, int, bool, int], ...] = (
        (48, 2048, True, _STRONG),
        (48, 2048, False, _STRONG),
        (4, 16384, True, _STRONG),
        (4, 16384, False, _STRONG),
        (8, 4096, False, _MIDDLE),
        (8, 4096, True, _FAST),
    )
    found = []
    for seed, (n, size, is_byte, profile) in enumerate(kinds):
        choice = random.Random(seed)
        pieces = []
        for i in range(-(-n // every)):
            samples: Any = sounds[i % len(sounds)]
            at = choice.randrange(max(1, len(samples) - size + 1))
            samples = samples[at : at + size]
            pieces.append(sound(upper(samples) if is_byte else samples, profile))
        found.append(pieces)
    return found


def upper(samples: Media) -> Media:
    """Return the upper 8 of 16 bits, unsigned."""
    return ((samples.astype(int) >> 8) + 128).astype(np.uint8)
