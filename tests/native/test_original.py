"""Copies of originals: bodies make their blocks again, and what stands near the rest is what the reference says."""

from __future__ import annotations

import random

import pytest
from conftest import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip.errors import DamagedError
from lmzip.native.original import Index, index_size, near_rest, put_back_patched
from lmzip.reference import copies as reference_copies
from lmzip.reference.faults import DamagedFile

TEXT = SAMPLE.read_bytes()[:40000]
NOISE = random.Random(1).randbytes(20000)


def checked_body(original: bytes, raw: bytes) -> tuple[bytes, bytes] | None:
    """Return list and rest, put back here and by the reference."""
    body = Index(original).body_of(raw)
    if body is None:
        return None
    coded = bytes(body.coded)
    listed, rest = coded[: body.list_size], coded[body.list_size :]
    assert len(coded) < len(raw) and put_back_patched(original, coded, len(listed), len(raw)) == raw
    copies = reference_copies.read_places(listed, len(original))
    gaps = [gap for gap, _, _ in copies]
    gaps.append(len(rest) - sum(gaps))
    near = reference_copies.near_gaps(original, copies, gaps)
    assert near_rest(original, listed, len(rest), 1 << 23) == near
    assert near_rest(original, listed, len(rest), 100) == near[-100:]
    return listed, rest


def edited(raw: bytes, seed: int, n: int) -> bytes:
    """Return bytes with n words replaced, put in, taken out or moved."""
    rng, made = random.Random(seed), bytearray(raw)
    for _ in range(n):
        at, size = rng.randrange(len(made)), rng.randrange(1, 30)
        piece = made[at : at + 3000] if rng.random() < 0.2 else rng.randbytes(rng.randrange(30))
        made[at : at + size] = piece
    return bytes(made)


@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("seed", range(4))
def test_edited_bytes_are_copies_and_little_else(seed, n):
    for original in (TEXT, NOISE, TEXT + NOISE + TEXT):
        raw = edited(original, seed, n)
        found = checked_body(original, raw)
        assert found is not None and len(found[0]) <= 10 * (3 * n + 1) and len(found[1]) < 1000 * n


def test_the_original_itself_is_one_copy():
    for original in (TEXT, NOISE, bytes(5000), b"ab" * 3000):
        assert checked_body(original, original) == (b"\1\0" + put_number(len(original)) + b"\0", b"")


def put_number(number: int) -> bytes:
    return bytes([number & 127 | 128, *([number >> 7 & 127 | 128, number >> 14] if number >> 14 else [number >> 7])])


def test_what_is_replaced_leaves_a_step_of_none():
    raw = TEXT[:9000] + b"12345" + TEXT[9005:30000]
    listed, rest = checked_body(TEXT, raw) or (b"", b"")
    assert rest == b"12345" and listed == b"\2\0" + put_number(9000) + b"\0\5" + put_number(20995) + b"\0"


def test_what_is_short_or_not_there_is_no_copy():
    assert checked_body(TEXT, NOISE) is None
    assert checked_body(TEXT, TEXT[100:355]) is None
    assert checked_body(TEXT, TEXT[100:356]) is not None
    for original in (b"", b"a", TEXT[:31]):
        assert checked_body(original, TEXT) is None
    for raw in (b"", b"a"):
        assert Index(TEXT).body_of(raw) is None


def test_the_same_everywhere_takes_no_long():
    """Windows that are all the same do not make it quadratic, which would take minutes."""
    for unit in (b"\0", b"ab", TEXT[:32]):
        original = unit * (4_000_000 // len(unit))
        checked = Index(original).body_of(original[:1_000_000] + b"!" + original[:3_000_000])
        assert checked is not None and checked.list_size < 40


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.integers(0, 300)), max_size=6),
    st.sampled_from((0, 0, 0, 0, 1, -1)),
    st.integers(0, 500),
    st.binary(max_size=60),
)
def test_any_list_means_what_the_reference_says(copies, off, size, rest):
    """Bytes of a list that nobody wrote: both read it, or neither does."""
    original, numbers = TEXT[:size], [max(0, len(copies) + off), *(number for copy in copies for number in copy)]
    listed = b"".join(map(put, numbers))
    try:
        copies = reference_copies.read_places(listed, size)
        gaps = [gap for gap, _, _ in copies]
        if sum(gaps) > len(rest):
            raise DamagedFile
        expected = reference_copies.near_gaps(original, copies, [*gaps, len(rest) - sum(gaps)])
    except DamagedFile:
        with pytest.raises(DamagedError):
            near_rest(original, listed, len(rest), 1 << 23)
    else:
        assert near_rest(original, listed, len(rest), 1 << 23) == expected
        raw_size = len(rest) + sum(end - start for _, start, end in copies)
        made = put_back_patched(original, listed + rest, len(listed), raw_size)
        assert len(made) == raw_size
        for wrong in (raw_size + 1, raw_size - 1):
            with pytest.raises(DamagedError):
                put_back_patched(original, listed + rest, len(listed), max(0, wrong) if raw_size else 1)


def put(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def test_numbers_that_there_are_not():
    for listed in (b"", b"\x80", b"\1\0\5", b"\1\0\0\0", b"\1\0\5\1", b"\1\0\5\0\0", b"\xff\xff\xff\xff\x7f"):
        with pytest.raises(DamagedError):
            near_rest(TEXT, listed, 0, 100)
        with pytest.raises(DamagedFile):
            reference_copies.read_places(listed, len(TEXT))


def test_memory_is_at_most_half_of_the_original():
    for size in (1 << 14, 100_000_000, 1 << 30):
        assert size // 4 <= index_size(size) <= size // 2 + 64
    assert index_size(0) < 1000
