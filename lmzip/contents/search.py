"""Where headers may be: fast searches for the magic numbers of all formats, each with who reads what is there."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from lmzip.contents.aiff import read_aiff
from lmzip.contents.au import read_au
from lmzip.contents.bitmap import read_bmp
from lmzip.contents.netpbm import read_netpbm
from lmzip.contents.npy import read_npy
from lmzip.contents.samples import Reader
from lmzip.contents.tar import MAGIC_OFFSET, read_tar_member, read_without_magic
from lmzip.contents.tiff import read_tiff
from lmzip.contents.wave import read_wave


class _Format(NamedTuple):
    pattern: re.Pattern[bytes]
    read: Reader
    offset: int = 0  # of the pattern in the header
    distance: int = 1024  # bytes from one to the next, on average and at least, in data that are not made to have many


def _format(pattern: bytes, read: Reader, **more: int) -> _Format:
    return _Format(re.compile(pattern, re.DOTALL), read, **more)


# One search each: with a first byte in common, or more, the search for it is many times faster than for one of several.
_OF_TEXT = (_format(rb"P[567][\s#]", read_netpbm),)
_OF_BINARY = (  # whose headers have NUL bytes
    _format(rb"BM.{4}\0{4}.{4}[(48l|]\0{3}", read_bmp),
    _format(rb"II\*\0", read_tiff, distance=8192),  # since it may take as long as many others
    _format(rb"MM\0\*", read_tiff, distance=8192),
    _format(rb"\x93NUMPY[\1-\3]\0", read_npy),
    _format(rb"R(?:IF[FX]|F64).{4}WAVE", read_wave),
    _format(rb"FORM.{4}AIF[FC]", read_aiff),
    _format(rb"\.snd\0", read_au),
    _format(rb"ustar[ \0]", read_tar_member, offset=MAGIC_OFFSET, distance=512),
)
_NUL = re.compile(rb"\0")
_STARTS = (b"P5", b"P6", b"P7", b"BM", b"II*\0", b"MM\0*", b"\x93NUMPY", b"RIF", b"RF64", b"FORM", b".snd\0")
_MAX_MAGIC_SIZE = 18


def places(data: memoryview, start: int, *, of_file: bool) -> Iterator[tuple[int, Reader]]:
    """Yield places from a start on where headers may begin, in order, and what reads them.

    of_file: at the start a file begins.  There are not more places than the distances of formats allow, so the time for
    all of them grows with the size of the data whatever they are.
    """
    if of_file:  # mostly that is all there is to be found
        yield start, read_without_magic
        yield from ((start, form.read) for form in _OF_TEXT + _OF_BINARY if form.pattern.match(data, start))
    formats = _OF_TEXT + _OF_BINARY if _NUL.search(data, start) else _OF_TEXT
    searches = (_matches(number, form, data, start) for number, form in enumerate(formats))
    for place, number in heapq.merge(*searches):
        yield place, formats[number].read


def _matches(number: int, form: _Format, data: memoryview, start: int) -> Iterator[tuple[int, int]]:
    for match in islice(form.pattern.finditer(data, start), 64 + len(data) // form.distance):
        if match.start() - form.offset >= start:
            yield match.start() - form.offset, number


def start_of_cut_magic(data: memoryview) -> int:
    """Return where a magic number begins that the end of the data may have cut, else the size of the data."""
    first = max(0, len(data) - _MAX_MAGIC_SIZE + 1)
    tail = bytes(data[first:])
    for at in range(len(tail)):
        rest = tail[at:]
        if any(rest.startswith(magic) or magic.startswith(rest) for magic in _STARTS):
            return first + at
    return len(data)
