"""Test vectors of images and sound: small ones of every shape, and what is at the edges of their contents."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal

from lmzip.block import BIG_ENDIAN, FLOAT, IMAGE, LINE_UNIT_SHIFT, PALETTE, SIGNED, SOUND, Content
from lmzip.format.header import pack_header
from vector_files.frames import Vector, coded, frame

HEADER = b"P5 16 24 255\n"


def shaded(size: int, channels: int = 1, width: int = 16) -> bytes:
    """Return samples that grow along lines and down, with a little noise: x + 2 y + 40 channel + (i * i >> 3 & 3)."""
    places = ((i // channels % width, i // channels // width, i % channels) for i in range(size))
    return bytes((x + 2 * y + 40 * channel + (i * i >> 3 & 3)) & 255 for i, (x, y, channel) in enumerate(places))


def waves(n: int, channels: int, size: int, *, big: bool = False, offset: int = 0) -> bytes:
    """Return n moments of triangles: sample i of channel c is as high as the size of samples allows, by 2^c lower."""
    order: Literal["big", "little"] = "big" if big else "little"
    found = bytearray()
    for i in range(n):
        for channel in range(channels):
            height = (abs(i * 7 % 64 - 32) - 16) * (1 << 8 * size - 6) >> channel
            found += ((height + i * i % 5 + offset) % (1 << 8 * size)).to_bytes(size, order)
    return bytes(found)


def floats(n: int, order: str = "<") -> bytes:
    """Return n samples of triangles of 12 bits in floating point, every ninth with all bits of a fraction."""
    heights = ((abs(i * 7 % 64 - 32) - 16) * 64 + i * i % 5 for i in range(n))
    return struct.pack(f"{order}{n}f", *(h / 2048 * (0.7 if i % 9 == 8 else 1) for i, h in enumerate(heights)))


IMAGES = {
    "grey": (Content(IMAGE, 1, 8, 0, 16), shaded(400)),
    "grey-alpha": (Content(IMAGE, 2, 8, 0, 16), shaded(400, 2)),
    "rgb": (Content(IMAGE, 3, 8, 0, 16), shaded(501, 3)),
    "rgba": (Content(IMAGE, 4, 8, 0, 16), shaded(500, 4)),
    "palette": (Content(IMAGE, 1, 8, PALETTE, 16), bytes(i // 16 * 3 % 5 for i in range(400))),
    "16-bits": (Content(IMAGE, 1, 16, 0, 16), b"".join((300 * b).to_bytes(2, "little") for b in shaded(250))),
    "16-bits-big": (
        Content(IMAGE, 3, 16, BIG_ENDIAN, 8),
        b"".join((300 * b % 65536).to_bytes(2, "big") for b in shaded(250, 3, 8)),
    ),
    "padded": (
        Content(IMAGE, 3, 8, 2 << LINE_UNIT_SHIFT, 5),
        b"".join(shaded(15, 3, 5) + b"\0" for _ in range(25)),
    ),
    "offset": (Content(IMAGE, 1, 8, 0, 16, len(HEADER)), HEADER + shaded(384)),
    "offset-beyond": (Content(IMAGE, 1, 8, 0, 16, 60000), HEADER * 10),
    "one-pixel-wide": (Content(IMAGE, 1, 8, 0, 1), shaded(200)),
    "one-line": (Content(IMAGE, 3, 8, 0, 100000), shaded(301, 3)),
    "signed": (Content(IMAGE, 1, 8, SIGNED, 16), bytes(b ^ 128 for b in shaded(300))),
}
SOUNDS = {
    "8-bits": (Content(SOUND, 1, 8), waves(400, 1, 1, offset=128)),
    "8-bits-signed": (Content(SOUND, 2, 8, SIGNED), waves(250, 2, 1)),
    "16-bits": (Content(SOUND, 1, 16, SIGNED), waves(300, 1, 2)),
    "16-bits-stereo": (Content(SOUND, 2, 16, SIGNED, offset=44), bytes(44) + waves(150, 2, 2)),
    "16-bits-big": (Content(SOUND, 1, 16, SIGNED | BIG_ENDIAN), waves(300, 1, 2, big=True)),
    "24-bits": (Content(SOUND, 2, 24, SIGNED), waves(100, 2, 3)),
    "32-bits": (Content(SOUND, 1, 32, SIGNED), waves(120, 1, 4)),
    "8-channels": (Content(SOUND, 8, 16, SIGNED), waves(40, 8, 2)),
    "silence": (Content(SOUND, 2, 16, SIGNED), bytes(1001)),
    "cut": (Content(SOUND, 3, 24, SIGNED), waves(40, 3, 3)[:-4]),
    "float": (Content(SOUND, 1, 32, FLOAT), floats(120)),
    "float-stereo-big": (Content(SOUND, 2, 32, FLOAT | BIG_ENDIAN), floats(160, ">")),
}


def vectors() -> Iterator[Vector]:
    """Yield all of them, each in a short frame with the profile that is given, some in long ones."""
    for what, cases in (("image", IMAGES), ("sound", SOUNDS)):
        for i, (name, (content, raw)) in enumerate(cases.items()):
            profile = (1, 2, 4)[i % 3]
            block = coded(raw, profile, content=content)
            data = frame([block], raw, pack_header(profile, short=True, content=content))
            sentence = f"{what.capitalize()}, {name.replace('-', ' ')}: {len(raw)} bytes, short, profile {profile}."
            yield Vector(f"good-{what}-{name}", data, sentence, raw)
    (grey, pixels), (mono, samples) = IMAGES["grey"], SOUNDS["16-bits"]
    blocks = [
        coded(pixels, 4, last=False, content=grey),
        coded(HEADER * 9, 4, last=False),
        coded(samples, 4, content=mono),
    ]
    raw = pixels + HEADER * 9 + samples
    sentence = "An image, bytes and sound in three blocks of a long frame, profile 4."
    yield Vector("good-contents-long", frame(blocks, raw, pack_header(4)), sentence, raw)
