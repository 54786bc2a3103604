"""Finding sound blocks in a damaged file: looks for the next head whose check passes (FORMAT 7), decodes nothing.

Best effort: a file in lmzip format that was stored inside the damaged stretch may be taken for part of this one.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from lmzip import container
from lmzip.codec.frames import Block, FrameStart
from lmzip.codec.source import Source
from lmzip.codec.summary import Hole
from lmzip.container import FrameHeader
from lmzip.errors import LmzipError, NotLmzipError

_WINDOW = 1 << 20
_LONGEST = container.MODEL_HEADER_SIZE + container.BLOCK_HEAD_SIZE  # what must be seen at once to know a place
# Where a head may start: neither size above 2^30, which the highest byte of each tells.  Rules out most places cheaply.
_MAYBE_HEAD = re.compile(rb"(?s)(?=\x89LMZ[\x01\x21\x41\x61\x81\xa1])|(?=.{4}[\x00-\x40].{3}[\x00-\x40].{8})")


class SalvageSource(Source):
    """A source that can also look for a place to go on."""

    def find(self, header: FrameHeader) -> tuple[int, bool, FrameHeader | None]:
        """Skip to the next sound block head of a frame with `header`, or to a header with a sound head behind it.

        Return the bytes skipped, whether they were all NUL, and the header if a frame starts there.  At the end nothing
        is left to take.
        """
        skipped, only_nul = 0, True
        while window := self.peek(_WINDOW + _LONGEST):
            # Places near the end of a full window are left to the next one, which shows all of them.
            n_places = _WINDOW if len(window) == _WINDOW + _LONGEST else len(window)
            for match in _MAYBE_HEAD.finditer(window):
                at = match.start()
                if at >= n_places:
                    break
                new = _header_at(window, at)
                if new or _is_head_at(header, window, at):
                    return skipped + self.skip(at), only_nul and not window[:at].strip(b"\0"), new
            only_nul = only_nul and not window[:n_places].strip(b"\0")
            skipped += self.skip(n_places)
        return skipped, only_nul, None


def _header_at(window: bytes, at: int) -> FrameHeader | None:
    """Return the header at that place if the head of a block behind it is sound."""
    try:
        size = container.header_size(window[at : at + container.HEADER_START_SIZE])
    except (LmzipError, IndexError):
        return None
    header = FrameHeader(window[at : at + size])
    return header if _is_head_at(header, window, at + size) else None


def _is_head_at(header: FrameHeader, window: bytes, at: int) -> bool:
    packed = window[at : at + header.block_head_size]
    return len(packed) == header.block_head_size and container.is_block_head(header, packed)


def salvage_frames(source: SalvageSource) -> Iterator[FrameStart | Block | Hole]:
    """Yield every block whose head is sound, and holes where bytes are damaged or missing.

    Raises NotLmzipError if there is no sound head at all.
    """
    # Where a header is damaged, it most likely was the plain one.
    header, index, n_found, in_frame = container.pack_header(), 0, 0, False
    while True:
        offset = source.position
        skipped, only_nul, new = source.find(header)
        at_end = not source.peek(1)
        if skipped and not (only_nul and at_end):
            yield Hole(offset, 0, None, f"{skipped} bytes from byte {offset} on are damaged")
        if at_end or (new and in_frame):
            if in_frame:
                yield Hole(source.position, 0, None, f"the frame before byte {source.position} has no end")
            in_frame = False
        if at_end:
            break
        if new:
            header, index = new, 0
            yield FrameStart(source.position, header)
            source.skip(len(header.packed))
        n_found += 1
        in_frame = yield from _salvage_block(source, header, index)
        index += 1
        if not in_frame:
            header, index = container.pack_header(), 0
    if not n_found:
        raise NotLmzipError("nothing in lmzip format found")


def _salvage_block(source: SalvageSource, header: FrameHeader, index: int) -> Generator[Block | Hole, None, bool]:
    """Yield the block, or hole, whose head is next; pass over the trailer behind a last one.

    Return whether more of the frame is to come.
    """
    offset = source.position
    try:
        head = container.parse_block_head(header, bytes(source.take(header.block_head_size)))
    except LmzipError as error:
        yield Hole(offset, 0, None, f"block at byte {offset}: {error}")
        return not header.is_short  # the weak check of a short head is none to search by
    payload = source.take(head.payload_size)
    if len(payload) < head.payload_size:
        yield Hole(offset, 0, head.raw_size, f"block at byte {offset}: unexpected end of file")
        return False
    yield Block(offset, index, header, head, payload)
    if not head.last:
        return True
    size, offset = container.trailer_size(header, index + 1), source.position
    if container.is_trailer(header, source.peek(size)):
        source.skip(size)
    else:
        yield Hole(offset, 0, 0, f"no sound trailer at byte {offset}")
    return False
