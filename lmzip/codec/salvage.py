"""Finding sound blocks in a damaged file: looks for the next head whose check passes (FORMAT 7), decodes nothing.

Best effort: a file in lmzip format that was stored inside the damaged stretch may be taken for part of this one.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from lmzip.codec.source import Source
from lmzip.codec.summary import Hole
from lmzip.codec.tables import NO_TABLES, Tables
from lmzip.errors import LmzipError, NotLmzipError
from lmzip.format.block import MAX_HEAD_SIZE, head_size, is_block_head, parse_block_head
from lmzip.format.frames import Block, FrameStart
from lmzip.format.header import (
    MAX_HEADER_SIZE,
    REFERENCED,
    START_SIZE,
    WINDOW_LOGS,
    FrameHeader,
    ModelRecord,
    header_size,
    pack_header,
)
from lmzip.format.trailer import is_trailer, trailer_size
from lmzip.levels import PROFILE_NAMES

_WINDOW = 1 << 20
_LONGEST = MAX_HEADER_SIZE + MAX_HEAD_SIZE  # what must be seen at once to know a place
# Where a head may start: neither size above 2^30, which the highest byte of each tells.  Rules out most places cheaply.
_MAYBE_HEAD = re.compile(rb"(?s)(?=\x89LMZ)|(?=.{4}[\x00-\x40].{3}[\x00-\x40].{8})")


class Place(NamedTuple):
    """Where a sound head was found."""

    skipped: int  # bytes before it
    only_nul: bool  # whether those were all NUL
    header: FrameHeader | None  # of its frame; None: there is no more, and nothing is left to take
    starts: bool = False  # whether the header stands there, with the head behind it


class SalvageSource(Source):
    """A source that can also look for a place to go on."""

    def find(self, headers: Sequence[FrameHeader]) -> Place:
        """Skip to the next sound block head of a frame with one of `headers`, or to a header with a sound head."""
        skipped, only_nul = 0, True
        while window := self.peek(_WINDOW + _LONGEST):
            # Places near the end of a full window are left to the next one, which shows all of them.
            n_places = _WINDOW if len(window) == _WINDOW + _LONGEST else len(window)
            for match in _MAYBE_HEAD.finditer(window):
                at = match.start()
                if at >= n_places:
                    break
                new = _header_at(window, at)
                found = new or next((header for header in headers if _is_head_at(header, window, at)), None)
                if found:
                    skipped += self.skip(at)
                    return Place(skipped, only_nul and not window[:at].strip(b"\0"), found, new is not None)
            only_nul = only_nul and not window[:n_places].strip(b"\0")
            skipped += self.skip(n_places)
        return Place(skipped, only_nul, None)


def _header_at(window: bytes, at: int) -> FrameHeader | None:
    """Return the header at that place if the head of a block behind it is sound."""
    try:
        size = header_size(window[at : at + START_SIZE])
    except (LmzipError, IndexError):
        return None
    header = FrameHeader(window[at : at + size])
    return header if len(header.packed) == size and _is_head_at(header, window, at + size) else None


def _is_head_at(header: FrameHeader, window: bytes, at: int) -> bool:
    start = window[at : at + 1]
    size = head_size(header, start) if start else 1
    packed = window[at : at + size]
    return size == len(packed) > 1 and is_block_head(header, packed)


@cache
def _likely_headers() -> tuple[FrameHeader, ...]:
    """Return what most frames begin with: where a header is damaged, it most likely was one of these."""
    models = [None, *(ModelRecord(kind, bytes.fromhex(digest)) for digest, (_, kind) in REFERENCED.items())]
    return tuple(
        pack_header(profile, model, window_log=window_log)
        for window_log in WINDOW_LOGS
        for model in models
        for profile in PROFILE_NAMES
    )


def salvage_frames(source: SalvageSource, tables: Tables = NO_TABLES) -> Iterator[FrameStart | Block | Hole]:
    """Yield every block whose head is sound, and holes where bytes are damaged or missing.

    tables: where the file is one that can be read from its end, they tell how many bytes blocks without heads had.
    Raises NotLmzipError if there is no sound head at all.
    """
    headers, index, n_found, in_frame = _likely_headers(), 0, 0, False
    while True:
        offset = source.position
        place = source.find(headers)
        if place.skipped and not (place.only_nul and place.header is None):
            lost = tables.between(offset, source.position)
            size = lost.raw_size if lost else None
            yield Hole(offset, 0, size, f"{place.skipped} bytes from byte {offset} on are damaged")
            index += lost.n_blocks if lost else 0
        if place.header is None or (place.starts and in_frame):
            if in_frame:
                yield Hole(source.position, 0, None, f"the frame before byte {source.position} has no end")
            in_frame = False
        header = place.header
        if header is None:
            break
        if not in_frame:
            index = 0
            yield FrameStart(source.position, header)
        if place.starts:
            source.skip(len(header.packed))
        n_found += 1
        in_frame = yield from _salvage_block(source, header, index)
        index += 1
        headers = (header,) if in_frame else _likely_headers()
    if not n_found:
        raise NotLmzipError("nothing in lmzip format found")


def _salvage_block(source: SalvageSource, header: FrameHeader, index: int) -> Generator[Block | Hole, None, bool]:
    """Yield the block, or hole, whose head is next; pass over the trailer behind a last one.

    Return whether more of the frame is to come.
    """
    offset = source.position
    size = head_size(header, source.peek(1))
    try:
        head = parse_block_head(header, bytes(source.take(size)))
    except LmzipError as error:
        yield Hole(offset, 0, None, f"block at byte {offset}: {error}")
        return not header.is_short  # the weak check of a short head is none to search by
    payload = source.take(head.payload_size)
    yield Block(offset, index, header, head, size, payload)  # of one that is cut the beginning may be sound
    if len(payload) < head.payload_size:
        return False
    if not head.last:
        return True
    size, offset = trailer_size(header, index + 1), source.position
    if is_trailer(header, source.peek(size)):
        source.skip(size)
    else:
        yield Hole(offset, 0, 0, f"no sound trailer at byte {offset}")
    return False
