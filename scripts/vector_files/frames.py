"""Building blocks of the test vectors: inputs, blocks and frames made by hand, the checked-in net."""

from __future__ import annotations

import struct
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lmzip.block import BYTES, DEFAULT_RUN, BlockSpec, Content
from lmzip.codec.choice import encode_payload
from lmzip.dictionary import Dictionary
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check
from lmzip.format.header import FrameHeader, ModelRecord, pack_header, record_of_dictionary
from lmzip.format.trailer import Trailer, content_hash
from lmzip.models.base import Model
from lmzip.models.dictionary import behind
from lmzip.models.registry import Registry
from vector_files.nets import FORMULA_NETS
from vector_files.transformers import CONFIG, FORMULA_TRANSFORMER, LongestTokens

FOLDER = Path(__file__).resolve().parent.parent.parent / "tests" / "vectors"
WEIGHTS = FOLDER / "vectors-v1.safetensors"
LONG, SHORT = pack_header(1), pack_header(1, short=True)
GONE = ModelRecord(1, bytes(range(32)), name="tiny-v1")
LINES = [f"{n} green bottles, hanging on the wall; {n * n} Füße\n".encode() for n in range(99, 0, -1)]
TEXT = b"".join(LINES)
NOTE = b"".join(LINES[:20])  # about 1 kB
DICTIONARY = Dictionary(b"".join(LINES[20:42]))

REGISTRY = Registry(environment={})

Block = tuple[BlockHead, bytes]  # head, payload


@dataclass(frozen=True)
class Vector:
    """A file: name (good-, bad-, unsupported-), bytes, content (good only), one sentence."""

    name: str
    data: bytes
    sentence: str
    content: bytes = b""


def painted(size: int) -> bytes:
    """Return bytes i % 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def noise() -> bytes:
    """Return 1024 bytes that nothing makes smaller."""
    return b"".join(zlib.crc32(bytes([i, 1])).to_bytes(4, "little") for i in range(256))


def lanes(number: int) -> str:
    """Return how sentences count lanes."""
    return f"{number} lane{'s' * (number > 1)}"


@cache
def net_model() -> Model:
    """Return the model of the checked-in weights."""
    return REGISTRY.model(str(WEIGHTS))


@cache
def formula_model(name: str) -> Model:
    """Return the model of a net of FORMULA_NETS."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.safetensors"
        path.write_bytes(FORMULA_NETS[name])
        model = REGISTRY.model(str(path))
        model.load()
    return model


@cache
def token_model() -> Model:
    """Return the model of the transformer of TRANSFORMER 14."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{CONFIG['name']}.safetensors"
        path.write_bytes(FORMULA_TRANSFORMER)
        model = LongestTokens(path)
        assert model.digest
        model.load()
    return model


def record_of(model: Model) -> ModelRecord:
    """Return the record that names a net or a transformer."""
    return ModelRecord(model.kind, model.digest, name=model.name)


@cache
def net_record() -> ModelRecord:
    """Return the record that names the checked-in net."""
    return record_of(net_model())


def make_weights() -> None:
    """Write the weights if they are not there; never anew, as NumPy may change what it makes of a seed."""
    if WEIGHTS.exists():
        return
    sys.path.insert(0, str(FOLDER.parent))
    from tiny_net import tiny_weights

    WEIGHTS.write_bytes(tiny_weights(seed=0, name=WEIGHTS.stem, orders=[2, 0], byte_dim=30, table_dim=1))


def coded(
    raw: bytes,
    profile: int,
    n_lanes: int = 1,
    *,
    last: bool = True,
    model: Model | None = None,
    content: Content = BYTES,
    dictionary: Dictionary | None = None,
    machine: int = 0,
) -> Block:
    """Return head and payload of a block, coded with a model or by the base alone; it must become smaller."""
    spec = BlockSpec(len(raw), profile, model is not None, n_lanes, content=content, machine=machine)
    payload = encode_payload(behind(model or REGISTRY.built_in(), dictionary), raw, spec, DEFAULT_RUN)
    if payload is None:
        raise ValueError("a block that does not become smaller")
    return recoded(raw, bytes(payload), WITH_MODEL if model else BASE, n_lanes, last=last, content=content)


def recoded(
    raw: bytes, payload: bytes, mode: int, n_lanes: int = 1, *, last: bool = True, content: Content = BYTES
) -> Block:
    """Return head and payload of a block with any payload, data_check sound over both."""
    return BlockHead(last, mode, n_lanes, len(raw), len(payload), data_check(mode, raw, payload), content), payload


def coded_frame(
    raw: bytes,
    profile: int,
    n_lanes: int = 1,
    *,
    block_size: int = 1 << 30,
    short: bool = False,
    model: Model | None = None,
    dictionary: Dictionary | None = None,
) -> bytes:
    """Return raw in coded blocks; model: the net or transformer, which the header names by its record."""
    record, named = record_of(model) if model else None, record_of_dictionary(dictionary) if dictionary else None
    header = pack_header(profile, record, short=short, n_lanes=n_lanes if short else 1, dictionary=named)
    places = range(0, len(raw), block_size)
    blocks = [
        coded(raw[at : at + block_size], profile, n_lanes, last=at == places[-1], model=model, dictionary=dictionary)
        for at in places
    ]
    return frame(blocks, raw, header)


def stored(raw: bytes, *, last: bool = True) -> Block:
    """Return head and payload of a stored block."""
    return BlockHead(last, STORED, 1, len(raw), len(raw), zlib.crc32(raw)), raw


def frame(blocks: list[Block], content: bytes, header: FrameHeader = LONG) -> bytes:
    """Return the frame of these blocks, sound or not, with sound checks over whatever the heads say."""
    packed = [(head.pack(header), head, payload) for head, payload in blocks]
    table = tuple((head.raw_size, len(start) + head.payload_size) for start, head, _ in packed)
    body = b"".join(start + payload for start, _, payload in packed)
    return header.packed + body + trailer(header, table, content)


def trailer(header: FrameHeader, table: tuple[tuple[int, int], ...], content: bytes) -> bytes:
    """Return the trailer of a frame; none of a short one."""
    hash_ = content_hash()
    hash_.update(content)
    return Trailer(table, hash_.digest()).pack(header)


def stored_frame(raw: bytes, block_size: int = 1 << 30, header: FrameHeader = LONG) -> bytes:
    """Return raw in stored blocks."""
    pieces = [raw[at : at + block_size] for at in range(0, len(raw), block_size)] or [b""]
    return frame([stored(piece, last=i == len(pieces) - 1) for i, piece in enumerate(pieces)], raw, header)


def sealed(header: FrameHeader, start: bytes) -> bytes:
    """Return head or trailer of these bytes, whatever they say, with a sound check; heads of short frames too."""
    check = struct.pack("<I", zlib.crc32(header.packed + start))
    return start + check[: 2 if header.is_short else 4]


def handmade(header: FrameHeader, raw: bytes, payload: bytes, kind: int, *, content: bytes = b"") -> bytes:
    """Return a long frame of one block whose byte `kind` may be anything; content: what describes it."""
    check = data_check(kind & 3, raw, payload)
    head = sealed(header, struct.pack("<BIII", kind, len(raw), len(payload), check) + content)
    return header.packed + head + payload + trailer(header, ((len(raw), len(head) + len(payload)),), raw)


def handmade_short(header: FrameHeader, raw_size: int, payload: bytes, check: int, payload_size: int = -1) -> bytes:
    """Return a short frame with any sizes."""
    size = len(payload) if payload_size < 0 else payload_size
    return header.packed + sealed(header, struct.pack("<HHI", raw_size, size, check)) + payload


def changed(header: FrameHeader, at: int, new: bytes) -> FrameHeader:
    """Return a header with other bytes from `at` on."""
    return FrameHeader(header.packed[:at] + new + header.packed[at + len(new) :])


def flip(data: bytes, at: int, bit: int = 0) -> bytes:
    """Return data with a bit of one byte turned, the lowest by default; at: from the end where below 0."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
