"""What is there only for a while: files that appear under their names when they are whole, folders."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex

_pending: dict[Path, Callable[[Path], object]] = {}  # how each of them is removed


@contextmanager
def published(path: Path, *, overwrite: bool = True) -> Iterator[int]:
    """Give a new file that gets the name `path` at the end, or none if anything is raised; raises OSError.

    overwrite: whether a file of that name makes room; otherwise FileExistsError is raised.
    """
    temporary = path.with_name(f".lmz{token_hex(4)}")
    _pending[temporary] = os.unlink
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
            _bring_to_disk(descriptor)
        finally:
            os.close(descriptor)
        _give_name(temporary, path, overwrite)
    finally:
        _discard(temporary)


def _bring_to_disk(descriptor: int) -> None:
    """Wait until a file is on the disk, if its file system has such a thing; raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS):
            raise


def _give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(temporary, path)
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, such as FAT
            if os.path.lexists(path):
                raise
    os.replace(temporary, path)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a new folder, which is gone at the end with all that is in it; raises OSError."""
    import shutil
    import tempfile

    folder = Path(tempfile.gettempdir(), f"lmzip-{token_hex(8)}")
    _pending[folder] = partial(shutil.rmtree, ignore_errors=True)
    try:
        os.mkdir(folder, 0o700)
        yield folder
    finally:
        _discard(folder)


def _discard(path: Path) -> None:
    remove = _pending.get(path)
    if remove:
        with suppress(OSError):
            remove(path)
        _pending.pop(path, None)


def discard_pending() -> None:
    """Remove all of it; safe to call from a signal handler at any time."""
    for path in tuple(_pending):
        _discard(path)
