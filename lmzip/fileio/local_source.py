"""A local input: what is refused, how it is opened, whether it changed, and its removal.

Everything is decided on the opened descriptor, since a name may change its meaning between two calls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from lmzip.errors import LmzipError, Skipped
from lmzip.fileio.source import Source
from lmzip.fileio.streams import FOLDER_FLAGS, read_some

# Time stamps come from a clock that ticks 100 to 1000 times a second.  A file written in the last tick could change
# again without a new time stamp, so such a file is given this long (seconds) to come to rest before it is read.
_CLOCK_TICK = 0.012

# Types of file systems whose files are made up when they are read, and cannot be replaced.
_MADE_UP = {
    *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "fusectl", "nfsd", "proc", "resctrl"),
    *("rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs"),
}

# Descriptor of the folder, name in it, status of the name itself: the link's own when it is a link.
Place = tuple[int, str, os.stat_result]


class LocalSource(Source):
    """What open_source() returns, or standard input as LocalSource(0).

    fd: descriptor; status: its os.stat_result at opening.
    """

    def __init__(self, fd: int, name: str | None = None, place: Place | None = None) -> None:
        """Take a descriptor; raises OSError when it is closed."""
        super().__init__(name)
        self.fd = fd
        self.status = os.fstat(fd)
        self._place = place

    @property
    def is_regular(self) -> bool:
        """Whether size and positions mean something."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def whole_size(self) -> int | None:
        return self.status.st_size if self.is_regular else None

    @property
    def size(self) -> int | None:
        if not self.is_regular:
            return None
        return max(0, self.status.st_size - os.lseek(self.fd, 0, os.SEEK_CUR) + len(self._head))

    def _read_some(self, size: int) -> bytes:
        return read_some(self.fd, size)

    @contextlib.contextmanager
    def file(self) -> Iterator[BinaryIO]:
        position = os.lseek(self.fd, 0, os.SEEK_CUR)
        try:
            with open(self.fd, "rb", closefd=False) as file:
                yield file
        finally:
            os.lseek(self.fd, position, os.SEEK_SET)

    def read_at(self, size: int, offset: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def is_file(self, status: os.stat_result) -> bool:
        return os.path.samestat(self.status, status)

    def settle(self) -> None:
        """Wait until a change of the file would show in its time of modification."""
        age = time.time() - self.status.st_mtime
        if 0 <= age < _CLOCK_TICK:
            time.sleep(_CLOCK_TICK - age)
            self.status = os.fstat(self.fd)

    @property
    def is_made_up(self) -> bool:  # type: ignore[override]
        return self.is_regular and self.status.st_blocks == 0 and _file_system(self.status.st_dev) in _MADE_UP

    @property
    def has_changed(self) -> bool:
        now, before = os.fstat(self.fd), self.status
        if not self.is_regular or (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
            return False
        return not self.is_made_up  # sysfs: to ask for extended attributes is enough to change the time

    def remove(self) -> None:
        """Remove the name that was opened, if it still means the same file.

        Raises Skipped when it is gone or means another file by now, OSError when it cannot be removed.
        """
        if self._place is None:
            raise ValueError("standard input has no name to remove")
        folder, base, entry = self._place
        try:
            now = os.lstat(base, dir_fd=folder)
        except FileNotFoundError:
            raise Skipped("was removed meanwhile; the output is complete") from None
        if not os.path.samestat(now, entry):
            raise Skipped("was replaced by another file meanwhile, not removed; the output is complete")
        os.unlink(base, dir_fd=folder)

    def close(self) -> None:
        """Close what was opened; standard input stays open."""
        if self._place is not None:
            os.close(self.fd)
            os.close(self._place[0])
            self._place = None


def _file_system(device: int) -> str | None:
    """Return the type of the mounted file system with a device number, None where that cannot be told."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for fields in map(str.split, mounts):
                if fields[2] == number:
                    return fields[fields.index("-") + 1]
    except OSError:
        pass
    return None


def _refuse_kind(mode: int, *, takes_link: bool = False, takes_pipe: bool = False) -> None:
    """Raise Skipped for what is no file."""
    if stat.S_ISDIR(mode):
        raise Skipped("is a directory, skipped")
    if stat.S_ISLNK(mode) and not takes_link:
        raise Skipped("is a symbolic link, skipped")
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or (takes_pipe and stat.S_ISFIFO(mode))):
        raise Skipped("is not a regular file, skipped")


def _refuse_special(status: os.stat_result) -> None:
    """Raise Skipped for a file that must not be replaced without force."""
    if status.st_nlink > 1:
        raise Skipped("has other hard links, skipped")
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise Skipped("has the set-user-ID or set-group-ID bit, skipped")
    if status.st_mode & stat.S_ISVTX:
        raise Skipped("has the sticky bit, skipped")


def open_source(name: str, *, in_place: bool, force: bool = False) -> LocalSource:
    """Open a file for reading.

    in_place: the output takes the file's place, so links and files with several names are refused without force;
    otherwise links are followed.  Raises Skipped for what is left alone, OSError for what cannot be opened.
    """
    follow = force or not in_place
    parent, base = os.path.split(name)
    if not base:
        _refuse_kind(os.stat(name).st_mode)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    folder = os.open(parent or ".", FOLDER_FLAGS)
    try:
        # By what the name is, before opening: to open a device may already do something.
        entry = os.lstat(base, dir_fd=folder)
        _refuse_kind(entry.st_mode, takes_link=follow)
        is_link = stat.S_ISLNK(entry.st_mode)
        # Reached through a link and only to be read: /dev/stdin, and /dev/fd/63 of a shell's <(command).
        takes_pipe = is_link and not in_place
        if is_link:
            _refuse_kind(os.stat(base, dir_fd=folder).st_mode, takes_pipe=takes_pipe)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        try:
            fd = os.open(base, flags, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP and not follow:
                raise Skipped("is a symbolic link, skipped") from None
            raise
    except BaseException:
        os.close(folder)
        raise
    source = LocalSource(fd, name, (folder, base, entry))
    try:
        if not is_link and not os.path.samestat(entry, source.status):
            raise LmzipError("was replaced while it was opened")
        _refuse_kind(source.status.st_mode, takes_pipe=takes_pipe)
        if not source.is_regular:
            os.set_blocking(fd, True)
        if in_place and not force:
            _refuse_special(source.status)
        if in_place:
            source.settle()
    except BaseException:
        source.close()
        raise
    return source
