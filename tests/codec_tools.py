"""What the tests of the codec share: whole buffers in and out, frames made by hand, damaged and hostile frames."""

from __future__ import annotations

import io

from conftest import painted

from lmzip import codec
from lmzip.block import BYTES, BlockSpec, Run
from lmzip.codec import block
from lmzip.codec.choice import Coded, encode_payload
from lmzip.errors import LmzipError
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check
from lmzip.format.header import FrameHeader, ModelRecord, pack_header
from lmzip.format.trailer import Trailer, content_hash
from lmzip.models.base import Model
from lmzip.stream import shared

FAST, QUICK, FULL, MAX, LIGHT, LARGE = range(1, 7)  # profiles
RAW = b"abcabcabcabc" + bytes(30) + painted(40)  # small, and every profile makes it smaller


def pack(data, *, model=None, **options):
    """Return (frames, summary) of data; model: as lmzip.compress takes it."""
    output, options = io.BytesIO(), options | {"model": shared.find_model(model), "registry": shared.registry}
    summary = codec.compress_stream(io.BytesIO(data).read, output.write, **options)
    return output.getvalue(), summary


def unpack(data, **options):
    """Return (content, summary) of frames."""
    output = io.BytesIO()
    summary = codec.decompress_stream(io.BytesIO(data).read, output.write, registry=shared.registry, **options)
    return output.getvalue(), summary


def written_before_error(data, **options):
    """Return (bytes written, error) of decompressing data."""
    output = io.BytesIO()
    try:
        codec.decompress_stream(io.BytesIO(data).read, output.write, registry=shared.registry, **options)
    except LmzipError as error:
        return output.getvalue(), error
    return output.getvalue(), None


def pieces_reader(data, sizes):
    """Return a read function that gives pieces of the given sizes in turn, as a pipe may, and fails after the end."""
    position, turn, ended = 0, 0, False

    def read(size):
        nonlocal position, turn, ended
        assert not ended, "read after the end"
        assert size > 0
        piece = data[position : position + min(size, sizes[turn % len(sizes)])]
        position, turn, ended = position + len(piece), turn + 1, not piece
        return piece

    return read


def record_of(model: Model) -> ModelRecord:
    """Return the record that names a model with weights."""
    record = block.record_of(model)
    assert record
    return record


def header_for(profile: int, model: Model | None = None, *, short: bool = False, n_lanes: int = 1) -> FrameHeader:
    """Return a header of a frame, which names a model where one is given."""
    return pack_header(profile, model and record_of(model), short=short, n_lanes=n_lanes if short else 1)


def stored(raw: bytes, *, last: bool = True) -> tuple[BlockHead, bytes]:
    """Return head and payload of a stored block."""
    return BlockHead(last, STORED, 1, len(raw), len(raw), data_check(STORED, raw, raw)), raw


def coded(
    raw: bytes, profile: int, lanes: int = 1, *, last: bool = True, model: Model | None = None
) -> tuple[BlockHead, bytes]:
    """Return head and payload of a coded block; model: what it is coded with, None for the base alone."""
    spec = BlockSpec(len(raw), profile, model is not None, lanes)
    payload = encode_payload(model or shared.registry.built_in(), raw, spec, Run())
    assert payload is not None, "such bytes are stored"
    mode = WITH_MODEL if model else BASE
    return BlockHead(last, mode, lanes, len(raw), len(payload), data_check(mode, raw, payload)), payload


def frame_of(head: BlockHead, payload: bytes, header: FrameHeader) -> bytes:
    """Return a frame of one block with sound checks over whatever the head says."""
    return join(header, [(head, payload)], b"")


def join(header: FrameHeader, blocks: list[tuple[BlockHead, bytes]], content: bytes) -> bytes:
    """Return the frame of these blocks; content: what its hash is of."""
    hash_ = content_hash()
    hash_.update(content)
    packed = [head.pack(header) for head, _ in blocks]
    table = [(head.raw_size, len(p) + len(payload)) for p, (head, payload) in zip(packed, blocks, strict=True)]
    body = b"".join(p + payload for p, (_, payload) in zip(packed, blocks, strict=True))
    return header.packed + body + Trailer(tuple(table), hash_.digest()).pack(header)


def frame_with(
    raw: bytes,
    block_size: int,
    profile: int,
    lanes: int = 1,
    *,
    header: FrameHeader | None = None,
    model: Model | None = None,
) -> bytes:
    """Return raw in coded blocks behind any header, by default the long one that names what they need."""
    places = range(0, len(raw), block_size)
    blocks = [
        coded(raw[at : at + block_size], profile, lanes, last=at + block_size >= len(raw), model=model) for at in places
    ]
    return join(header or header_for(profile, model), blocks, raw)


def code_as_the_level_says(model, raw, settings, forced_lanes, run, model_cost=0, content=BYTES, machine=0) -> Coded:
    """Stand in for codec.choice: no choice by samples, so that frames with a net do not hang on a net that helps."""
    spec = settings.spec(len(raw), uses_model=settings.uses_model, n_lanes=forced_lanes, machine=machine)
    return encode_payload(model, raw, spec, run), spec
