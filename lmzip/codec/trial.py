"""What it takes to code a sample, and to choose on the model: from that the time of a whole stream is reckoned."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

from lmzip import levels
from lmzip.block import BYTES, Content, Run
from lmzip.codec.choice import sample_sizes, takes_sample
from lmzip.codec.encode import encode_block
from lmzip.format.block import BODY_SIZE_SIZE, HEAD_SIZE
from lmzip.models.base import Model


class Trial(NamedTuple):
    """What a sample came to; sizes in bytes, times in seconds."""

    compressed_size: int
    choosing: float  # whether the model pays, once for each block
    coding: float
    decoding: float  # as long as coding, and nothing for what is stored


def try_sample(
    model: Model,
    settings: levels.LevelSettings,
    sample: bytes,
    block_size: int,
    n_threads: int,
    content: Content = BYTES,
) -> Trial:
    """Code a sample in blocks of block_size, with the lanes that a net has in full ones, however long the sample is.

    n_threads: of each block.  content: what the sample is.  The first use of a model may take longer: let it be before.
    """
    settings = replace(settings, lanes=((levels.MAX_BLOCK_SIZE, settings.n_lanes(block_size)),))
    choosing = coding = decoding = 0.0
    chooses = content == BYTES and takes_sample(settings, len(sample[:block_size]))
    if chooses:
        start = time.monotonic()
        sample_sizes(model, sample[:block_size], settings, Run(n_threads=n_threads))
        choosing = time.monotonic() - start
    size = 0
    for at in range(0, len(sample), block_size):
        block = sample[at : at + block_size]
        start = time.monotonic()
        head, payload, _ = encode_block(
            model, block, settings=settings, last=True, n_threads=n_threads, content=content
        )
        chose = choosing if chooses and takes_sample(settings, len(block)) else 0.0
        spent = max(0.0, time.monotonic() - start - chose)
        size += HEAD_SIZE + BODY_SIZE_SIZE * head.has_copies + len(payload)
        coding += spent
        decoding += spent if not head.is_stored else 0.0
    return Trial(size, choosing, coding, decoding)
