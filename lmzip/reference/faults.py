"""What a decoder of files says of one that it does not decode, and the bytes that it takes of one (FORMAT 1.2)."""

from __future__ import annotations


class DamagedFile(Exception):  # noqa: N818 - what it is, not what went wrong here
    """The file breaks a rule of the format, or is in none of its versions."""


class UnsupportedFile(Exception):  # noqa: N818
    """The file may be sound, but needs a later version or a model that is not here."""


def take(data: bytes, at: int, size: int) -> bytes:
    """Return size bytes from `at` on."""
    if at + size > len(data):
        raise DamagedFile(f"the file ends before byte {at + size}")
    return data[at : at + size]
