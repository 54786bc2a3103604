"""What --estimate looks at: pieces from all over a file, or over what its blocks leave without their long repeats."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lmzip.block import BYTES, Content
from lmzip.cli.options import Options
from lmzip.fileio import Source

if TYPE_CHECKING:
    from lmzip.levels import LevelSettings
    from lmzip.models.base import Model

# Pieces are compressed as if they were one: the model learns from each for the others, as it will.
_N_PIECES = 16
_PIECE_SIZE = 1 << 15
_NET_PIECE_SIZE = 1 << 14  # a net needs several times as long
# Of a transformer, one for each lane, as its speed is that of its lanes; a lane's first kilobyte takes 10 to 20 % more
# bits than the rest of it.
_TOKEN_PIECE_SIZE = 1 << 10
_HEAD_SIZE = 1 << 16  # bytes of a file that tell whether it is an image or sound
_SEARCHED_SIZE = 1 << 25  # bytes of the blocks in which repeats are looked for, or one block


class Pieces(NamedTuple):
    """Bytes that stand for a file."""

    data: bytes
    share: float  # how many times data all that is to be coded comes to; 1.0: data is the whole file
    searching: float = 0.0  # seconds that looking for long repeats in all of the file takes, where it has some


def samples_in(source: Source, options: Options) -> tuple[Content, int]:
    """Return what fills most of a file, as its beginning tells, and where that begins; BYTES for other files."""
    from lmzip.contents import Splitter

    head = source.read_at(_HEAD_SIZE, 0)
    at = 0
    for stretch in Splitter(options.content).split(head, is_last=False):
        content = stretch.content
        if content != BYTES and 2 * (stretch.size - content.offset) > len(head):
            return replace(content, offset=0), at + content.offset
        at += stretch.size
    return BYTES, 0


def pieces_of_lines(source: Source, size: int, start: int, line_size: int) -> Pieces:
    """Return a small file, or pieces from all over the lines, or moments, that begin at a place; raises OSError."""
    piece = max(1, _PIECE_SIZE // line_size) * line_size
    if size <= _N_PIECES * piece + start:
        return Pieces(source.read_at(size, 0), 1.0)
    n_lines = (size - start - piece) // line_size
    places = (start + n_lines * number // (_N_PIECES - 1) * line_size for number in range(_N_PIECES))
    data = b"".join(source.read_at(piece, place) for place in places)
    return Pieces(data, size / len(data))


def pieces_of_bytes(source: Source, size: int, block_size: int, model: Model, settings: LevelSettings) -> Pieces:
    """Return a small file, or pieces from all over what is to be coded of it; raises OSError, MemoryError."""
    if settings.uses_model and model.has_tokens:
        n_pieces, piece_size = settings.n_lanes(block_size), _TOKEN_PIECE_SIZE
    else:
        n_pieces, piece_size = _N_PIECES, _NET_PIECE_SIZE if settings.uses_model else _PIECE_SIZE
    if size <= n_pieces * piece_size:
        return Pieces(source.read_at(size, 0), 1.0)
    # Whole blocks are not fetched from afar for an estimate.
    found = _pieces_of_bodies(source, size, block_size, piece_size, n_pieces) if source.is_local else None
    if found:
        return found
    data = b"".join(source.read_at(piece_size, at) for at in _places(size - piece_size, n_pieces))
    return Pieces(data, size / len(data))


def _places(last: int, n: int) -> list[int]:
    """Return n places from 0 to the last, or the first of them, evenly apart."""
    return [last // max(1, n - 1) * number for number in range(n)]


def _pieces_of_bodies(source: Source, size: int, block_size: int, piece_size: int, n_pieces: int) -> Pieces | None:
    """Return pieces of what is coded of blocks from all over a file, without their long repeats and with machine code
    converted; None where that is their raw bytes.
    """
    from lmzip.codec.encode import body_of

    n_blocks = -(-size // block_size)
    n_searched = min(n_blocks, n_pieces, max(1, _SEARCHED_SIZE // block_size))
    n_each = -(-n_pieces // n_searched)
    n_read, n_left, data, has_bodies, searching = 0, 0, [], False, 0.0
    for number in _places(n_blocks - 1, n_searched):
        raw = source.read_at(block_size, number * block_size)
        start = time.monotonic()
        body = body_of(raw)
        searching += time.monotonic() - start
        has_bodies |= body is not None
        left = memoryview(raw if body is None else body.coded)
        n_read += len(raw)
        n_left += len(left)
        if len(left) <= n_each * piece_size:
            data.append(bytes(left))
        else:
            data += [bytes(left[at : at + piece_size]) for at in _places(len(left) - piece_size, n_each)]
    joined = b"".join(data)
    return Pieces(joined, size / n_read * n_left / len(joined), size / n_read * searching) if has_bodies else None
