"""Content of files in lmzip format as raw file objects: by block and with seeking, or on and on from a stream."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from lmzip import arguments
from lmzip.codec.blockwise import decoded_blocks
from lmzip.codec.seek import BlockReader
from lmzip.dictionary import Dictionary
from lmzip.original import Original
from lmzip.stream import shared


def raw_reader(
    file: BinaryIO,
    long: bool | int | None = None,
    dictionary: Dictionary | None = None,
    patch_from: Original | None = None,
) -> io.RawIOBase:
    """Return the content of an open file from where it stands; raises for one that can seek what list_frames raises.

    long: how far blocks may refer back, dictionary, patch_from: those of frames which need such, as for
    decompress_stream.
    """
    seekable = hasattr(file, "seekable") and file.seekable()
    given = {"registry": shared.registry, "long": long, "dictionary": dictionary, "patch_from": patch_from}
    return (_BlockFile if seekable else _BlockStream)(file, given)


class _BlockFile(io.RawIOBase):
    """Content of a seekable file; holds what was last decoded.

    That is a whole block, or what is read behind a jump: whoever reads on from there has the block decoded once more.
    """

    def __init__(self, file: BinaryIO, given: dict[str, Any]) -> None:
        """given: what the codec is told besides."""
        self._blocks = BlockReader(file, start=file.tell(), **given)
        self._position = self._start = 0
        self._next = 0  # where the last read ended
        self._raw: Any = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._blocks.size}
        if whence not in bases:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
        position = bases[whence] + arguments.integer("offset", offset)
        if position < 0:
            raise ValueError(f"negative seek position {position}")
        self._position = position
        return position

    def readinto(self, buffer) -> int:
        offset = self._position - self._start
        if not 0 <= offset < len(self._raw):
            self._raw = b""  # not to be held while the next one is decoded
            end = self._position + len(buffer) if self._position != self._next else None
            self._start, self._raw = self._blocks.read_at(self._position, end)
            offset = self._position - self._start
        piece = memoryview(self._raw)[max(offset, 0) : max(offset, 0) + len(buffer)]
        buffer[: len(piece)] = piece
        self._position = self._next = self._position + len(piece)
        return len(piece)


class _BlockStream(io.RawIOBase):
    """Content of a stream that cannot seek; holds one block."""

    def __init__(self, file: BinaryIO, given: dict[str, Any]) -> None:
        """given: what the codec is told besides."""
        self._blocks: Iterator[Any] = decoded_blocks(file.read, **given)
        self._left = memoryview(b"")
        self._error: Exception | None = None  # why there is no more, which is not to look like the end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            raw = self._next_block()
            if raw is None:
                return 0
            self._left = memoryview(raw)
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _next_block(self) -> Any:
        if self._error:
            raise self._error
        try:
            return next(self._blocks, None)
        except BaseException as error:
            self._error = error if isinstance(error, Exception) else OSError("reading was broken off earlier")
            raise
