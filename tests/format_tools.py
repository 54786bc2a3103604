"""What the tests of the format share: headers of every layout, bits to turn, a source, frames made by hand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from lmzip.codec.source import Source
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check
from lmzip.format.header import (
    FLOAT_KIND,
    NET_KIND,
    REFERENCED,
    TRANSFORMER_KIND,
    FrameHeader,
    ModelRecord,
    pack_header,
)
from lmzip.format.trailer import Trailer, content_hash

NET = ModelRecord(NET_KIND, bytes(range(32)), name="tiny-v1")
TRANSFORMER = ModelRecord(TRANSFORMER_KIND, bytes(range(1, 33)), name="naïve-v1")
FLOAT = ModelRecord(FLOAT_KIND, bytes(range(2, 34)), b"f" * 16, "naïve-v1", "cuda/sm90 bf16 1t torch2.13.0 tf5.23.0")
KNOWN_DIGEST = bytes.fromhex(next(iter(REFERENCED)))
KNOWN = ModelRecord(NET_KIND, KNOWN_DIGEST, name="bytelm3")

LONG = pack_header(3)
SHORT = pack_header(3, short=True)
SHORT_LANES = pack_header(3, short=True, n_lanes=8)
HEADERS = {
    "long": LONG,
    "short": SHORT,
    "short of 8 lanes": SHORT_LANES,
    "reference": pack_header(4, KNOWN),
    "reference short": pack_header(4, KNOWN, short=True),
    "net": pack_header(4, NET),
    "transformer": pack_header(6, TRANSFORMER, context=2),
    "float short": pack_header(6, FLOAT, context=3, short=True, n_lanes=2),
}


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Yield data with each bit turned in turn."""
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def with_bits(header: FrameHeader, at: int, bits: int) -> FrameHeader:
    """Return the header with these bits of byte `at` turned."""
    packed = bytearray(header.packed)
    packed[at] ^= bits
    return FrameHeader(bytes(packed))


def coded_mode(header: FrameHeader) -> int:
    """Return the mode of the coded blocks of a short frame, which other frames may have too."""
    return WITH_MODEL if header.names_model else BASE


def source_of(data: bytes, step: int = 1 << 20) -> Source:
    """Return a source that gets `step` bytes at a time."""
    pieces = iter([data[at : at + step] for at in range(0, len(data), step)])
    rest = bytearray()

    def read(size: int) -> bytes:
        if not rest:
            rest.extend(next(pieces, b""))
        piece = bytes(rest[:size])
        del rest[:size]
        return piece

    return Source(read)


def stored(raw: bytes, *, last: bool = True) -> tuple[BlockHead, bytes]:
    """Return head and payload of a stored block."""
    return BlockHead(last, STORED, 1, len(raw), len(raw), zlib.crc32(raw)), raw


def coded(raw: bytes, payload: bytes, mode: int = BASE, n_lanes: int = 1, *, last: bool = True):
    """Return head and payload of a block that somebody coded."""
    return BlockHead(last, mode, n_lanes, len(raw), len(payload), data_check(mode, raw, payload)), payload


def frame(header: FrameHeader, blocks: list[tuple[BlockHead, bytes]], content: bytes = b"") -> bytes:
    """Return the frame of these blocks, sound or not, with sound checks over whatever the heads say."""
    hash_ = content_hash()
    hash_.update(content)
    packed, table = bytearray(header.packed), []
    for head, payload in blocks:
        head_bytes = head.pack(header)
        packed += head_bytes + payload
        table.append((head.raw_size, len(head_bytes) + head.payload_size))
    return bytes(packed) + Trailer(tuple(table), hash_.digest()).pack(header)


def stored_frame(header: FrameHeader, *raws: bytes) -> bytes:
    """Return a sound frame of stored blocks."""
    blocks = [stored(raw, last=i == len(raws) - 1) for i, raw in enumerate(raws)]
    return frame(header, blocks, b"".join(raws))


def sealed_head(header: FrameHeader, start: bytes) -> bytes:
    """Return the head of these bytes, whatever they say, with a sound check."""
    check = struct.pack("<I", zlib.crc32(header.packed + start))
    return start + check[: 2 if header.is_short else 4]
