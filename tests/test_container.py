"""Frames as bytes: what is packed is parsed, every bit is covered, every rule of FORMAT is enforced."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzip import container
from lmzip.container import BlockHead, FrameHeader, ModelRecord, Trailer
from lmzip.errors import DamagedError, NotLmzipError, UnsupportedError

PLAIN = container.pack_header()
HEAD = BlockHead(True, 3, 4, 1000, 500, 0x12345678)
RECORD = ModelRecord(3, bytes(range(32)), b"f" * 16, "naïve-v1", "cuda bf16")

heads = st.builds(
    BlockHead,
    last=st.booleans(),
    method=st.integers(1, 15),
    n_lanes=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]),
    raw_size=st.integers(2, 1 << 30),
    payload_size=st.just(1),
    data_check=st.integers(0, 0xFFFFFFFF),
)


def bit_flips(data):
    """Yield data with each bit turned in turn."""
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_layout_is_the_one_in_the_specification():
    """FORMAT's tables once more, by hand."""
    assert PLAIN.packed == b"\x89LMZ\x01"
    packed = HEAD.pack(PLAIN)
    assert packed[:13] == bytes([0x80 | 2 << 4 | 3]) + struct.pack("<III", 1000, 500, 0x12345678)
    assert packed[13:] == struct.pack("<I", zlib.crc32(b"\x89LMZ\x01" + packed[:13]))
    trailer = Trailer((500, 7), b"8 bytes!").pack(PLAIN)
    assert trailer[:-4] == struct.pack("<II", 500, 7) + b"8 bytes!" + b"\x02\x00"
    assert trailer[-4:] == struct.pack("<I", zlib.crc32(b"\x89LMZ\x01" + trailer[:-4]))
    assert len(PLAIN.packed) + len(packed) + container.trailer_size(1) == 40
    record = container.pack_header(RECORD).packed
    assert len(record) == 128 and record[:5] == b"\x89LMZ\x81"
    assert record[5:55] == b"\x03\x00" + RECORD.digest + RECORD.fingerprint
    assert record[55:87].rstrip(b"\0") == "naïve-v1".encode()
    assert record[87:].rstrip(b"\0") == b"cuda bf16"


def test_content_hash_is_blake2b_of_eight_bytes():
    hash_ = container.content_hash()
    hash_.update(b"abc")
    assert hash_.digest().hex() == "d8bb14d833d59559"


def test_data_check():
    assert container.data_check(0, b"123456789", b"123456789") == 0xCBF43926
    assert container.data_check(1, b"12345", b"6789") == 0xCBF43926


@given(heads)
def test_heads_come_back(head):
    assert container.parse_block_head(PLAIN, head.pack(PLAIN)) == head


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=50), st.binary(min_size=8, max_size=8))
def test_trailers_come_back(sizes, digest):
    trailer = Trailer(tuple(sizes), digest)
    packed = trailer.pack(PLAIN)
    assert len(packed) == container.trailer_size(len(sizes))
    assert container.parse_trailer(PLAIN, packed, sizes) == trailer


def test_model_records_come_back():
    header = container.pack_header(RECORD)
    assert container.header_size(header.packed[:5]) == container.MODEL_HEADER_SIZE
    assert FrameHeader(header.packed).model() == RECORD
    assert PLAIN.model() is None


@pytest.mark.parametrize("header", [PLAIN, container.pack_header(RECORD)], ids=["plain", "model"])
def test_every_bit_of_header_and_head_is_covered(header):
    packed = HEAD.pack(header)
    for changed in bit_flips(packed):
        with pytest.raises(DamagedError):
            container.parse_block_head(header, changed)
    for changed in bit_flips(header.packed):
        assert not container.is_block_head(FrameHeader(changed), packed)


@pytest.mark.parametrize("header", [PLAIN, container.pack_header(RECORD)], ids=["plain", "model"])
def test_every_bit_of_header_and_trailer_is_covered(header):
    packed = Trailer((500, 7), b"8 bytes!").pack(header)
    for changed in bit_flips(packed):
        with pytest.raises(DamagedError):
            container.parse_trailer(header, changed, [500, 7])
    for changed in bit_flips(header.packed):
        assert not container.is_trailer(FrameHeader(changed), packed)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, payload_size=1000),
        replace(HEAD, payload_size=0),
        replace(HEAD, raw_size=(1 << 30) + 1),
        replace(HEAD, method=0, n_lanes=1),
        BlockHead(True, 0, 1, (1 << 30) + 1, (1 << 30) + 1, 0),
        replace(HEAD, raw_size=0, payload_size=0),
    ],
    ids=["not smaller", "no payload", "too large", "stored of another size", "stored too large", "coded and empty"],
)
def test_impossible_heads(head):
    with pytest.raises(DamagedError):
        container.parse_block_head(PLAIN, head.pack(PLAIN))


def test_stored_lanes_are_for_later_versions():
    with pytest.raises(UnsupportedError):
        container.parse_block_head(PLAIN, BlockHead(True, 0, 2, 5, 5, 0).pack(PLAIN))


@pytest.mark.parametrize(
    ("index", "raw_size", "last", "sound"),
    [
        (0, 100, False, True),
        (0, 100, True, True),
        (0, 0, True, True),
        (0, 0, False, False),
        (1, 100, False, True),
        (1, 101, True, False),
        (1, 99, False, False),
        (1, 99, True, True),
        (1, 0, True, False),
        (65533, 100, False, True),
        (65534, 100, True, True),
        (65534, 100, False, False),
        (65535, 100, True, False),
    ],
)
def test_sequence(index, raw_size, last, sound):
    head = BlockHead(last, 0, 1, raw_size, raw_size, 0)
    block_size = raw_size if index == 0 else 100
    if sound:
        container.check_sequence(head, index, block_size)
    else:
        with pytest.raises(DamagedError):
            container.check_sequence(head, index, block_size)


@pytest.mark.parametrize("sizes", [[500, 8], [7, 500]])
def test_a_table_of_other_blocks(sizes):
    with pytest.raises(DamagedError, match="table"):
        container.parse_trailer(PLAIN, Trailer((500, 7), b"8 bytes!").pack(PLAIN), sizes)


def test_a_trailer_that_counts_otherwise():
    packed = bytearray(Trailer((500, 7), b"8 bytes!").pack(PLAIN))
    packed[16] = 3
    packed[-4:] = struct.pack("<I", zlib.crc32(PLAIN.packed + packed[:-4]))
    with pytest.raises(DamagedError, match="table"):
        container.parse_trailer(PLAIN, bytes(packed), [500, 7])


def test_foreign_and_newer_starts():
    with pytest.raises(NotLmzipError):
        container.header_size(b"\x1f\x8b\x08\x00\x00")
    for version in (0, 2, 0x7F, 0x82, 0xFF):
        with pytest.raises(UnsupportedError):
            container.header_size(container.MAGIC + bytes([version]))


@pytest.mark.parametrize(("at", "byte"), [(5, 0), (5, 4), (6, 1)], ids=["kind 0", "kind 4", "flags"])
def test_unknown_kinds_and_flags(at, byte):
    packed = bytearray(container.pack_header(RECORD).packed)
    packed[at] = byte
    with pytest.raises(UnsupportedError):
        FrameHeader(bytes(packed)).model()


@pytest.mark.parametrize("at", [55, 87])
@pytest.mark.parametrize("text", [b"a\0b", b"\xff"], ids=["NUL inside", "not UTF-8"])
def test_texts_that_are_none(at, text):
    packed = bytearray(container.pack_header(RECORD).packed)
    packed[at : at + len(text)] = text
    if text == b"\xff":
        packed[at + 1 : at + 32] = bytes(31)
    with pytest.raises(DamagedError):
        FrameHeader(bytes(packed)).model()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": b"short"},
        {"fingerprint": b""},
        {"name": "x" * 33},
        {"numerics": "é" * 21},
        {"name": "a\0"},
        {"kind": 7},
    ],
    ids=lambda change: next(iter(change)),
)
def test_records_that_do_not_fit(change):
    with pytest.raises(ValueError):
        container.pack_header(replace(RECORD, **change))
