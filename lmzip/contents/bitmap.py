"""Headers of BMP images, and of the same bitmaps in icons and cursors."""

from __future__ import annotations

from lmzip.block import LINE_UNIT_SHIFT, PALETTE, Content
from lmzip.contents.samples import MAX_HEADER_SIZE, Samples, demand, image, image_samples, take, unpack

_INFO_SIZES = (40, 52, 56, 108, 124)  # bytes of BITMAPINFOHEADER and of what grew from it
_PLAIN, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 0, 3, 6  # compression
_MAX_ICONS = 64


def read_bmp(data: memoryview, at: int) -> list[Samples]:
    """Read the header of a BMP image."""
    offset = unpack("<10xI", data, at)[0]
    content, height, end = _read_bitmap(data, at + 14)
    demand(end <= at + offset <= at + MAX_HEADER_SIZE)
    return image_samples(at + offset, content, abs(height))


def read_icons(data: memoryview, at: int) -> list[Samples]:
    """Read the directory of an ICO or CUR file, which has no magic number; icons that are PNG images are left out."""
    reserved, kind, n_icons = unpack("<HHH", data, at)
    demand(reserved == 0 and kind in (1, 2) and 1 <= n_icons <= _MAX_ICONS)
    found: list[Samples] = []
    end = 6 + 16 * n_icons
    for i in range(n_icons):
        reserved, size, offset = unpack("<3xB4xII", data, at + 6 + 16 * i)
        demand(reserved in (0, 255) and end <= offset <= MAX_HEADER_SIZE)
        end = offset + size
        if take(data, at + offset, 4) != b"\x89PNG":
            found += _read_icon(data, at + offset)
            demand(found[-1].start + (found[-1].size or 0) <= at + end)
    return found


def _read_icon(data: memoryview, at: int) -> list[Samples]:
    """Read a bitmap whose height counts a mask, which lies behind it."""
    content, height, start = _read_bitmap(data, at)
    demand(height % 2 == 0)
    return image_samples(start, content, height // 2)


def _read_bitmap(data: memoryview, at: int) -> tuple[Content, int, int]:
    """Return the content, the height, which is negative if the first line is at the top, and where the header ends."""
    size, width, height, planes, bits, compression, n_colors = unpack("<IiiHHI12xI", data, at)
    demand(size in _INFO_SIZES and width > 0 and planes == 1 and bits in (8, 24, 32))
    has_fields = compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) and bits == 32
    demand(compression == _PLAIN or has_fields)
    n_fields = {_BIT_FIELDS: 3, _ALPHA_BIT_FIELDS: 4}.get(compression, 0) if size == 40 else 0
    end = at + size + 4 * n_fields
    demand(n_colors <= 256)
    flags = 0
    if bits == 8:
        palette = take(data, end, 4 * (n_colors or 256))
        flags = 0 if _is_grey(palette) else PALETTE
        end += len(palette)
    if width * bits // 8 % 4:
        flags |= 2 << LINE_UNIT_SHIFT
    return image(width, bits // 8, 8, flags), height, end


def _is_grey(palette: bytes) -> bool:
    """Return whether colors of four bytes each go from dark to bright or back, so that their numbers are samples."""
    blue, green, red = (palette[i::4] for i in range(3))
    return blue == green == red and blue in (bytes(sorted(blue)), bytes(sorted(blue, reverse=True)))
