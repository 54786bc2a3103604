"""Damaged and hostile input: every cut and every turned bit is noticed, never wrong bytes, never much memory."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import time
import zlib
from dataclasses import replace

import pytest
from codec_tools import PLAIN, frame_of, pack, unpack
from conftest import ROOT, painted

import lmzip
from lmzip import codec, container, native
from lmzip.codec import salvage
from lmzip.container import BlockHead
from lmzip.errors import (
    DamagedError,
    LmzipError,
    MemoryLimitError,
    NotLmzipError,
    TrailingGarbageError,
    TruncatedError,
    UnsupportedError,
)

RAW = b"abcabcabcabc" + bytes(30) + painted(40)


def small_files():
    """Return (name, frames, content): coded and stored blocks, several blocks, several frames."""
    coded = pack(RAW, level=1)[0]
    several = pack(RAW, level=1, block_size=32)[0]
    return [("coded", coded, RAW), ("blocks", several, RAW), ("frames", several + coded, RAW + RAW)]


@pytest.fixture(params=small_files(), ids=lambda each: each[0])
def small(request):
    return request.param[1:]


def written_before_error(data, **options):
    """Return (bytes written, error) of decompressing data."""
    output = io.BytesIO()
    try:
        codec.decompress_stream(io.BytesIO(data).read, output.write, **options)
    except LmzipError as error:
        return output.getvalue(), error
    return output.getvalue(), None


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
    payloads = set()
    for frame in codec.list_frames(io.BytesIO(data)):
        for block in frame.blocks:
            start = block.offset + container.BLOCK_HEAD_SIZE
            payloads |= set(range(start, start + block.head.payload_size))
    trailers_hash_is_only_checked_by_its_crc = 0
    for at in set(range(len(data))) - payloads:
        changed = bytearray(data)
        changed[at] ^= 0x10
        with pytest.raises(LmzipError):
            codec.list_frames(io.BytesIO(bytes(changed)))
        trailers_hash_is_only_checked_by_its_crc += 1
    assert trailers_hash_is_only_checked_by_its_crc >= 40


def test_mutations_of_a_larger_file(sample_text):
    """Random changes of several bytes, with several threads."""
    source = random.Random(7)
    raw = sample_text[:12000]
    data = pack(raw, level=1, block_size=3000)[0]
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
def test_trailing_garbage(tail, offset):
    data = pack(RAW)[0]
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
    data = pack(RAW)[0]
    with pytest.raises(UnsupportedError, match="version 2"):
        unpack(data[:4] + b"\x02" + data[5:])


# --- hostile sizes ---------------------------------------------------------------------------------------------------

GIB = 1 << 30
HOSTILE = {
    "promises a payload": PLAIN.packed + BlockHead(True, 1, 1, GIB, GIB - 1, 0).pack(PLAIN) + bytes(100),
    "promises stored bytes": PLAIN.packed + BlockHead(True, 0, 1, GIB, GIB, 0).pack(PLAIN) + bytes(100),
    "a few bytes claim a GiB": frame_of(BlockHead(True, 4, 1, GIB, 50, 0), b"\x55" * 50),
    "128 lanes claim a GiB": frame_of(BlockHead(True, 4, 128, GIB, 50, 0), b"\xaa" * 50),
    "not the last": frame_of(BlockHead(False, 1, 1, GIB, 60, 0), b"\x99" * 60),
}
PROBE = """
import io, resource, sys
from lmzip import codec, native
from lmzip.errors import LmzipError
native.decode_block(native.encode_block(bytes(1000), 1), 1000, 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (lambda: codec.decompress_stream(open(sys.argv[1], "rb").read, lambda data: None, threads=2),
             lambda: codec.list_frames(open(sys.argv[1], "rb"))):
    try:
        read()
    except LmzipError as error:
        print(type(error).__name__, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB only there")
@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded_by_what_is_there(name, tmp_path):
    """Sizes with right checks and nothing behind them: memory for one block's state may be touched, no more."""
    (tmp_path / "hostile.lmz").write_bytes(HOSTILE[name])
    command = [sys.executable, "-c", PROBE, str(tmp_path / "hostile.lmz")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Error" in result.stderr
    state = native.memory_size(4, GIB, 128)
    assert int(result.stdout) * 1024 < state + (32 << 20)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_memory_limit_is_checked_before_work(threads, sample_text):
    raw = sample_text[:8000]
    data = pack(raw, level=9)[0]
    head = codec.list_frames(io.BytesIO(data))[0].blocks[0].head
    need = native.memory_size(head.method, head.raw_size, 1) + head.raw_size + head.payload_size
    assert unpack(data, threads=threads, memory_limit=need)[0] == raw
    written, error = written_before_error(data, threads=threads, memory_limit=need - 1)
    assert written == b"" and isinstance(error, MemoryLimitError)
    assert "--memlimit" in str(error) and "MiB" in str(error)
    output = io.BytesIO()
    with pytest.raises(MemoryLimitError):
        codec.compress_stream(io.BytesIO(raw).read, output.write, level=9, memory_limit=need)
    assert output.getvalue() == b""


def test_a_memory_limit_takes_threads_before_it_refuses(sample_text):
    raw = sample_text[:30000]
    block = native.memory_size(1, 10000, 1) + 2 * 10000
    for memory_limit, n_threads in ((block, 1), (2 * block + 10000, 2), (2 * block + 9999, 1), (9 * block, 3)):
        data, summary = pack(raw, level=1, block_size=10000, threads=3, memory_limit=memory_limit)
        assert summary.n_threads == n_threads
        assert unpack(data, threads=3, memory_limit=memory_limit)[0] == raw


def test_a_limit_of_one_block_reads_nothing_ahead(monkeypatch):
    """Threads are there, memory for one block is: while it is decoded, the next one is not read."""
    data = pack(painted(900), level=1, block_size=100)[0]
    n_decoding, decode = 0, native.decode_block
    source = io.BytesIO(data)

    def slow(*arguments):
        nonlocal n_decoding
        n_decoding += 1
        time.sleep(0.01)
        raw = decode(*arguments)
        n_decoding -= 1
        return raw

    def read(size):
        time.sleep(0.001)  # long enough for a worker to begin, if there were work
        assert n_decoding == 0
        return source.read(min(size, 10))

    monkeypatch.setattr(native, "decode_block", slow)
    head = codec.list_frames(io.BytesIO(data))[0].blocks[0].head
    need = native.memory_size(1, 100, 1) + 100 + head.payload_size + 20
    summary = codec.decompress_stream(read, lambda raw: None, threads=3, memory_limit=need)
    assert summary.n_threads == 1 and summary.raw_size == 900


def test_compress_memory_is_what_a_limit_must_allow(sample_text):
    need = codec.compress_memory(1, 5000, 2)
    assert pack(sample_text[:30000], level=1, block_size=5000, threads=2, memory_limit=need)[1].n_threads == 2
    assert pack(sample_text[:30000], level=1, block_size=5000, threads=2, memory_limit=need - 1)[1].n_threads == 1


def test_no_memory_is_a_typed_error(monkeypatch):
    data = pack(RAW)[0]

    def none_left(*_arguments):
        raise MemoryError

    monkeypatch.setattr(native, "decode_block", none_left)
    monkeypatch.setattr(native, "encode_block", none_left)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        unpack(data)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        pack(RAW)


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
    pieces = iter([raw[:1500]])
    with pytest.raises(StopIteration):
        codec.compress_stream(lambda size: next(pieces), lambda data: None, level=1, block_size=100, threads=threads)


# --- salvage ---------------------------------------------------------------------------------------------------------


def blocks_of(data):
    return [block for frame in codec.list_frames(io.BytesIO(data)) for block in frame.blocks]


@pytest.fixture(scope="module")
def ten_blocks():
    raw = painted(1000)
    return raw, pack(raw, level=1, block_size=100)[0]


def test_salvage_of_a_sound_file(ten_blocks):
    raw, data = ten_blocks
    for sound in (data, data + bytes(3000), data + data):
        content, summary = unpack(sound, salvage=True)
        assert content == raw * (2 if sound == data + data else 1)
        assert summary.holes == []


@pytest.mark.parametrize("place", ["payload", "data check", "head", "header", "trailer"])
def test_salvage_loses_only_what_is_damaged(ten_blocks, place):
    raw, data = ten_blocks
    fourth = blocks_of(data)[3]
    at = {"payload": fourth.offset + 22, "data check": fourth.offset + 10, "head": fourth.offset + 2, "header": 2,
          "trailer": len(data) - 20}[place]  # fmt: skip
    changed = bytearray(data)
    changed[at] ^= 0x40
    content, summary = unpack(bytes(changed), salvage=True)
    lost = place in ("payload", "data check", "head")
    assert content == (raw[:300] + raw[400:] if lost else raw)
    assert summary.holes
    if place == "payload":
        (hole,) = summary.holes
        assert (hole.offset, hole.raw_offset, hole.raw_size) == (fourth.offset, 300, 100)


@pytest.mark.parametrize("kind", ["bytes lost", "bytes added", "cut", "cut at a block", "start lost"])
def test_salvage_of_shifted_and_cut_files(ten_blocks, kind):
    raw, data = ten_blocks
    blocks = blocks_of(data)
    fourth = blocks[3].offset
    changed, least = {
        "bytes lost": (data[: fourth + 5] + data[fourth + 9 :], 900),
        "bytes added": (data[: fourth + 5] + b"junk" + data[fourth + 5 :], 900),
        "cut": (data[: fourth + 19], 300),
        "cut at a block": (data[:fourth], 300),
        "start lost": (data[blocks[1].offset - 3 :], 900),
    }[kind]
    content, summary = unpack(changed, salvage=True)
    assert len(content) == least and summary.holes
    pieces = {raw[at : at + 100] for at in range(0, 1000, 100)}
    assert {content[at : at + 100] for at in range(0, len(content), 100)} <= pieces


def test_salvage_across_windows_and_frames():
    """Damage longer than a window of the search, between frames of different settings."""
    raw = painted(5000)
    one, two = pack(raw, level=1, block_size=1000)[0], pack(raw[::-1], level=3, block_size=2500)[0]
    noise = random.Random(3).randbytes(2_500_000)
    content, summary = unpack(one + noise + two, salvage=True)
    assert content == raw + raw[::-1]
    (hole,) = summary.holes
    assert hole.offset == len(one) and hole.raw_offset == 5000


def test_salvage_sees_heads_at_every_place_of_a_window(monkeypatch, ten_blocks):
    raw, data = ten_blocks
    monkeypatch.setattr(salvage, "_WINDOW", 64)
    noise = random.Random(9).randbytes(300)
    for size in range(0, 300, 1):
        content, summary = unpack(noise[:size] + data, salvage=True, threads=1)
        assert content == raw, size
        assert [hole.offset for hole in summary.holes] == ([0] if size else [])


def test_salvage_of_nothing():
    for data in (b"", b"hello" * 100, bytes(50)):
        with pytest.raises(NotLmzipError):
            unpack(data, salvage=True)


def test_salvage_meets_a_head_that_is_impossible(ten_blocks):
    raw, data = ten_blocks
    fourth = blocks_of(data)[3]
    bad = replace(fourth.head, raw_size=0).pack(PLAIN)
    changed = data[: fourth.offset] + bad + data[fourth.offset + len(bad) :]
    content, summary = unpack(changed, salvage=True)
    assert content == raw[:300] + raw[400:]
    assert any("impossible" in hole.reason for hole in summary.holes)


def test_no_wrong_bytes_from_a_wrong_data_check():
    head = BlockHead(True, 0, 1, 3, 3, zlib.crc32(b"abd"))
    with pytest.raises(DamagedError):
        lmzip.decompress(frame_of(head, b"abc"))
