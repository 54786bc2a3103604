"""Headers of TGA images, which have no magic number."""

from __future__ import annotations

from lmzip.contents.samples import Samples, demand, image, image_samples, unpack

HEADER_SIZE = 18
_COLOR, _GREY = 2, 3  # types of image that are not compressed
_DEPTHS = {_COLOR: (24, 32), _GREY: (8,)}


def read_tga(data: memoryview, at: int) -> list[Samples]:
    """Read the header of a TGA image."""
    id_size, map_type, kind, map_origin, map_size, map_bits = unpack("<BBBHHB", data, at)
    demand((map_type, map_origin, map_size, map_bits) == (0, 0, 0, 0))
    x, y, width, height, bits, descriptor = unpack("<HHHHBB", data, at + 8)
    demand(bits in _DEPTHS.get(kind, ()) and x == 0 and y in (0, height))
    alpha_bits, other_bits = descriptor & 0x0F, descriptor & 0xC0
    demand(other_bits == 0 and alpha_bits in ((0, 8) if bits == 32 else (0,)))
    return image_samples(at + HEADER_SIZE + id_size, image(width, bits // 8, 8), height)
