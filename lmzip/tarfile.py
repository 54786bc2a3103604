"""Archives of tar in lmzip format, as tarfile has them for its formats: lmzip.tarfile.open(name, "r:lmz" | "w:lmz")."""

from __future__ import annotations

import tarfile
from typing import Any, Literal

from lmzip.errors import NotLmzipError, TruncatedError
from lmzip.stream import LmzFile

__all__ = ["TarFile", "is_tarfile", "open"]

_STREAMS = ("r|lmz", "w|lmz")


class TarFile(tarfile.TarFile):
    """A TarFile that also knows the modes "r:lmz", "w:lmz", "x:lmz", and "r|lmz" and "w|lmz" for what cannot seek.

    "r" and "r:*" find lmzip format beside the others.  Options of LmzFile for these modes are given by name.  An error
    inside a with statement leaves a written archive unfinished, which readers notice.
    """

    OPEN_METH = {**tarfile.TarFile.OPEN_METH, "lmz": "lmzopen"}
    _lmz: LmzFile | None = None

    @classmethod
    def open(cls, name=None, mode: str = "r", fileobj=None, bufsize: int = tarfile.RECORDSIZE, **options: Any):
        """Open an archive as tarfile.open does; raises tarfile.ReadError for what is in no known format, LmzipError."""
        base: Any = super()  # typeshed has an overload for each of its modes
        if mode not in _STREAMS:
            return base.open(name, mode, fileobj, bufsize, **options)
        file_options, options = _split(options)
        file = _open_file(fileobj or name, mode[0], file_options)
        return cls._over(file, lambda: base.open(name, mode[:2], file, bufsize, **options))

    @classmethod
    def lmzopen(cls, name, mode: Literal["r", "w", "x"] = "r", fileobj=None, **options: Any):
        """Open an archive in lmzip format, mode "r", "w" or "x"; what open() calls."""
        if mode not in ("r", "w", "x"):
            raise ValueError("mode must be 'r', 'w' or 'x'")
        file_options, options = _split(options)
        file = _open_file(fileobj or name, mode, file_options)
        return cls._over(file, lambda: cls.taropen(name, mode, file, **options))

    @classmethod
    def _over(cls, file: LmzFile, opened) -> TarFile:
        """Return the archive that opened() opens over a file and that closes it; if that fails, close it here."""
        try:
            archive = opened()
        except BaseException as error:
            file.__exit__(type(error), error, None)
            if isinstance(error, EOFError | TruncatedError):
                raise tarfile.ReadError("not an archive in lmzip format") from error
            raise
        archive._lmz = file
        return archive

    def close(self) -> None:
        """Write the end, close, and close the file in lmzip format.  Does nothing the second time."""
        try:
            super().close()
        finally:
            if self._lmz:
                self._lmz.close()

    def __exit__(self, kind, error, trace) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            if error is not None and self._lmz:
                self._lmz.__exit__(kind, error, trace)


open = TarFile.open  # noqa: A001 - the name that tarfile uses


def is_tarfile(name) -> bool:
    """Return whether a path or file object is an archive of tar that open() reads, as tarfile.is_tarfile does.

    A file object stays where it stands.
    """
    place = name.tell() if hasattr(name, "read") else None
    try:
        (open(fileobj=name) if place is not None else open(name)).close()
    except tarfile.TarError:
        return False
    finally:
        if place is not None:
            name.seek(place)
    return True


def _split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that are for the file and those for the archive."""
    names = {"level", "model", "block_size", "long", "threads"}
    return {n: v for n, v in options.items() if n in names}, {n: v for n, v in options.items() if n not in names}


def _open_file(file, mode: str, options: dict[str, Any]) -> LmzFile:
    try:
        return LmzFile(file, mode, **options)
    except (NotLmzipError, TruncatedError) as error:
        raise tarfile.ReadError(str(error)) from error
