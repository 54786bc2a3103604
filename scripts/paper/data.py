"""The paper's data: chunks of 2,048 bytes of text, grey patches, speech and random bytes, from places of one's own.

With the paper's data its exact recipe is followed: enwik8 or enwik9 as a file, ImageNet and LibriSpeech as folders,
searched at all depths.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHUNK = 2048  # bytes
WIDTH, HEIGHT = 64, 32  # pixels of a patch
PICTURES = (".png", ".webp", ".jpg", ".jpeg")
RECORDINGS = (".flac", ".wav")


@dataclass(frozen=True)
class Places:
    """Where data are; None for what is not to be had.  text may be several files, end to end."""

    text: tuple[Path, ...] = ()
    images: Path | None = None
    speech: Path | None = None
    random_seed: int = 1


@dataclass(frozen=True)
class DataSet:
    """What is compressed: all of it in one piece, and in chunks of 2,048 bytes."""

    name: str
    content: str  # what lmzip is told that it is
    data: bytes  # whole chunks

    @property
    def chunks(self) -> list[bytes]:
        return [self.data[at : at + CHUNK] for at in range(0, len(self.data), CHUNK)]

    def some(self, n: int) -> list[bytes]:
        """Return n chunks, or all that there are, from regular places."""
        chunks = self.chunks
        return chunks if n >= len(chunks) else [chunks[i * len(chunks) // n] for i in range(n)]


def whole_chunks(data: bytes, most: int) -> bytes:
    """Return the beginning of data that is whole chunks, `most` at most."""
    return data[: min(most, len(data) // CHUNK) * CHUNK]


def text(paths: tuple[Path, ...], most: int) -> DataSet:
    """Consecutive reads of the files, end to end: the paper's enwik9, where that is the file."""
    data = b""
    for path in paths:
        with open(path, "rb") as file:
            data += file.read(most * CHUNK - len(data))
    return DataSet("text", "bytes", whole_chunks(data, most))


def grey_patches(pixels: np.ndarray) -> Iterator[bytes]:
    """Yield the patches of a picture (height, width, 3), in raster order: the truncated mean of the channels."""
    grey = pixels.astype(np.float64).mean(-1).astype(np.uint8)
    for y in range(0, grey.shape[0] - HEIGHT + 1, HEIGHT):
        for x in range(0, grey.shape[1] - WIDTH + 1, WIDTH):
            yield grey[y : y + HEIGHT, x : x + WIDTH].tobytes()


def images(folder: Path, most: int) -> DataSet:
    """Patches of 32 rows of 64 grey pixels, from pictures in the order of their names."""
    from PIL import Image

    found: list[bytes] = []
    for path in files(folder, PICTURES):
        if len(found) < most:
            with Image.open(path) as image:
                found += grey_patches(np.asarray(image.convert("RGB")))
    return DataSet("images", f"image:{WIDTH}x1", b"".join(found[:most]))


def speech(folder: Path, most: int) -> DataSet:
    """The upper byte of samples of 16 bits, unsigned, each recording's last chunk left out where it is not whole."""
    import soundfile

    data = b""
    for path in files(folder, RECORDINGS):
        if len(data) < most * CHUNK:
            samples = soundfile.read(path, dtype="int16")[0]
            data += whole_chunks(((samples.astype(int) >> 8) + 128).astype(np.uint8).tobytes(), most)
    return DataSet("speech", "audio:1x8", data[: most * CHUNK])


def random_bytes(seed: int, n: int) -> DataSet:
    return DataSet("random", "bytes", random.Random(seed).randbytes(n * CHUNK))


def files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files under a folder whose names end so, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)


def data_sets(places: Places, most: int) -> list[DataSet]:
    """Return the paper's four sets, as far as there are data, of at most so many chunks each."""
    found = [text(places.text, most)] if places.text else []
    found += [images(places.images, most)] if places.images else []
    found += [speech(places.speech, most)] if places.speech else []
    return [data_set for data_set in [*found, random_bytes(places.random_seed, min(most, 512))] if data_set.data]
