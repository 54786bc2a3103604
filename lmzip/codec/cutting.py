"""From a stream to blocks: of the level's size, and where there are images or sound, of one content each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip.block import BYTES, Content
from lmzip.codec.source import Source

if TYPE_CHECKING:
    from lmzip.contents import Stretch

# In smaller blocks, which only a caller asks for, samples would have less of their own kind to learn from than a cut
# costs; they are taken for bytes unless he says what they are.
MIN_BLOCK_SIZE = 1 << 16


# Bytes of samples amid others.  Two cuts cost 50 bytes, which must stay below 0.1 % where nothing can be saved, and
# what the bytes behind could have learned from those before.
_MIN_SIZE = 1 << 16


class Piece(NamedTuple):
    """The raw bytes of a block."""

    raw: Any  # bytes-like
    content: Content
    is_last: bool  # of the stream


class Cutter:
    """Cuts a stream, which comes in pieces of a block's size, into blocks of one content each."""

    def __init__(self, block_size: int, samples_size: int, content: Content | None) -> None:
        """Take the bytes that a block has at most, and one of samples, whose lines are not cut.

        content: what the whole stream is; None to look for what it holds.
        """
        from lmzip.contents import Splitter  # its patterns take a while, which only compressing needs

        forced = BYTES if content is None and block_size < MIN_BLOCK_SIZE else content
        self._new_splitter = partial(Splitter, forced, min_size=_MIN_SIZE)
        self._samples_size = samples_size
        self.restart()

    def restart(self) -> None:
        """Begin another stream; imports nothing, as at the end of the interpreter nothing can be imported."""
        self._splitter = self._new_splitter()

    def cut(self, raw: bytearray, *, is_last: bool) -> tuple[list[Piece], bytearray]:
        """Return the blocks that the next bytes begin with, and the rest, which belongs before the bytes behind them.

        There is at least one block; only that of an empty stream is empty.
        """
        stretches = self._splitter.split(raw, is_last=is_last)
        cuts = [cut for stretch in stretches for cut in _cut(stretch, self._samples_size)]
        if len(cuts) <= 1 and sum(size for size, _ in cuts) == len(raw):
            return [Piece(raw, cuts[0][1] if cuts else BYTES, is_last)], bytearray()  # without a copy
        blocks, at = [], 0
        for size, content in cuts:
            at += size
            blocks.append(Piece(raw[at - size : at], content, is_last and at == len(raw)))
        return blocks, raw[at:]


def take_blocks(source: Source, block_size: int, cutter: Cutter, rest: bytearray) -> tuple[list[Piece], bytearray]:
    """Return the next blocks of a stream, and what is left over for the blocks after them; rest: what was before."""
    raw = rest + source.take(block_size - len(rest)) if rest else source.take(block_size)
    return cutter.cut(raw, is_last=not source.peek(1))


def _cut(stretch: Stretch, samples_size: int) -> Iterator[tuple[int, Content]]:
    """Yield sizes and contents of the blocks of a stretch."""
    left, content = stretch.size, stretch.content
    while content != BYTES and left > samples_size:
        n_lines = max(1, (samples_size - content.offset) // content.line_size)
        size = min(left, content.offset + n_lines * content.line_size)
        yield size, content
        left, content = left - size, replace(content, offset=0)
    if left:
        yield left, content
