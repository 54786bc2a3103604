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
from codec_tools import PLAIN, SHORT, coded, frame_of, frame_with, pack, record_of, unpack
from conftest import ROOT, painted

import lmzip
from lmzip import codec, container, levels, native
from lmzip.codec import salvage
from lmzip.container import BlockHead
from lmzip.errors import (
    DamagedError,
    LmzipError,
    MemoryLimitError,
    ModelMissingError,
    NotLmzipError,
    TrailingGarbageError,
    TruncatedError,
    UnsupportedError,
)

RAW = b"abcabcabcabc" + bytes(30) + painted(40)

SMALL = {  # name -> size of its headers, whether its first frame is short
    "short": (5, True),
    "short stored": (5, True),
    "long": (5, False),
    "blocks": (5, False),
    "frames": (5, False),
    "registered": (10, True),
    "registered blocks": (10, False),
    "record": (128, True),
    "record blocks": (128, False),
}


@pytest.fixture(params=SMALL)
def small(request, tiny_model, tiny_is_registered, monkeypatch):
    """(file, content): coded, stored and with a net, short and long, several blocks, several frames, every header."""
    if request.param.startswith("record"):
        monkeypatch.setattr(container, "REGISTERED", {})
    record = record_of(tiny_model)
    short, empty = pack(RAW, level=1)[0], pack(b"", level=1)[0]
    several = pack(RAW, level=1, block_size=32)[0]  # some of the blocks are stored
    long = frame_with(RAW, len(RAW), 1)
    net = frame_with(RAW, len(RAW), 6, 2, header=container.pack_header(record, short=True), model=tiny_model)
    net_blocks = frame_with(RAW[:42], 12, 5, header=container.pack_header(record), model=tiny_model)
    return {
        "short": (short, RAW),
        "short stored": (pack(b"\xffx", level=1)[0], b"\xffx"),
        "long": (long, RAW),
        "blocks": (several, RAW),
        "frames": (several + short + empty + long, 3 * RAW),
        "registered": (net, RAW),
        "registered blocks": (net_blocks + net, RAW[:42] + RAW),
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


def stored_head(raw):
    return BlockHead(True, 0, 1, len(raw), len(raw), zlib.crc32(raw))


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
    payloads, least = set(), 0
    for frame in codec.list_frames(io.BytesIO(data)):
        least += 16 if frame.header.is_short else 40
        for block in frame.blocks:
            start = block.offset + frame.header.block_head_size
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
def test_trailing_garbage(tail, offset, block_size):
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
    for version in (b"\x02", b"\x22"):
        data = pack(RAW, level=1)[0]
        with pytest.raises(UnsupportedError, match="version 2"):
            unpack(data[:4] + version + data[5:])


@pytest.mark.parametrize("short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("method", [0, 4, native.NET_METHOD, native.N_METHODS])
def test_a_missing_model_is_missed_whatever_the_block(tiny_model, short, method):
    """A frame that names a model needs it, also where this block does not."""
    digest = bytes(31) + b"\1"
    header = container.pack_header(replace(record_of(tiny_model), digest=digest, name="gone"), short=short)
    head, payload = coded(RAW, method, model=tiny_model) if method else (stored_head(RAW), RAW)
    for threads in (1, 2):
        written, error = written_before_error(frame_of(head, payload, header), threads=threads)
        assert isinstance(error, ModelMissingError) and f"gone (sha256 {digest.hex()})" in str(error)
        assert error.exit_status == 3 and written == b""


def test_net_methods_need_a_model(tiny_model):
    """A plain header means the built-in predictor, which has no methods with a net."""
    for header in (PLAIN, SHORT):
        for method in range(native.NET_METHOD, native.N_METHODS + 1):
            head, payload = coded(RAW, method, model=tiny_model)
            with pytest.raises(UnsupportedError, match=f"method {method}"):
                unpack(frame_of(head, payload, header))


def test_a_number_that_this_version_does_not_know(tiny_model):
    header = container.FrameHeader(b"\x89LMZ\x61\xfe\0\0\0\0")
    head, payload = coded(RAW, 4)
    with pytest.raises(ModelMissingError, match="number 254 .sha256 00000000"):
        unpack(frame_of(head, payload, header))


def test_a_number_with_another_digest(tiny_model, tiny_is_registered):
    header = container.FrameHeader(b"\x89LMZ\x61\x07\0\0\0\0")
    head, payload = coded(RAW, 4)
    with pytest.raises(UnsupportedError, match="number 7 .* tiny"):
        unpack(frame_of(head, payload, header))


# --- hostile sizes ---------------------------------------------------------------------------------------------------

GIB = 1 << 30
HOSTILE = {
    "promises a payload": PLAIN.packed + BlockHead(True, 1, 1, GIB, GIB - 1, 0).pack(PLAIN) + bytes(100),
    "promises stored bytes": PLAIN.packed + BlockHead(True, 0, 1, GIB, GIB, 0).pack(PLAIN) + bytes(100),
    "a few bytes claim a GiB": frame_of(BlockHead(True, 4, 1, GIB, 50, 0), b"\x55" * 50),
    "128 lanes claim a GiB": frame_of(BlockHead(True, 4, 128, GIB, 50, 0), b"\xaa" * 50),
    "not the last": frame_of(BlockHead(False, 1, 1, GIB, 60, 0), b"\x99" * 60),
    "short, promises a payload": SHORT.packed + BlockHead(True, 1, 1, 65535, 65534, 0).pack(SHORT) + bytes(100),
    "short, a few bytes claim all": frame_of(BlockHead(True, 4, 128, 65535, 50, 0), b"\xaa" * 50, SHORT),
    "with a net": b"",  # made in the test
}
PROBE = """
import io, resource, sys
from lmzip import codec, native
from lmzip.models import registry
registry.models()
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
def test_memory_is_bounded_by_what_is_there(name, tmp_path, tiny_path, tiny_model):
    """Sizes with right checks and nothing behind them: memory for one block's state may be touched, no more."""
    header = container.pack_header(record_of(tiny_model))
    data = HOSTILE[name] or frame_of(BlockHead(True, 6, 128, GIB, 50, 0), b"\xaa" * 50, header)
    (tmp_path / "hostile.lmz").write_bytes(data)
    command = [sys.executable, "-c", PROBE, str(tmp_path / "hostile.lmz")]
    environment = os.environ | {"LMZIP_MODEL_PATH": str(tiny_path)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "DamagedError" in result.stderr or "TruncatedError" in result.stderr
    state = tiny_model.memory_size(6, GIB, 128)
    assert int(result.stdout) * 1024 < state + (32 << 20)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("net", [False, True], ids=["ngram", "net"])
def test_the_memory_limit_is_checked_before_work(threads, net, sample_text, tiny_model, tiny_path, always_the_net):
    raw, model = sample_text[:8000], str(tiny_path) if net else "ngram"
    data = pack(raw, level=9, model=model)[0]
    head = codec.list_frames(io.BytesIO(data))[0].blocks[0].head
    assert head.method == (levels.get_level(9).method if net else 4)
    need = tiny_model.memory_size(head.method, head.raw_size, head.n_lanes) + head.raw_size + head.payload_size
    assert unpack(data, threads=threads, memory_limit=need)[0] == raw
    written, error = written_before_error(data, threads=threads, memory_limit=need - 1)
    assert written == b"" and isinstance(error, MemoryLimitError)
    assert "--memlimit" in str(error) and "MiB" in str(error)
    output = io.BytesIO()
    with pytest.raises(MemoryLimitError):
        codec.compress_stream(io.BytesIO(raw).read, output.write, level=9, model=model, memory_limit=need)
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


def test_compress_memory_counts_the_net(sample_text, tiny_path, tiny_model):
    options = {"level": 5, "block_size": 5000, "threads": 2, "model": str(tiny_path)}
    need = codec.compress_memory(**options)
    assert need == 2 * (tiny_model.memory_size(5, 5000, 1) + 2 * 5000) + 5000
    assert need > codec.compress_memory(**options | {"model": "ngram"})
    assert pack(sample_text[:20000], **options, memory_limit=need)[1].n_threads == 2
    assert pack(sample_text[:20000], **options, memory_limit=need - 1)[1].n_threads == 1


@pytest.mark.parametrize("model", ["ngram", "tiny"])
def test_no_memory_is_a_typed_error(monkeypatch, model, tiny_path, always_the_net):
    model = str(tiny_path) if model == "tiny" else model
    data = pack(RAW, model=model)[0]

    def none_left(*_arguments):
        raise MemoryError

    monkeypatch.setattr(native, "decode_block", none_left)
    monkeypatch.setattr(native, "encode_block", none_left)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        unpack(data)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        pack(RAW, model=model)


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


@pytest.fixture(scope="module")
def small_frames():
    """Nine joined frames of different lengths, as a log is written: short, long and of several blocks in turn."""
    parts = [painted(100 + 7 * i)[i:] for i in range(9)]
    frames = [pack(part, level=1 + i // 3, block_size=30 if i % 3 == 2 else None)[0] for i, part in enumerate(parts)]
    frames[1::3] = [frame_with(part, len(part), 2) for part in parts[1::3]]
    return parts, frames


def test_salvage_of_sound_small_frames(small_frames):
    parts, frames = small_frames
    for padding in (b"", bytes(100)):
        content, summary = unpack(b"".join(frames) + padding, salvage=True)
        assert content == b"".join(parts) and summary.holes == []


@pytest.mark.parametrize("victim", [0, 3, 6], ids=["first", "middle", "late"])
@pytest.mark.parametrize("at", [0, 3, 4, 5, 6, 8, 12, 15, 20, -1])
def test_salvage_loses_only_the_short_frame_that_is_damaged(small_frames, victim, at):
    """A short frame is lost by itself, wherever it is hit; the frames before and behind it come out whole."""
    parts, frames = small_frames
    changed = bytearray(frames[victim])
    changed[at] ^= 0x10
    start = sum(map(len, frames[:victim]))
    content, summary = unpack(b"".join([*frames[:victim], bytes(changed), *frames[victim + 1 :]]), salvage=True)
    assert content == b"".join(parts[:victim] + parts[victim + 1 :])
    (hole,) = summary.holes
    assert hole.raw_offset == sum(map(len, parts[:victim]))
    if at in (-1, 20):  # the head is sound: how much is missing is known
        assert (hole.offset, hole.raw_size) == (start + 5, len(parts[victim]))
    else:
        assert hole.offset == start and hole.raw_size is None


@pytest.mark.parametrize("kind", ["lost", "added", "cut", "start lost"])
def test_salvage_of_shifted_and_cut_small_frames(small_frames, kind):
    parts, frames = small_frames
    data, fourth = b"".join(frames), sum(map(len, frames[:3]))
    changed, kept = {
        # The payload takes the magic of the next frame, which is long and plain: its head is found nevertheless.
        "lost": (data[: fourth + 30] + data[fourth + 34 :], parts[:3] + parts[4:]),
        "added": (data[: fourth + 2] + b"junk" + data[fourth + 2 :], parts[:3] + parts[4:]),
        "cut": (data[: fourth + 19], parts[:3]),
        "start lost": (data[7:], parts[1:]),
    }[kind]
    content, summary = unpack(changed, salvage=True)
    assert content == b"".join(kept) and summary.holes


def test_salvage_sees_short_frames_at_every_place_of_a_window(monkeypatch, small_frames):
    parts, frames = small_frames
    monkeypatch.setattr(salvage, "_WINDOW", 64)
    noise = random.Random(10).randbytes(160)
    for size in range(160):
        content, summary = unpack(noise[:size] + frames[0] + noise[size:] + frames[3], salvage=True, threads=1)
        assert content == parts[0] + parts[3], size
        holes = [0, size + len(frames[0])] if size else [len(frames[0])]
        assert [hole.offset for hole in summary.holes] == holes


def test_salvage_finds_frames_of_every_header(tiny_model, tiny_is_registered, monkeypatch):
    """Frames with a number or a record, short and long, between noise."""
    headers = [container.pack_header(record_of(tiny_model), short=short) for short in (True, False)]
    monkeypatch.setattr(container, "REGISTERED", {7: ("tiny", tiny_model.digest.hex())})
    source, data = random.Random(11), b""
    unregistered = [
        container.FrameHeader(b"\x89LMZ" + bytes([header.packed[4] & 0x3F | 0x80]) + record_of(tiny_model).pack())
        for header in headers
    ]
    for header in headers + unregistered:
        data += source.randbytes(50) + frame_with(RAW, len(RAW), 6, header=header, model=tiny_model)
    content, summary = unpack(data, salvage=True)
    assert content == 4 * RAW and len(summary.holes) == 4


def test_salvage_does_not_search_on_with_a_short_head():
    """A short head that is impossible ends its frame: its check of 16 bits is too weak to search noise with."""
    bad = SHORT.packed + BlockHead(False, 1, 1, 100, 50, 0).pack(SHORT)
    noise = random.Random(12).randbytes(3_000_000)
    raw = painted(500)
    content, summary = unpack(bad + noise + pack(raw, level=1)[0], salvage=True)
    assert content == raw
    assert [hole.offset for hole in summary.holes] == [5, len(bad)]


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
