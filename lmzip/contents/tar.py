"""Members of tar archives, at whose starts formats without a magic number are looked for."""

from __future__ import annotations

import re

from lmzip.contents.bitmap import read_icons
from lmzip.contents.samples import NotSamplesError, Samples, demand, take
from lmzip.contents.tga import read_tga

HEADER_SIZE, MAGIC_OFFSET = 512, 257
_HEADER = re.compile(  # mode, owner, group, size, time and sum are octal numbers; the type is that of a file
    rb".{100}[0-7 \0]{24}([0-7]{11})[ \0][0-7 \0]{20}[0\0].{100}ustar[ \0].{249}", re.DOTALL
)


def read_tar_member(data: memoryview, at: int) -> list[Samples]:
    """Read the header of a member of a tar archive, and of the image in it if its format has no magic number."""
    match = _HEADER.fullmatch(take(data, at, HEADER_SIZE))
    if match is None:
        raise NotSamplesError
    end = at + HEADER_SIZE + int(match[1], 8)
    found = read_without_magic(data, at + HEADER_SIZE)
    demand(bool(found) and found[-1].start + (found[-1].size or 0) <= end)
    return found


def read_without_magic(data: memoryview, at: int) -> list[Samples]:
    """Read a header of a format that has no magic number, at the start of a file; raises as Reader says."""
    try:
        return read_tga(data, at)
    except NotSamplesError:
        return read_icons(data, at)
