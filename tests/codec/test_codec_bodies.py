"""Blocks whose raw bytes are made of a body: how they are coded, and that nothing else passes their checks."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from unittest.mock import patch

import pytest
from codec_tools import FAST, frame_of, header_for, join, pack, stored, unpack, written_before_error
from conftest import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import codec
from lmzip.codec.block import decode_block
from lmzip.codec.encode import body_of, encode_block
from lmzip.codec.memory import Need, decode_need
from lmzip.errors import DamagedError
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check, stripe_checks_size
from lmzip.levels import get_level
from lmzip.native.copies import put_back_copies
from lmzip.reference import container
from lmzip.stream import shared

LINES = b"".join(b"%d bottles of beer, %d\n" % (i, i * i % 9973) for i in range(20_000))[:400_000]


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


NOISE_TWICE = noise(1, 300_000) * 2
LINES_TWICE = LINES + b"between" + LINES
ZEROS = bytes(700_000)
TEXT = SAMPLE.read_bytes()[:20_000] * 30


def heads_of(data: bytes) -> list[BlockHead]:
    return [block.head for frame in codec.list_frames(io.BytesIO(data)) for block in frame.blocks]


@pytest.mark.parametrize(
    ("raw", "level", "mode"),
    [
        (ZEROS, 1, STORED),
        (ZEROS, 6, STORED),
        (NOISE_TWICE, 1, STORED),
        (LINES_TWICE, 1, BASE),
        (TEXT, 5, WITH_MODEL),
    ],
    ids=["zeros", "zeros at 6", "noise", "lines", "a text"],
)
def test_repeats_are_taken_out_and_come_back(raw, level, mode):
    """Of noise the rest is stored; the reference has the same content where it takes no minutes."""
    data, summary = pack(raw, level=level, verify=True)
    (head,) = heads_of(data)
    assert (head.mode, head.raw_size, head.has_copies) == (mode, len(raw), True)
    assert head.coded_size <= len(raw) / 2 + 30 and summary.raw_size == len(raw)
    assert unpack(data)[0] == raw
    if head.payload_size < 100 or head.is_stored:
        assert container.decode(data, {}.__getitem__) == raw


@pytest.mark.parametrize(
    "raw",
    [ZEROS[: 512 << 10], LINES, noise(2, 600_000), LINES_TWICE[: 400_007 + 20_000] + noise(3, 200_000)],
    ids=["a small block", "nothing twice", "noise", "a repeat that is a small part"],
)
def test_other_blocks_are_left_alone(raw):
    assert body_of(raw) is None
    assert [head.has_copies for head in heads_of(pack(raw, level=1)[0])] == [False] * -(-len(raw) // (1 << 20))


def test_a_run_costs_no_more_than_the_models_took_for_it():
    """What 1 MiB of zeros came to before there were copies: 21 bytes and three checks of stripes."""
    (head,) = heads_of(pack(bytes(1 << 20), level=1)[0])
    assert 4 + head.payload_size <= 21


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 30_000), st.integers(0, 5000))
def test_blocks_with_copies_are_the_same_again(start, size, between):
    """Whatever stands twice where: with copies or without, a block comes back."""
    raw = LINES[:33_000] + noise(4, between) + LINES[start : start + size] + b"end"
    model, of_level = shared.registry.built_in(), get_level(1)
    with patch("lmzip.codec.copies._SMALL_BLOCK", 100):
        head, payload, _ = encode_block(model, raw, settings=of_level, last=True)
    assert decode_block(model, header_for(of_level.profile), head, payload, "block") == raw
    assert head.has_copies or size < 1 << 14


def test_any_bit_of_a_body_is_covered():
    """Also where another list makes the same bytes."""
    data = pack(ZEROS, level=1)[0]
    (head,) = heads_of(data)
    assert head.is_stored
    start = 6 + 21
    for bit in range(8 * head.payload_size):
        changed = bytearray(data)
        changed[start + bit // 8] ^= 1 << bit % 8
        assert isinstance(written_before_error(bytes(changed))[1], DamagedError), bit


@pytest.mark.parametrize("body", [b"\1\1\x81\1\1aa", b"\1\1\x7f\2aa", b"\1\1\x7f\0aa", b"\1\7\x7f\1aa", b"\xff" * 9])
def test_a_body_that_makes_something_else_is_a_damaged_block(body):
    with pytest.raises(DamagedError):
        put_back_copies(body, 129)
    check = data_check(STORED, bytes(129), body, has_copies=True)
    data = frame_of(BlockHead(True, STORED, 1, 129, len(body), check, body_size=len(body)), body, header_for(FAST))
    written, error = written_before_error(data)
    assert not written and isinstance(error, DamagedError) and str(error) == "block 1 at byte 6: damaged copies"


def test_a_block_that_claims_a_gigabyte_takes_no_more_than_it_makes():
    """The memory that it would need is known from its head; that a copy is longer than the block is seen before."""
    body = b"\1\1" + b"\x80\x80\x80\x80\4" + b"\1a"
    head = BlockHead(True, STORED, 1, 1 << 20, len(body), 0, body_size=len(body))
    assert decode_need(shared.registry.built_in(), header_for(FAST), head) == Need(0, len(body) + (1 << 20), len(body))
    assert isinstance(written_before_error(frame_of(head, body, header_for(FAST)))[1], DamagedError)


@pytest.fixture(scope="module")
def three_blocks():
    """Raw bytes and the file: a stored block, one with copies, and another stored one."""
    raw = LINES_TWICE
    head, payload, _ = encode_block(shared.registry.built_in(), raw, settings=get_level(1), last=False)
    assert head.has_copies and stripe_checks_size(head.coded_size, 1) == 4
    blocks = [stored(b"before", last=False), (head, bytes(payload)), stored(b"behind")]
    content = b"before" + raw + b"behind"
    return content, join(header_for(FAST), blocks, content)


@pytest.mark.parametrize(("part", "least"), [(0.2, 0), (0.8, 250_000)])
def test_a_damaged_one_is_a_hole_and_what_stands_around_it_is_saved(three_blocks, part, least):
    """Of the block itself what the sound stripes of its body make."""
    content, data = three_blocks
    changed = bytearray(data)
    changed[int(len(data) * part)] ^= 8
    written, error = written_before_error(bytes(changed))
    assert written == b"before" and isinstance(error, DamagedError)
    saved, summary = unpack(bytes(changed), salvage=True)
    beginning = saved.removesuffix(b"behind")
    assert content.startswith(beginning) and len(saved) - len(beginning) == 6 and len(beginning) >= 6 + least
    missing = len(content) - len(saved)
    assert [(hole.raw_offset, hole.raw_size) for hole in summary.holes] == [(len(beginning), missing)]
    assert least or missing == len(LINES_TWICE)


def test_a_damaged_stripe_of_a_body_shows_before_the_whole_is_decoded(three_blocks):
    """The check of the first stripe is of the body's bytes."""
    _, data = three_blocks
    _, info, _ = codec.list_frames(io.BytesIO(data))[0].blocks
    start = info.offset + info.head_size
    payload = bytearray(data[start : start + info.head.payload_size])
    payload[0] ^= 1
    head = replace(info.head, data_check=data_check(BASE, LINES_TWICE, payload, has_copies=True))
    with pytest.raises(DamagedError, match="stripe 1"):
        decode_block(shared.registry.built_in(), header_for(FAST), head, bytes(payload), "block")


def test_what_the_beginning_of_a_damaged_body_makes_is_saved():
    """Stripes are of the body: the copies of those before the damage come back too."""
    letters = random.Random(5).choices(b"abcdefgh", k=800_000)
    raw = bytes(letters[:100_000] * 3 + letters[100_000:])
    data = bytearray(pack(raw, level=1)[0])
    (head,) = heads_of(bytes(data))
    assert head.has_copies and not head.is_stored
    data[-30] ^= 1  # behind it is the trailer
    data[-1000] ^= 1
    saved, summary = unpack(bytes(data), salvage=True)
    (hole,) = summary.holes
    assert len(saved) > 200_000 + 3 * (1 << 18) - 1000 and raw.startswith(saved)
    assert len(saved) + hole.raw_size == len(raw)
