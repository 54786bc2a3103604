"""An output behind a URL: it appears there only when all of it has arrived."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import Any

from lmzip.errors import LmzipError, VerifyError
from lmzip.fileio import Source, Target
from lmzip.remote.place import find, plain_errors

_READ_SIZE = 1 << 23
_DISCARD_SECONDS = 5.0  # that the end of the process waits for a server to forget what it was sent

_pending: set[RemoteTarget] = set()


def discard_pending() -> None:
    """Give up uploads that are not complete; for a signal handler, so it takes some seconds at most."""
    threads = [threading.Thread(target=target.close, daemon=True) for target in list(_pending)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_DISCARD_SECONDS)


class RemoteTarget(Target):
    """An object to be made; raises OSError, LmzipError, UnsupportedError."""

    is_local = False

    def __init__(self, url: str, *, force: bool) -> None:
        super().__init__(url, force=force)
        self._fs, self._path = find(url)
        self._file: Any = None
        self._size, self._sha256 = 0, hashlib.sha256()
        with plain_errors():
            if not force and self._fs.exists(self._path):
                raise LmzipError("already exists; -f overwrites")

    def is_input(self, source: Source) -> bool:
        return source.name == self.path

    def create(self) -> None:
        """Begin an upload that nobody sees until it is published."""
        with plain_errors():
            self._file = self._begin("wb" if self.force else "xb")
        _pending.add(self)

    def _begin(self, mode: str) -> Any:
        """Open the file; `xb` has a store that can refuse to write over what came there meanwhile."""
        try:
            return self._fs.open(self._path, mode, autocommit=False)
        except (ValueError, NotImplementedError) as error:
            if mode == "xb":
                return self._begin("wb")
            raise LmzipError("cannot be written to: there are no uploads to such URLs") from error

    def write(self, data) -> None:
        if data:
            with plain_errors():
                self._file.write(data)
            self._size += len(data)
            self._sha256.update(data)

    def publish(self, *, sync_folder: bool = False) -> None:
        """Complete the upload; raises LmzipError where the store can tell that someone else took the name."""
        with plain_errors():
            try:
                self._file.close()
                self._file.commit()
            except FileExistsError:
                raise LmzipError("was made by someone else meanwhile, theirs is kept") from None
        self._file = None
        _pending.discard(self)

    def check_published(self) -> None:
        """Read the object back; raises VerifyError unless it has the size and SHA-256 of what was sent."""
        size, sha256 = 0, hashlib.sha256()
        with plain_errors():
            self._fs.invalidate_cache()
            with self._fs.open(self._path, "rb", block_size=_READ_SIZE) as file:
                while data := file.read(_READ_SIZE):
                    size += len(data)
                    sha256.update(data)
        if (size, sha256.digest()) != (self._size, self._sha256.digest()):
            raise VerifyError(f"is not what was sent: {size} bytes for {self._size}; the input is kept")

    def close(self) -> None:
        """Give up what was not published."""
        file, self._file = self._file, None
        if file is None:
            return
        _pending.discard(self)
        with contextlib.suppress(Exception):  # what can be done is done: the server forgets it by its own rules
            file.discard()
        file.closed = True  # else it is completed when it is collected
