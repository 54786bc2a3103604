"""The input: what is refused, how it is opened, whether it changed, and its removal.

Everything is decided on the opened descriptor, since a name may change its meaning between two calls.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from lmzip.errors import InputChangedError, LmzipError, Skipped
from lmzip.fileio.streams import FOLDER_FLAGS, read_some

# Time stamps come from a clock that ticks 100 to 1000 times a second.  A file written in the last tick could change
# again without a new time stamp, so such a file is given this long (seconds) to come to rest before it is read.
_CLOCK_TICK = 0.012

# Types of file systems whose files are made up when they are read, and cannot be replaced.
_MADE_UP = {
    *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "fusectl", "nfsd", "proc", "resctrl"),
    *("rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs"),
}

_SPECIAL = "is not a regular file, skipped"


class Source:
    """An opened input.

    fd: descriptor; status: its os.stat_result at opening; name: as given, None for standard input.
    """

    def __init__(self, fd: int, name: str | None, place: tuple[int, str] | None, entry: os.stat_result | None) -> None:
        self.fd = fd
        self.name = name
        self.status = os.fstat(fd)
        self.read_size = 0  # bytes read so far
        self._place = place  # descriptor of the folder, name in it
        self._entry = entry  # status of the name itself: the link's own when it is a link
        self._head = b""

    @property
    def is_regular(self) -> bool:
        """Whether size and positions mean something."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def size(self) -> int | None:
        """Bytes left from here to the end, None where that is not known."""
        if not self.is_regular:
            return None
        return max(0, self.status.st_size - os.lseek(self.fd, 0, os.SEEK_CUR) + len(self._head))

    def read(self, size: int) -> bytes:
        """Return 1 to size bytes, b"" at the end; raises OSError."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = read_some(self.fd, size)
        self.read_size += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the next size bytes (fewer only at the end) without consuming them."""
        while len(self._head) < size:
            data = read_some(self.fd, size - len(self._head))
            if not data:
                break
            self._head += data
        return self._head[:size]

    def settle(self) -> None:
        """Wait until a change of the file would show in its time of modification."""
        age = time.time() - self.status.st_mtime
        if 0 <= age < _CLOCK_TICK:
            time.sleep(_CLOCK_TICK - age)
            self.status = os.fstat(self.fd)

    @property
    def is_made_up(self) -> bool:
        """Whether it is a file of the system's own, /proc/cpuinfo for instance, whose size and times say nothing."""
        return self.is_regular and self.status.st_blocks == 0 and _file_system(self.status.st_dev) in _MADE_UP

    @property
    def has_changed(self) -> bool:
        """Whether the file is not what it was at opening."""
        now, before = os.fstat(self.fd), self.status
        if not self.is_regular or (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
            return False
        return not self.is_made_up  # sysfs: to ask for extended attributes is enough to change the time

    def check_unchanged(self) -> None:
        """Raise InputChangedError if the file is not what it was at opening."""
        if self.has_changed:
            raise InputChangedError("changed while it was read, left alone")

    def check_size(self) -> None:
        """Raise Skipped if more or less was read than there should be, as of files whose size is not known before."""
        size = self.status.st_size
        if self.is_regular and self.read_size != size:
            raise Skipped(f"{self.read_size} bytes were read where its size is {size}, left alone; -k compresses it")

    def remove(self) -> None:
        """Remove the name that was opened, if it still means the same file.

        Raises Skipped when it is gone or means another file by now, OSError when it cannot be removed.
        """
        if self._place is None or self._entry is None:
            raise ValueError("standard input has no name to remove")
        folder, base = self._place
        try:
            now = os.lstat(base, dir_fd=folder)
        except FileNotFoundError:
            raise Skipped("was removed meanwhile; the output is complete") from None
        if not os.path.samestat(now, self._entry):
            raise Skipped("was replaced by another file meanwhile, not removed; the output is complete")
        os.unlink(base, dir_fd=folder)

    def close(self) -> None:
        """Close what was opened; standard input stays open."""
        if self._place is not None:
            os.close(self.fd)
            os.close(self._place[0])
            self._place = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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


def standard_input() -> Source:
    """Return standard input; raises OSError when it is closed."""
    return Source(0, None, None, None)


def _refuse_entry(entry: os.stat_result, follow: bool) -> None:
    """Refuse by what the name is, before opening: to open a device may already do something."""
    if stat.S_ISDIR(entry.st_mode):
        raise Skipped("is a directory, skipped")
    if stat.S_ISLNK(entry.st_mode):
        if not follow:
            raise Skipped("is a symbolic link, skipped")
    elif not stat.S_ISREG(entry.st_mode):
        raise Skipped(_SPECIAL)


def _refuse_opened(source: Source, in_place: bool, force: bool) -> None:
    """Refuse by what was opened."""
    mode = source.status.st_mode
    if stat.S_ISDIR(mode):
        raise Skipped("is a directory, skipped")
    if not stat.S_ISREG(mode):
        # Reached through a link and only to be read: /dev/stdin, and /dev/fd/63 of a shell's <(command).
        if in_place or not stat.S_ISFIFO(mode):
            raise Skipped(_SPECIAL)
        os.set_blocking(source.fd, True)
    if in_place and not force:
        if source.status.st_nlink > 1:
            raise Skipped("has other hard links, skipped")
        if mode & (stat.S_ISUID | stat.S_ISGID):
            raise Skipped("has the set-user-ID or set-group-ID bit, skipped")
        if mode & stat.S_ISVTX:
            raise Skipped("has the sticky bit, skipped")


def open_source(name: str, *, in_place: bool, force: bool = False) -> Source:
    """Open a file for reading.

    in_place: the output takes the file's place, so links and files with several names are refused without force;
    otherwise links are followed.  Raises Skipped for what is left alone, OSError for what cannot be opened.
    """
    follow = force or not in_place
    parent, base = os.path.split(name)
    if not base:
        _refuse_entry(os.stat(name), True)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    folder = os.open(parent or ".", FOLDER_FLAGS)
    try:
        entry = os.lstat(base, dir_fd=folder)
        _refuse_entry(entry, follow)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        if stat.S_ISLNK(entry.st_mode):
            _refuse_link_target(base, folder)
        try:
            fd = os.open(base, flags, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP and not follow:
                raise Skipped("is a symbolic link, skipped") from None
            raise
    except BaseException:
        os.close(folder)
        raise
    source = Source(fd, name, (folder, base), entry)
    try:
        if not stat.S_ISLNK(entry.st_mode) and not os.path.samestat(entry, source.status):
            raise LmzipError("was replaced while it was opened")
        _refuse_opened(source, in_place, force)
        if in_place:
            source.settle()
    except BaseException:
        source.close()
        raise
    return source


def _refuse_link_target(base: str, folder: int) -> None:
    """Refuse what a link leads to unless it is a file, a folder (refused later) or a pipe, before opening it."""
    mode = os.stat(base, dir_fd=folder).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode)):
        raise Skipped(_SPECIAL)
