"""Damaged input: every cut and every turned bit is noticed, never wrong bytes; the caller's own errors come through."""

from __future__ import annotations

import io
import os
import random
import zlib
from dataclasses import replace

import pytest
from codec_tools import (
    FAST,
    LIGHT,
    MAX,
    RAW,
    coded,
    frame_of,
    frame_with,
    header_for,
    pack,
    record_of,
    stored,
    unpack,
    written_before_error,
)
from conftest import painted

import lmzip
from lmzip import codec
from lmzip.errors import (
    DamagedError,
    LmzipError,
    ModelMissingError,
    NotLmzipError,
    TrailingGarbageError,
    TruncatedError,
    UnsupportedError,
)
from lmzip.format import header as format_header
from lmzip.format.block import STORED, BlockHead
from lmzip.format.header import FrameHeader, pack_header

SMALL = {  # name -> size of its headers, whether its first frame is short
    "short": (6, True),
    "short stored": (6, True),
    "long": (6, False),
    "blocks": (6, False),
    "frames": (6, False),
    "reference": (10, True),
    "reference blocks": (10, False),
    "record": (129, True),
    "record blocks": (129, False),
}


@pytest.fixture(params=SMALL)
def small(request, tiny_model, tiny_is_referenced, monkeypatch):
    """(file, content): coded, stored and with a net, short and long, several blocks, several frames, every header."""
    if request.param.startswith("record"):
        monkeypatch.setattr(format_header, "REFERENCED", {})
    short, empty = pack(RAW, level=1)[0], pack(b"", level=1)[0]
    several = pack(RAW, level=1, block_size=32)[0]  # some of the blocks are stored
    long = frame_with(RAW, len(RAW), FAST)
    header = header_for(MAX, tiny_model, short=True, n_lanes=2)
    net = frame_with(RAW, len(RAW), MAX, 2, header=header, model=tiny_model)
    net_blocks = frame_with(RAW[:42], 12, LIGHT, model=tiny_model)
    return {
        "short": (short, RAW),
        "short stored": (pack(b"\xffx", level=1)[0], b"\xffx"),
        "long": (long, RAW),
        "blocks": (several, RAW),
        "frames": (several + short + empty + long, 3 * RAW),
        "reference": (net, RAW),
        "reference blocks": (net_blocks + net, RAW[:42] + RAW),
        "record": (net, RAW),
        "record blocks": (net_blocks, RAW[:42]),
    }[request.param]


def test_small_files_are_what_they_are_called(small, request):
    data, content = small
    frames = codec.list_frames(io.BytesIO(data))
    header_size, is_short = SMALL[request.node.callspec.params["small"]]
    assert {len(frame.header.packed) for frame in frames} == {header_size}
    assert frames[0].header.is_short == is_short
    assert unpack(data)[0] == content


@pytest.mark.parametrize("threads", [1, 2])
def test_every_cut_is_noticed(small, threads):
    data, content = small
    ends = {frame.offset + frame.compressed_size for frame in codec.list_frames(io.BytesIO(data))}
    for size in set(range(len(data))) - ends:
        written, error = written_before_error(data[:size], threads=threads)
        assert isinstance(error, TruncatedError), size
        assert content.startswith(written)
        with pytest.raises(TruncatedError):
            codec.list_frames(io.BytesIO(data[:size]))


@pytest.mark.parametrize("threads", [1, 2])
def test_every_turned_bit_is_noticed(small, threads):
    data, content = small
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        written, error = written_before_error(bytes(changed), threads=threads)
        assert error is not None, bit
        assert content.startswith(written), bit
        assert "\n" not in str(error)


def test_every_turned_bit_outside_payloads_is_noticed_by_listing(small):
    data, _ = small
    payloads, least = set(), 0
    for frame in codec.list_frames(io.BytesIO(data)):
        least += 16 if frame.header.is_short else 45
        for block in frame.blocks:
            start = block.offset + block.head_size
            payloads |= set(range(start, start + block.head.payload_size))
    outside = set(range(len(data))) - payloads
    assert len(outside) >= least
    for bit in (bit for at in outside for bit in range(8 * at, 8 * at + 8)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LmzipError):
            codec.list_frames(io.BytesIO(bytes(changed)))


def test_mutations_of_a_larger_file(sample_text):
    """Random changes of several bytes, with several threads, in a long frame and in short ones."""
    source = random.Random(7)
    raw = sample_text[:12000]
    long = pack(raw, level=1, block_size=3000)[0]
    short = b"".join(pack(raw[at : at + 3000], level=1)[0] for at in range(0, 12000, 3000))
    for data in (long, short):
        for _ in range(150):
            changed = bytearray(data)
            for _ in range(source.randint(1, 4)):
                changed[source.randrange(len(changed))] = source.randrange(256)
            written, error = written_before_error(bytes(changed), threads=2)
            assert error or bytes(changed) == data
            assert raw.startswith(written)


def test_sound_blocks_before_the_fault_are_written():
    raw = painted(1000)
    data = bytearray(pack(raw, level=1, block_size=100)[0])
    fifth = codec.list_frames(io.BytesIO(bytes(data)))[0].blocks[4]
    data[fifth.offset + 20] ^= 1
    for threads in (1, 4):
        written, error = written_before_error(bytes(data), threads=threads)
        assert written == raw[:400]
        assert isinstance(error, DamagedError) and str(error).startswith(f"block 5 at byte {fifth.offset}")


@pytest.mark.parametrize("threads", [1, 4])
def test_sound_blocks_before_a_cut_are_written(threads):
    raw = painted(1000)
    data = pack(raw, level=4, block_size=100)[0]
    sixth = codec.list_frames(io.BytesIO(data))[0].blocks[5]
    written, error = written_before_error(data[: sixth.offset + 20], threads=threads)
    assert written == raw[:500]
    assert isinstance(error, TruncatedError) and "block 6" in str(error)


@pytest.mark.parametrize(
    ("tail", "offset"),
    [(b"x", 0), (b"\0" * 5 + b"x", 5), (b"\0" * 70000 + b"\x89LMZ\x01", 70000), (b"LMZ", 0), (b"\x89LMX\x01", 0)],
)
@pytest.mark.parametrize("block_size", [None, 32], ids=["short", "long"])
def test_trailing_garbage_is_refused_with_its_place(tail, offset, block_size):
    data = pack(RAW, level=1, block_size=block_size)[0]
    for read in (lambda: unpack(data + tail), lambda: codec.list_frames(io.BytesIO(data + tail))):
        with pytest.raises(TrailingGarbageError) as caught:
            read()
        assert caught.value.offset == len(data) + offset
        assert str(len(data) + offset) in str(caught.value)


def test_foreign_and_empty_input():
    for data in (b"hello", b"\x1f\x8b\x08", b"\0" * 100, b"L", b"\x89PNG\r\n"):
        with pytest.raises(NotLmzipError):
            unpack(data)
    for data in (b"", b"\x89", b"\x89LMZ"):
        with pytest.raises(TruncatedError):
            unpack(data)


def test_a_later_version_is_unsupported():
    for version in (b"\x02", b"\x12"):
        data = pack(RAW, level=1)[0]
        with pytest.raises(UnsupportedError, match="version 2"):
            unpack(data[:4] + version + data[5:])


@pytest.mark.parametrize("short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("mode", ["stored", "base", "model"])
def test_a_missing_model_is_missed_whatever_the_block(tiny_model, short, mode):
    """A frame that names a model needs it, also where this block does not."""
    if short and mode == "base":
        pytest.skip("a short frame names a model for its block only")
    digest = bytes(31) + b"\1"
    header = pack_header(MAX, replace(record_of(tiny_model), digest=digest, name="gone"), short=short)
    model = tiny_model if mode == "model" else None
    head, payload = stored(RAW) if mode == "stored" else coded(RAW, MAX, model=model)
    for threads in (1, 2):
        written, error = written_before_error(frame_of(head, payload, header), threads=threads)
        assert isinstance(error, ModelMissingError) and f"gone (sha256 {digest.hex()})" in str(error)
        assert error.exit_status == 3 and written == b""


def test_blocks_with_a_model_need_one(tiny_model):
    """In a frame that names none they are damaged: no rule of a later version would help."""
    head, payload = coded(RAW, MAX, model=tiny_model)
    with pytest.raises(DamagedError, match="names none"):
        unpack(frame_of(head, payload, pack_header(MAX)))


def test_profiles_that_a_model_does_not_have_are_unsupported(tiny_model):
    head, payload = coded(RAW, MAX, model=tiny_model)
    for profile in (FAST, 7, 15):
        with pytest.raises(UnsupportedError, match=f"profile {profile}"):
            unpack(frame_of(head, payload, header_for(profile, tiny_model)))


def test_a_reference_that_this_version_does_not_know():
    header = FrameHeader(b"\x89LMZ\x21\x04\0\0\0\0")
    head, payload = coded(RAW, MAX)
    with pytest.raises(UnsupportedError, match="newer lmzip: model reference 00000000 .sha256 00000000"):
        unpack(frame_of(head, payload, header))


def test_no_wrong_bytes_from_a_wrong_data_check():
    head = BlockHead(True, STORED, 1, 3, 3, zlib.crc32(b"abd"))
    with pytest.raises(DamagedError):
        lmzip.decompress(frame_of(head, b"abc", pack_header(FAST)))


# --- errors of the caller's functions --------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_of_write_come_through(threads):
    raw = painted(3000)
    data = pack(raw, level=1, block_size=100)[0]

    def full(_):
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space"):
        codec.compress_stream(io.BytesIO(raw).read, full, level=1, block_size=100, threads=threads)
    with pytest.raises(OSError, match="No space"):
        codec.decompress_stream(io.BytesIO(data).read, full, threads=threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_of_read_and_progress_come_through(threads):
    raw = painted(3000)

    def progress(_phase, _n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(raw, level=1, block_size=100, threads=threads, progress=progress)
    file = io.BytesIO(raw[:1500])

    def read(size):
        if piece := file.read(size):
            return piece
        raise StopIteration

    with pytest.raises(StopIteration):
        codec.compress_stream(read, lambda data: None, level=1, block_size=100, threads=threads)
