"""Which name the output gets: the suffix rules; touches no file."""

from __future__ import annotations

import os

from lmzip.errors import Skipped

SUFFIX = ".lmz"

# suffix of a compressed file -> what takes its place when it is decompressed
_SHORT_SUFFIXES = {".tlmz": ".tar"}


def check_suffix(suffix: str) -> str:
    """Return a suffix that was given by the user; raises ValueError for one that would not make another name."""
    if not suffix or "/" in suffix or "\0" in suffix:
        raise ValueError("the suffix must not be empty or hold a slash")
    return suffix


def _stripped(name: str, suffix: str) -> str | None:
    """Return name without its suffix, None when it does not end with it or is nothing else."""
    base = os.path.basename(name)
    return name[: -len(suffix)] if base.endswith(suffix) and len(base) > len(suffix) else None


def _known(suffix: str) -> list[tuple[str, str]]:
    """Return (suffix, replacement) pairs, the user's own first."""
    return list({**{suffix: "", SUFFIX: ""}, **_SHORT_SUFFIXES}.items())


def has_suffix(name: str, suffix: str = SUFFIX) -> bool:
    """Tell whether a name is that of a compressed file: the suffix given, .lmz or .tlmz."""
    return any(_stripped(name, known) is not None for known, _ in _known(suffix))


def compressed_name(name: str, suffix: str = SUFFIX) -> str:
    """Return the name of the compressed file; raises Skipped when the name says that it is compressed already."""
    for known, _ in _known(suffix):
        if _stripped(name, known) is not None:
            raise Skipped(f"already has the suffix {known}, skipped")
    return name + suffix


def raw_name(name: str, suffix: str = SUFFIX) -> str:
    """Return the name of the decompressed file; raises Skipped when the name has no suffix known here."""
    for known, replacement in _known(suffix):
        base = _stripped(name, known)
        if base is not None:
            return base + replacement
    raise Skipped("unknown suffix, skipped")
