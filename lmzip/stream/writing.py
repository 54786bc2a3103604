"""Takes content in pieces and writes frames of it, holding what has not filled a block; and the file below."""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from lmzip import arguments, levels
from lmzip.codec.compress import FrameWriter
from lmzip.codec.cutting import Cutter
from lmzip.codec.encode import encode_block
from lmzip.codec.far import FarCopies
from lmzip.codec.memory import encoding_threads
from lmzip.codec.settings import check_combination, settings_for, window_log
from lmzip.codec.sink import Write
from lmzip.codec.workers import Workers
from lmzip.dictionary import Dictionary
from lmzip.errors import LmzipError
from lmzip.levels import LevelSettings
from lmzip.models.base import Model
from lmzip.original import Original
from lmzip.stream import shared
from lmzip.stream.turns import Turns

_ZEROS = memoryview(bytes(1 << 16))


class FrameSink:
    """Writes to a file in frames what it is given; one thread at a time, the others wait for it.

    What fails or is broken off ends it for good: nobody knows then what the file has.  In a process forked from the one
    that made it, it takes nothing and writes nothing.
    """

    def __init__(self, file: Any, settings: LevelSettings, model: Any, threads: int, window_log: int = 0) -> None:
        """Take what settings_for() returned, the size of blocks in it, and a number of threads, 0 for all there are.

        window_log: blocks may have copies of 2 to this power bytes before them; 0 for none.
        """
        self.size = 0  # bytes taken
        self._turns = Turns("writing")
        self._file, self._settings, self._model, self._threads = file, settings, model, threads
        self._window_log = window_log
        self._is_finished = False
        self._raw = bytearray()
        self._n_frames = 0
        self._writer: FrameWriter | None = None  # of the frame that has been begun
        size = settings.block_size
        self._cutter = Cutter(size, min(size, settings.samples_size), None)
        self._workers: Workers | None = None

    @property
    def lock(self) -> threading.RLock:
        """What one thread holds at a time, to do several things in one turn."""
        return self._turns.lock

    @property
    def is_inherited(self) -> bool:
        """Whether this is a copy that a fork made, in the child."""
        return self._turns.is_inherited

    @property
    def has_failed(self) -> bool:
        """Whether it has been ended, and who wrote has been told."""
        return self._turns.error is not None

    @property
    def is_in_own_thread(self) -> bool:
        """Whether the calling thread is at work for this sink, and so cannot wait until all is done."""
        return self._workers is not None and self._workers.is_own_thread

    def write(self, data: memoryview) -> None:
        """Take bytes; code and write the blocks that they fill.  Raises what that raises, of earlier blocks too."""
        self._check_process()
        with self._at_work():
            while data:
                # A full block waits for the byte after it: only then is it known not to be the last.
                if len(self._raw) == self._settings.block_size:
                    self._push(last=False)
                piece = data[: self._settings.block_size - len(self._raw)]
                self._raw += piece
                self.size += len(piece)
                data = data[len(piece) :]

    def seek(self, offset: int, whence: int) -> int:
        """Fill with zeros up to a place ahead and return it; raises UnsupportedOperation for others, ValueError."""
        self._check_process()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
        with self.lock:
            gap = offset - (self.size if whence == os.SEEK_SET else 0)
            if gap < 0 or whence == os.SEEK_END:
                raise io.UnsupportedOperation("a file being written only seeks forwards")
            while gap:
                piece = _ZEROS[:gap]
                self.write(piece)
                gap -= len(piece)
            return self.size

    def finish(self) -> None:
        """Code and write what is left, and take no more.  Does nothing the second time."""
        with self.lock:
            if not self._is_finished:
                with self._at_work():
                    self._end_frame()
                self._is_finished = True

    def abandon(self) -> None:
        """End the threads, write no more; another thread that writes gets an error."""
        self._is_finished = True
        if self._workers and not self.is_inherited:
            with self._workers:
                pass

    def settle(self) -> None:
        """Make a whole file of what there is and get along without threads: the interpreter is about to end.

        What is still to come becomes another frame, when nothing can be imported any more.
        """
        with self._at_work():
            if self.size:
                self._end_frame()
        with suppress(LmzipError):  # what is still to come will meet it again
            self._new_writer(len, Workers(1)).push(b"to have all loaded", last=True)

    def _check_process(self) -> None:
        if self.is_inherited:
            raise io.UnsupportedOperation("only the process that opened the file can write to it")

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with self.lock:
            if self._is_finished and not self.has_failed:
                raise ValueError("I/O operation on closed file")
            with self._turns.take():
                yield

    def _push(self, *, last: bool) -> None:
        if self._writer is None:
            # What fits into one block needs no threads.
            size = self._settings.block_size
            window = 1 << self._window_log if self._window_log else 0
            n_threads = 1
            if not last:
                n_threads = encoding_threads(self._threads, self._model, self._settings, size, window=window)
            self._workers = Workers(n_threads)
            self._writer = self._new_writer(self._write, self._workers)
            self._cutter.restart()
        blocks, self._raw = self._cutter.cut(self._raw, is_last=last)
        for raw, content, is_last in blocks:
            self._writer.push(raw, last=is_last, content=content)

    def _new_writer(self, write: Write, workers: Workers) -> FrameWriter:
        far = FarCopies(self._window_log, self._settings.block_size, proves=False) if self._window_log else None
        return FrameWriter(
            write, workers, settings=self._settings, model=self._model, encode_block=encode_block, far=far
        )

    def _end_frame(self) -> None:
        """Write the end of the frame, unless there is one and nothing came after it; then no threads are left."""
        if self._n_frames and not self._writer and not self._raw:
            return
        self._push(last=True)
        assert self._workers
        with self._workers:
            self._workers.finish()
        self._writer = self._workers = None
        self._n_frames += 1

    def _write(self, data) -> object:
        taken = self._file.write(data)
        if taken is None and isinstance(self._file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "write() would block, and only what blocks can be written to", 0)
        return taken


def check_options(
    level: int, *, block_size: int | None, long: bool | int | None, threads: int | None
) -> tuple[int | None, int, int]:
    """Return a size of blocks, a number of threads and the log of a window; raises ValueError, TypeError."""
    levels.get_level(level)
    size = None if block_size is None else levels.check_block_size(block_size)
    return size, arguments.n_threads(threads), window_log(long)


def sink_factory(
    level: int,
    *,
    model: str | Model | None,
    block_size: int | None,
    long: bool | int | None,
    dictionary: Dictionary | None,
    patch_from: Original | None,
    threads: int | None,
) -> Callable[[Any], FrameSink]:
    """Check arguments of compressing, find the model, and return what makes a sink over a file.

    So a file is made only when all is well.  Raises ValueError, TypeError, ModelMissingError, UnsupportedError.
    """
    size, n_threads, log = check_options(level, block_size=block_size, long=long, threads=threads)
    check_combination(long, patch_from)
    settings, chosen = settings_for(level, shared.find_model(model), shared.registry, dictionary, patch_from)
    settings = replace(settings, block_size=settings.block_size if size is None else size)
    return lambda file: FrameSink(file, settings, chosen, n_threads, log)


class OutputFile:
    """A file opened for writing, less than those of the standard library in two respects.

    It has no buffer: a forked child would write once more what waits in it.  It has no finalizer: garbage is finalized
    in any order, and the file must still be open when what is above it writes its end.
    """

    def __init__(self, path: str | bytes | os.PathLike, mode: str) -> None:
        with builtins.open(path, mode, buffering=0) as file:
            self.name: Any = file.name
            self._fd: int = os.dup(file.fileno())

    def fileno(self) -> int:
        return self._fd

    def write(self, data) -> int:
        """Write some of data and return how much; raises OSError."""
        return os.write(self._fd, data)

    def close(self) -> None:
        """Close the file, to be called once; raises OSError."""
        fd, self._fd = self._fd, -1  # the number may be another file's at once
        os.close(fd)
