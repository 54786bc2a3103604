"""What the raw bytes of a block are samples of, as the block's head or a short frame's header says it (FORMAT 4.5)."""

from __future__ import annotations

import struct

from lmzip.block import BIG_ENDIAN, FLOAT, IMAGE, LINE_UNIT_SHIFT, PALETTE, SIGNED, SOUND, Content
from lmzip.errors import UnsupportedError

CONTENT_SIZE = 10

_RECORD = struct.Struct("<BBBBHI")
_IMAGE_FLAGS = BIG_ENDIAN | SIGNED | PALETTE | 3 << LINE_UNIT_SHIFT
_SOUND_FLAGS = BIG_ENDIAN | SIGNED | FLOAT


def pack_content(content: Content) -> bytes:
    """Return the 10 bytes of the record; raises struct.error for what it cannot say."""
    c = content
    return _RECORD.pack(c.kind, c.channels, c.depth, c.flags, c.offset, c.width)


def parse_content(packed: bytes) -> Content:
    """Return what a record says; raises UnsupportedError for what only a later version may know."""
    kind, channels, depth, flags, offset, width = _RECORD.unpack(packed)
    content = Content(kind, channels, depth, flags, width, offset)
    if not is_known(content):
        raise UnsupportedError(f"needs a newer lmzip: content {packed.hex()}")
    return content


def is_known(content: Content) -> bool:
    """Return whether there is such an image or sound."""
    c = content
    if c.kind == IMAGE:
        is_sound_palette = not c.flags & PALETTE or (c.channels, c.depth) == (1, 8)
        is_shape = 1 <= c.channels <= 4 and c.depth in (8, 16) and c.width > 0
        return is_shape and is_sound_palette and not c.flags & ~_IMAGE_FLAGS
    is_shape = 1 <= c.channels <= 8 and c.depth in (8, 16, 24, 32) and not c.width
    return c.kind == SOUND and is_shape and not c.flags & ~_SOUND_FLAGS
