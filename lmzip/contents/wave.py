"""Headers of WAV files and of their kin: RIFX is big-endian, RF64 has sizes beyond 4 GiB."""

from __future__ import annotations

from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED, Content
from lmzip.contents.chunks import chunks, declared_size
from lmzip.contents.samples import NotSamplesError, Samples, demand, sound, unpack

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def read_wave(data: memoryview, at: int) -> list[Samples]:
    """Read the chunks of a WAV file up to its samples."""
    order = ">" if data[at + 3] == ord("X") else "<"
    content, long_size = None, None
    for name, size, start in chunks(data, at + 12, order):
        if name == b"fmt ":
            content = _read_format(data, start, size, order)
        elif name == b"ds64":
            long_size = unpack("<8xQ", data, start)[0]
        elif name == b"data":
            if content is None:
                break
            return [Samples(start, long_size or declared_size(size), content)]
    raise NotSamplesError


def _read_format(data: memoryview, at: int, size: int, order: str) -> Content:
    kind, channels, _, _, moment_size, bits = unpack(order + "HHIIHH", data, at)
    if kind == _EXTENSIBLE:
        demand(size >= 40)
        kind = unpack(order + "24xH", data, at)[0]
    demand(kind in (_PCM, _FLOAT) and 1 <= channels <= moment_size)
    depth = moment_size // channels * 8
    demand(moment_size % channels == 0 and depth - 8 < bits <= depth)
    flags = BIG_ENDIAN if order == ">" and depth > 8 else 0
    if kind == _FLOAT:
        demand(bits == depth == 32)
        return sound(channels, depth, flags | FLOAT)
    return sound(channels, depth, flags | (SIGNED if depth > 8 else 0))
