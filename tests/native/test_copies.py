"""Copies: what is taken out of a block is put back, long repeats are found, and no body makes more than it may."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmzip.errors import DamagedError
from lmzip.native.copies import put_back_copies, take_copies
from lmzip.reference import container

FOUND = 8191  # bytes of a repeat, two windows less one; longer ones are always found
MAX_SIZE = 1 << 30


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def leb128(number: int) -> bytes:
    packed = bytearray()
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    return bytes([*packed, number])


def body_of(copies: list[tuple[int, int, int]], rest: bytes) -> bytes:
    """Return a body by hand, FORMAT 4.6."""
    return b"".join(map(leb128, [len(copies), *(number for copy in copies for number in copy)])) + rest


def n_copies(body) -> int:
    return container.read_number(bytes(body), 0)[0]


def put_back(body: bytes, raw_size: int) -> bytes | None:
    """Return what a body makes, None where it is damaged; kernel and reference agree."""
    try:
        raw = bytes(put_back_copies(body, raw_size))
    except DamagedError:
        raw = None
    try:
        expected = container.put_back_copies(body, raw_size)
    except container.DamagedFile:
        expected = None
    assert raw == expected
    return raw


pieces = st.one_of(
    st.tuples(st.just("noise"), st.integers(0, 99), st.integers(0, 3000)),
    st.tuples(st.just("run"), st.integers(0, 255), st.integers(0, 70000)),
    st.tuples(st.just("again"), st.integers(0, 1 << 20), st.integers(0, 30_000)),
    st.tuples(st.just("period"), st.integers(1, 3000), st.integers(0, 30_000)),
)


def made_of(parts: list[tuple[str, int, int]]) -> bytes:
    """Return noise, runs, what stood before and what goes on with a period, as the parts say."""
    raw = bytearray(noise(1, 10))
    for kind, number, size in parts:
        if kind == "noise":
            raw += noise(number, size)
        elif kind == "run":
            raw += bytes([number]) * size
        elif kind == "again":
            start = number % len(raw)
            raw += raw[start : start + size]
        else:
            period = raw[-number:]
            raw += (period * (size // len(period) + 1))[:size]
    return bytes(raw)


@given(st.lists(pieces, max_size=12))
@example([("run", 0, 70000)])
@example([("noise", 1, 3000), ("again", 0, 9000), ("period", 3000, 9000)])
def test_what_is_taken_out_is_put_back(parts):
    raw = made_of(parts)
    body = take_copies(raw, len(raw) - 1)
    if body is None:
        return
    assert len(body) < len(raw) and n_copies(body) > 0
    assert put_back(bytes(body), len(raw)) == raw


@given(st.integers(0, 5000), st.integers(FOUND, 200_000), st.integers(1, 3000))
def test_long_repeats_are_found_whole(before, size, between):
    """Wherever they stand: what is left is the first of the two, and a list of one copy."""
    again = noise(2, size)
    raw = noise(1, before) + b"<" + again + b"1" + noise(3, between) + b"2" + again + b">"
    body = take_copies(raw, len(raw) - 1)
    assert body is not None and n_copies(body) == 1 and len(body) <= len(raw) - size + 13


@pytest.mark.parametrize("period", [1, 2, 3, 7, 511, 4095, 4096, 4097, 50_000])
def test_of_what_is_periodic_one_period_is_left(period):
    raw = (noise(4, period) * (200_000 // period + 1))[:200_000]
    body = take_copies(raw, len(raw) - 1)
    assert body is not None and n_copies(body) == 1 and len(body) <= period + 13
    assert put_back(bytes(body), len(raw)) == raw


def test_short_repeats_are_found_beside_long_ones():
    """As of a tree of files that stands in a tar twice: the headers differ, and most files are small."""
    files = [noise(seed, size) for seed, size in enumerate((600, 20_000, 700, 511, 800, 20_000, 900))]
    trees = [b"".join(bytes([tree]) * 16 + file for file in files) for tree in (1, 2)]
    raw = b"".join(trees)
    body = take_copies(raw, len(raw) - 1)
    assert body is not None and n_copies(body) == 6 and put_back(bytes(body), len(raw)) == raw
    assert len(body) <= len(trees[0]) + 7 * 16 + 511 + 60


def test_a_self_similar_text_is_a_list_of_copies():
    """Of Thue and Morse: the fingerprints of the two halves of each power of two differ."""
    raw = bytes(97 + i.bit_count() % 2 for i in range(1 << 18))
    body = take_copies(raw, len(raw) - 1)
    assert body is not None and len(body) < 12_000 and put_back(bytes(body), len(raw)) == raw


def test_a_body_is_as_small_as_asked_for_or_none():
    raw = noise(5, FOUND) + noise(6, 3000) + noise(5, FOUND)
    size = len(take_copies(raw, len(raw) - 1))
    assert size < FOUND + 3020 and len(take_copies(raw, size)) == size
    assert take_copies(raw, size - 1) is None
    assert take_copies(noise(7, 100_000), 99_999) is None and take_copies(b"ab" * 2000, 3999) is None
    assert take_copies(b"a", 0) is None
    with pytest.raises(ValueError):
        take_copies(b"abc", 4)


def test_a_body_by_hand():
    assert put_back(body_of([(1, 9, 1)], b"ab"), 11) == b"aaaaaaaaaab"
    assert put_back(body_of([(3, 5, 3), (1, 3, 2)], b"abcdef"), 14) == b"abcabcab" + b"dbdb" + b"ef"
    assert put_back(body_of([(3, 3, 3), (2, 4, 0)], b"abcde"), 12) == b"abcabcde" + b"cdec"
    assert put_back(body_of([], b"abc"), 3) == b"abc"


@pytest.mark.parametrize(
    ("body", "raw_size"),
    [
        (b"", 0),
        (b"\x80", 3),
        (b"\x80\x80\x80\x80\x80\x00", 1),
        (b"\xff\xff\xff\xff\xff\x0f", 9),
        (leb128(MAX_SIZE + 1) + b"abc", 3),
        (b"\x02\x01\x01\x01", 2),
        (body_of([(1, 0, 1)], b"ab"), 2),
        (body_of([(1, 1, 0)], b"ab"), 3),
        (body_of([(0, 1, 1)], b"ab"), 3),
        (body_of([(1, 1, 2)], b"ab"), 3),
        (body_of([(1, 1, 1)], b"ab"), 4),
        (body_of([(1, 2, 1)], b"ab"), 3),
        (body_of([(3, 1, 1)], b"ab"), 4),
        (body_of([(1, MAX_SIZE, 1)], b"ab"), 9),
        (body_of([(1, 1, MAX_SIZE)], b"ab"), 3),
        (body_of([(1, 1, MAX_SIZE + 1)], b"ab"), 3),
    ],
    ids=[
        *("no bytes", "a number cut", "six bytes of a number", "a number above 32 bits", "a number above 2^30"),
        *("fewer copies", "no size", "no distance", "nothing before", "too far", "too few", "too many"),
        *("beyond the rest", "a giant size", "a giant distance", "a distance above 2^30"),
    ],
)
def test_bodies_that_make_something_else_are_damaged(body, raw_size):
    assert put_back(body, raw_size) is None


numbers = st.integers(0, 40) | st.sampled_from([127, 128, 1 << 14, MAX_SIZE, MAX_SIZE + 1, (1 << 35) - 1])


@given(st.integers(0, 5), st.lists(numbers, max_size=15), st.binary(max_size=30), st.integers(0, 300), st.booleans())
def test_any_body_is_as_the_reference_has_it(count, fields, rest, raw_size, is_likely):
    """No body writes beyond the raw bytes, which `make asan` would tell; and raw_size is met or it is damaged."""
    if is_likely:
        raw_size = sum(fields[1 : 3 * count : 3]) + len(rest)
        raw_size = raw_size if raw_size < 1 << 20 else 7
    raw = put_back(leb128(count) + b"".join(map(leb128, fields)) + rest, raw_size)
    assert raw is None or len(raw) == raw_size
