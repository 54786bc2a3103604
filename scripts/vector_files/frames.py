"""Building blocks of the test vectors: inputs, blocks and frames made by hand, the checked-in net."""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lmzip import container
from lmzip.container import STORED, BlockHead, FrameHeader, ModelRecord, Trailer
from lmzip.models import registry
from lmzip.models.base import Model

FOLDER = Path(__file__).resolve().parent.parent.parent / "tests" / "vectors"
WEIGHTS = FOLDER / "vectors-v1.safetensors"
PLAIN = container.pack_header()
SHORT = container.pack_header(short=True)
GONE = ModelRecord(1, bytes(range(32)), bytes(16), "tiny-v1", "")
UNKNOWN_NUMBER = 253
TEXT = "".join(f"{n} green bottles, hanging on the wall; {n * n} Füße\n" for n in range(99, 0, -1)).encode()


@dataclass(frozen=True)
class Vector:
    """A file: name (good-, bad-, unsupported-), bytes, content (good only), error class (the others), one sentence."""

    name: str
    data: bytes
    sentence: str
    content: bytes = b""
    error: str = ""


def painted(size: int) -> bytes:
    """Return bytes i % 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def noise() -> bytes:
    """Return 1024 bytes that nothing makes smaller."""
    return b"".join(zlib.crc32(bytes([i, 1])).to_bytes(4, "little") for i in range(256))


@cache
def net_model() -> Model:
    """Return the model of the checked-in weights."""
    return registry.by_name(str(WEIGHTS))


@cache
def net_record() -> ModelRecord:
    """Return the record that names it."""
    return ModelRecord(1, net_model().digest, bytes(16), net_model().name, "")


def make_weights() -> None:
    """Write the weights if they are not there; never anew, as NumPy may change what it makes of a seed."""
    if WEIGHTS.exists():
        return
    sys.path.insert(0, str(FOLDER.parent))
    from tiny_net import tiny_weights

    WEIGHTS.write_bytes(tiny_weights(seed=0, name=WEIGHTS.stem, orders=[2, 0], byte_dim=30, table_dim=1))


def coded(raw: bytes, method: int, n_lanes: int = 1, *, last: bool = True, model: Model | None = None):
    """Return head and payload of a block; stored where that method does not make it smaller."""
    payload = (model or registry.by_name(registry.BUILT_IN)).encode_block(raw, method, n_lanes, None, 1)
    if payload is None:
        return stored(raw, last=last)
    return BlockHead(last, method, n_lanes, len(raw), len(payload), container.data_check(method, raw, payload)), payload


def coded_frame(
    raw: bytes,
    method: int,
    n_lanes: int = 1,
    *,
    block_size: int = 1 << 30,
    header: FrameHeader = PLAIN,
    model: Model | None = None,
) -> bytes:
    """Return raw in blocks of one method, those that it does not make smaller stored."""
    places = range(0, len(raw), block_size)
    blocks = [coded(raw[at : at + block_size], method, n_lanes, last=at == places[-1], model=model) for at in places]
    return frame(blocks, raw, header)


def stored(raw: bytes, *, last: bool = True) -> tuple[BlockHead, bytes]:
    """Return head and payload of a stored block."""
    return BlockHead(last, STORED, 1, len(raw), len(raw), zlib.crc32(raw)), raw


def frame(blocks: list[tuple[BlockHead, bytes]], content: bytes, header: FrameHeader = PLAIN) -> bytes:
    """Return the frame of these blocks, sound or not, with sound checks over whatever the heads say."""
    hash_ = container.content_hash()
    hash_.update(content)
    trailer = Trailer(tuple(head.payload_size for head, _ in blocks), hash_.digest())
    body = b"".join(head.pack(header) + payload for head, payload in blocks)
    return header.packed + body + trailer.pack(header)


def stored_frame(raw: bytes, block_size: int, header: FrameHeader = PLAIN) -> bytes:
    """Return raw in stored blocks."""
    pieces = [raw[at : at + block_size] for at in range(0, len(raw), block_size)] or [b""]
    return frame([stored(piece, last=i == len(pieces) - 1) for i, piece in enumerate(pieces)], raw, header)


def repack_trailer(packed: bytes, header: FrameHeader = PLAIN) -> bytes:
    """Return trailer bytes with their check made right."""
    return packed[:-4] + struct.pack("<I", zlib.crc32(header.packed + packed[:-4]))


def flip(data: bytes, at: int) -> bytes:
    """Return data with the lowest bit of one byte turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
