"""Salvage: all sound blocks of damaged, shifted, cut and joined files, and holes where the others were."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from codec_tools import FAST, MAX, QUICK, RAW, frame_with, header_for, pack, unpack
from conftest import painted

from lmzip import codec
from lmzip.codec import salvage
from lmzip.errors import NotLmzipError
from lmzip.format import header as format_header
from lmzip.format.block import BASE, BlockHead
from lmzip.format.header import pack_header


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
    frames[1::3] = [frame_with(part, len(part), QUICK) for part in parts[1::3]]
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
        assert (hole.offset, hole.raw_size) == (start + 6, len(parts[victim]))
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


def test_salvage_finds_frames_of_every_header(tiny_model, tiny_is_referenced, monkeypatch):
    """Frames with a reference or a record, short and long, between noise."""
    headers = [header_for(MAX, tiny_model, short=short) for short in (True, False)]
    with monkeypatch.context() as unknown:
        unknown.setattr(format_header, "REFERENCED", {})
        headers += [header_for(MAX, tiny_model, short=short) for short in (True, False)]
    assert {len(header.packed) for header in headers} == {10, 129}
    source, data = random.Random(11), b""
    for header in headers:
        data += source.randbytes(50) + frame_with(RAW, len(RAW), MAX, header=header, model=tiny_model)
    content, summary = unpack(data, salvage=True)
    assert content == 4 * RAW and len(summary.holes) == 4


def test_salvage_does_not_search_on_with_a_short_head():
    """A short head that is impossible ends its frame: its check of 16 bits is too weak to search noise with."""
    header = pack_header(FAST, short=True)
    bad = header.packed + BlockHead(True, BASE, 1, 100, 0, 0).pack(header)
    noise = random.Random(12).randbytes(3_000_000)
    raw = painted(500)
    content, summary = unpack(bad + noise + pack(raw, level=1)[0], salvage=True)
    assert content == raw
    assert [hole.offset for hole in summary.holes] == [6, len(bad)]


def test_salvage_of_nothing():
    for data in (b"", b"hello" * 100, bytes(50)):
        with pytest.raises(NotLmzipError):
            unpack(data, salvage=True)


def test_salvage_meets_a_head_that_is_impossible(ten_blocks):
    raw, data = ten_blocks
    fourth = blocks_of(data)[3]
    bad = replace(fourth.head, raw_size=0).pack(pack_header(FAST))
    changed = data[: fourth.offset] + bad + data[fourth.offset + len(bad) :]
    content, summary = unpack(changed, salvage=True)
    assert content == raw[:300] + raw[400:]
    assert any("impossible" in hole.reason for hole in summary.holes)
