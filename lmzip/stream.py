"""File objects over frames, as gzip has them: reading by block with seeking, streaming reading, streaming writing."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from lmzip import levels
from lmzip.codec.choice import choose
from lmzip.codec.compress import FrameWriter, compress_stream
from lmzip.codec.decompress import decoded_blocks, decompress_stream
from lmzip.codec.index import BlockReader
from lmzip.codec.workers import Workers, available_threads

_FILE_MODES = {"r": "rb", "w": "wb", "x": "xb", "a": "ab"}


class _BlockFile(io.RawIOBase):
    """Content of a seekable file; holds the block last read."""

    def __init__(self, file: BinaryIO) -> None:
        self._blocks = BlockReader(file)
        self._position = self._start = 0
        self._raw: Any = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._blocks.size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer) -> int:
        offset = self._position - self._start
        if not 0 <= offset < len(self._raw):
            self._raw = b""  # not to be held while the next one is decoded
            self._start, self._raw = self._blocks.read_at(self._position)
            offset = self._position - self._start
        piece = memoryview(self._raw)[max(offset, 0) : max(offset, 0) + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class _BlockStream(io.RawIOBase):
    """Content of a stream that cannot seek; holds one block."""

    def __init__(self, file: BinaryIO) -> None:
        self._blocks: Iterator[bytes] = decoded_blocks(file.read)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            raw = next(self._blocks, None)
            if raw is None:
                return 0
            self._left = memoryview(raw)
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


class _BlockSink(io.RawIOBase):
    """Takes content and writes frames; close() ends the last one."""

    def __init__(self, file: BinaryIO, level: int, block_size: int | None, threads: int | None) -> None:
        choice, model = choose(level, None)
        self._block_size = levels.check_block_size(choice.block_size if block_size is None else block_size)
        self._workers = Workers(threads or available_threads())
        self._writer = FrameWriter(file.write, self._workers, choice=choice, model=model)
        self._raw = bytearray()
        self.size = 0  # bytes taken

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        size, room = len(view), self._block_size
        while view:
            # A full block waits for the byte after it: only then is it known not to be the last.
            if len(self._raw) == room:
                self._writer.push(self._raw, last=False)
                self._raw = bytearray()
            piece = view[: room - len(self._raw)]
            self._raw += piece
            view = view[len(piece) :]
        self.size += size
        return size

    def finish(self) -> None:
        """Code and write what is left."""
        with self._workers:
            self._writer.push(self._raw, last=True)
            self._workers.finish()

    def abandon(self) -> None:
        """End the threads, write no more."""
        with self._workers:
            pass


class LmzipFile(io.BufferedIOBase):
    """A file in lmzip format as a file object of its content (binary).

    mode "rb": seeks and reads any place if the file can seek, decoding only the blocks it needs; otherwise reads on,
    and compares the hash of the whole at the end.  Modes "wb" and "xb" write one frame (more for more than 65,535
    blocks), "ab" appends one; an error inside a with statement leaves the file unfinished, which readers notice.
    """

    def __init__(
        self,
        file: str | bytes | os.PathLike | BinaryIO,
        mode: str = "rb",
        *,
        level: int = levels.DEFAULT_LEVEL,
        block_size: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Open a path, or use an open binary file, which close() then leaves open.

        Raises ValueError for bad arguments, OSError, and for reading a seekable file what list_frames raises.
        """
        if mode.replace("b", "") not in _FILE_MODES:
            raise ValueError(f"invalid mode: {mode!r}")
        self.mode = _FILE_MODES[mode.replace("b", "")]
        self._file: Any = file
        self._owned: Any = None
        if isinstance(file, (str, bytes, os.PathLike)):
            levels.get_level(level)  # before a file is made
            if block_size is not None:
                levels.check_block_size(block_size)
            self._file = self._owned = builtins.open(file, self.mode)  # noqa: SIM115 - closed by close()
        self.name = getattr(self._file, "name", None)
        self._sink: _BlockSink | None = None
        self._buffer: io.BufferedReader | None = None
        try:
            if self.mode == "rb":
                seekable = hasattr(self._file, "seekable") and self._file.seekable()
                raw: io.RawIOBase = _BlockFile(self._file) if seekable else _BlockStream(self._file)
                self._buffer = io.BufferedReader(raw, 1 << 17)
            else:
                self._sink = _BlockSink(self._file, level, block_size, threads)
        except BaseException:
            if self._owned:
                self._owned.close()
            raise

    def _reader(self) -> io.BufferedReader:
        self._check_open()
        if self._buffer is None:
            raise io.UnsupportedOperation("not open for reading")
        return self._buffer

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def readable(self) -> bool:
        self._check_open()
        return self._buffer is not None

    def writable(self) -> bool:
        self._check_open()
        return self._sink is not None

    def seekable(self) -> bool:
        """Return whether seek() works: for writing it does, forwards, over zeros, as in gzip files."""
        self._check_open()
        return self._buffer is None or self._buffer.seekable()

    def read(self, size: int | None = -1, /) -> bytes:
        return self._reader().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._reader().read1(size)

    def readinto(self, buffer, /) -> int:
        return self._reader().readinto(buffer)

    def readinto1(self, buffer, /) -> int:
        return self._reader().readinto1(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._reader().readline(-1 if size is None else size)

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes ahead without taking them, at least one unless at the end."""
        return self._reader().peek(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if self._sink is None:
            return self._reader().seek(offset, whence)
        self._check_open()
        gap = offset - (self._sink.size if whence == os.SEEK_SET else 0)
        if gap < 0 or whence not in (os.SEEK_SET, os.SEEK_CUR):
            raise io.UnsupportedOperation("a file being written only seeks forwards")
        while gap:
            gap -= self._sink.write(bytes(min(gap, 1 << 16)))
        return self._sink.size

    def tell(self) -> int:
        """Return the place in the content."""
        return self._reader().tell() if self._sink is None else self._sink.size

    def write(self, data, /) -> int:
        """Take bytes; blocks are coded as they fill.  Raises what coding and writing earlier blocks raised."""
        self._check_open()
        if self._sink is None:
            raise io.UnsupportedOperation("not open for writing")
        return self._sink.write(data)

    def fileno(self) -> int:
        self._check_open()
        return self._file.fileno()

    def close(self) -> None:
        """Finish the frame when writing; close the file if it was opened here.  Does nothing the second time."""
        if self.closed:
            return
        sink, self._sink = self._sink, None
        try:
            if sink:
                sink.finish()
        finally:
            self._release()

    def _release(self) -> None:
        super().close()
        if self._owned:
            self._owned.close()

    def __exit__(self, kind, error, trace) -> None:
        """Close; after an error leave a written file without its end, so that it cannot pass for whole."""
        if error is not None and self._sink:
            sink, self._sink = self._sink, None
            with contextlib.suppress(Exception):
                sink.abandon()
            self._release()
        else:
            self.close()


def open(  # noqa: A001 - the name that gzip, bz2 and lzma use
    file: str | bytes | os.PathLike | BinaryIO,
    mode: str = "rb",
    *,
    level: int = levels.DEFAULT_LEVEL,
    block_size: int | None = None,
    threads: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> LmzipFile | io.TextIOWrapper:
    """Open a file in lmzip format: modes "r", "w", "x", "a" with "b" (the default) or "t" for text.

    encoding, errors and newline as for the built-in open, text only.  Raises as LmzipFile does.
    """
    if "t" not in mode:
        if any(argument is not None for argument in (encoding, errors, newline)):
            raise ValueError("encoding, errors and newline are for text modes")
        return LmzipFile(file, mode, level=level, block_size=block_size, threads=threads)
    if "b" in mode:
        raise ValueError(f"invalid mode: {mode!r}")
    binary = LmzipFile(file, mode.replace("t", ""), level=level, block_size=block_size, threads=threads)
    return io.TextIOWrapper(binary, encoding, errors, newline)


def compress(
    data,
    level: int = levels.DEFAULT_LEVEL,
    *,
    block_size: int | None = None,
    n_lanes: int | None = None,
    threads: int | None = None,
) -> bytes:
    """Return bytes-like data as a frame; raises ValueError for bad arguments, MemoryLimitError without memory."""
    output = io.BytesIO()
    compress_stream(
        io.BytesIO(data).read, output.write, level=level, block_size=block_size, n_lanes=n_lanes, threads=threads
    )
    return output.getvalue()


def decompress(data, *, threads: int | None = None, memory_limit: int | None = None) -> bytes:
    """Return the content of all frames in bytes-like data; raises an LmzipError if anything is wrong with them."""
    output = io.BytesIO()
    decompress_stream(io.BytesIO(data).read, output.write, threads=threads, memory_limit=memory_limit)
    return output.getvalue()
