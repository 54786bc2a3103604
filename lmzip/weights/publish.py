"""A new file that appears under its name when it is whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_pending: set[Path] = set()  # unfinished files


@contextmanager
def published(path: Path, *, overwrite: bool = True) -> Iterator[int]:
    """Give a new file that gets the name `path` at the end, or none if anything is raised; raises OSError.

    overwrite: whether a file of that name makes room; otherwise FileExistsError is raised.
    """
    temporary = path.with_name(f".lmz{secrets.token_hex(4)}")
    _pending.add(temporary)
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
            _bring_to_disk(descriptor)
        finally:
            os.close(descriptor)
        _give_name(temporary, path, overwrite)
    finally:
        discard_pending(temporary)


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


def discard_pending(*temporary: Path) -> None:
    """Remove what is unfinished, all of it or these files; safe to call from a signal handler at any time."""
    for path in temporary or tuple(_pending):
        with suppress(OSError):
            os.unlink(path)
        _pending.discard(path)
