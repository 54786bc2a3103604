"""Block heads and the checks of stripes: packed is parsed, every bit is covered, every rule of FORMAT 4 holds."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from conftest import painted
from format_tools import FLOAT, HEADERS, LONG, NET, SHORT, SHORT_LANES, bit_flips, coded_mode, sealed_head, with_bits
from hypothesis import given
from hypothesis import strategies as st

from lmzip.block import BYTES, BlockSpec, Content
from lmzip.errors import DamagedError, UnsupportedError
from lmzip.format import block, outside
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, check_sequence, parse_block_head
from lmzip.format.header import FrameHeader, pack_header

HEAD = BlockHead(True, BASE, 4, 1000, 500, 0x12345678)
WITH_NET = HEADERS["net"]
IMAGE = Content(1, channels=3, depth=16, flags=1, width=640, offset=480)

SOUND = Content(2, channels=2, depth=16, flags=2, offset=44)
u32 = st.integers(0, 0xFFFFFFFF)
lanes = st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128])


def test_layout_is_the_one_in_the_specification():
    """FORMAT's tables once more, by hand."""
    packed = replace(HEAD, mode=WITH_MODEL).pack(WITH_NET)
    assert packed[:13] == bytes([0x80 | 2 << 2 | 2]) + struct.pack("<III", 1000, 500, 0x12345678)
    assert packed[13:] == struct.pack("<I", zlib.crc32(WITH_NET.packed + packed[:13])) and len(packed) == 17
    assert replace(HEAD, last=False, n_lanes=128).pack(LONG)[0] == 7 << 2 | 1
    packed = replace(HEAD, content=IMAGE).pack(LONG)
    assert packed[:13] == bytes([0x80 | 0x20 | 2 << 2 | 1]) + struct.pack("<III", 1000, 500, 0x12345678)
    assert packed[13:23] == b"\x01\x03\x10\x01" + struct.pack("<HI", 480, 640)
    assert packed[23:] == struct.pack("<I", zlib.crc32(LONG.packed + packed[:23])) and len(packed) == 27
    packed = replace(HEAD, body_size=700).pack(LONG)
    assert packed[:17] == bytes([0x80 | 0x40 | 2 << 2 | 1]) + struct.pack("<IIII", 1000, 500, 0x12345678, 700)
    assert packed[17:] == struct.pack("<I", zlib.crc32(LONG.packed + packed[:17])) and len(packed) == 21
    packed = replace(HEAD, body_size=1001, machine=3).pack(LONG)
    assert packed[13:17] == struct.pack("<I", 3 << 30 | 1001) and len(packed) == 21


def test_layout_of_short_heads():
    packed = replace(HEAD, n_lanes=8).pack(SHORT_LANES)
    assert packed[:8] == struct.pack("<HHI", 1000, 500, 0x12345678)
    assert packed[8:] == struct.pack("<I", zlib.crc32(SHORT_LANES.packed + packed[:8]))[:2]
    assert len(SHORT_LANES.packed) + len(packed) == 16
    header = HEADERS["reference short"]
    assert len(header.packed) + len(replace(HEAD, mode=WITH_MODEL, n_lanes=1).pack(header)) == 20


def test_the_data_check_is_crc_32_of_raw_and_payload():
    assert block.data_check(STORED, b"123456789", b"123456789") == 0xCBF43926
    assert block.data_check(BASE, b"12345", b"6789") == 0xCBF43926
    assert block.data_check(STORED, b"12345", b"6789", has_copies=True) == 0xCBF43926


@given(
    st.booleans(),
    st.sampled_from([(LONG, BASE), (WITH_NET, BASE), (WITH_NET, WITH_MODEL), (LONG, STORED)]),
    lanes,
    st.data(),
    u32,
)
def test_heads_come_back(last, header_and_mode, n_lanes, data, check):
    header, mode = header_and_mode
    n_lanes = 1 if mode == STORED else n_lanes
    size = data.draw(st.integers(0 if mode == STORED else 5000, 1 << 30))
    least = block.stripe_checks_size(size, n_lanes) + 1
    payload_size = size if mode == STORED else data.draw(st.integers(least, size - 1))
    has_copies = 0 < size < 1 << 30 and data.draw(st.booleans())
    raw_size = data.draw(st.integers(size + 1, 1 << 30)) if has_copies else size
    head = BlockHead(last, mode, n_lanes, raw_size, payload_size, check, body_size=size if has_copies else None)
    packed = head.pack(header)
    assert block.head_size(header, packed[:1]) == len(packed) == block.HEAD_SIZE + 4 * has_copies
    assert parse_block_head(header, packed) == head and (head.has_copies, head.coded_size) == (has_copies, size)
    assert head.spec(header) == BlockSpec(size, header.profile, mode == WITH_MODEL, n_lanes, 0, BYTES)


@given(st.sampled_from([header for header in HEADERS.values() if header.is_short]), st.booleans(), st.data(), u32)
def test_short_heads_come_back(header, is_stored, data, check):
    is_stored = is_stored and header.n_lanes == 1
    raw_size = data.draw(st.integers(0 if is_stored else 2, 65535))
    payload_size = raw_size if is_stored else data.draw(st.integers(1, raw_size - 1))
    mode = STORED if is_stored else coded_mode(header)
    head = BlockHead(True, mode, header.n_lanes, raw_size, payload_size, check)
    packed = head.pack(header)
    assert block.head_size(header, packed[:1]) == len(packed) == block.SHORT_HEAD_SIZE
    assert parse_block_head(header, packed) == head and block.fits_short(head)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_every_bit_of_header_and_head_is_covered(header):
    head = replace(HEAD, mode=coded_mode(header), n_lanes=header.n_lanes)
    packed = head.pack(header)
    behind = packed + bytes(range(100, 130))  # for a head that now seems to be a longer one
    for changed in bit_flips(packed):
        size = block.head_size(header, changed[:1])
        with pytest.raises(DamagedError, match="damaged block head"):
            parse_block_head(header, (changed + behind[len(packed) :])[:size])
    for changed in bit_flips(header.packed):
        other = FrameHeader(changed)
        assert not block.is_block_head(other, behind[: block.head_size(other, behind)])


@pytest.mark.parametrize("field", ["raw_size", "payload_size"])
def test_a_short_head_has_no_room_for_large_blocks(field):
    with pytest.raises(struct.error):
        replace(HEAD, n_lanes=1, **{field: 65536}).pack(SHORT)
    assert not block.fits_short(replace(HEAD, raw_size=65536))
    assert not block.fits_short(replace(HEAD, body_size=999))


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, n_lanes=1, last=False),
        replace(HEAD, n_lanes=2),
        replace(HEAD, n_lanes=1, mode=WITH_MODEL),
        replace(HEAD, n_lanes=1, mode=STORED),
        replace(HEAD, n_lanes=1, content=IMAGE),
        replace(HEAD, n_lanes=1, body_size=999),
        BlockHead(True, BASE, 1, 5, 5, 0),
    ],
    ids=str,
)
def test_a_short_head_cannot_say_everything(head):
    with pytest.raises(ValueError):
        head.pack(SHORT)


IMPOSSIBLE = {
    "not smaller": replace(HEAD, payload_size=1000),
    "no payload": replace(HEAD, payload_size=0),
    "too large": replace(HEAD, raw_size=(1 << 30) + 1),
    "stored of another size": replace(HEAD, mode=STORED, n_lanes=1),
    "stored too large": BlockHead(True, STORED, 1, (1 << 30) + 1, (1 << 30) + 1, 0),
    "coded and empty": replace(HEAD, raw_size=0, payload_size=0),
    "no room for the checks of stripes": BlockHead(True, BASE, 1, 3 << 18, 8, 0),
    "a model that no one names": replace(HEAD, mode=WITH_MODEL),
    "a body that is not smaller": replace(HEAD, body_size=1000),
    "a payload that is not smaller than the body": replace(HEAD, body_size=500),
    "a body of no bytes": BlockHead(True, STORED, 1, 1000, 0, 0, body_size=0),
    "stored with a body of another size": BlockHead(True, STORED, 1, 1000, 1000, 0, body_size=999),
}


@pytest.mark.parametrize("head", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_heads_are_damaged(head):
    with pytest.raises(DamagedError, match="impossible|names none"):
        parse_block_head(LONG, head.pack(LONG))


@pytest.mark.parametrize(("raw_size", "payload_size"), [(5, 6), (5, 0), (0, 1)])
def test_impossible_short_heads(raw_size, payload_size):
    packed = sealed_head(SHORT, struct.pack("<HHI", raw_size, payload_size, 0))
    with pytest.raises(DamagedError, match="impossible"):
        parse_block_head(SHORT, packed)


def test_a_coded_payload_has_a_byte_besides_its_checks():
    head = BlockHead(True, BASE, 1, 3 << 18, 9, 0)
    assert parse_block_head(LONG, head.pack(LONG)) == head


UNKNOWN = {
    "mode 3": (LONG, bytes([0x83])),
    "mode 3 with a body": (LONG, bytes([0x80 | 0x40 | 3])),
    "stored with lanes": (LONG, bytes([0x80 | 1 << 2])),
    "image": (LONG, bytes([0x80 | 0x20 | 1])),
}


@pytest.mark.parametrize(("header", "kind"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_unknown_is_unsupported_before_sizes_are_damaged(header, kind):
    for sizes in ((5, 5), (1000, 500), (7, 0xFFFFFFFF)):
        start = kind + struct.pack("<III", *sizes, 0) + bytes(4 * bool(kind[0] & 0x40))
        start += struct.pack("<BBBBHI", 3, 3, 8, 0, 0, 5) if kind[0] & 0x20 else b""
        with pytest.raises(UnsupportedError, match="^needs a newer lmzip: "):
            parse_block_head(header, sealed_head(header, start))


def test_a_content_is_read_as_written():
    for content in (IMAGE, Content(1, 1, 8, 8, 7, 65535), Content(1, 4, 8, 32, 1), Content(2, 8, 24, 3), SOUND):
        head = replace(HEAD, n_lanes=1, content=content)
        assert parse_block_head(LONG, head.pack(LONG)) == head
        short = pack_header(1, short=True, content=content)
        assert parse_block_head(short, head.pack(short)) == head


@pytest.mark.parametrize(
    "content",
    [
        *(replace(IMAGE, kind=3), replace(IMAGE, channels=0), replace(IMAGE, channels=5), replace(IMAGE, depth=12)),
        *(replace(IMAGE, depth=24), replace(IMAGE, flags=4), replace(IMAGE, flags=64), replace(IMAGE, width=0)),
        *(replace(IMAGE, flags=8), replace(SOUND, channels=9), replace(SOUND, width=1), replace(SOUND, flags=8)),
    ],
    ids=str,
)
def test_other_contents_are_for_later_versions(content):
    for header in (LONG, pack_header(1, short=True, content=content)):
        with pytest.raises(UnsupportedError, match="^needs a newer lmzip: content"):
            parse_block_head(header, replace(HEAD, n_lanes=1, content=content).pack(LONG if header is LONG else header))


@pytest.mark.parametrize("mode", [STORED, WITH_MODEL])
def test_a_content_is_of_blocks_of_the_base_alone(mode):
    head = replace(HEAD, n_lanes=1, mode=mode, content=IMAGE, payload_size=1000 if mode == STORED else 500)
    with pytest.raises(UnsupportedError, match="^needs a newer lmzip: a block of mode"):
        parse_block_head(WITH_NET, head.pack(WITH_NET))


def test_a_stored_short_block_with_lanes_is_for_later_versions():
    for size in (0, 5):
        with pytest.raises(UnsupportedError, match="stored block with lanes"):
            parse_block_head(SHORT_LANES, sealed_head(SHORT_LANES, struct.pack("<HHI", size, size, 0)))


def test_an_unknown_header_is_unsupported_before_the_head_is_damaged_and_after_its_check():
    header = with_bits(LONG, 5, 3)
    packed = sealed_head(header, b"\x80" + struct.pack("<III", 5, 6, 0))
    with pytest.raises(UnsupportedError, match="profile 0"):
        parse_block_head(header, packed)
    with pytest.raises(DamagedError, match="damaged block head"):
        parse_block_head(header, packed[:-1] + bytes([packed[-1] ^ 1]))


def test_what_is_unknown_in_a_head_comes_before_a_damaged_record():
    packed = bytearray(HEADERS["net"].packed)
    packed[56] = 0xFF
    header = FrameHeader(bytes(packed))
    sizes = struct.pack("<III", 5, 5, 0)
    with pytest.raises(UnsupportedError):
        parse_block_head(header, sealed_head(header, b"\x83" + sizes))
    with pytest.raises(DamagedError, match="record"):
        parse_block_head(header, sealed_head(header, b"\x80" + sizes))


@pytest.mark.parametrize(
    ("index", "raw_size", "last", "sound"),
    [
        (0, 100, False, True),
        (0, 100, True, True),
        (0, 0, True, True),
        (0, 0, False, False),
        (1, 100, False, True),
        (1, 101, True, True),
        (1, 99, False, True),
        (1, 0, True, False),
        (1, 0, False, False),
        (65533, 100, False, True),
        (65534, 100, True, True),
        (65534, 100, False, False),
        (65535, 100, True, False),
    ],
)
def test_empty_and_too_many_blocks_are_damaged(index, raw_size, last, sound):
    head = BlockHead(last, STORED, 1, raw_size, raw_size, 0)
    if sound:
        check_sequence(head, index, 1000)
    else:
        with pytest.raises(DamagedError):
            check_sequence(head, index, 1000)


def far_head(**fields) -> BlockHead:
    head = BlockHead(True, STORED, 1, 900, 60, 1, body_size=60, reach=500, payload_check=7)
    return replace(head, **fields)


@pytest.mark.parametrize("window_log", [24, 27, 30])
def test_a_head_that_reaches_back(window_log):
    header = pack_header(1, window_log=window_log)
    assert header.window == 1 << window_log
    for head in (far_head(), far_head(reach=1), far_head(reach=1 << window_log, last=False)):
        packed = head.pack(header)
        assert len(packed) == 29 and parse_block_head(header, packed) == head and head.is_far
    with pytest.raises(DamagedError, match="window"):
        parse_block_head(header, far_head(reach=(1 << window_log) + 1).pack(header))
    with pytest.raises(DamagedError, match="window"):
        parse_block_head(LONG, far_head().pack(LONG))


def test_a_block_reaches_no_farther_than_the_frame():
    check_sequence(far_head(), 1, 500)
    for n_before in (0, 499):
        with pytest.raises(DamagedError, match="500 bytes before"):
            check_sequence(far_head(), 1, n_before)


def test_a_reach_of_0_is_damaged():
    header = pack_header(1, window_log=24)
    packed = sealed_head(header, b"\xe0" + struct.pack("<IIIIII", 900, 60, 1, 60, 0, 7))
    with pytest.raises(DamagedError, match="window"):
        parse_block_head(header, packed)


def test_only_long_frames_have_a_window_of_three_sizes():
    for arguments in ({"short": True, "window_log": 24}, {"window_log": 25}):
        with pytest.raises(ValueError):
            pack_header(1, **arguments)
    assert pack_header(1).window == pack_header(1, short=True, n_lanes=8).window == 0


@pytest.mark.parametrize("n_lanes", [1, 2, 128])
@pytest.mark.parametrize("n_full", [1, 2])
def test_stripes_at_the_borders(n_lanes, n_full):
    """One byte more than full stripes begins another, which has no check but the block's."""
    full = n_full * block.STRIPE_SIZE
    counts = [block.n_stripe_checks(full + more, n_lanes) for more in (-1, 0, 1)]
    assert counts == [n_full - 1, n_full - 1, n_full]
    assert block.stripe_checks_size(full + 1, n_lanes) == 4 * n_full


def test_small_blocks_have_no_checks_of_stripes():
    assert all(block.n_stripe_checks(size, 1 << log) == 0 for size in (0, 1, 5, 65535) for log in range(8))


@given(st.integers(1, 3 << 18), lanes)
def test_stripes_have_every_byte_once(raw_size, n_lanes):
    n_stripes = block.n_stripe_checks(raw_size, n_lanes) + 1
    parts = sorted(part for k in range(n_stripes) for part in block.stripe_parts(raw_size, n_lanes, k))
    assert parts[0][0] == 0 and parts[-1][1] == raw_size
    assert all(before[1] == after[0] for before, after in zip(parts, parts[1:], strict=False))
    assert all(end - start <= block.stripe_width(n_lanes) for start, end in parts)
    assert not list(block.stripe_parts(raw_size, n_lanes, n_stripes))


def test_a_stripe_is_in_the_order_of_the_lanes():
    raw, n_lanes = painted(3 << 18), 2
    half, width = len(raw) // 2, 1 << 17
    assert list(block.stripe_parts(len(raw), n_lanes, 1)) == [(width, 2 * width), (half + width, half + 2 * width)]
    expected = zlib.crc32(raw[width : 2 * width] + raw[half + width : half + 2 * width])
    assert block.stripe_check(raw, n_lanes, 1) == expected


@given(st.lists(u32, min_size=3, max_size=3), st.binary(max_size=9))
def test_checks_of_stripes_come_back(checks, coded):
    payload = block.pack_stripe_checks(checks) + coded
    assert block.parse_stripe_checks(payload, (3 << 18) + 1, 1) == tuple(checks)
    with pytest.raises(DamagedError):
        block.parse_stripe_checks(payload[:11], (3 << 18) + 1, 1)


@given(st.integers(0, (1 << 30) - 1), st.binary(max_size=3))
def test_numbers_of_bytes_outside_the_vocabulary_come_back(number, behind):
    packed = outside.pack(number)
    assert len(packed) == max(1, -(-number.bit_length() // 7)) <= outside.MAX_SIZE
    assert outside.parse(packed + behind, number) == (number, len(packed))


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\xff" * 5, b"\xff" * 5 + b"\0", b"\x0b"], ids=bytes.hex)
def test_numbers_that_are_none(payload):
    with pytest.raises(DamagedError):
        outside.parse(payload, 10)


def test_spec_has_what_the_header_says():
    header = pack_header(6, FLOAT, context=3)
    assert replace(HEAD, mode=WITH_MODEL).spec(header) == BlockSpec(1000, 6, True, 4, 3)
    assert HEAD.spec(pack_header(5, NET)) == BlockSpec(1000, 5, False, 4, 0)


@pytest.mark.parametrize("machine", [1, 2, 3])
def test_machine_code_has_a_body_of_at_most_a_byte_more(machine):
    """Of the same size, too; a body that is none of machine code is smaller than the raw bytes."""
    for body_size, is_sound in ((1000, True), (1001, True), (1002, False), (0, False)):
        head = replace(HEAD, body_size=body_size, machine=machine)
        packed = head.pack(LONG)
        if is_sound:
            assert parse_block_head(LONG, packed) == head
        else:
            with pytest.raises(DamagedError):
                parse_block_head(LONG, packed)
    with pytest.raises(DamagedError):
        parse_block_head(LONG, replace(HEAD, body_size=1000).pack(LONG))
    with pytest.raises(ValueError):
        replace(HEAD, body_size=1 << 30, machine=machine).pack(LONG)
