"""Binding of the kernel's range coder by itself: decisions and symbols whose integer frequencies the caller knows.

So the coder (ARITHMETIC 4) can be tested against its Python twin without a predictor.
"""

from __future__ import annotations

from lmzip.errors import DamagedError
from lmzip.native._kernel import ffi, lib

MAX_TOTAL_BITS = 32


def _check_interval(low: int, high: int, total_bits: int) -> None:
    if not 1 <= total_bits <= MAX_TOTAL_BITS:
        raise ValueError(f"total_bits must be 1 to {MAX_TOTAL_BITS}, not {total_bits}")
    if not 0 <= low < high <= 1 << total_bits:
        raise ValueError(f"not an interval of a total of 2^{total_bits}: [{low}, {high})")


def _check_probability(p1: int) -> None:
    if not 0 < p1 < 1 << 32:
        raise ValueError(f"a probability must lie between 0 and 2^32, not at {p1}")


class RangeEncoder:
    """Writes decisions and symbols into a payload of at most `capacity` bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._payload = ffi.new("uint8_t[]", max(capacity, 1))
        self._coder = ffi.gc(lib.lmz_range_encoder_new(self._payload, capacity), lib.lmz_range_coder_free)
        if self._coder == ffi.NULL:
            raise MemoryError("not enough memory for a range coder")

    def encode_bit(self, bit: int, p1: int) -> None:
        """Encode a decision; p1 / 2^32 is the probability that it is a one.  Raises ValueError."""
        _check_probability(p1)
        lib.lmz_range_code_bit(self._coder, bit, p1)

    def encode_interval(self, low: int, high: int, total_bits: int) -> None:
        """Encode the symbol with cumulative frequencies [low, high) out of 2^total_bits.  Raises ValueError."""
        _check_interval(low, high, total_bits)
        lib.lmz_range_code_interval(self._coder, low, high, total_bits)

    def finish(self) -> bytes:
        """End and return the payload.  Raises OverflowError when it does not fit into the capacity."""
        size = lib.lmz_range_finish(self._coder)
        if size < 0:
            raise OverflowError(f"the payload does not fit into {self._capacity} bytes")
        return bytes(ffi.buffer(self._payload, size))


class RangeDecoder:
    """Reads decisions and symbols back, in the same order and with the same frequencies."""

    def __init__(self, payload: bytes) -> None:
        self._payload = ffi.from_buffer("uint8_t[]", payload)
        self._coder = ffi.gc(lib.lmz_range_decoder_new(self._payload, len(payload)), lib.lmz_range_coder_free)
        if self._coder == ffi.NULL:
            raise MemoryError("not enough memory for a range coder")

    def decode_bit(self, p1: int) -> int:
        """Return the next decision.  Raises ValueError."""
        _check_probability(p1)
        return lib.lmz_range_code_bit(self._coder, 0, p1)

    def target(self, total_bits: int) -> int:
        """Return a number that lies in the next symbol's interval; call decode_interval with that interval."""
        _check_interval(0, 1, total_bits)
        return lib.lmz_range_target(self._coder, total_bits)

    def decode_interval(self, low: int, high: int, total_bits: int) -> None:
        """Take the symbol with cumulative frequencies [low, high) out of 2^total_bits.  Raises ValueError."""
        _check_interval(low, high, total_bits)
        lib.lmz_range_code_interval(self._coder, low, high, total_bits)

    def finish(self) -> None:
        """Check the end.  Raises DamagedError unless the payload was used up, and no more than that."""
        if lib.lmz_range_finish(self._coder) < 0:
            raise DamagedError("damaged payload")
