"""shutil: the format "lmztar" of make_archive and unpack_archive, for *.tar.lmz and *.tlmz."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tarfile
from contextlib import suppress
from typing import Any

import lmzip.tarfile

FORMAT = "lmztar"
_DESCRIPTION = "tar archive in lmzip format"


def make_archive(
    base_name: str,
    base_dir: str,
    *,
    owner: str | None = None,
    group: str | None = None,
    dry_run: bool = False,
    logger=None,
    root_dir: str | None = None,
    **options: Any,
) -> str:
    """Make base_name + ".tar.lmz" of base_dir, as shutil.make_archive says; return its name.

    options: as for LmzFile.  The archive has its name only once it is complete.  Raises OSError, LmzipError.
    """
    name = os.fspath(base_name) + ".tar.lmz"
    if root_dir is not None:
        name = os.path.abspath(name)
    if logger:
        logger.info("creating %s", name)
    if dry_run:
        return name
    os.makedirs(os.path.dirname(name) or os.curdir, exist_ok=True)
    part = f"{name}.{os.getpid()}"

    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
        return _owned(info, owner, group)

    try:
        with lmzip.tarfile.open(part, "x:lmz", **options) as archive:
            archive.add(os.path.join(root_dir or "", base_dir), base_dir, filter=owned)
        os.replace(part, name)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    return name


make_archive.supports_root_dir = True  # type: ignore[attr-defined] # so that shutil does not change the folder


def _owned(info: tarfile.TarInfo, owner: str | None, group: str | None) -> tarfile.TarInfo:
    """Give what is archived to others, as far as they are known here."""
    if owner is not None:
        with suppress(KeyError):
            info.uid, info.uname = pwd.getpwnam(owner).pw_uid, owner
    if group is not None:
        with suppress(KeyError):
            info.gid, info.gname = grp.getgrnam(group).gr_gid, group
    return info


def unpack_archive(name: str, folder: str, *, filter=None) -> None:  # noqa: A002 - shutil calls it so
    """Unpack an archive into a folder; filter: as for TarFile.extractall, "data" by default where that is known.

    Raises shutil.ReadError for what is no archive, LmzipError for what is damaged, OSError.
    """
    try:
        archive = lmzip.tarfile.open(name, "r:lmz")
    except tarfile.TarError as error:
        raise shutil.ReadError(f"{name} is no tar archive in lmzip format: {error}") from error
    with archive:
        if filter is None and hasattr(tarfile, "data_filter"):
            filter = "data"  # noqa: A001
        archive.extractall(folder, **({} if filter is None else {"filter": filter}))


def register() -> None:
    """Have shutil know the format."""
    shutil.register_archive_format(FORMAT, make_archive, description=_DESCRIPTION)
    if FORMAT in [name for name, *_ in shutil.get_unpack_formats()]:
        shutil.unregister_unpack_format(FORMAT)
    shutil.register_unpack_format(FORMAT, [".tar.lmz", ".tlmz"], unpack_archive, description=_DESCRIPTION)
