"""The sequence of pieces: files come apart as they were put together, faults are told in the order of FORMAT 1.2."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace

import pytest
from conftest import ROOT, painted
from format_tools import (
    HEADERS,
    LONG,
    SHORT,
    bit_flips,
    coded,
    coded_mode,
    frame,
    sealed_head,
    source_of,
    stored,
    stored_frame,
    with_bits,
)
from hypothesis import given
from hypothesis import strategies as st

import lmzip
from lmzip import errors
from lmzip.block import Content
from lmzip.codec.source import FileSource
from lmzip.errors import DamagedError, NotLmzipError, TrailingGarbageError, TruncatedError, UnsupportedError
from lmzip.format import block, trailer
from lmzip.format.frames import Block, FrameEnd, FrameStart, read_frames
from lmzip.format.header import MAX_HEADER_SIZE, FrameHeader, header_size, pack_header
from lmzip.format.trailer import Trailer
from lmzip.reference import container

SHORT_1, LONG_1 = pack_header(1, short=True), pack_header(1)
CODED = painted(600), b"somebody's payload"
MIXED = frame(
    HEADERS["net"],
    [
        coded(*CODED, block.WITH_MODEL, 16, last=False),
        stored(b"12345", last=False),
        coded(*CODED, block.BASE, 2, last=False),
        stored(painted(700)),
    ],
    CODED[0] + b"12345" + CODED[0] + painted(700),
)


def read(data: bytes, step: int = 1 << 20, *, with_payloads: bool = True) -> list:
    return list(read_frames(source_of(data, step), with_payloads=with_payloads))


def check_as_of(data: bytes) -> type:
    """Return the class of the fault of a file."""
    with pytest.raises(errors.LmzipError) as caught:
        read(data)
    return caught.type


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_pieces_of_a_frame(header, step):
    head, payload = coded(*CODED, coded_mode(header), header.n_lanes)
    data = frame(header, [(head, payload)], CODED[0])
    start, body, end = read(data, step)
    assert start == FrameStart(0, header)
    size = 10 if header.is_short else 17
    assert body == Block(len(header.packed), 0, header, head, size, bytearray(payload))
    assert end.end == len(data) and end.trailer.table == ((600, size + len(payload)),)
    assert bool(end.trailer.content_hash) != header.is_short
    assert [replace(body, payload=None)] == read(data, step, with_payloads=False)[1:2]


def test_blocks_of_any_sizes_in_one_frame():
    _, *blocks, end = read(MIXED)
    assert [piece.head.raw_size for piece in blocks] == [600, 5, 600, 700]
    assert [piece.index for piece in blocks] == [0, 1, 2, 3]
    for piece in blocks:
        assert MIXED[piece.offset + piece.head_size :][: piece.head.payload_size] == piece.payload
    assert end.trailer.table == ((600, 35), (5, 22), (600, 35), (700, 717))


def test_frames_and_padding():
    empty, long = stored_frame(SHORT, b""), stored_frame(LONG, b"abc", b"de")
    data = long + empty + long + bytes(100_000)
    pieces = read(data, 1000)
    assert [type(piece) for piece in pieces[:4]] == [FrameStart, Block, Block, FrameEnd]
    assert [piece.offset for piece in pieces if isinstance(piece, FrameStart)] == [0, len(long), len(long + empty)]
    listed = list(read_frames(FileSource(io.BytesIO(data)), with_payloads=False))
    assert listed == [replace(piece, payload=None) if isinstance(piece, Block) else piece for piece in pieces]


@pytest.mark.parametrize("behind", [b"x", b"\x89x", b"\0x", bytes(70_000) + b"\x89LMZ"], ids=lambda b: repr(b[-5:]))
def test_trailing_garbage_is_told_by_its_place(behind):
    data = stored_frame(SHORT, b"abc")
    with pytest.raises(TrailingGarbageError) as caught:
        read(data + behind)
    assert caught.value.offset == len(data) + len(behind) - len(behind.lstrip(b"\0"))


@pytest.mark.parametrize("name", HEADERS)
def test_every_cut_is_noticed(name):
    """A file that ends anywhere but behind a frame is truncated, whether payloads are read or passed over."""
    header = HEADERS[name]
    data = frame(header, [coded(*CODED, coded_mode(header), header.n_lanes)], CODED[0])
    for size in range(len(data)):
        for source in (source_of(data[:size]), FileSource(io.BytesIO(data[:size]))):
            with pytest.raises(TruncatedError):
                list(read_frames(source, with_payloads=False))
        assert check_as_of(data[:size]) is TruncatedError


@pytest.mark.parametrize("name", ["MIXED", *HEADERS])
def test_every_bit_outside_payloads_is_covered(name):
    """Those of the magic, the version and the size of a header too, which no check comes before."""
    header = HEADERS.get(name)
    data = frame(header, [coded(*CODED, coded_mode(header), header.n_lanes)], CODED[0]) if header else MIXED
    pieces = read(data)
    payloads = [(p.offset + p.head_size, p.offset + p.head_size + p.head.payload_size) for p in pieces[1:-1]]
    for bit, changed in enumerate(bit_flips(data)):
        if any(start <= bit // 8 < end for start, end in payloads):
            assert read(changed) != pieces
        else:
            assert issubclass(check_as_of(changed), NotLmzipError | DamagedError | UnsupportedError)


def damaged_everywhere(header: FrameHeader, start: bytes, payload: bytes = b"") -> bytes:
    return header.packed + sealed_head(header, start) + payload


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedError),
        (b"\x89L", TruncatedError),
        (b"\x89Lx", NotLmzipError),
        (b"GIF89a", NotLmzipError),
        (b"\x89LMZ", TruncatedError),
        (b"\x89LMZ\x02", UnsupportedError),  # before the header is there
        (b"\x89LMZ\x61", TruncatedError),
        (b"\x89LMZ\xe2", UnsupportedError),
        (b"\x89LMZ\x81\x03", TruncatedError),
        (with_bits(LONG, 5, 3).packed, TruncatedError),
        (with_bits(LONG, 5, 3).packed + bytes(17), DamagedError),  # the head's check before what is unknown
        (damaged_everywhere(with_bits(LONG, 5, 3), b"\x80" + struct.pack("<III", 5, 6, 0)), UnsupportedError),
        (damaged_everywhere(LONG, b"\x80" + struct.pack("<III", 5, 6, 0)), DamagedError),  # sizes before the end
        (damaged_everywhere(LONG, b"\x00" + struct.pack("<III", 0, 0, 0)), DamagedError),
        (damaged_everywhere(LONG, b"\x80" + struct.pack("<III", 5, 5, 0), b"1234"), TruncatedError),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else value.__name__,
)
def test_the_first_rule_that_is_broken_decides(data, error):
    assert check_as_of(data) is error


def test_a_reference_of_a_later_version_is_no_fault_of_structure():
    """So such files can be listed; a reader has no model for it."""
    header = FrameHeader(b"\x89LMZ\x31\x04" + b"\1\2\3\4")
    assert len(read(stored_frame(header, b"abc"))) == 3


def test_too_many_blocks():
    blocks = [stored(b"x", last=False)] * 65534
    fits = frame(LONG, [*blocks, stored(b"x")], b"x" * 65535)
    assert read(fits)[-1].trailer.table[-1] == (1, 18)
    with pytest.raises(DamagedError, match="more than 65535 blocks"):
        read(frame(LONG, [*blocks, stored(b"x", last=False)]))


def test_blocks_swapped_lost_and_doubled():
    sizes = (100, 200)
    first, second = (stored(painted(size), last=size == 200) for size in sizes)
    sound = stored_frame(LONG, painted(100), painted(200))
    places = [piece.offset for piece in read(sound)[1:3]]
    head, one = sound[: places[0]], sound[places[0] : places[1]]
    assert issubclass(check_as_of(head + one + one + sound[places[1] :]), DamagedError)
    assert check_as_of(head + sound[places[1] :]) is DamagedError
    assert read(frame(LONG, [first, second], painted(100) + painted(200))) == read(sound)


def places_of(data: bytes) -> list[tuple[int, int]]:
    """Read a file of one frame backwards, as FORMAT 6 says: start and raw size of each block's head."""
    end = len(data)
    n_blocks = int.from_bytes(data[end - 6 : end - 4], "little")
    size = 8 * n_blocks + 14
    table = list(struct.iter_unpack("<II", data[end - size : end - 14]))
    first = end - size - sum(block_size for _, block_size in table)
    for header_bytes in (6, 10, 16, 129, 38, 42, 48, 161):
        header = data[max(0, first - header_bytes) : first]
        if len(header) == header_bytes and header.startswith(b"\x89LMZ") and header_size(header[:5]) == header_bytes:
            if not trailer.is_trailer(FrameHeader(header), data[end - size :]):
                continue
            places = [first + sum(b for _, b in table[:i]) for i in range(n_blocks)]
            return [(place, raw_size) for place, (raw_size, _) in zip(places, table, strict=True)]
    raise AssertionError("no header")


@pytest.mark.parametrize("data", [MIXED, stored_frame(LONG, b""), stored_frame(LONG, b"a", b"bc", b"d")])
def test_a_frame_is_listed_backwards(data):
    assert places_of(data) == [(piece.offset, piece.head.raw_size) for piece in read(data)[1:-1]]


@given(st.binary(max_size=200), st.sampled_from([b"", LONG.packed, SHORT.packed, HEADERS["net"].packed[:60]]))
def test_any_bytes_are_read_or_refused(data, start):
    try:
        read(start + data)
    except errors.LmzipError as error:
        assert isinstance(error, DamagedError | NotLmzipError | UnsupportedError)


def test_sizes_of_frames_are_those_of_the_document():
    assert len(stored_frame(SHORT, b"")) == 16
    assert len(stored_frame(HEADERS["reference short"], b"")) == 20
    assert len(pack_header(1, short=True, content=Content(1, 1, 8, 0, 5)).packed) + 10 == 26
    assert len(stored_frame(LONG, b"")) == 6 + 17 + 8 + 14
    assert len(Trailer(((0, 17),), bytes(8)).pack(LONG)) == 22
    assert MAX_HEADER_SIZE == 162


# --- the annotated files of FORMAT ------------------------------------------------------------------------------------


def dumps() -> dict[str, bytes]:
    """Return the files of FORMAT's annex by their titles."""
    annex = (ROOT / "docs" / "FORMAT.md").read_text(encoding="utf-8").split("\n## 10.", 1)[1]
    found = {}
    for title, lines in re.findall(r"^### 10\.\d+ (.*)\n(?:.*\n)*?```\n((?:.*\n)*?)```$", annex, re.MULTILINE):
        pairs = [re.match(r"([0-9A-F]{4})  ((?:[0-9A-F]{2} ?)+)(?:  |$)", line) for line in lines.splitlines()]
        data = b""
        for pair in pairs:
            assert pair, title
            assert int(pair[1], 16) == len(data), title
            data += bytes.fromhex(pair[2])
        found[title] = data
    return found


def test_the_documents_files_that_need_no_kernel_are_what_is_written():
    files = dumps()
    assert files["No content"] == stored_frame(SHORT_1, b"")
    assert files["One byte"] == stored_frame(SHORT_1, b"a")
    assert files["Two stored blocks"] == stored_frame(LONG_1, b"ab", b"c")


def test_the_documents_picture_is_what_is_written():
    raw = b"P5\n16 16\n255\n" + bytes(10 * x + 5 * y for y in range(16) for x in range(16))
    packed = dumps()["A picture"]
    assert lmzip.compress(raw, level=1) == packed
    assert container.decode(packed, {}) == raw


def test_the_documents_coded_file_is_sound():
    start, body, end = read(dumps()["Sixty bytes, coded"])
    assert start.header == SHORT_1 and body.head.mode == block.BASE and end.end == len(dumps()["Sixty bytes, coded"])
    raw = b"lmzip " * 10
    assert body.head == coded(raw, bytes(body.payload))[0]
