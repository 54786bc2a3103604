"""Headers of NumPy's .npy files: arrays whose last axes are taken for an image's."""

from __future__ import annotations

import math
import re

from lmzip.block import BIG_ENDIAN, SIGNED
from lmzip.contents.samples import (
    MAX_HEADER_SIZE,
    MAX_IMAGE_CHANNELS,
    NotSamplesError,
    Samples,
    demand,
    image,
    image_samples,
    take,
    unpack,
)

_HEADER = re.compile(
    rb"\{'descr': '([|<>][ui][12])', 'fortran_order': False, 'shape': \((\d{1,9}(?:, \d{1,9}){1,2})\), \}\s*"
)
_DEPTHS_AND_FLAGS = {
    b"|u1": (8, 0),
    b"<u2": (16, 0),
    b">u2": (16, BIG_ENDIAN),
    b"<i2": (16, SIGNED),
    b">i2": (16, SIGNED | BIG_ENDIAN),
}


def read_npy(data: memoryview, at: int) -> list[Samples]:
    """Read the header of an array: lines and columns, with channels or not, or several such images without."""
    version = unpack("6xB", data, at)[0]
    start = at + (10 if version == 1 else 12)
    size = unpack("<8xH" if version == 1 else "<8xI", data, at)[0]
    demand(size <= MAX_HEADER_SIZE)
    match = _HEADER.fullmatch(take(data, start, size))
    if match is None or match[1] not in _DEPTHS_AND_FLAGS:
        raise NotSamplesError
    *axes, last = map(int, match[2].split(b", "))
    if len(axes) == 2 and last <= MAX_IMAGE_CHANNELS:
        content = image(axes.pop(), last, *_DEPTHS_AND_FLAGS[match[1]])
    else:
        content = image(last, 1, *_DEPTHS_AND_FLAGS[match[1]])
    return image_samples(start + size, content, math.prod(axes))
