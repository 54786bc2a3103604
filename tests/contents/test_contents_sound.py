"""Sound that is not compressed is recognized by its header, in every order and depth, and nothing else is."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from contents_tools import aiff_header, au_header, found, noise, split_all, wave_header

from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED, SOUND, Content

SIZE = 24 * 500  # bytes of whole moments of any sound here


def sound(channels: int, depth: int, flags: int) -> Content:
    return Content(SOUND, channels, depth, flags)


def assert_found(header: bytes, content: Content, size: int = SIZE) -> None:
    """Check that samples behind a header are found between texts, and with the header at the start of a stream."""
    front, back = b"a text in front ", b" and one behind"
    assert found(split_all(front + header + noise(SIZE) + back)) == [(len(front) + len(header), size, content)]
    (at, taken, first), *_ = found(split_all(header + noise(SIZE) + back))
    shares = at == 0
    assert (at, taken) == ((0, len(header) + size) if shares else (len(header), size))
    assert shares == (len(header) <= 512)
    assert replace(first, offset=0) == content and first.offset == len(header) * shares


def assert_nothing(header: bytes) -> None:
    assert found(split_all(b"in front " + header + noise(SIZE))) == []
    assert found(split_all(header + noise(SIZE))) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize(("bits", "flags"), [(8, 0), (16, SIGNED), (24, SIGNED), (32, SIGNED)])
def test_wave(order, channels, bits, flags):
    if order == ">" and bits > 8:
        flags |= BIG_ENDIAN
    assert_found(wave_header(channels, bits, SIZE, order=order), sound(channels, bits, flags))


def test_wave_of_other_kinds():
    assert_found(wave_header(2, 32, SIZE, kind=3), sound(2, 32, FLOAT))
    assert_found(wave_header(6, 16, SIZE, kind=0xFFFE), sound(6, 16, SIGNED))
    assert_found(wave_header(1, 12, SIZE), sound(1, 16, SIGNED))


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(content)) + content + bytes(len(content) % 2)


@pytest.mark.parametrize("size", [0, 1, 26, 602, 5001, 100_000])
def test_chunks_before_the_samples(size):
    assert_found(wave_header(2, 16, SIZE, before=chunk(b"LIST", noise(size))), sound(2, 16, SIGNED))
    content = sound(2, 16, SIGNED | BIG_ENDIAN)
    assert_found(aiff_header(2, 16, SIZE, before=chunk(b"NAME", noise(size), ">")), content)


def test_wave_beyond_4_gib():
    sizes = chunk(b"ds64", struct.pack("<QQQI", SIZE + 100, SIZE, 0, 0))
    assert_found(wave_header(2, 16, 0xFFFFFFFF, before=sizes, magic=b"RF64"), sound(2, 16, SIGNED))


@pytest.mark.parametrize(
    "header",
    [
        wave_header(0, 16, SIZE),
        wave_header(9, 16, SIZE),
        wave_header(2, 16, SIZE, kind=2),  # ADPCM
        wave_header(2, 16, SIZE, kind=3),
        wave_header(2, 0, SIZE),
        wave_header(2, 40, SIZE),
        wave_header(2, 8, SIZE, container=2),
        wave_header(2, 16, SIZE).replace(b"fmt ", b"fnt "),
        wave_header(2, 16, SIZE).replace(b"data", b"dada"),
        wave_header(2, 16, SIZE, before=chunk(b"LIST", b"") * 70),
        wave_header(2, 16, SIZE, before=b"LIST" + b"\xff" * 4),
        aiff_header(0, 16, SIZE),
        aiff_header(2, 0, SIZE),
        aiff_header(2, 33, SIZE),
        aiff_header(2, 16, SIZE, compression=b"ima4"),
        aiff_header(2, 16, SIZE, compression=b"raw "),
        aiff_header(2, 16, SIZE, compression=b"fl32"),
        aiff_header(2, 16, SIZE).replace(b"COMM", b"COMN"),
        au_header(0, 3, SIZE),
        au_header(9, 3, SIZE),
        au_header(2, 1, SIZE),  # logarithmic
        au_header(2, 3, SIZE, offset=20),
    ],
)
def test_what_is_no_plain_sound(header):
    assert_nothing(header)


@pytest.mark.parametrize(
    ("bits", "compression", "depth", "flags"),
    [
        (8, b"", 8, SIGNED),
        (16, b"", 16, SIGNED | BIG_ENDIAN),
        (20, b"", 24, SIGNED | BIG_ENDIAN),
        (32, b"", 32, SIGNED | BIG_ENDIAN),
        (16, b"NONE", 16, SIGNED | BIG_ENDIAN),
        (16, b"twos", 16, SIGNED | BIG_ENDIAN),
        (24, b"in24", 24, SIGNED | BIG_ENDIAN),
        (32, b"in32", 32, SIGNED | BIG_ENDIAN),
        (16, b"sowt", 16, SIGNED),
        (24, b"42ni", 24, SIGNED),
        (32, b"23ni", 32, SIGNED),
        (8, b"raw ", 8, 0),
        (32, b"fl32", 32, FLOAT | BIG_ENDIAN),
    ],
)
def test_aiff(bits, compression, depth, flags):
    assert_found(aiff_header(2, bits, SIZE, compression=compression), sound(2, depth, flags))


@pytest.mark.parametrize(
    ("encoding", "depth", "flags"),
    [
        (2, 8, SIGNED),
        (3, 16, SIGNED | BIG_ENDIAN),
        (4, 24, SIGNED | BIG_ENDIAN),
        (5, 32, SIGNED | BIG_ENDIAN),
        (6, 32, FLOAT | BIG_ENDIAN),
    ],
)
def test_au(encoding, depth, flags):
    assert_found(au_header(2, encoding, SIZE), sound(2, depth, flags))


UNKNOWN = [
    *[(wave_header(2, 16, size), SIGNED) for size in (0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF)],
    *[(aiff_header(2, 16, size), SIGNED | BIG_ENDIAN) for size in (0x7FFFFFFF, 0xFFFFFFF0)],
    (au_header(2, 3, 0xFFFFFFFF), SIGNED | BIG_ENDIAN),
]


@pytest.mark.parametrize(("header", "flags"), UNKNOWN)
def test_sound_of_a_pipe_goes_to_the_end(header, flags):
    """Its writer did not know the size, and could not go back."""
    data = header + noise(305_000)
    assert found(split_all(data)) == [(0, len(data), Content(SOUND, 2, 16, flags, 0, len(header)))]
    stretches = split_all(data, 10_001)
    assert [stretch.content.offset for stretch in stretches] == [len(header)] + [0] * (len(stretches) - 1)
    assert {stretch.content.kind for stretch in stretches} == {SOUND}
    assert found(split_all(b"in front " + data)) == []
