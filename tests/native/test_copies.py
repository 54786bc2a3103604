"""Copies: what is taken out of a block is put back, long repeats are found, and no body makes more than it may."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmzip.errors import DamagedError
from lmzip.native import copies
from lmzip.native.copies import Past, put_back_copies
from lmzip.reference import copies as reference_copies
from lmzip.reference.faults import DamagedFile

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


def body_of(triples: list[tuple[int, int, int]], rest: bytes) -> bytes:
    """Return a body by hand, FORMAT 4.6."""
    return b"".join(map(leb128, [len(triples), *(number for triple in triples for number in triple)])) + rest


def take_copies(raw: bytes, most: int):
    """Return the body of a block that stands alone, None where there is none."""
    body = copies.take_copies(raw, most)
    assert body is None or not body.reach
    return body and body.coded


def n_copies(body) -> int:
    return reference_copies.read_number(bytes(body), 0)[0]


def put_back_behind(before: bytes, body: bytes, raw_size: int, reach: int) -> bytes | None:
    """Return what a body makes that has copies of the last `reach` bytes before, None where it is damaged."""
    past = Past(len(before))
    past.append(before)
    try:
        raw = bytes(past.put_back(body, raw_size, reach))
    except DamagedError:
        raw = None
    try:
        expected = reference_copies.put_back_copies(body, raw_size, before[len(before) - reach :])
    except DamagedFile:
        expected = None
    assert raw == expected
    assert past.last(len(before)) == before if raw is None else past.last(raw_size) == raw
    return raw


def put_back(body: bytes, raw_size: int) -> bytes | None:
    """Return what a body makes, None where it is damaged; kernel and reference agree."""
    try:
        raw = bytes(put_back_copies(body, raw_size))
    except DamagedError:
        raw = None
    try:
        expected = reference_copies.put_back_copies(body, raw_size)
    except DamagedFile:
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


# --- copies of what stands before the block ---------------------------------------------------------------------------


def blocks_of(raw: bytes, block_size: int):
    return (raw[at : at + block_size] for at in range(0, len(raw), block_size))


@given(st.lists(pieces, max_size=12), st.sampled_from([1 << 12, 1 << 15, 1 << 20]), st.sampled_from([3000, 1 << 16]))
@example([("noise", 1, 3000), ("noise", 2, 3000)] * 9, 1 << 12, 3000)
def test_what_is_taken_out_of_blocks_is_put_back(parts, window, block_size):
    """Whatever the window is: no copy reaches farther, and a past without a finder makes the same bytes."""
    raw = made_of(parts)
    there, here, at = Past(window, block_size, finds=True), Past(window), 0
    for block in blocks_of(raw, block_size):
        there.append(block)
        body = there.take(len(block), len(block) // 16)
        if body is None:
            here.append(block)
        else:
            assert len(body.coded) < len(block) and body.reach <= min(window, at)
            assert here.put_back(body.coded, len(block), body.reach) == block
            before = raw[max(0, at - window) : at]
            assert put_back_behind(before, bytes(body.coded), len(block), body.reach) == block
        at += len(block)


@given(st.integers(0, 9000), st.integers(FOUND, 60_000), st.integers(0, 40_000))
def test_long_repeats_of_blocks_before_are_found_whole(before, size, between):
    again = noise(2, size)
    past = Past(1 << 20, 1 << 17, finds=True)
    for block in (noise(1, before) + again, noise(3, between)):
        past.append(block)
        assert past.take(len(block), len(block)) is None
    block = b"1" + again + b"2"
    past.append(block)
    body = past.take(len(block), len(block))
    assert body is not None and n_copies(body.coded) == 1 and len(body.coded) <= 15
    assert body.reach - size - between in (0, 1), "the byte before may be the same by chance"


def test_what_is_beyond_the_window_is_not_found():
    again = noise(2, 20_000)
    for between, is_found in ((1 << 16, False), ((1 << 16) - 20_000, True)):
        past = Past(1 << 16, 1 << 17, finds=True)
        for block in (again, noise(3, between)):
            past.append(block)
            past.take(len(block), len(block))
        past.append(again)
        body = past.take(len(again), len(again))
        assert (body is not None and len(body.coded) < 20) == is_found
        assert body is None or body.reach == 1 << 16


def test_what_was_found_once_is_found_again_after_the_window_moved():
    """Each time of one of the blocks before, as the first is long out of the window."""
    again = noise(2, 30_000)
    past = Past(1 << 16, 1 << 16, finds=True)
    for number in range(20):
        past.append(again + bytes([number]) * 10)
        body = past.take(30_010, 30_010)
        assert (body is None) == (number == 0)
        assert body is None or (len(body.coded) < 30 and body.reach <= 1 << 16)


def test_a_run_behind_a_run_stands_alone():
    past = Past(1 << 20, 1 << 17, finds=True)
    for _ in range(3):
        past.append(bytes(1 << 17))
        body = past.take(1 << 17, 1 << 13)
        assert body is not None and body.reach == 0 and len(body.coded) < 12


def test_repeats_of_the_block_itself_count_from_a_size_on():
    past = Past(1 << 20, 1 << 20, finds=True)
    block = noise(1, 100_000) + noise(2, 9000) * 2
    past.append(block)
    assert past.take(len(block), 9001) is None
    other = Past(1 << 20, 1 << 20, finds=True)
    other.append(block)
    assert other.take(len(block), 9000) is not None


@pytest.mark.parametrize(
    ("triples", "rest", "raw_size", "reach", "expected"),
    [
        ([(0, 3, 6)], b"x", 4, 6, b"abcx"),
        ([(0, 3, 6)], b"x", 4, 5, None),
        ([(1, 7, 4)], b"x", 8, 6, b"xdefxdef"),
        ([(0, 8, 2)], b"", 8, 2, b"efefefef"),
        ([(1, 1, 8)], b"x", 2, 6, None),
        ([(1, 1, 7)], b"x", 2, 6, b"xa"),
        ([(0, 1, MAX_SIZE)], b"x", 2, 6, None),
    ],
)
def test_a_body_behind_other_bytes_by_hand(triples, rest, raw_size, reach, expected):
    assert put_back_behind(b"abcdef", body_of(triples, rest), raw_size, reach) == expected


def test_no_body_reaches_beyond_what_is_there():
    past = Past(100)
    past.append(bytes(1000))
    assert past.reach == 100
    with pytest.raises(DamagedError):
        past.put_back(body_of([(0, 1, 1)], b""), 1, 101)


@given(
    st.integers(0, 5),
    st.lists(numbers, max_size=15),
    st.binary(max_size=30),
    st.integers(0, 300),
    st.binary(min_size=1, max_size=60),
    st.data(),
)
def test_any_body_behind_other_bytes_is_as_the_reference_has_it(count, fields, rest, raw_size, before, data):
    reach = data.draw(st.integers(0, len(before)))
    put_back_behind(before, leb128(count) + b"".join(map(leb128, fields)) + rest, raw_size, reach)
