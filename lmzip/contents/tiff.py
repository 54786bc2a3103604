"""Headers of TIFF images: the first image of a file, if it is not compressed and lies in one piece."""

from __future__ import annotations

import struct
from enum import IntEnum

from lmzip.block import BIG_ENDIAN, PALETTE, SIGNED
from lmzip.contents.samples import MAX_HEADER_SIZE, Samples, demand, image, image_samples, unpack

_MAX_FIELDS, _MAX_VALUES = 256, 1 << 14
_TYPES = {1: "B", 3: "H", 4: "I"}  # of whole numbers
_COLORS_OF_PALETTE, _SUBSAMPLED = 3, 6  # photometric
_FLAGS_OF_FORMAT = {1: 0, 2: SIGNED}


class Tag(IntEnum):
    """The fields that are looked at."""

    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    CHANNELS = 277
    LINES_PER_STRIP = 278
    PLANAR = 284
    TILE_OFFSETS = 324
    SAMPLE_FORMAT = 339


_TAGS = {int(tag) for tag in Tag}
_NEEDED = {Tag.WIDTH, Tag.HEIGHT, Tag.PHOTOMETRIC, Tag.STRIP_OFFSETS}
_DEFAULTS = {Tag.BITS: 1, Tag.COMPRESSION: 1, Tag.CHANNELS: 1, Tag.PLANAR: 1, Tag.SAMPLE_FORMAT: 1}
_DEFAULTS[Tag.LINES_PER_STRIP] = 0xFFFFFFFF


def read_tiff(data: memoryview, at: int) -> list[Samples]:
    """Read the header of a TIFF file."""
    order = "<" if data[at] == ord("I") else ">"
    fields = {tag: (default,) for tag, default in _DEFAULTS.items()} | _read_directory(data, at, order)
    demand(fields.keys() >= _NEEDED and Tag.TILE_OFFSETS not in fields)
    channels, height = fields[Tag.CHANNELS][0], fields[Tag.HEIGHT][0]
    demand(fields[Tag.COMPRESSION][0] == 1 and fields[Tag.PHOTOMETRIC][0] != _SUBSAMPLED)
    demand(height > 0 and (channels == 1 or fields[Tag.PLANAR][0] == 1))
    content = image(fields[Tag.WIDTH][0], channels, *_depth_and_flags(fields, order))
    start = _start_of_strips(fields, height, content.line_size)
    demand(8 <= start <= MAX_HEADER_SIZE)
    return image_samples(at + start, content, height)


def _read_directory(data: memoryview, at: int, order: str) -> dict[int, tuple[int, ...]]:
    """Return the values of the first directory's fields that are looked at."""
    directory = at + unpack(order + "4xI", data, at)[0]
    n_fields = unpack(order + "H", data, directory)[0]
    demand(1 <= n_fields <= _MAX_FIELDS)
    fields = {}
    for field in range(directory + 2, directory + 2 + 12 * n_fields, 12):
        tag, kind, n_values, offset = unpack(order + "HHII", data, field)
        if tag in _TAGS:
            demand(kind in _TYPES and 1 <= n_values <= _MAX_VALUES)
            layout = f"{order}{n_values}{_TYPES[kind]}"
            is_short = struct.calcsize(layout) <= 4
            fields[tag] = unpack(layout, data, field + 8 if is_short else at + offset)
    return fields


def _depth_and_flags(fields: dict[int, tuple[int, ...]], order: str) -> tuple[int, int]:
    """Return what all samples of a pixel have in common."""
    depths, formats = set(fields[Tag.BITS]), set(fields[Tag.SAMPLE_FORMAT])
    demand(len(depths) == len(formats) == 1 and formats <= _FLAGS_OF_FORMAT.keys())
    depth, flags = depths.pop(), _FLAGS_OF_FORMAT[formats.pop()]
    if depth == 16 and order == ">":
        flags |= BIG_ENDIAN
    if fields[Tag.PHOTOMETRIC][0] == _COLORS_OF_PALETTE:
        demand(fields[Tag.CHANNELS][0] == 1)
        flags |= PALETTE
    return depth, flags


def _start_of_strips(fields: dict[int, tuple[int, ...]], n_lines: int, size: int) -> int:
    """Return where the strips begin, lines of a size; raises NotSamplesError unless one lies behind the other."""
    offsets, n_strip_lines = fields[Tag.STRIP_OFFSETS], min(n_lines, fields[Tag.LINES_PER_STRIP][0])
    demand(n_strip_lines > 0 and len(offsets) == -(-n_lines // n_strip_lines))
    step = n_strip_lines * size
    demand(offsets == tuple(range(offsets[0], offsets[0] + len(offsets) * step, step)))
    return offsets[0]
