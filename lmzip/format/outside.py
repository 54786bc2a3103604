"""The number of bytes outside the vocabulary, which payloads of models in floating point begin with (FORMAT 9).

Apart from the models, so that files are listed without torch and without the kernel.
"""

from __future__ import annotations

from lmzip.errors import DamagedError

MAX_SIZE = 5  # bytes of the number


def pack(number: int) -> bytes:
    """Return a number as unsigned LEB128: seven bits a byte, the lowest first; bit 7 says that another byte follows."""
    packed = bytearray()
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    return bytes([*packed, number])


def parse(payload, raw_size: int) -> tuple[int, int]:
    """Return the number and how many bytes it takes; of a payload its first MAX_SIZE bytes are enough.

    Raises DamagedError for what is no number, or more than the block has bytes.
    """
    number = 0
    for i, byte in enumerate(bytes(payload[:MAX_SIZE])):
        number |= (byte & 127) << 7 * i
        if byte < 128:
            if number > raw_size:
                break
            return number, i + 1
    raise DamagedError("damaged payload: impossible number of bytes outside the vocabulary")
