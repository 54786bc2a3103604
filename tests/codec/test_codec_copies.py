"""Blocks with long repeats: they come back, from any place too, cost little, and say what they are and need."""

from __future__ import annotations

import io
import random

import pytest
from codec_tools import pack, unpack

from lmzip import codec
from lmzip.codec.copies import largest_body
from lmzip.codec.memory import decode_need
from lmzip.errors import DamagedError, MemoryLimitError
from lmzip.models.ngram import NgramModel

MIB = 1 << 20
NOISE = random.Random(1).randbytes(300_000)
TWICE = NOISE + b"between" + NOISE + bytes(MIB)  # in two blocks of a MiB


def heads(data: bytes):
    (frame,) = codec.list_frames(io.BytesIO(data))
    return [block.head for block in frame.blocks]


@pytest.mark.parametrize("level", [1, 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_repeats_come_back(level, threads):
    data = pack(TWICE, level=level, threads=threads)[0]
    assert unpack(data, threads=threads)[0] == TWICE
    assert len(data) < len(NOISE) + 2000 and any(head.has_copies for head in heads(data))
    assert data == pack(TWICE, level=level, threads=1)[0]


def test_a_run_is_a_stored_body_of_some_bytes():
    data = pack(bytes(3 * MIB), level=1)[0]
    assert all(head.has_copies and head.coded_size < 1000 for head in heads(data)) and len(data) < 400
    assert unpack(data)[0] == bytes(3 * MIB)


def test_what_has_no_long_repeats_is_coded_as_it_is(sample_text):
    assert not any(head.has_copies for head in heads(pack(sample_text, level=1)[0]))
    assert not any(head.has_copies for head in heads(pack(random.Random(2).randbytes(MIB), level=1)[0]))


def test_any_range_of_it_can_be_read():
    file = io.BytesIO(pack(TWICE, level=1)[0])
    for start, size in ((0, 10), (299_990, 50), (MIB - 5, 10), (len(TWICE) - 3, 9)):
        assert b"".join(codec.read_range(file, start, size)) == TWICE[start : start + size]


def test_a_damaged_block_is_one_line_and_the_others_are_saved():
    data = bytearray(pack(TWICE, level=1)[0])
    (frame,) = codec.list_frames(io.BytesIO(bytes(data)))
    first = frame.blocks[0]
    data[first.offset + first.head_size + 1000] ^= 1
    with pytest.raises(DamagedError, match="block 1 at byte"):
        unpack(bytes(data))
    output = io.BytesIO()
    summary = codec.decompress_stream(io.BytesIO(bytes(data)).read, output.write, salvage=True)
    (hole,) = summary.holes
    assert output.getvalue() == TWICE[MIB:] and hole.raw_size == MIB


def test_the_memory_limit_counts_body_and_raw_bytes():
    data = pack(bytes(16 * MIB), level=4)[0]
    (frame,) = codec.list_frames(io.BytesIO(data))
    need = decode_need(NgramModel(), frame.header, frame.blocks[0].head).of_threads(1)
    assert need >= 16 * MIB and unpack(data, threads=1, memory_limit=need)[0] == bytes(16 * MIB)
    with pytest.raises(MemoryLimitError):
        unpack(data, threads=1, memory_limit=need - 1)


def test_only_blocks_that_may_have_a_body_need_memory_for_it():
    assert largest_body(1 << 19) == 0 and 0 < largest_body(16 * MIB) < 16 * MIB
