"""Bytes of a block of samples that are of none (ARITHMETIC 13): the three bytes before, and what headers teach."""

from __future__ import annotations

import struct

from lmzip.reference.mixing import STRETCH_LIMIT, Cell, bounded, clamp, squash
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

N_ORDERS = 3


def wave(channels: int, rate: int, depth: int, size: int) -> bytes:
    """Return the header of a WAV file with so many bytes of samples."""
    moment = channels * depth // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * moment, moment, depth)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


HEADERS = [
    b"P5\n64 32\n255\n",
    b"P5\n512 768\n255\n",
    b"P6\n512 512\n255\n",
    b"P6\n1920 1080\n255\n",
    wave(1, 16000, 8, 0x800),
    wave(1, 16000, 16, 0x3E800),
    wave(2, 44100, 16, 0x271000),
    wave(2, 48000, 16, 0x271000),
    struct.pack("<2sIIIIiiHHIIIIII", b"BM", 0xC0036, 0, 54, 40, 512, 512, 1, 24, 0, 0xC0000, 2835, 2835, 0, 0),
]


class Plain:
    """The cells of each order, and the bytes before."""

    def __init__(self) -> None:
        self.cells: list[dict[int, Cell]] = [{} for _ in range(N_ORDERS)]
        for header in HEADERS:
            self.history = 0
            for byte in header:
                self._walk(byte, None)
        self.history = 0

    def code_byte(self, coder: RangeEncoder | RangeDecoder, byte: int | None) -> int:
        """Code a byte, None for a decoder; return it."""
        return self._walk(byte, coder)

    def pass_by(self, byte: int) -> None:
        """Take in a byte that was coded in another way."""
        self.history = (self.history << 8 | byte) & 0xFFFFFF

    def _walk(self, byte: int | None, coder: RangeEncoder | RangeDecoder | None) -> int:
        c0 = 1
        for i in range(7, -1, -1):
            cells = [self._cell(order, c0) for order in range(N_ORDERS)]
            bit = None if byte is None else byte >> i & 1
            if coder:
                p = squash(clamp(sum(cell.stretch() for cell in cells), STRETCH_LIMIT))
                bit = coder.code_bit(bit, bounded(p) << 8)
            assert bit is not None
            for cell in cells:
                cell.update(bit)
            c0 = 2 * c0 + bit
        self.pass_by(c0 & 255)
        return c0 & 255

    def _cell(self, order: int, c0: int) -> Cell:
        before = self.history & ((1 << 8 * (order + 1)) - 1)
        index = (before << 8 | c0) * 0x9E3779B1 % (1 << 32) >> 20
        return self.cells[order].setdefault(index, Cell(1 << 15))
