"""What the tests of the codec share: whole buffers in and out, frames made by hand, damaged and hostile frames."""

from __future__ import annotations

import io

from conftest import painted

from lmzip import codec, container
from lmzip.container import BlockHead, ModelRecord, Trailer
from lmzip.errors import LmzipError
from lmzip.levels import n_lanes
from lmzip.models import registry

PLAIN = container.pack_header()
SHORT = container.pack_header(short=True)
RAW = b"abcabcabcabc" + bytes(30) + painted(40)  # small, and every method makes it smaller


def pack(data, **options):
    """Return (frames, summary) of data."""
    output = io.BytesIO()
    summary = codec.compress_stream(io.BytesIO(data).read, output.write, **options)
    return output.getvalue(), summary


def unpack(data, **options):
    """Return (content, summary) of frames."""
    output = io.BytesIO()
    summary = codec.decompress_stream(io.BytesIO(data).read, output.write, **options)
    return output.getvalue(), summary


def written_before_error(data, **options):
    """Return (bytes written, error) of decompressing data."""
    output = io.BytesIO()
    try:
        codec.decompress_stream(io.BytesIO(data).read, output.write, **options)
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


def frame_of(head: BlockHead, payload: bytes, header=PLAIN) -> bytes:
    """Return a frame of one block with sound checks over whatever the head says."""
    trailer = Trailer((head.payload_size,), bytes(8))
    return header.packed + head.pack(header) + payload + trailer.pack(header)


def record_of(model) -> ModelRecord:
    """Return the record that names a model with weights."""
    return ModelRecord(1, model.digest, bytes(16), model.name, "")


def coded(raw, method, lanes=1, *, last=True, model=None):
    """Return head and payload of a block coded with this method."""
    payload = (model or registry.by_name("ngram")).encode_block(raw, method, lanes, None, 1)
    assert payload is not None, "such bytes are stored"
    check = container.data_check(method, raw, payload)
    return BlockHead(last, method, lanes, len(raw), len(payload), check), payload


def frame_with(raw, block_size, method, lanes=1, *, header=PLAIN, model=None) -> bytes:
    """Return raw in coded blocks behind any header: one block in the long form, or under a record or a number."""
    places = range(0, len(raw), block_size)
    blocks = [
        coded(raw[at : at + block_size], method, lanes, last=at + block_size >= len(raw), model=model) for at in places
    ]
    hash_ = container.content_hash()
    hash_.update(raw)
    trailer = Trailer(tuple(head.payload_size for head, _ in blocks), hash_.digest())
    body = b"".join(head.pack(header) + payload for head, payload in blocks)
    return header.packed + body + trailer.pack(header)


def encode_as_the_level_says(model, raw, choice, forced_lanes, progress, n_threads, net_cost):
    """Stand in for codec.auto: no choice by samples, so that frames with a net do not hang on a net that helps."""
    lanes = forced_lanes or n_lanes(choice, len(raw))
    return model.encode_block(raw, choice.method, lanes, progress, n_threads), choice.method, lanes
