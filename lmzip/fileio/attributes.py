"""What an output keeps of its input besides the data, as far as file system and user can keep it.

Mounts of other systems (CIFS, exFAT, FUSE, NFSv4) refuse some of it.  The data are whole without, so this is told to
the caller and is no error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

# Answers of a file system that has no such thing, or of a system that does not allow it.
_REFUSALS = {
    *(errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL),
    *(errno.EROFS, errno.EOVERFLOW),
}
# Extended attributes have room of their own: where it does not suffice, the disk need not be full.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE}


@contextlib.contextmanager
def _noting(lost: dict[str, str], what: str, refusals: set[int] = _REFUSALS) -> Iterator[None]:
    """Put a refusal into `lost`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in refusals:
            raise
        lost[what] = error.strerror or str(error)


def copy_attributes(fd: int, status: os.stat_result, source_fd: int) -> dict[str, str]:
    """Give a file the owner, group, mode, user.* attributes and times of another one.

    Set-ID bits are never copied.  Where the group cannot be kept, its rights are not given to another group.  Returns
    what was refused and why, e.g. {"permissions": "Operation not permitted"}; raises OSError for EIO, ENOSPC and the
    like.
    """
    lost: dict[str, str] = {}
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if not _keeps_owner_and_group(fd, status, lost):
        common = (mode >> 3) & mode & 0o7
        mode = mode & 0o700 | common << 3 | common
    with _noting(lost, "extended attributes", _REFUSALS | _NO_ROOM):
        for name in _user_attributes(source_fd):
            os.setxattr(fd, name, os.getxattr(source_fd, name))
    lost |= set_mode(fd, mode)
    with _noting(lost, "times"):
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
    return lost


def set_mode(fd: int, mode: int) -> dict[str, str]:
    """Set the permissions; returns what was refused and raises OSError, as copy_attributes() does."""
    lost: dict[str, str] = {}
    with _noting(lost, "permissions"):
        os.fchmod(fd, mode)
    return lost


def _keeps_owner_and_group(fd: int, status: os.stat_result, lost: dict[str, str]) -> bool:
    """Give a file owner and group; return whether it has that group now.

    Only the superuser may give files away, others only to groups of theirs: what they may not do is not worth a word.
    """
    now = os.fstat(fd)
    is_superuser = os.geteuid() == 0
    if now.st_uid != status.st_uid:
        with _noting(lost if is_superuser else {}, "owner"):
            os.fchown(fd, status.st_uid, -1)
    if now.st_gid == status.st_gid:
        return True
    may_give = is_superuser or status.st_gid in (os.getegid(), *os.getgroups())
    with _noting(lost if may_give else {}, "group"):
        os.fchown(fd, -1, status.st_gid)
        return True
    return False


def _user_attributes(fd: int) -> list[str]:
    """Return the names of a file's extended attributes that belong to the user."""
    if not hasattr(os, "listxattr"):
        return []
    try:
        return [name for name in os.listxattr(fd) if name.startswith("user.")]
    except OSError:
        return []
