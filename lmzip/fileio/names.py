"""Which file is meant and which name the output gets: the suffix rules; opens no file."""

from __future__ import annotations

import os
import re

from lmzip.errors import Skipped

SUFFIX = ".lmz"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.", re.DOTALL)

# suffix of a compressed file -> what takes its place when it is decompressed
_SHORT_SUFFIXES = {".tlmz": ".tar"}

# Other letters may change their number with their case.
_TO_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _split(name: str, suffix: str) -> tuple[str, str, str] | None:
    """Return a name's stem, its suffix and what takes the suffix's place; None when it has none or is nothing else.

    suffix: the user's own.  The case of ASCII letters makes no difference: some file systems and programs change it.
    """
    base = os.path.basename(name)
    for known, replacement in ({suffix.translate(_TO_LOWER): "", SUFFIX: ""} | _SHORT_SUFFIXES).items():
        start = len(name) - len(known)
        if name[start:].translate(_TO_LOWER) == known and len(base) > len(known):
            return name[:start], name[start:], replacement
    return None


def is_url(name: str) -> bool:
    """Tell whether a name is a URL, s3://bucket/key for instance; a local file of such a name is ./s3:/bucket/key."""
    return _URL.match(name) is not None


def has_suffix(name: str, suffix: str = SUFFIX) -> bool:
    """Tell whether a name is that of a compressed file: it has the suffix given, .lmz or .tlmz."""
    return _split(name, suffix) is not None


def compressed_name(name: str, suffix: str = SUFFIX) -> str:
    """Return the name of the compressed file; raises Skipped when the name says that it is compressed already."""
    parts = _split(name, suffix)
    if parts is not None:
        raise Skipped(f"already has the suffix {parts[1]}, skipped")
    return name + suffix


def raw_name(name: str, suffix: str = SUFFIX) -> str:
    """Return the name of the decompressed file; raises Skipped when the name has no suffix known here."""
    parts = _split(name, suffix)
    if parts is None:
        raise Skipped("unknown suffix, skipped")
    stem, _, replacement = parts
    return stem + replacement


def existing_compressed_name(name: str, suffix: str = SUFFIX) -> str:
    """Return the name of the file to decompress: `name`, or with a suffix where only that is there, as gzip takes it.

    Whatever is there under the name itself, also a link that leads nowhere, is what is meant.
    """
    if os.path.basename(name) and not has_suffix(name, suffix) and not os.path.lexists(name):
        for longer in (name + suffix, name + SUFFIX):
            if os.path.lexists(longer):
                return longer
    return name
