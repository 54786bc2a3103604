"""Files that are written besides what is compressed: whole or not at all."""

from __future__ import annotations

from lmzip.cli.messages import CallError, printable, reason
from lmzip.errors import LmzipError
from lmzip.fileio import LocalTarget


def target(path: str, force: bool) -> LocalTarget:
    """Return a file to be made; raises CallError for a name that is not free."""
    try:
        return LocalTarget(path, force=force)
    except (OSError, LmzipError) as error:
        raise CallError(f"output {printable(path)}: {reason(error)}") from None


def write_file(path: str, data: bytes, *, force: bool) -> str:
    """Write a file and return its path; raises CallError."""
    with target(path, force) as file:
        try:
            file.create()
            file.write(data)
            file.set_default_mode()
            file.flush()
            file.publish()
        except (OSError, LmzipError) as error:
            raise CallError(f"output {printable(path)}: {reason(error)}") from None
    return path
