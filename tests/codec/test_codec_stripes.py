"""Checks within a block: every stripe is compared as soon as it is there, and nothing is let out before."""

from __future__ import annotations

import zlib

import pytest
from conftest import painted
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip.block import BlockSpec
from lmzip.codec.stripes import StripeChecker, checks_of
from lmzip.errors import DamagedError
from lmzip.format.block import STRIPE_SIZE, n_stripe_checks, parse_stripe_checks, stripe_width


def checker_of(raw: bytes, n_lanes: int) -> StripeChecker:
    checks = parse_stripe_checks(checks_of(raw, n_lanes) + b"coded", len(raw), n_lanes)
    return StripeChecker(BlockSpec(len(raw), 1, False, n_lanes), checks)


def chunk_size_of(raw: bytes, n_lanes: int) -> int:
    return -(-len(raw) // n_lanes)


class Decoding:
    """A raw buffer that fills as a decoder fills it: one byte more of every lane's chunk at a time."""

    def __init__(self, raw: bytes, n_lanes: int) -> None:
        self.raw, self.n_lanes = raw, n_lanes
        self.chunk_size = chunk_size_of(raw, n_lanes)
        self.buffer = bytearray(len(raw))

    def advance(self, n: int) -> memoryview:
        """Return the buffer once the first n bytes of every chunk are in it."""
        for start in range(0, len(self.raw), self.chunk_size):
            end = min(start + n, start + self.chunk_size, len(self.raw))
            self.buffer[start:end] = self.raw[start:end]
        return memoryview(self.buffer)


@pytest.mark.parametrize("n_lanes", [1, 2, 8, 128])
@pytest.mark.parametrize("size", [STRIPE_SIZE - 1, STRIPE_SIZE, STRIPE_SIZE + 1, 3 * STRIPE_SIZE, 3 * STRIPE_SIZE + 1])
def test_what_is_let_out_grows_by_stripes(n_lanes, size):
    raw = painted(size)
    decoding, checker, width = Decoding(raw, n_lanes), checker_of(raw, n_lanes), stripe_width(n_lanes)
    n_checks = n_stripe_checks(size, n_lanes)
    assert n_checks == (size - 1) // STRIPE_SIZE and checker.n_checked == 0
    for k in range(1, n_checks + 1):
        for n in (k * width - 1, k * width, k * width + 1):
            expected = (k if n >= k * width else k - 1) * width
            assert checker.reached(decoding.advance(n), n) == checker.n_checked == expected
    end = decoding.chunk_size
    assert checker.reached(decoding.advance(end), end) == n_checks * width < end
    assert bytes(decoding.buffer) == raw


def test_the_last_stripe_waits_for_the_blocks_own_check():
    raw = painted(2 * STRIPE_SIZE)
    checker = checker_of(raw, 1)
    assert checker.reached(memoryview(raw), len(raw)) == STRIPE_SIZE


def test_checks_are_those_of_the_document():
    raw = painted(2 * STRIPE_SIZE + 1)
    half, width = STRIPE_SIZE + 1, STRIPE_SIZE // 2  # of two lanes
    stripes = [raw[k * width : (k + 1) * width] + raw[half + k * width : half + (k + 1) * width] for k in range(2)]
    assert checks_of(raw, 2) == b"".join(zlib.crc32(stripe).to_bytes(4, "little") for stripe in stripes)
    assert checks_of(raw, 1) == b"".join(
        zlib.crc32(raw[k * STRIPE_SIZE : (k + 1) * STRIPE_SIZE]).to_bytes(4, "little") for k in range(2)
    )
    assert checks_of(raw[:STRIPE_SIZE], 1) == checks_of(b"", 8) == checks_of(b"abc", 128) == b""


@pytest.mark.parametrize("n_lanes", [1, 4, 128])
def test_every_wrong_byte_is_noticed_with_its_stripe(n_lanes):
    raw = painted(3 * STRIPE_SIZE + 5)
    width, chunk_size = stripe_width(n_lanes), chunk_size_of(raw, n_lanes)
    for place in {0, width - 1, width, chunk_size - 1, min(chunk_size, len(raw) - 1), len(raw) // 2, len(raw) - 1}:
        wrong = bytearray(raw)
        wrong[place] ^= 1
        decoding, checker = Decoding(bytes(wrong), n_lanes), checker_of(raw, n_lanes)
        stripe = place % chunk_size // width
        n_checks = n_stripe_checks(len(raw), n_lanes)
        for k in range(min(stripe, n_checks)):
            assert checker.reached(decoding.advance((k + 1) * width), (k + 1) * width) == (k + 1) * width
        if stripe < n_checks:
            for _ in range(2):  # and again: what was wrong once is never let out
                with pytest.raises(DamagedError, match=f"stripe {stripe + 1}$"):
                    checker.reached(decoding.advance(chunk_size), chunk_size)
                assert checker.n_checked == stripe * width
        else:
            assert checker.reached(decoding.advance(chunk_size), chunk_size) == n_checks * width


def test_what_is_not_decoded_yet_is_not_looked_at():
    raw = painted(3 * STRIPE_SIZE)
    decoding, checker = Decoding(raw, 2), checker_of(raw, 2)
    width = stripe_width(2)
    buffer = decoding.advance(2 * width - 1)
    assert checker.reached(buffer, 2 * width - 1) == width
    with pytest.raises(DamagedError, match="stripe 2"):
        checker.reached(buffer, 2 * width)  # a decoder that claims too much


@pytest.mark.parametrize("n_bytes", [1, 127, 128, 129, 200])
def test_lanes_may_be_empty(n_bytes):
    raw = painted(n_bytes)
    assert checker_of(raw, 128).reached(memoryview(raw), chunk_size_of(raw, 128)) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2 * STRIPE_SIZE + 300),
    st.sampled_from([2, 16, 64, 128]),
    st.lists(st.integers(1, STRIPE_SIZE), max_size=5),
)
def test_shorter_lanes_and_any_steps(size, n_lanes, steps):
    raw = painted(size)
    decoding, checker = Decoding(raw, n_lanes), checker_of(raw, n_lanes)
    reached = 0
    for step in steps:
        reached = min(reached + step // n_lanes, decoding.chunk_size)
        n_checked = checker.reached(decoding.advance(reached), reached)
        assert n_checked <= reached and bytes(decoding.buffer[:n_checked]) == raw[:n_checked]
    end = decoding.chunk_size
    assert checker.reached(decoding.advance(end), end) == n_stripe_checks(size, n_lanes) * stripe_width(n_lanes)


@pytest.mark.parametrize("n_checks", [0, 1, 3])
def test_another_number_of_checks_is_no_block(n_checks):
    with pytest.raises(ValueError, match="checks"):
        StripeChecker(BlockSpec(3 * STRIPE_SIZE, 1, False), [0] * n_checks)
