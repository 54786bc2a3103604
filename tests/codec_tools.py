"""What the tests of the codec share: whole buffers in and out, damaged and hostile frames."""

from __future__ import annotations

import io

from lmzip import codec, container
from lmzip.container import BlockHead, Trailer

PLAIN = container.pack_header()


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
