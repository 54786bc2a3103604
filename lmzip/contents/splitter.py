"""Cuts a stream into stretches of one content each, by the headers in it or by what the caller says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lmzip.block import BYTES, Content
from lmzip.contents.samples import CutOffError, NotSamplesError, Samples
from lmzip.contents.search import Reader, places, start_of_cut_magic

MAX_OFFSET = 512  # bytes of a header that the samples of a stream share a stretch with
MIN_SIZE, MIN_SIZE_OF_FILE = 1024, 256  # bytes of samples that are worth a stretch
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Stretch:
    """Bytes of a stream that are of one content."""

    size: int
    content: Content  # its samples begin at the stretch's start, or behind `offset` bytes of header


@dataclass(frozen=True)
class _Region:
    """Samples that lie ahead, with the header that shares their stretch; counts from the start of the stream."""

    start: int
    end: int  # may be behind the end of the stream
    content: Content
    min_size: int = MIN_SIZE

    def whole_lines(self, size: int) -> int:
        """Return how many of so many bytes at its start are whole lines and a header before them; 0 for no line."""
        line = self.content.line_size
        n_lines = max(0, size - self.content.offset) // line
        return self.content.offset + n_lines * line if n_lines else 0

    def behind(self, start: int) -> _Region:
        """Return what is left of it from the end of a line on."""
        return replace(self, start=start, content=replace(self.content, offset=0))


class Splitter:
    """Cuts a stream into stretches of one content each.

    The cuts depend only on the bytes and on the sizes of the buffers in which they are given.  Headers are never
    trusted: one that lies makes the samples of a stretch something else, no more.

    forced: what the whole stream is from its first byte on; BYTES for no looking at all.  min_size: bytes of samples
    that are worth a stretch within other data, where the bytes behind it could have learned from those before.
    """

    def __init__(self, forced: Content | None = None, *, min_size: int = MIN_SIZE) -> None:
        self._looks, self._min_size = forced is None, min_size
        self._position = 0  # in the stream, where the next data begin
        self._ahead: list[_Region] = []  # in order
        if forced is not None and forced != BYTES:
            self._ahead.append(_Region(0, _ENDLESS, forced, min_size=1))

    def split(self, data, *, is_last: bool) -> list[Stretch]:
        """Return the stretches at the start of the next bytes of the stream, at least one if there are any.

        What the stretches leave over, less than a line, samples too few for a stretch or a header that goes on behind
        the data, is to be given again at the start of the next data.  With is_last nothing is left over.
        """
        view = memoryview(data).cast("B")
        pieces, used = self._cut(view, is_last)
        self._position += used
        stretches, at = [], 0
        for start, end, content in [*pieces, (used, used, BYTES)]:
            if start > at:
                stretches.append(Stretch(start - at, BYTES))
            if end > start:
                stretches.append(Stretch(end - start, content))
            at = end
        return stretches

    def _cut(self, data: memoryview, is_last: bool) -> tuple[list[tuple[int, int, Content]], int]:
        """Return start, end and content of the samples in the data, and how much of the data is used.

        To wait for more data is allowed only behind their first half: so all data are looked at twice at most.
        """
        size, at, origin = len(data), 0, self._position
        pieces: list[tuple[int, int, Content]] = []
        headers: Iterator[tuple[int, Reader]] | None = None
        while at < size:
            if not self._ahead:
                if headers is None:
                    headers = places(data, at, of_file=origin + at == 0) if self._looks else iter(())
                at = self._look(data, at, headers, is_last)
                if not self._ahead:
                    return pieces, at
            region = self._ahead[0]
            start, end = region.start - origin, min(region.end - origin, size)
            if start >= size:
                break
            is_whole = is_last or region.end - origin <= size
            if not is_whole:
                end = start + region.whole_lines(size - start)
            is_worth = end - start - region.content.offset >= region.min_size
            if is_whole:
                del self._ahead[0]
                if is_worth:
                    pieces.append((start, end, region.content))
                at = end
            elif not is_worth and 2 * start >= size:
                return pieces, start
            elif end > start:
                self._ahead[0] = region.behind(origin + end)
                return [*pieces, (start, end, region.content)], end
            else:  # lines that are longer than what is given at a time
                del self._ahead[0]
                at = start
        return pieces, size

    def _look(self, data: memoryview, at: int, headers: Iterator[tuple[int, Reader]], is_last: bool) -> int:
        """Find the next samples behind a place of the data; return from where on the data are not looked at yet."""
        size = len(data)
        for place, read in headers:
            if place < at:
                continue
            try:
                self._ahead = self._regions(read(data, place), place)
            except NotSamplesError:
                continue
            except CutOffError:
                if not is_last and 2 * place >= size:
                    return place
                continue
            if self._ahead:
                return at
        if self._looks and not is_last and 2 * (place := start_of_cut_magic(data)) >= size and place >= at:
            return place
        return size

    def _regions(self, found: list[Samples], place: int) -> list[_Region]:
        """Return those of the samples of a header that are worth a stretch."""
        is_of_file = self._position + place == 0
        regions: list[_Region] = []
        for samples in found:
            size, content = samples.size, samples.content
            if size is None:
                size = _ENDLESS if is_of_file else 0
            start, end = self._position + samples.start, self._position + samples.start + size
            shares = is_of_file and not regions and start <= MAX_OFFSET
            min_size = MIN_SIZE_OF_FILE if shares else MIN_SIZE if is_of_file else self._min_size
            if size >= min_size and shares:
                regions.append(_Region(0, end, replace(content, offset=start), min_size))
            elif size >= min_size:
                regions.append(_Region(start, end, content))
        return regions
