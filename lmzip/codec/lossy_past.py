"""What stands before a block in a damaged file, to salvage blocks that have copies of it: bytes, and which are lost."""

from __future__ import annotations

import re
from typing import NamedTuple

from lmzip.codec.block import check_data
from lmzip.errors import DamagedError
from lmzip.format.frames import Block
from lmzip.native.copies import Past

_SOUND, _LOST = b"\0", b"\1"
_STRETCHES = re.compile(rb"\x00+|\x01+")


class Stretch(NamedTuple):
    """Bytes of a block."""

    start: int
    end: int
    is_lost: bool


class LossyPast:
    """The past of a frame with holes: beside each byte a mark that says whether it is lost.

    The marks of a block are what its copies make of the marks before it.  Without a loss there are none.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._bytes = Past(window)
        self._marks: Past | None = None

    def append(self, raw) -> None:
        """Take sound raw bytes."""
        self._bytes.append(raw)
        if self._marks:
            self._marks.append(bytes(len(raw)))

    def lose(self, size: int | None) -> None:
        """Know that so many raw bytes are lost; None: nobody knows how many, so that all before are."""
        if size is None:
            self._bytes, self._marks = Past(self._window), Past(self._window)
        elif size:
            size = min(size, self._window)
            marks = self._all_marks()
            self._bytes.append(_SOUND * size)
            marks.append(_LOST * size)

    def _all_marks(self) -> Past:
        if self._marks is None:
            self._marks = Past(self._window)
            self._marks.append(_SOUND * self._bytes.reach)
        return self._marks

    def make(self, block: Block, body, name: str) -> tuple[memoryview, list[Stretch]]:
        """Make the raw bytes of the next block, which has copies of what stands before it, and take it.

        Return them, and which are lost.  The check of all of them is compared where none is.  Raises DamagedError; the
        whole is to be lost then.
        """
        head = block.head
        if head.reach > self._bytes.reach:
            self._begin_lost(head.reach - self._bytes.reach)
        try:
            raw = self._bytes.put_back(body, head.raw_size, head.reach, head.machine)
        except DamagedError as error:
            raise DamagedError(f"{name}: {error}") from None
        stretches = [Stretch(0, head.raw_size, False)]
        if self._marks:
            copies = bytes(memoryview(body)[: _list_size(memoryview(body))])
            marks = self._marks.put_back(copies + bytes(len(body) - len(copies)), head.raw_size, head.reach)
            stretches = [Stretch(*match.span(), match[0][:1] == _LOST) for match in _STRETCHES.finditer(marks)]
        if not any(stretch.is_lost for stretch in stretches):
            try:
                check_data(head, raw, block.payload, name)
            except DamagedError:
                self._drop_last(head.raw_size)
                raise
        return raw, stretches

    def _drop_last(self, size: int) -> None:
        self._bytes.drop_last(size)
        if self._marks:
            self._marks.drop_last(size)

    def _begin_lost(self, size: int) -> None:
        """Have lost bytes before all others."""
        marks = self._all_marks()
        self._bytes, self._marks = (
            self._behind(filling * size, past) for filling, past in ((_SOUND, self._bytes), (_LOST, marks))
        )

    def _behind(self, filling: bytes, past: Past) -> Past:
        longer = Past(self._window)
        longer.append(filling)
        longer.append(past.last(past.reach))
        return longer


def _list_size(body) -> int:
    """Return how many bytes of a sound body are the list of its copies: their number, and three numbers for each."""
    n_copies = at = 0
    while body[at] > 127:
        at += 1
    for byte in reversed(body[: at + 1]):
        n_copies = n_copies << 7 | byte & 127
    n_left, at = 3 * n_copies, at + 1
    while n_left:
        n_left -= body[at] < 128
        at += 1
    return at
