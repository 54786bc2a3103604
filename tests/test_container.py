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
SHORT = container.pack_header(short=True)
HEAD = BlockHead(True, 3, 4, 1000, 500, 0x12345678)
RECORD = ModelRecord(3, bytes(range(32)), b"f" * 16, "naïve-v1", "cuda bf16")
DIGEST = bytes(range(100, 132))
HEADERS = {
    "plain": PLAIN,
    "plain short": SHORT,
    "registered": FrameHeader(container.MAGIC + b"\x41\x07" + DIGEST[:4]),
    "registered short": FrameHeader(container.MAGIC + b"\x61\x07" + DIGEST[:4]),
    "model": container.pack_header(RECORD),
    "model short": container.pack_header(RECORD, short=True),
}
LONG = {name: header for name, header in HEADERS.items() if not header.is_short}


@pytest.fixture
def number_7(monkeypatch):
    """A model with this digest has a number in the format."""
    monkeypatch.setattr(container, "REGISTERED", {3: ("other", "00" * 32), 7: ("seven", DIGEST.hex())})


heads = st.builds(
    BlockHead,
    last=st.booleans(),
    method=st.integers(1, 15),
    n_lanes=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]),
    raw_size=st.integers(2, 1 << 30),
    payload_size=st.just(1),
    data_check=st.integers(0, 0xFFFFFFFF),
)
short_heads = st.builds(
    BlockHead,
    last=st.just(True),
    method=st.integers(1, 15),
    n_lanes=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]),
    raw_size=st.integers(2, 65535),
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
    assert len(PLAIN.packed) + len(packed) + container.trailer_size(PLAIN, 1) == 40
    record = container.pack_header(RECORD).packed
    assert len(record) == 128 and record[:5] == b"\x89LMZ\x81"
    assert record[5:55] == b"\x03\x00" + RECORD.digest + RECORD.fingerprint
    assert record[55:87].rstrip(b"\0") == "naïve-v1".encode()
    assert record[87:].rstrip(b"\0") == b"cuda bf16"


def test_layout_of_short_frames(number_7):
    assert SHORT.packed == b"\x89LMZ\x21" and SHORT.is_short and not PLAIN.is_short
    packed = HEAD.pack(SHORT)
    assert packed[:9] == bytes([0x80 | 2 << 4 | 3]) + struct.pack("<HHI", 1000, 500, 0x12345678)
    assert packed[9:] == struct.pack("<I", zlib.crc32(b"\x89LMZ\x21" + packed[:9]))[:2]
    assert Trailer((500,), b"").pack(SHORT) == b"" and container.trailer_size(SHORT, 1) == 0
    assert len(SHORT.packed) + len(packed) == 16
    record = container.pack_header(RECORD, short=True).packed
    assert record[:5] == b"\x89LMZ\xa1" and record[5:] == container.pack_header(RECORD).packed[5:]
    registered = replace(RECORD, digest=DIGEST)
    assert container.pack_header(registered).packed == HEADERS["registered"].packed
    assert container.pack_header(registered, short=True).packed == HEADERS["registered short"].packed
    assert len(HEADERS["registered short"].packed) + len(HEAD.pack(HEADERS["registered short"])) == 21


def test_numbers_are_never_given_twice():
    """Numbers and digests of the format's table are for ever, and each has one model."""
    digests = [digest for _, digest in container.REGISTERED.values()]
    assert len(set(digests)) == len(digests)
    for number, (name, digest) in container.REGISTERED.items():
        assert 1 <= number <= 254 and 0 < len(name.encode()) <= 32
        assert digest == bytes.fromhex(digest).hex() and len(digest) == 64
        assert container.registered_number(bytes.fromhex(digest)) == number


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


@given(short_heads, st.sampled_from([header for header in HEADERS.values() if header.is_short]))
def test_short_heads_come_back(head, header):
    packed = head.pack(header)
    assert len(packed) == header.block_head_size == container.SHORT_HEAD_SIZE
    assert container.parse_block_head(header, packed) == head


@pytest.mark.parametrize("field", ["raw_size", "payload_size"])
def test_a_short_head_has_no_room_for_large_blocks(field):
    with pytest.raises(struct.error):
        replace(HEAD, **{field: 65536}).pack(SHORT)


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=50), st.binary(min_size=8, max_size=8))
def test_trailers_come_back(sizes, digest):
    trailer = Trailer(tuple(sizes), digest)
    packed = trailer.pack(PLAIN)
    assert len(packed) == container.trailer_size(PLAIN, len(sizes))
    assert container.parse_trailer(PLAIN, packed, sizes) == trailer


def test_model_records_come_back():
    header = container.pack_header(RECORD)
    assert container.header_size(header.packed[:5]) == container.MODEL_HEADER_SIZE
    assert FrameHeader(header.packed).model() == RECORD
    short = container.pack_header(RECORD, short=True)
    assert container.header_size(short.packed[:5]) == container.MODEL_HEADER_SIZE
    assert FrameHeader(short.packed).model() == RECORD
    assert PLAIN.model() is None and SHORT.model() is None


@pytest.mark.parametrize("name", ["registered", "registered short"])
def test_registered_models(number_7, name):
    header = HEADERS[name]
    assert container.header_size(header.packed[:5]) == container.REGISTERED_HEADER_SIZE
    assert header.model() == ModelRecord(1, DIGEST, bytes(16), "seven", "")
    for at in (6, 9):
        changed = bytearray(header.packed)
        changed[at] ^= 1
        with pytest.raises(UnsupportedError, match="number 7.*not the seven"):
            FrameHeader(bytes(changed)).model()
    other = header.packed[:5] + b"\x03" + header.packed[6:]
    with pytest.raises(UnsupportedError, match="number 3.*not the other"):
        FrameHeader(other).model()


def test_numbers_of_later_versions_are_listed():
    record = FrameHeader(container.MAGIC + b"\x41\xfe" + DIGEST[:4]).model()
    assert record and record.digest == DIGEST[:4] and record.name == "number 254" and not record.is_known
    assert RECORD.is_known


def test_models_without_a_number_have_a_record(number_7):
    assert container.registered_number(DIGEST) == 7 and container.registered_number(RECORD.digest) is None
    assert len(container.pack_header(RECORD).packed) == container.MODEL_HEADER_SIZE


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_every_bit_of_header_and_head_is_covered(header):
    packed = HEAD.pack(header)
    behind = packed + bytes(range(100, 110))  # for a header that now seems to be a long one
    for changed in bit_flips(packed):
        with pytest.raises(DamagedError):
            container.parse_block_head(header, changed)
    for changed in bit_flips(header.packed):
        other = FrameHeader(changed)
        assert not container.is_block_head(other, behind[: other.block_head_size])


@pytest.mark.parametrize("header", LONG.values(), ids=LONG)
def test_every_bit_of_header_and_trailer_is_covered(header):
    packed = Trailer((500, 7), b"8 bytes!").pack(header)
    for changed in bit_flips(packed):
        with pytest.raises(DamagedError):
            container.parse_trailer(header, changed, [500, 7])
    for changed in bit_flips(header.packed):
        assert not container.is_trailer(FrameHeader(changed), packed)


def test_a_short_frame_has_no_trailer():
    assert container.parse_trailer(SHORT, b"", [500]) == Trailer((500,), b"")
    for behind in (b"x", Trailer((500,), bytes(8)).pack(PLAIN)):
        assert not container.is_trailer(SHORT, behind)
        with pytest.raises(DamagedError):
            container.parse_trailer(SHORT, behind, [500])


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
    for header in (PLAIN, SHORT):
        if header.is_short and head.raw_size > 65535:
            continue  # there is no room to say so
        with pytest.raises(DamagedError, match="impossible"):
            container.parse_block_head(header, head.pack(header))


def test_a_short_frame_has_one_block():
    for head in (replace(HEAD, last=False), BlockHead(False, 0, 1, 5, 5, 0), BlockHead(False, 0, 1, 0, 0, 0)):
        with pytest.raises(DamagedError, match="short"):
            container.parse_block_head(SHORT, head.pack(SHORT))
    for raw_size in (0, 1, 65535):
        head = BlockHead(True, 0, 1, raw_size, raw_size, 0)
        assert container.parse_block_head(SHORT, head.pack(SHORT)) == head


@pytest.mark.parametrize("header", [PLAIN, SHORT], ids=["long", "short"])
def test_stored_lanes_are_for_later_versions(header):
    with pytest.raises(UnsupportedError):
        container.parse_block_head(header, BlockHead(True, 0, 2, 5, 5, 0).pack(header))


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
    sizes = {0x01: 5, 0x21: 5, 0x41: 10, 0x61: 10, 0x81: 128, 0xA1: 128}
    for version in range(256):
        start = container.MAGIC + bytes([version])
        if version in sizes:
            assert container.header_size(start) == sizes[version]
        else:
            with pytest.raises(UnsupportedError):
                container.header_size(start)


def test_number_255_is_refused_as_a_later_version_is():
    """Before any check: the header that it starts may be longer."""
    for version in (b"\x41", b"\x61"):
        start = container.MAGIC + version
        with pytest.raises(UnsupportedError, match="newer lmzip: model number 255"):
            container.header_size(start + b"\xff")
        for number in (0, 1, 254):
            assert container.header_size(start + bytes([number])) == container.REGISTERED_HEADER_SIZE
        assert container.header_size(start) == container.REGISTERED_HEADER_SIZE
    for version in (b"\x01", b"\x21", b"\x81", b"\xa1"):
        assert container.header_size(container.MAGIC + version + b"\xff")


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
