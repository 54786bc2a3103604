"""A dictionary made of samples: the pieces of them that share most with the others, and what that is worth.

A piece's worth is that of the 8-grams in it: one that n pieces have, and that the dictionary has c times already, is
worth n * log((c + 2) / (c + 1)).  So what is frequent is wanted first and more than once, and what a piece has alone is
worth nothing.  The sum has diminishing returns, for which taking the piece that is worth most a byte again and again is
near the best choice (Nemhauser and others 1978; zstd's COVER does so too, and counts each 8-gram once).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lmzip.dictionary import Dictionary, check_size
from lmzip.stream import compress

HELD_OUT_OF = 8  # one sample of so many is held out
MOST_HELD_OUT = 256 << 10  # bytes
GRAM_SIZE = 8  # bytes, which are one number of 64 bits
PIECE_SIZE = 2048  # bytes of a piece at most
MOST = 16 << 20  # bytes of samples that are looked at


def pieces_of(samples: Sequence[bytes]) -> list[bytes]:
    """Return samples in pieces of at most 2 KiB, cut behind a line feed where one is in the second half."""
    pieces = []
    for sample in samples:
        at = 0
        while len(sample) - at > PIECE_SIZE:
            end = sample.rfind(b"\n", at + PIECE_SIZE // 2, at + PIECE_SIZE) + 1 or at + PIECE_SIZE
            pieces.append(sample[at:end])
            at = end
        pieces.append(sample[at:])
    return pieces


def some(pieces: Sequence[bytes], most: int) -> list[bytes]:
    """Return pieces of `most` bytes together at most, from regular places."""
    size = sum(map(len, pieces))
    if size <= most:
        return list(pieces)
    n = max(1, len(pieces) * most // size)
    return [pieces[i * len(pieces) // n] for i in range(n)]


def grams_of(pieces: Sequence[bytes]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the numbers of the 8-grams in each piece that others have too, and in how many pieces each is."""
    found = []
    for piece in pieces:
        if len(piece) < GRAM_SIZE:
            found.append(np.zeros(0, "<u8"))
            continue
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(piece, np.uint8), GRAM_SIZE)
        found.append(np.unique(np.ascontiguousarray(windows).view("<u8")))
    _, numbers, counts = np.unique(np.concatenate(found), return_inverse=True, return_counts=True)
    ends = np.cumsum([0, *map(len, found)])
    of_pieces = [numbers[start:end] for start, end in pairwise(ends)]
    return [n[counts[n] > 1] for n in of_pieces], counts


def choose(samples: Sequence[bytes], size: int) -> bytes:
    """Return `size` bytes at most of pieces of samples, the best one last, where a block finds it first."""
    pieces = some(pieces_of(samples), MOST)
    grams, counts = grams_of(pieces)
    taken = np.zeros(len(counts), np.int64)

    def worth(i: int) -> float:
        """Return the worth of a piece a byte."""
        of = grams[i]
        return float((counts[of] * np.log((taken[of] + 2) / (taken[of] + 1))).sum()) / max(1, len(pieces[i]))

    # Worth only falls, so a piece whose old worth is below another's new one need not be looked at.
    heap = [(-worth(i), i) for i in range(len(pieces))]
    heapq.heapify(heap)
    chosen: list[bytes] = []
    left = size
    while heap and left:
        old, i = heapq.heappop(heap)
        now = -worth(i)
        if heap and now > old and (now, i) > heap[0]:
            heapq.heappush(heap, (now, i))
        elif now == 0:
            break
        else:
            chosen.append(pieces[i][-left:])
            left -= len(chosen[-1])
            taken[grams[i]] += 1
    return b"".join(reversed(chosen))


def latest(samples: Sequence[bytes], size: int) -> bytes:
    """Return the last `size` bytes of the samples, end to end."""
    parts, left = [], size
    for sample in reversed(samples):
        if not left:
            break
        parts.append(sample[-left:])
        left -= len(parts[-1])
    return b"".join(reversed(parts))


@dataclass(frozen=True)
class Trained:
    """A dictionary, and what it does to samples that it was not made of, each compressed by itself; sizes in bytes."""

    dictionary: Dictionary
    n_samples: int  # that it was made of, or that pieces were chosen from
    n_held_out: int
    raw_size: int
    size_without: int
    size_with: int


def train(
    samples: Sequence[bytes], max_size: int, level: int, progress: Callable[[int], None] = lambda n_bytes: None
) -> Trained:
    """Return the better one of choose() and latest() for samples held out: every eighth, 256 KiB of them at most.

    max_size: as of a Dictionary; level: what they are compressed at to measure it.  progress gets the raw bytes as they
    are compressed, three times those held out.  Raises ValueError for fewer than eight samples that are not empty.
    """
    check_size(max_size)
    samples = [sample for sample in samples if sample]
    if len(samples) < HELD_OUT_OF:
        raise ValueError(f"a dictionary takes {HELD_OUT_OF} samples or more, here are {len(samples)}")
    held_out = some(samples[HELD_OUT_OF - 1 :: HELD_OUT_OF], MOST_HELD_OUT)
    rest = [sample for i, sample in enumerate(samples) if i % HELD_OUT_OF != HELD_OUT_OF - 1]

    def compressed(dictionary: Dictionary | None) -> int:
        total = 0
        for sample in held_out:
            total += len(compress(sample, level, dictionary=dictionary, threads=1))
            progress(len(sample))
        return total

    # Where pieces have nothing in common there is nothing to choose.
    made = [Dictionary(data, max_size) for data in (choose(rest, max_size), latest(rest, max_size)) if data]
    sizes = [compressed(dictionary) for dictionary in made]
    best = sizes.index(min(sizes))
    return Trained(
        made[best],
        len(rest),
        len(held_out),
        sum(map(len, held_out)),
        size_without=compressed(None),
        size_with=sizes[best],
    )
