"""The range coder by itself: round trips, equality with the reference, overhead against the ideal code length."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip.errors import DamagedError
from lmzip.native.range_coder import RangeDecoder, RangeEncoder
from lmzip.reference import range_coder as reference

decisions = st.lists(st.tuples(st.integers(0, 1), st.integers(1, (1 << 32) - 1)), max_size=200)


@st.composite
def symbols(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Draw a precision and intervals of it; the first and the last possible ones are common."""
    total_bits = draw(st.integers(1, 32))
    total = 1 << total_bits
    intervals = []
    for _ in range(draw(st.integers(0, 60))):
        low = draw(st.one_of(st.just(0), st.just(total - 1), st.integers(0, total - 1)))
        high = draw(st.one_of(st.just(low + 1), st.just(total), st.integers(low + 1, total)))
        intervals.append((low, high))
    return total_bits, intervals


@given(decisions)
def test_decisions_come_back(items: list[tuple[int, int]]) -> None:
    encoder = RangeEncoder(2000)
    for bit, p1 in items:
        encoder.encode_bit(bit, p1)
    payload = encoder.finish()
    decoder = RangeDecoder(payload)
    assert [decoder.decode_bit(p1) for _, p1 in items] == [bit for bit, _ in items]
    decoder.finish()


@given(decisions)
def test_decisions_equal_the_reference(items: list[tuple[int, int]]) -> None:
    encoder, slow = RangeEncoder(2000), reference.RangeEncoder()
    for bit, p1 in items:
        encoder.encode_bit(bit, p1)
        slow.code_bit(bit, p1)
    assert encoder.finish() == slow.finish()


@given(symbols())
def test_symbols_come_back_and_equal_the_reference(case: tuple[int, list[tuple[int, int]]]) -> None:
    total_bits, intervals = case
    total = 1 << total_bits
    encoder, slow = RangeEncoder(1000), reference.RangeEncoder()
    cdfs = [sorted({0, low, high, total}) for low, high in intervals]
    for (low, high), cdf in zip(intervals, cdfs, strict=True):
        encoder.encode_interval(low, high, total_bits)
        slow.code_symbol(cdf.index(low), cdf, total_bits)
    payload = encoder.finish()
    assert payload == slow.finish()
    decoder, slow_decoder = RangeDecoder(payload), reference.RangeDecoder(payload)
    for (low, high), cdf in zip(intervals, cdfs, strict=True):
        assert low <= decoder.target(total_bits) < high
        decoder.decode_interval(low, high, total_bits)
        assert slow_decoder.code_symbol(None, cdf, total_bits) == cdf.index(low)
    decoder.finish()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.00002, 0.99998), st.integers(0, 2**32))
def test_overhead_of_decisions(p: float, seed: int) -> None:
    """At most 0.01 % and 8 bytes over the sum of -log2 p."""
    rng = random.Random(seed)
    p1 = max(1, round(p * 2**32))
    encoder, ideal = RangeEncoder(100_000), 0.0
    for _ in range(20_000):
        bit = int(rng.random() < p)
        encoder.encode_bit(bit, p1)
        ideal -= math.log2(p1 / 2**32 if bit else 1 - p1 / 2**32)
    assert len(encoder.finish()) <= ideal / 8 * 1.0001 + 8


@pytest.mark.parametrize("total_bits", [8, 16, 24, 28, 32])
def test_overhead_of_symbols(total_bits: int) -> None:
    rng = random.Random(total_bits)
    total = 1 << total_bits
    encoder, ideal = RangeEncoder(1_000_000), 0.0
    for _ in range(20_000):
        low = rng.randrange(total)
        high = rng.randint(low + 1, min(total, low + 1 + rng.randrange(1 << rng.randrange(total_bits))))
        encoder.encode_interval(low, high, total_bits)
        ideal -= math.log2((high - low) / total)
    assert len(encoder.finish()) <= ideal / 8 * 1.0001 + 8


def test_carry_runs_through_bytes_of_ones() -> None:
    """The last symbol of a 2^32 total, again and again, pushes low against the top: each carry walks far back."""
    encoder, slow = RangeEncoder(10_000), reference.RangeEncoder()
    cdf = [0, (1 << 32) - 1, 1 << 32]
    for i in range(1000):
        symbol = 1 if i else 0
        encoder.encode_interval(cdf[symbol], cdf[symbol + 1], 32)
        slow.code_symbol(symbol, cdf, 32)
    assert encoder.finish() == slow.finish()


@pytest.mark.parametrize("seed", [12444, 65641, 83049])
def test_a_zero_byte_written_before_the_end_stays(seed: int) -> None:
    """Dropping it would let the decoder read further past the end than it allows; one stream in 30,000 has it."""
    rng = random.Random(seed)
    lows = [(rng.randrange(200), rng.randrange(3)) for _ in range(12)]
    intervals = [(low, low + 1 + width) for low, width in lows]
    encoder = RangeEncoder(200)
    for low, high in intervals:
        encoder.encode_interval(low, high, 8)
    payload = encoder.finish()
    assert payload.endswith(b"\0")
    decoder = RangeDecoder(payload)
    for low, high in intervals:
        assert low <= decoder.target(8) < high
        decoder.decode_interval(low, high, 8)
    decoder.finish()


def test_bad_arguments_are_value_errors() -> None:
    encoder = RangeEncoder(10)
    for p1 in (0, 1 << 32, -1):
        with pytest.raises(ValueError):
            encoder.encode_bit(0, p1)
    for low, high, bits in ((0, 0, 8), (5, 4, 8), (0, 257, 8), (0, 1, 0), (0, 1, 33), (-1, 1, 8)):
        with pytest.raises(ValueError):
            encoder.encode_interval(low, high, bits)


def test_capacity_and_ends() -> None:
    encoder = RangeEncoder(4)
    for _ in range(100):
        encoder.encode_bit(1, 1 << 30)
    with pytest.raises(OverflowError):
        encoder.finish()
    encoder = RangeEncoder(100)
    for _ in range(100):
        encoder.encode_bit(1, 1 << 30)
    payload = encoder.finish()
    too_long = RangeDecoder(payload + b"more and more")
    for _ in range(100):
        too_long.decode_bit(1 << 30)
    with pytest.raises(DamagedError):
        too_long.finish()
