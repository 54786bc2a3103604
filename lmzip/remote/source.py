"""An input behind a URL: read as a stream, or piece by piece where only some of it is wanted."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO, cast

from lmzip.errors import Skipped
from lmzip.fileio import Source
from lmzip.remote.place import find, plain_errors

_STREAM_SIZE = 1 << 23  # bytes of a request where all is read: a round trip each, and held in memory
_PIECE_SIZE = 1 << 14  # bytes that a request brings at least, so that small fields need none of their own

# What libraries call that which another content has another of.
_STAMPS = ("ETag", "etag", "version_id", "VersionId", "generation", "md5Hash", "LastModified", "mtime", "created")


class RemoteSource(Source):
    """An object, or a file on another machine; raises OSError, LmzipError, UnsupportedError."""

    is_local = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._fs, self._path = find(url)
        with plain_errors():
            info = self._fs.info(self._path)
            if info.get("type") == "directory":
                raise Skipped("is a directory, skipped")
            self._size = info.get("size")
            self._state = _state(info)
            # A web server that tells no size gives a stream, once.
            sizes = {} if self._size is None else {"block_size": _STREAM_SIZE}
            self._file = self._fs.open(self._path, "rb", **sizes)

    @property
    def whole_size(self) -> int | None:
        return self._size

    @property
    def size(self) -> int | None:
        return None if self._size is None else max(0, self._size - self.read_size)

    def _read_some(self, size: int) -> bytes:
        with plain_errors():
            return self._file.read(size)

    def file(self) -> BinaryIO:
        with plain_errors():
            # Nothing is read ahead but by the buffer: from a block's head one goes to the next, far behind its payload.
            file = self._fs.open(self._path, "rb", block_size=_PIECE_SIZE, cache_type="none")
        return cast(BinaryIO, io.BufferedReader(_Pieces(file), _PIECE_SIZE))

    def read_at(self, size: int, offset: int) -> bytes:
        with plain_errors():
            return self._fs.cat_file(self._path, start=offset, end=min(offset + size, self._size or 0))

    @property
    def has_changed(self) -> bool:
        with plain_errors():
            self._fs.invalidate_cache()
            return _state(self._fs.info(self._path)) != self._state

    def remove(self) -> None:
        with plain_errors():
            self._fs.invalidate_cache()
            try:
                now = self._fs.info(self._path)
            except FileNotFoundError:
                raise Skipped("was removed meanwhile; the output is complete") from None
            if _state(now) != self._state:
                raise Skipped("was replaced by another file meanwhile, not removed; the output is complete")
            self._fs.rm_file(self._path)

    def close(self) -> None:
        with plain_errors():
            self._file.close()


class _Pieces(io.RawIOBase):
    """A file of the library, with errors of one line."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with plain_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with plain_errors():
            self._file.seek(offset, whence)
            return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            with plain_errors():
                self._file.close()
        super().close()


def _state(info: dict[str, Any]) -> tuple[object, ...]:
    """Return what tells one state of an object from another: its size, and the stamps that it has."""
    return (info.get("size"), *((name, str(info[name])) for name in _STAMPS if name in info))
