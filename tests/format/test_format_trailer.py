"""Trailers of frames: what is packed is parsed, every bit is covered, another table is noticed."""

from __future__ import annotations

import struct
import zlib

import pytest
from format_tools import HEADERS, LONG, SHORT, bit_flips
from hypothesis import given
from hypothesis import strategies as st

from lmzip.errors import DamagedError
from lmzip.format.header import FrameHeader
from lmzip.format.trailer import Trailer, content_hash, is_trailer, parse_trailer, trailer_size

TABLE = ((1000, 517), (7, 24))
TRAILER = Trailer(TABLE, b"8 bytes!")
u32 = st.integers(0, 0xFFFFFFFF)


def test_layout_is_the_one_in_the_specification():
    packed = TRAILER.pack(LONG)
    assert packed[:-4] == struct.pack("<IIII", 1000, 517, 7, 24) + b"8 bytes!" + b"\x02\x00"
    assert packed[-4:] == struct.pack("<I", zlib.crc32(b"\x89LMZ\x01\x03" + packed[:-4]))
    assert len(packed) == trailer_size(LONG, 2) == 30


def test_content_hash_is_blake2b_of_eight_bytes():
    hash_ = content_hash()
    hash_.update(b"abc")
    assert hash_.digest().hex() == "d8bb14d833d59559"


@given(st.lists(st.tuples(u32, u32), min_size=1, max_size=50), st.binary(min_size=8, max_size=8))
def test_trailers_come_back(table, digest):
    trailer = Trailer(tuple(table), digest)
    packed = trailer.pack(LONG)
    assert len(packed) == trailer_size(LONG, len(table))
    assert parse_trailer(LONG, packed, table) == trailer


@pytest.mark.parametrize("header", [header for header in HEADERS.values() if not header.is_short])
def test_every_bit_of_header_and_trailer_is_covered(header):
    packed = TRAILER.pack(header)
    for changed in bit_flips(packed):
        with pytest.raises(DamagedError):
            parse_trailer(header, changed, TABLE)
    for changed in bit_flips(header.packed):
        assert not is_trailer(FrameHeader(changed), packed)


def test_a_short_frame_has_no_trailer():
    assert trailer_size(SHORT, 1) == 0 and Trailer(((5, 15),), b"").pack(SHORT) == b""
    assert parse_trailer(SHORT, b"", [(5, 15)]) == Trailer(((5, 15),), b"")
    for behind in (b"x", TRAILER.pack(LONG)):
        assert not is_trailer(SHORT, behind)
        with pytest.raises(DamagedError):
            parse_trailer(SHORT, behind, [(5, 15)])


@pytest.mark.parametrize("table", [((1000, 517), (8, 24)), ((1000, 516), (7, 24)), ((7, 24), (1000, 517))], ids=str)
def test_a_table_of_other_blocks(table):
    with pytest.raises(DamagedError, match="table"):
        parse_trailer(LONG, TRAILER.pack(LONG), table)


def test_a_trailer_that_counts_otherwise():
    packed = bytearray(TRAILER.pack(LONG))
    packed[24] = 3
    packed[-4:] = struct.pack("<I", zlib.crc32(LONG.packed + packed[:-4]))
    with pytest.raises(DamagedError, match="table"):
        parse_trailer(LONG, bytes(packed), TABLE)
