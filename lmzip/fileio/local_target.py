"""A local output: it gets its name only when it is whole, and takes no one else's.

The file is written without a name where the file system can do that (it then vanishes by itself whatever happens),
otherwise under a short temporary name that discard_pending() removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from typing import TypeVar

from lmzip.errors import LmzipError
from lmzip.fileio import attributes
from lmzip.fileio.local_source import LocalSource
from lmzip.fileio.source import Source
from lmzip.fileio.streams import FOLDER_FLAGS, READ_SIZE, bring_to_disk, write_all
from lmzip.fileio.target import Target

# Errors of open(O_TMPFILE) and of link() by which a file system says that it has no such thing.
_NO_SUCH_FEATURE = {
    *(errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EISDIR, errno.EINVAL, errno.EPERM, errno.EACCES),
    *(errno.EXDEV, errno.EMLINK, errno.ENOENT),
}
_T = TypeVar("_T")
_HOLE = bytes(1 << 16)  # runs of zeros are looked for in pieces of this size, so that holes are whole disk blocks

# (descriptor of the folder, temporary name in it) of files that must not outlive the process
_pending: set[tuple[int, str]] = set()


def discard_pending() -> None:
    """Remove all temporary names; safe to call from a signal handler at any time."""
    for folder, name in list(_pending):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


class LocalTarget(Target):
    """A file: read_at() reads back what was written, also before it is published."""

    def __init__(self, path: str, *, force: bool) -> None:
        """Look at the place of the output, make nothing; raises OSError, LmzipError for a name that is not free."""
        super().__init__(path, force=force)
        self.size = 0  # bytes written, holes included
        self.fd = -1
        self._temporary: str | None = None
        self._hole_at_end = False
        parent, self._base = os.path.split(path)
        if not self._base:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._folder = os.open(parent or ".", FOLDER_FLAGS)
        try:
            self._refuse_existing()
        except BaseException:
            self.close()
            raise

    def _refuse_existing(self) -> None:
        """Raise LmzipError if the name is taken, by anything but a file or link even with force."""
        try:
            mode = os.lstat(self._base, dir_fd=self._folder).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            raise LmzipError("is a directory")
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise LmzipError("exists and is not a regular file")
        if not self.force:
            raise LmzipError("already exists; -f overwrites")

    def is_input(self, source: Source) -> bool:
        try:
            return source.is_file(os.stat(self._base, dir_fd=self._folder))
        except OSError:
            return False

    def create(self) -> None:
        """Open a new file, mode 0600, in the folder of the output; raises OSError."""
        # Without /proc an unnamed file could not be given a name later.
        if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
            try:
                self.fd = os.open(".", os.O_RDWR | os.O_CLOEXEC | os.O_TMPFILE, 0o600, dir_fd=self._folder)
                return
            except OSError as error:
                if error.errno not in _NO_SUCH_FEATURE:
                    raise
        self.fd, self._temporary = self._open_temporary()

    def _open_temporary(self) -> tuple[int, str]:
        """Open a file under a new short name, registered for removal; return its descriptor and name."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return self._under_temporary_name(lambda name: os.open(name, flags, 0o600, dir_fd=self._folder))

    def _under_temporary_name(self, make: Callable[[str], _T]) -> tuple[_T, str]:
        """Return what make(name) returns for the first free name of 12 random bytes, and the name; raises OSError.

        Each name is registered for removal before it is used: a signal may come in between.
        """
        while True:
            name = ".lmz" + secrets.token_hex(4)
            _pending.add((self._folder, name))
            try:
                return make(name), name
            except OSError as error:
                _pending.discard((self._folder, name))
                if not isinstance(error, FileExistsError):
                    raise

    def write(self, data) -> None:
        """Write all of a bytes-like object; raises OSError."""
        if data:
            write_all(self.fd, data)
            self.size += len(data)
            self._hole_at_end = False

    def write_sparse(self, data) -> None:
        """Write all of a bytes-like object, leaving holes for long runs of zeros; raises OSError."""
        view = memoryview(data)
        done = 0
        for start in range(0, len(view) - len(_HOLE) + 1, len(_HOLE)):
            end = start + len(_HOLE)
            if view[start] == 0 and bytes(view[start:end]) == _HOLE:
                self.write(view[done:start])
                os.lseek(self.fd, len(_HOLE), os.SEEK_CUR)
                self.size += len(_HOLE)
                self._hole_at_end = True
                done = end
        self.write(view[done:])

    def read_at(self, size: int, offset: int) -> bytes:
        """Return size bytes of what was written, from offset (fewer only at the end); raises OSError."""
        data = b""
        while len(data) < size and (part := os.pread(self.fd, size - len(data), offset + len(data))):
            data += part
        return data

    def take_attributes(self, source: Source) -> None:
        """Give the output the attributes of an input that is a file, else the mode of any new file; raises OSError."""
        if isinstance(source, LocalSource) and source.name is not None and source.is_regular:
            self.copy_attributes(source.status, source.fd)
        else:
            self.set_default_mode()

    def copy_attributes(self, status: os.stat_result, source_fd: int) -> None:
        """Give the output the input's owner, group, mode, user.* attributes and times; raises OSError."""
        self._close_hole()  # changes the time of modification
        self.lost |= attributes.copy_attributes(self.fd, status, source_fd)

    def set_default_mode(self) -> None:
        """Set the permissions of any new file; raises OSError."""
        self.set_mode(0o666 & ~_umask())

    def set_mode(self, mode: int) -> None:
        """Set the permissions, which stay 0600 where that is refused; raises OSError."""
        self.lost |= attributes.set_mode(self.fd, mode)

    def flush(self) -> None:
        """Bring the data to the disk; raises OSError, for instance when there is no room after all."""
        self._close_hole()
        bring_to_disk(self.fd)

    def _close_hole(self) -> None:
        """Give the file its full size when it ends in a hole, which alone does not lengthen it."""
        if self._hole_at_end:
            os.ftruncate(self.fd, self.size)
            self._hole_at_end = False

    def publish(self, *, sync_folder: bool = False) -> None:
        """Give the file its name; raises LmzipError when someone else took it meanwhile, OSError."""
        self._close_hole()
        if self.force:
            self._refuse_existing()
        if not sync_folder:
            self._give_name()
            return
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            self._give_name()
            bring_to_disk(fd)
        finally:
            os.close(fd)

    def _give_name(self) -> None:
        try:
            if self._temporary is None:
                self._link_unnamed()
            if self._temporary is not None:
                self._publish_temporary(self._temporary)
        except FileExistsError:
            raise LmzipError("was made by someone else meanwhile, theirs is kept") from None

    def _link_unnamed(self) -> None:
        """Give an unnamed file its name, or a temporary one where that is taken or the file cannot be linked."""
        try:
            try:
                self._link_as(self._base)
            except FileExistsError:
                if not self.force:
                    raise
                _, self._temporary = self._under_temporary_name(self._link_as)
        except OSError as error:
            if error.errno not in _NO_SUCH_FEATURE:
                raise
            self._copy_to_temporary()

    def _link_as(self, name: str) -> None:
        # With dst_dir_fd Python calls linkat(AT_SYMLINK_FOLLOW); without it link(2), which fails with EXDEV.
        os.link(f"/proc/self/fd/{self.fd}", name, dst_dir_fd=self._folder, follow_symlinks=True)

    def _publish_temporary(self, name: str) -> None:
        if self.force:
            self._rename(name)
            return
        try:
            os.link(name, self._base, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_SUCH_FEATURE:
                raise
            # A file system without hard links (FAT): the name is taken with an empty file.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(self._base, flags, 0o600, dir_fd=self._folder))
            try:
                self._rename(name)
            except OSError:
                os.unlink(self._base, dir_fd=self._folder)
                raise
        # Otherwise close() removes the temporary name.

    def _rename(self, name: str) -> None:
        """Move the temporary name over the final one, in one step."""
        os.rename(name, self._base, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        _pending.discard((self._folder, name))
        self._temporary = None

    def _copy_to_temporary(self) -> None:
        """Copy an unnamed file that cannot be linked here to one with a temporary name, which takes its place."""
        unnamed = self.fd
        self.fd, self._temporary = self._open_temporary()
        self.size = 0
        try:
            while data := os.pread(unnamed, READ_SIZE, self.size):
                self.write_sparse(data)
            self.copy_attributes(os.fstat(unnamed), unnamed)
        finally:
            os.close(unnamed)
        self.flush()

    def close(self) -> None:
        """Close everything; what was not published vanishes."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._folder >= 0:
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._temporary, dir_fd=self._folder)
                _pending.discard((self._folder, self._temporary))
                self._temporary = None
            os.close(self._folder)
            self._folder = -1


def _umask() -> int:
    """Return the process's file mode creation mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
