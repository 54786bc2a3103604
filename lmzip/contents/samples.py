"""What the readers of headers have in common: their result, their refusals, and the limits of what they believe."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from lmzip.block import IMAGE, SIGNED, SOUND, Content

MAX_LINE_SIZE = 1 << 24  # bytes
MAX_HEADER_SIZE = 1 << 20  # bytes from a header's start to the first sample
MAX_IMAGE_CHANNELS, MAX_SOUND_CHANNELS = 4, 8
IMAGE_DEPTHS, SOUND_DEPTHS = (8, 16), (8, 16, 24, 32)


class NotSamplesError(Exception):
    """Not the header that its first bytes promise, or one of something else than plain samples."""


class CutOffError(Exception):
    """The header goes on behind the data at hand."""


class Samples(NamedTuple):
    """What a header says: where in the data the samples begin, which may be behind its end, and what they are."""

    start: int
    size: int | None  # bytes as declared, more than there are perhaps; None for up to the end of the stream
    content: Content


Reader = Callable[[memoryview, int], list[Samples]]
"""Reads the header at a place of the data; returns samples in order, which do not overlap and begin behind the place.

Raises NotSamplesError and CutOffError only.
"""


def demand(holds: bool) -> None:
    """Raise NotSamplesError unless a condition holds."""
    if not holds:
        raise NotSamplesError


def take(data: memoryview, at: int, size: int) -> bytes:
    """Return bytes of the data; raises CutOffError if it ends before."""
    if at + size > len(data):
        raise CutOffError
    return bytes(data[at : at + size])


def unpack(layout: str, data: memoryview, at: int) -> tuple[Any, ...]:
    """Return the fields of a struct in the data; raises CutOffError if it ends before."""
    return struct.unpack(layout, take(data, at, struct.calcsize(layout)))


def image(width: int, channels: int, depth: int, flags: int = 0) -> Content:
    """Return an image's content; raises NotSamplesError if there are no such images."""
    demand(1 <= channels <= MAX_IMAGE_CHANNELS and depth in IMAGE_DEPTHS and 1 <= width <= MAX_LINE_SIZE)
    content = Content(IMAGE, channels, depth, flags, width)
    demand(content.line_size <= MAX_LINE_SIZE)
    return content


def image_samples(start: int, content: Content, n_lines: int) -> list[Samples]:
    """Return the samples of an image by its lines; raises NotSamplesError if there are none."""
    demand(n_lines > 0)
    return [Samples(start, n_lines * content.line_size, content)]


def sound(channels: int, depth: int, flags: int = SIGNED) -> Content:
    """Return a sound's content; raises NotSamplesError if there is no such sound."""
    demand(1 <= channels <= MAX_SOUND_CHANNELS and depth in SOUND_DEPTHS)
    return Content(SOUND, channels, depth, flags)
