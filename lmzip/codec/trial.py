"""What it takes to code a sample, and to choose a method: from that the time of a whole stream is reckoned."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

from lmzip import levels
from lmzip.codec.auto import sample_sizes, takes_sample
from lmzip.codec.blocks import encode_block
from lmzip.container import BLOCK_HEAD_SIZE, STORED
from lmzip.models.base import Model


class Trial(NamedTuple):
    """What a sample came to; sizes in bytes, times in seconds."""

    compressed_size: int
    choosing: float  # of a method, once for each block
    coding: float
    decoding: float  # as long as coding, and nothing for what is stored


def try_sample(model: Model, choice: levels.Level, sample: bytes, block_size: int, n_threads: int) -> Trial:
    """Code a sample in blocks of block_size, with the lanes that a net has in full ones, however long the sample is.

    n_threads: of each block.  The first use of a model may take longer: let it be before.
    """
    choice = replace(choice, lanes=((levels.MAX_BLOCK_SIZE, levels.n_lanes(choice, block_size)),))
    choosing = coding = decoding = 0.0
    if takes_sample(choice, len(sample[:block_size])):
        start = time.monotonic()
        sample_sizes(model, sample[:block_size], choice, None, n_threads)
        choosing = time.monotonic() - start
    size = 0
    for at in range(0, len(sample), block_size):
        block = sample[at : at + block_size]
        start = time.monotonic()
        head, payload = encode_block(model, block, choice=choice, last=True, n_threads=n_threads)
        chose = choosing if takes_sample(choice, len(block)) else 0.0
        spent = max(0.0, time.monotonic() - start - chose)
        size += BLOCK_HEAD_SIZE + len(payload)
        coding += spent
        decoding += spent if head.method != STORED else 0.0
    return Trial(size, choosing, coding, decoding)
