"""Measure what pictures and sound would gain behind a dictionary of the same content, for docs/ABLATIONS.md.

    python scripts/measure_media_dictionaries.py ../shared/data/dev

A block behind others' samples is taken to cost what it adds to a block of both: its base has learned from them, and is
where they end.  A real dictionary's block would begin a picture of its own.  Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from media_sets import pictures, recordings

from lmzip import native
from lmzip.block import IMAGE, SIGNED, SOUND, BlockSpec, Content

PROFILE = 4
LEARNED = 160000  # bytes of a recording before
N_TILES, N_PICTURES = 8, 4  # before a tile
Pair = tuple[bytes, bytes]  # the dictionary, the block


def size(raw: bytes, content: Content) -> int:
    payload = native.encode_block(raw, BlockSpec(len(raw), PROFILE, False, content=content))
    return len(raw) if payload is None else len(payload)


def row(name: str, pairs: Iterable[Pair], content: Content) -> str:
    """Return a row of the table: bytes of the blocks alone, and behind their dictionaries."""
    pairs = list(pairs)
    alone = sum(size(block, content) for _, block in pairs)
    behind = sum(size(before + block, content) - size(before, content) for before, block in pairs)
    return f"| {name} | {alone:,} | {behind:,} | {100 * (behind / alone - 1):+.2f} % |"


def sounds(folder: Path, n_bytes: int, *, one_speaker: bool) -> Iterator[Pair]:
    """Yield the end of a recording and the beginning of another one, of the same speaker or of the next."""
    found = [(name.split("-")[0], samples.tobytes()) for name, samples in recordings(folder)]
    for (speaker, samples), (next_speaker, others) in zip(found, found[1:], strict=False):
        if (speaker == next_speaker) == one_speaker:
            yield samples[-LEARNED:], others[:n_bytes]


def tiles(all_pixels: list[np.ndarray], width: int, *, one_picture: bool) -> Iterator[Pair]:
    """Yield tiles of a picture, and one of the same or of another."""
    source = random.Random(width)

    def tile(pixels: np.ndarray) -> bytes:
        y, x = (source.randrange(n - width) for n in pixels.shape[:2])
        return pixels[y : y + width, x : x + width].tobytes()

    for i, pixels in enumerate(all_pixels):
        others = pixels if one_picture else all_pixels[i - 1]
        yield b"".join(tile(others) for _ in range(N_TILES)), tile(pixels)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="measure dictionaries of pictures and sound")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    print("| blocks | bytes alone | behind a dictionary | |\n|---|---|---|---|")
    for one_speaker, what in ((True, "the same speaker"), (False, "another")):
        for n_bytes in (8000, 32000, 128000):
            pairs = sounds(data / "speech", n_bytes, one_speaker=one_speaker)
            name = f"speech, {n_bytes:,} bytes of 16 bits, behind {what}"
            print(row(name, pairs, Content(SOUND, 1, 16, SIGNED)), flush=True)
    some = [pixels for _, pixels in pictures(data / "images")][:N_PICTURES]
    for one_picture, what in ((True, "the same picture"), (False, "another")):
        for width in (32, 64, 128):
            name = f"tiles of {width} x {width} in colour, behind {N_TILES} of {what}"
            print(row(name, tiles(some, width, one_picture=one_picture), Content(IMAGE, 3, 8, 0, width)), flush=True)


if __name__ == "__main__":
    main()
