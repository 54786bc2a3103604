"""Images that are not compressed are recognized by their headers, in every order and depth, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from contents_tools import GREY_RAMP, bmp_header, found, noise, npy_header, split_all, tga_header, tiff

from lmzip.block import BIG_ENDIAN, BYTES, IMAGE, LINE_UNIT_SHIFT, PALETTE, SIGNED, Content

PADDED = 2 << LINE_UNIT_SHIFT
COLORS = noise(1024)


def image(width: int, channels: int, depth: int = 8, flags: int = 0, offset: int = 0) -> Content:
    return Content(IMAGE, channels, depth, flags, width, offset)


def content_of(header: bytes, size: int = 10_000) -> Content:
    """Return the content that noise behind a header at the start of a stream is taken for; its place is checked."""
    first, *others = split_all(header + noise(size))
    if first.content == BYTES and others:
        assert first.size == len(header) > 512
        return others[0].content
    assert first.content.offset == (len(header) if first.content != BYTES else 0)
    return Content(*[*vars(first.content).values()][:-1])


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (b"P5 60 50 255\n", image(60, 1)),
        (b"P6\n60 50\n255\n", image(60, 3)),
        (b"P5\r\n60\t50\v1\f", image(60, 1)),
        (b"P6 # a comment\n#another 7\n60\n# 9 9\r 50 # P6\n\n256 ", image(60, 3, 16, BIG_ENDIAN)),
        (b"P5#\n60 50 65535\n", image(60, 1, 16, BIG_ENDIAN)),
        (b"P7\nWIDTH 60\nHEIGHT 50\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", image(60, 4)),
        (b"P7\n# WIDTH 9\n\nHEIGHT 50\nWIDTH 60\n  MAXVAL  1000\nDEPTH 2\nENDHDR\n", image(60, 2, 16, BIG_ENDIAN)),
    ],
)
def test_netpbm(header, content):
    assert content_of(header) == content


@pytest.mark.parametrize(
    "header",
    [
        b"P4 60 50 ",
        b"P3 60 50 255\n",
        b"P60 50 255\n",
        b"P5 0 50 255\n",
        b"P5 60 0 255\n",
        b"P5 60 -50 255\n",
        b"P5 60 50 0\n",
        b"P5 60 50 65536\n",
        b"P5 60 50 255",
        b"P6 5592406 50 255\n",  # a line of 2^24 + 2 bytes
        b"P5 60 #" + bytes(1100) + b"\n50 255\n",
        b"P7 332\n",
        b"P7\nWIDTH 60\nHEIGHT 50\nDEPTH 5\nMAXVAL 255\nENDHDR\n",
        b"P7\nWIDTH 60\nDEPTH 3\nMAXVAL 255\nENDHDR\n",
    ],
)
def test_what_is_no_netpbm(header):
    assert content_of(header) == BYTES


def test_a_text_about_headers_is_no_image(sample_text):
    text = sample_text[:5000] + b"\nP6 640 480 255\n" + sample_text
    assert found(split_all(text)) == []
    for size in range(5000, 5100):
        assert found(split_all(text, size)) == []


@pytest.mark.parametrize("size", [40, 52, 56, 108, 124])
@pytest.mark.parametrize(
    ("bits", "palette", "width", "content"),
    [
        (24, b"", 60, image(60, 3)),
        (24, b"", 61, image(61, 3, flags=PADDED)),
        (32, b"", 61, image(61, 4)),
        (8, COLORS, 60, image(60, 1, flags=PALETTE)),
        (8, COLORS[:64], 62, image(62, 1, flags=PALETTE | PADDED)),
        (8, GREY_RAMP, 60, image(60, 1)),
        (8, GREY_RAMP[: 4 * 16], 60, image(60, 1)),
        (8, GREY_RAMP[::-1], 60, image(60, 1, flags=PALETTE)),  # the fourth byte counts for red here
    ],
)
def test_bmp(bits, palette, width, content, size):
    header = bmp_header(width, 50, bits, size=size, palette=palette)
    assert content_of(header) == content
    assert content_of(bmp_header(width, -50, bits, size=size, palette=palette)) == content


def test_bmp_with_bit_fields():
    assert content_of(bmp_header(60, 50, 32, compression=3)) == image(60, 4)
    assert content_of(bmp_header(60, 50, 32, compression=3, size=124)) == image(60, 4)


def test_a_falling_grey_ramp_is_no_palette():
    falling = b"".join(bytes([255 - i] * 3 + [0]) for i in range(256))
    assert content_of(bmp_header(60, 50, 8, palette=falling)) == image(60, 1)


@pytest.mark.parametrize(
    ("width", "height", "bits", "compression"),
    [
        (60, 50, 16, 0),
        (60, 50, 4, 0),
        (60, 50, 8, 1),
        (0, 50, 24, 0),
        (-60, 50, 24, 0),
        (60, 0, 24, 0),
        (60, 50, 24, 3),
    ],
)
def test_what_is_no_plain_bmp(width, height, bits, compression):
    assert content_of(bmp_header(width, height, bits, compression=compression)) == BYTES


def test_bmp_with_samples_inside_the_header():
    header = bytearray(bmp_header(60, 50, 24))
    for offset in (0, 14, 53, 1 << 31, 0xFFFFFFFF):
        header[10:14] = struct.pack("<I", offset)
        assert content_of(bytes(header)) == BYTES


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("lines_per_strip", [None, 7, 1])
@pytest.mark.parametrize("directory_first", [True, False])
def test_tiff(order, depth, channels, lines_per_strip, directory_first):
    data, start = tiff(
        order, (50, 40, channels), depth, lines_per_strip=lines_per_strip, directory_first=directory_first
    )
    size = 50 * 40 * channels * depth // 8
    content = image(40, channels, depth, BIG_ENDIAN if depth == 16 and order == ">" else 0)
    in_front = b"in front of it"
    assert found(split_all(in_front + data + noise(99))) == [(len(in_front) + start, size, content)]
    assert found(split_all(data))[0][2].offset == (start if start <= 512 else 0)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({262: (3, [3])}, PALETTE),
        ({339: (3, [1])}, 0),
        ({339: (3, [2])}, SIGNED),
        ({278: (4, [0xFFFFFFFF])}, 0),
        ({256: (1, [40])}, 0),
    ],
)
def test_tiff_with_other_fields(fields, flags):
    data, start = tiff("<", (50, 40, 1), 8, fields=fields)
    assert found(split_all(data)) == [(0, len(data), image(40, 1, flags=flags, offset=start))]


@pytest.mark.parametrize(
    "fields",
    [
        {259: (3, [5])},  # LZW
        {258: (3, [8, 8, 16])},
        {258: (3, [1])},
        {258: (3, [32])},
        {277: (3, [0])},
        {277: (3, [5])},
        {256: (3, [0])},
        {257: (3, [0])},
        {273: (4, [0])},
        {273: (4, [0xFFFFFFFF])},
        {273: (4, [8, 16])},
        {278: (4, [0])},
        {284: (3, [2])},  # planes
        {324: (4, [8])},  # tiles
        {262: (3, [6])},  # chroma with fewer samples
        {339: (3, [3])},  # floating point
        {262: (3, [3])},  # a palette for three channels
    ],
)
def test_what_is_no_plain_tiff(fields):
    data, _ = tiff("<", (50, 40, 3), 8, fields=fields)
    assert found(split_all(data)) == []


def test_tiff_in_strips_that_lie_apart():
    data, start = tiff("<", (50, 40, 3), 8, fields={273: (4, [200, 7000]), 278: (4, [25])})
    assert found(split_all(data)) == []


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (tga_header(2, 60, 50, 24), image(60, 3)),
        (tga_header(2, 60, 50, 32, descriptor=0x28), image(60, 4)),
        (tga_header(3, 60, 50, 8, descriptor=0x20, name=b"a name"), image(60, 1)),
    ],
)
def test_tga(header, content):
    assert content_of(header) == content


@pytest.mark.parametrize(
    "header",
    [
        tga_header(10, 60, 50, 24),
        tga_header(1, 60, 50, 8),
        tga_header(2, 60, 50, 16),
        tga_header(3, 60, 50, 24),
        tga_header(2, 0, 50, 24),
        tga_header(2, 60, 0, 24),
        tga_header(2, 60, 50, 24, descriptor=0x08),
        tga_header(2, 60, 50, 32, descriptor=0x40),
    ],
)
def test_what_is_no_plain_tga(header):
    assert content_of(header) == BYTES


def icon(size: int, bits: int) -> bytes:
    """Return a bitmap of an icon, its mask included."""
    return bmp_header(size, 2 * size, bits)[14:] + noise(size * size * bits // 8) + bytes(size * 4)


def icons_of(bitmaps: list[bytes], kind: int = 1) -> bytes:
    directory, start = struct.pack("<HHH", 0, kind, len(bitmaps)), 6 + 16 * len(bitmaps)
    for bitmap in bitmaps:
        directory += struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(bitmap), start)
        start += len(bitmap)
    return directory + b"".join(bitmaps)


@pytest.mark.parametrize("kind", [1, 2])
def test_icons(kind):
    small, large, packed = icon(32, 32), icon(48, 24), b"\x89PNG" + noise(2000)
    data = icons_of([small, packed, large], kind)
    at = len(data) - len(large) + 40
    assert found(split_all(data)) == [
        (0, 6 + 48 + 40 + 4096, image(32, 4, offset=94)),
        (at, 48 * 48 * 3, image(48, 3)),
    ]
    assert found(split_all(icons_of([packed]))) == []


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (npy_header("|u1", (50, 60)), image(60, 1)),
        (npy_header("|u1", (50, 60, 3)), image(60, 3)),
        (npy_header("<u2", (50, 60, 4)), image(60, 4, 16)),
        (npy_header(">u2", (50, 60)), image(60, 1, 16, BIG_ENDIAN)),
        (npy_header("<i2", (50, 60), version=2), image(60, 1, 16, SIGNED)),
        (npy_header(">i2", (50, 60), version=3), image(60, 1, 16, SIGNED | BIG_ENDIAN)),
        (npy_header("|u1", (5, 10, 60)), image(60, 1)),
    ],
)
def test_npy(header, content):
    assert content_of(header) == content


@pytest.mark.parametrize(
    "header",
    [
        npy_header("|u1", (50, 60), fortran=True),
        npy_header("|u1", (3000,)),
        npy_header("|u1", (2, 5, 60, 5)),
        npy_header("|i1", (50, 60)),
        npy_header("<f4", (50, 60)),
        npy_header("|u1", (50, 0)),
        npy_header("|u1", (0, 60)),
        npy_header("|u1", (50, 60), version=4),
    ],
)
def test_what_is_no_image_in_npy(header):
    assert content_of(header) == BYTES
