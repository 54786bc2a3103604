"""Frames made and taken apart in pieces of any size, by objects that do no I/O: LmzCompressor and LmzDecompressor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, NoReturn

from lmzip import arguments, levels
from lmzip.codec.blockwise import BlockDecoder, FedFrame
from lmzip.models.base import Model
from lmzip.stream import shared
from lmzip.stream.turns import Turns
from lmzip.stream.writing import sink_factory


class LmzCompressor:
    """Makes a frame of content that comes in pieces, as lzma.LZMACompressor does.

    All that compress() and flush() return, in the order of the calls, is what lmzip.compress() returns for all content
    at once.  How much comes with which call depends on how far its threads are.  At most threads + 1 blocks are held.

    Several threads may use one object: each call is taken as a whole.  What a call raised ends the work: later calls
    raise it again.  After a fork only the process that made the object can use it.
    """

    def __init__(
        self,
        level: int = levels.DEFAULT_LEVEL,
        *,
        model: str | Model | None = None,
        block_size: int | None = None,
        long: bool | int | None = None,
        dictionary: Any = None,
        patch_from: Any = None,
        threads: int | None = None,
    ) -> None:
        """Take what lmzip.compress() does; raises ValueError, TypeError, ModelMissingError, UnsupportedError."""
        self._output = _Output()
        self._is_flushed = False
        given: dict[str, Any] = {"model": model, "block_size": block_size, "long": long, "threads": threads}
        given["dictionary"], given["patch_from"] = shared.find_dictionary(dictionary), shared.find_original(patch_from)
        make = sink_factory(level, **given)
        self._sink = make(self._output)

    def compress(self, data, /) -> bytes:
        """Take bytes-like data; return what of the frame is done, which may be nothing.

        Raises ValueError after flush(), TypeError, MemoryLimitError without memory, RuntimeError after a fork.
        """
        view = arguments.view_of_bytes("data", data)
        self._check_process()
        with self._sink.lock:
            self._check_not_flushed()
            self._sink.write(view)
            return self._output.take()

    def flush(self) -> bytes:
        """Return the rest of the frame; to be called once.  Raises as compress() does."""
        self._check_process()
        with self._sink.lock:
            self._check_not_flushed()
            self._is_flushed = True
            self._sink.finish()
            return self._output.take()

    def _check_process(self) -> None:
        if self._sink.is_inherited:
            raise RuntimeError("only the process that made a compressor can use it")

    def _check_not_flushed(self) -> None:
        if self._is_flushed and not self._sink.has_failed:
            raise ValueError("compressor has been flushed")

    def __del__(self) -> None:
        sink = self.__dict__.get("_sink")
        if sink is None:
            return
        if sink.is_in_own_thread:  # garbage may be found in any thread, and none can wait for itself
            threading.Thread(target=sink.abandon, name="lmzip").start()
        else:
            sink.abandon()

    def __reduce_ex__(self, protocol) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


class _Output:
    """What stands in the place of a file: threads write to it while another takes what is there."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()

    def write(self, data) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        return b"".join([self._pieces.popleft() for _ in range(len(self._pieces))])


class LmzDecompressor:
    """Takes one frame apart that comes in pieces, as lzma.LZMADecompressor does with a stream.

    Content comes out by block, each once all of it is there and has passed its check.  It holds one block, decoded or
    not, besides what it was given and has not come to, and starts no threads.  lmzip.decompress() is for several
    frames, such as content of more than 65,535 blocks has.

    Several threads may use one object: each call is taken as a whole.  What a call raised ends the work: later calls
    raise it again, and what was decoded in that call is dropped.  A copy in a forked child goes on by itself.
    """

    def __init__(
        self,
        *,
        memory_limit: int | None = None,
        long: bool | int | None = None,
        dictionary: Any = None,
        patch_from: Any = None,
    ) -> None:
        """memory_limit: bytes; the rest as for lmzip.decompress().  Raises ValueError, TypeError."""
        given: dict[str, Any] = {"registry": shared.registry, "memory_limit": memory_limit, "long": long}
        given["dictionary"], given["patch_from"] = shared.find_dictionary(dictionary), shared.find_original(patch_from)
        self._frame = FedFrame(BlockDecoder(**given))
        self._raw = memoryview(b"")  # decoded and not yet handed out
        self._turns = Turns("decompressing")

    @property
    def eof(self) -> bool:
        """Whether all content was handed out, the end of the frame found, and the hash of the whole compared."""
        return self._frame.is_complete and not self._raw

    @property
    def needs_input(self) -> bool:
        """Whether decompress() has nothing more to give until it gets more data."""
        return not (self._frame.is_complete or self._turns.error or self._raw or self._frame.has_block)

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the frame; b"" before that is found."""
        return self._frame.rest if self.eof else b""

    def decompress(self, data, max_length: int = -1) -> bytes:
        """Take bytes-like data; return content, no more than max_length bytes unless that is negative.

        What is held back then comes with later calls, for which data may be b"".  Raises EOFError where the frame had
        ended before, an LmzipError if anything is wrong with it, TypeError.
        """
        view, wanted = arguments.view_of_bytes("data", data), arguments.integer("max_length", max_length)
        if self.eof:
            raise EOFError("the end of the frame was reached before")
        with self._turns.take():
            self._frame.feed(view)
            return b"".join(self._pieces(wanted))

    def _pieces(self, wanted: int) -> Iterator[bytes]:
        """Yield content, up to `wanted` bytes unless that is negative."""
        while self._raw or self._frame.has_block:
            if wanted == 0:
                return
            if not self._raw:
                self._raw = memoryview(self._frame.decode())
            piece = bytes(self._raw[:wanted] if wanted > 0 else self._raw)
            self._raw = self._raw[len(piece) :]
            wanted -= len(piece) if wanted > 0 else 0
            yield piece

    def __reduce_ex__(self, protocol) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")
