"""The range coder of ARITHMETIC 4: an interval [low, low + range) in units of 2^-64 of the bytes not yet written."""

from __future__ import annotations

MASK = (1 << 64) - 1
BOTTOM = 1 << 56


class RangeEncoder:
    """Writes decisions; the payload is a number in [0, 1), its first byte the most significant."""

    def __init__(self) -> None:
        self.low = 0
        self.range = MASK
        self.out: list[int] = []

    def _narrow(self, offset: int, size: int) -> None:
        self.low += offset
        self.range = size
        if self.low > MASK:
            self.low &= MASK
            i = len(self.out) - 1
            while self.out[i] == 255:
                self.out[i] = 0
                i -= 1
            self.out[i] += 1
        while self.range < BOTTOM:
            self.out.append(self.low >> 56)
            self.low = self.low << 8 & MASK
            self.range <<= 8

    def code_bit(self, bit: int | None, p1: int) -> int:
        """Code one binary decision; p1 is the probability of a one in units of 2^-32."""
        assert bit is not None
        bound = (self.range >> 32) * p1
        if bit:
            self._narrow(0, bound)
        else:
            self._narrow(bound, self.range - bound)
        return bit

    def finish(self) -> bytes:
        """Return the payload, ended by as few bytes as single out a number inside the interval."""
        end = self.low + self.range - 1
        for n_bytes in range(1, 9):
            value = end & ~(MASK >> 8 * n_bytes)
            if value >= self.low:
                self._narrow(value - self.low, BOTTOM)
                break
        return bytes(self.out) + self.low.to_bytes(8, "big").rstrip(b"\0")


class RangeDecoder:
    """Reads decisions; bytes past the end of the payload are zero."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.position = 8
        self.offset = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")  # code - low
        self.range = MASK
        self.is_sound = payload[:8] != b"\xff" * 8

    def check_end(self) -> None:
        """Raise ValueError unless the payload was used up, and not more than eight bytes beyond it (ARITHMETIC 4)."""
        if not self.is_sound or not len(self.payload) <= self.position <= len(self.payload) + 8:
            raise ValueError("damaged payload: not used up, or too short")

    def _narrow(self, offset: int, size: int) -> None:
        self.offset -= offset
        self.range = size
        while self.range < BOTTOM:
            byte = self.payload[self.position] if self.position < len(self.payload) else 0
            self.position += 1
            if self.position > len(self.payload) + 8:  # and all the more at the end: no matter how much is claimed
                raise ValueError("damaged payload: used up")
            self.offset = self.offset << 8 | byte
            self.range <<= 8

    def code_bit(self, bit: int | None, p1: int) -> int:
        """Return the next binary decision; `bit` is what an encoder would be told and is not looked at."""
        bound = (self.range >> 32) * p1
        if self.offset < bound:
            self._narrow(0, bound)
            return 1
        self._narrow(bound, self.range - bound)
        return 0
