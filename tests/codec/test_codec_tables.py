"""Tables read from the end of a file say what parts it has wherever trailers are sound, and nothing elsewhere."""

from __future__ import annotations

import io

import pytest
from codec_tools import pack, unpack
from conftest import painted

from lmzip import codec
from lmzip.codec.tables import Part

RAW = painted(1000)
ONE = pack(RAW, level=1, block_size=100)[0]
OTHER = pack(RAW[:500], level=1, block_size=200)[0]
SHORT = pack(b"short", level=1)[0]


def places_of(data: bytes) -> list[int]:
    return [block.offset for frame in codec.list_frames(io.BytesIO(data)) for block in frame.blocks]


def between(data: bytes, start: int, end: int, file_start: int = 0) -> Part | None:
    return codec.read_tables(io.BytesIO(data), file_start).between(start, end)


@pytest.mark.parametrize("padding", [0, 1, 7, 100_000])
def test_all_parts_of_joined_frames_are_known(padding):
    data = ONE + OTHER + ONE
    padded = data + bytes(padding)
    assert between(padded, 0, len(data)) == Part(23, 2500, len(data))
    places = places_of(data)
    for i in range(9):
        assert between(padded, places[i], places[i + 1]) == Part(1, 100, places[i + 1] - places[i])
    assert between(padded, places[3], places[12]) == Part(9, 700 + 400, places[12] - places[3])
    assert between(padded, places[3] + 1, places[4]) is None and between(padded, places[3], places[4] + 1) is None


def test_what_is_before_a_trailer_that_is_not_found_is_unknown():
    damaged = bytearray(OTHER)
    damaged[-20] ^= 1
    for hidden in (SHORT, bytes(damaged), b"garbage", OTHER[1:]):
        assert between(ONE + hidden, 0, len(ONE)) is None
        data = ONE + hidden + OTHER
        assert between(data, len(ONE) + len(hidden), len(data)) == Part(3, 500, len(OTHER))
        assert between(data, 0, len(ONE)) is None


def test_places_count_from_where_the_file_is_read_and_it_stays_there():
    file = io.BytesIO(b"before" + ONE)
    file.seek(3)
    assert codec.read_tables(file, 6).between(0, len(ONE)) == Part(10, 1000, len(ONE))
    assert file.tell() == 3
    assert between(ONE, 0, len(ONE), 1) is None  # a frame that began before is none


def test_nothing_is_known_of_what_is_no_frame():
    for data in (b"", bytes(50), b"text " * 100, b"\xff" * 50, SHORT):
        assert between(data, 0, max(1, len(data))) is None


def test_salvage_numbers_blocks_behind_a_damaged_head_and_finds_the_trailer():
    data, places = bytearray(ONE), places_of(ONE)
    data[places[3] + 2] ^= 1
    data[places[8] + 20] ^= 1
    tables = codec.read_tables(io.BytesIO(data))
    saved, summary = unpack(bytes(data), salvage=True, tables=tables)
    assert saved == RAW[:300] + RAW[400:800] + RAW[900:]
    assert [(hole.raw_offset, hole.raw_size) for hole in summary.holes] == [(300, 100), (700, 100)]
    assert summary.holes[1].reason.startswith("block 9 at byte")
