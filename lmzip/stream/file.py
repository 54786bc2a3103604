"""LmzFile: the content of a file in lmzip format as a binary file object."""

from __future__ import annotations

import atexit
import builtins
import io
import os
import sys
import threading
import weakref
from typing import Any, BinaryIO, NoReturn

from lmzip import arguments, levels
from lmzip.codec.workers import JOIN_SECONDS
from lmzip.dictionary import Dictionary
from lmzip.models.base import Model
from lmzip.original import Original
from lmzip.stream import shared
from lmzip.stream.reading import raw_reader
from lmzip.stream.writing import FrameSink, OutputFile, check_options, sink_factory

_MODES = {"r": "rb", "w": "wb", "x": "xb", "a": "ab"}

_written_files: weakref.WeakSet[LmzFile] = weakref.WeakSet()  # to be settled at exit if they are still open then
_read_files: weakref.WeakSet[LmzFile] = weakref.WeakSet()
_lost_buffers: list[io.BufferedReader] = []  # whose locks nobody will ever release; kept, as to end them needs the lock


class LmzFile(io.BufferedIOBase):
    """A file in lmzip format as a file object of its content (binary).

    mode "rb": seeks and reads any place if the file can seek, decoding no more of a block than it needs behind a jump;
    otherwise reads on, and compares the hash of the whole at the end.  Modes "wb" and "xb" write one frame (more for
    more than 65,535 blocks), "ab" appends one; an error inside a with statement leaves the file unfinished, which
    readers notice.

    A file that is never closed is finished when it is garbage collected or the interpreter ends; what is written to it
    even later becomes another frame.  After a fork only the process that opened the file writes to it: in the child
    write() raises io.UnsupportedOperation, and close() drops what was taken before.

    Several threads may use one object: each write() is taken as a whole, each read() gets a piece of its own.  In a
    child that is forked while another thread reads, reading raises RuntimeError.
    What write() or close() raised, as on a full disk, ends the writing: later calls raise it again.
    """

    # Here too, as close() also comes to what __init__() refused.
    _sink: FrameSink | None = None
    _buffer: io.BufferedReader | None = None
    _owned: Any = None
    _text: weakref.ref[io.TextIOWrapper] | None = None  # what writes text to this file, and closes it

    def __init__(
        self,
        file: str | bytes | os.PathLike | BinaryIO,
        mode: str = "rb",
        *,
        level: int = levels.DEFAULT_LEVEL,
        model: str | Model | None = None,
        block_size: int | None = None,
        long: bool | int | None = None,
        dictionary: Any = None,
        patch_from: Any = None,
        threads: int | None = None,
    ) -> None:
        """Open a path, or use an open binary file, which close() then leaves open.

        An open file is read from where it stands, which is then place 0 of what is compressed, and written to where it
        stands.  It may be raw: fewer bytes than asked for are not the end, and what its write() did not take is written
        again.  But it has to block: None, which raw files return otherwise, becomes BlockingIOError.  Objects with no
        more than read() or write() will do.

        model: for writing, a name, the path of a weight file, or a Model; block_size: raw bytes, 1 to 2^30; both
        default to the level's.  long: blocks may have copies of those before, as far back as 2^long bytes (10 to 30;
        True for 27), which reading needs as memory and, to jump to a place, the time for; for reading, how far they may
        at most, 27 without asking.  dictionary: a Dictionary, or bytes-like data for one, that blocks begin behind, or
        that reading may need; patch_from: likewise an Original, which blocks have copies of.  threads: 0 and None for
        all that are available; what fits into one block is coded without starting any.

        Raises ValueError and TypeError for bad arguments, OSError, and for reading a seekable file what list_frames
        raises.
        """
        self.mode = _binary_mode(mode)
        found, original = shared.find_dictionary(dictionary), shared.find_original(patch_from)
        self._file: Any = file
        self._reading = threading.RLock()  # held by the thread that is at the buffer
        if self.mode == "rb":
            check_options(level, block_size=block_size, long=long, threads=threads)
            self._init_reader(long, found, original)
        else:
            given: dict[str, Any] = {"model": model, "block_size": block_size, "long": long, "threads": threads}
            make_sink = sink_factory(level, dictionary=found, patch_from=original, **given)
            self._open_file()
            self._sink = make_sink(self._file)
            _written_files.add(self)
        self.name = getattr(self._file, "name", None)

    def _init_reader(self, long: bool | int | None, dictionary: Dictionary | None, original: Original | None) -> None:
        self._open_file()
        try:
            self._buffer = io.BufferedReader(raw_reader(self._file, long, dictionary, original), 1 << 17)
            _read_files.add(self)
        except BaseException:
            if self._owned:
                self._owned.close()
            raise

    def _open_file(self) -> None:
        is_reader = self.mode == "rb"
        if isinstance(self._file, (str, bytes, os.PathLike)):
            opened = builtins.open if is_reader else OutputFile
            self._file = self._owned = opened(self._file, self.mode)
        else:
            _check_file(self._file, is_reader)

    def _reader(self) -> io.BufferedReader:
        buffer = self._buffer
        self._check_open()
        if buffer is None:
            raise io.UnsupportedOperation("not open for reading")
        if buffer in _lost_buffers:
            raise RuntimeError("a thread of the parent process was reading during the fork")
        return buffer

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
        with self._reading:
            return self._reader().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        with self._reading:
            return self._reader().read1(size)

    def readinto(self, buffer, /) -> int:
        with self._reading:
            return self._reader().readinto(buffer)

    def readinto1(self, buffer, /) -> int:
        with self._reading:
            return self._reader().readinto1(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        with self._reading:
            return self._reader().readline(-1 if size is None else size)

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes ahead without taking them, at least one unless at the end."""
        with self._reading:
            return self._reader().peek(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place in the content and return it; raises ValueError, io.UnsupportedOperation."""
        offset, whence = arguments.integer("offset", offset), arguments.integer("whence", whence)
        sink = self._sink
        if sink is None:
            with self._reading:
                return self._reader().seek(offset, whence)
        self._check_open()
        return sink.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the content."""
        sink = self._sink
        if sink is not None:
            return sink.size
        with self._reading:
            return self._reader().tell()

    def write(self, data, /) -> int:
        """Take bytes; blocks are coded as they fill.  Raises what coding and writing earlier blocks raised."""
        sink = self._sink
        self._check_open()
        if sink is None:
            raise io.UnsupportedOperation("not open for writing")
        view = arguments.view_of_bytes("data", data)
        sink.write(view)
        return len(view)

    def fileno(self) -> int:
        """Return the descriptor of the file below; raises io.UnsupportedOperation if it has none."""
        self._check_open()
        if not hasattr(self._file, "fileno"):
            raise io.UnsupportedOperation("fileno")
        return self._file.fileno()

    def close(self) -> None:
        """Finish the frame when writing; close the file if it was opened here.  Does nothing the second time."""
        sink = self._sink
        try:
            if sink and not sink.is_inherited:
                sink.finish()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Close without finishing the frame."""
        super().close()
        sink, self._sink, self._buffer = self._sink, None, None
        owned, self._owned = self._owned, None
        try:
            if sink:
                sink.abandon()
        finally:
            if owned:
                owned.close()

    def _settle(self) -> None:
        """At exit: see that nothing is lost, but wait only a while for a thread that is in the middle of a write."""
        sink = self._sink
        if sink is None or sink.is_inherited or sink.has_failed:
            return
        if not sink.lock.acquire(timeout=JOIN_SECONDS):
            raise RuntimeError(f"the file {self.name!r} stays unfinished: a thread is still writing to it")
        try:
            if text := self._text and self._text():
                text.flush()
            sink.settle()
        except BaseException:
            self._abandon()
            raise
        finally:
            sink.lock.release()

    def __exit__(self, kind, error, trace) -> None:
        """Close; after an error leave a written file without its end, so that it cannot pass for whole."""
        if error is not None:
            self._abandon()
        else:
            self.close()

    def __del__(self) -> None:
        if self._text is None:
            self._close_unattended(self)

    def _close_unattended(self, file: io.IOBase) -> None:
        """Close this file or a wrapper of it when nothing refers to it any more, which may be found in any thread."""
        sink = self._sink
        if sink and sink.has_failed:
            self._abandon()
        elif sink and sink.is_in_own_thread:
            threading.Thread(target=file.close, name="lmzip").start()
        else:
            file.close()

    def __reduce_ex__(self, protocol) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


def _binary_mode(mode: str) -> str:
    """Return a mode with its b; raises TypeError, ValueError."""
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a str, not {type(mode).__name__}")
    kind = mode.replace("b", "", 1)
    if kind not in _MODES:
        raise ValueError(f"invalid mode: {mode!r}")
    return _MODES[kind]


def _check_file(file: Any, is_reader: bool) -> None:
    """Raise for an object that is no path and no binary file open for this; what it does not say is believed."""
    name, may = ("read", "readable") if is_reader else ("write", "writable")
    if not hasattr(file, name):
        raise TypeError(f"file must be a path or an object with {name}(), not {type(file).__name__}")
    if isinstance(file, io.TextIOBase):
        raise TypeError("file must be open in binary mode, not for text")
    if getattr(file, "closed", False):
        raise ValueError("file is closed")
    if hasattr(file, may) and not getattr(file, may)():
        raise io.UnsupportedOperation(f"file is not {may}")


@atexit.register
def _settle_all() -> None:
    """Have what files that are still open hold written while everything still works."""
    for file in list(_written_files):
        try:
            file._settle()
        except Exception:
            sys.excepthook(*sys.exc_info())


def _give_up_lost_buffers() -> None:
    """In a forked child: see which files a thread was reading that is not here, and would be waited for for ever."""
    for file in list(_read_files):
        if file._reading.acquire(blocking=False):
            file._reading.release()
        elif file._buffer:
            _lost_buffers.append(file._buffer)
            file._reading = threading.RLock()


os.register_at_fork(after_in_child=_give_up_lost_buffers)
