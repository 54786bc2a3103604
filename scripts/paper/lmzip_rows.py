"""lmzip as a compressor of the paper's tables: any level, model and content, its files decompressed and compared."""

from __future__ import annotations

from pathlib import Path

import lmzip
from lmzip.codec.block import record_of
from lmzip.codec.settings import settings_for
from lmzip.format.header import pack_header
from lmzip.stream.shared import find_model, registry
from paper.classical import Compressor
from paper.data import CHUNK


def of_lmzip(name: str, level: int, *, model: str | None = None, content: str = "bytes") -> Compressor:
    """Return lmzip at a level, with a model by name or path.

    Its header is the size of a file of one byte, and what naming the model adds to a file that needs it.
    """

    def compress(data: bytes) -> bytes:
        return lmzip.compress(data, level, model=model, content=content, threads=1)

    settings, chosen = settings_for(level, find_model(model), registry)
    least = len(compress(b"\0"))
    named, unnamed = (len(pack_header(settings.profile, record).packed) for record in (record_of(chosen), None))

    def header(packed: bytes) -> int:
        names_model = chosen.digest and chosen.digest[:8] in packed[:named]
        return least + (named - unnamed if names_model else 0)

    return Compressor(name, compress, lambda packed: lmzip.decompress(packed, threads=1), header)


def model_path(model: str) -> Path:
    """Return the weight file of a model by name or path."""
    return find_model(model).path  # type: ignore[union-attr]


def to_ascii(data: bytes) -> tuple[bytes, bytes]:
    """Return the paper's mapping: bytes without their lowest bits, which are ASCII, and those bits, eight a byte."""
    bits = int("".join(str(byte & 1) for byte in data) or "0", 2)
    return bytes(byte >> 1 for byte in data), bits.to_bytes(-(-len(data) // 8), "big")


def from_ascii(text: bytes, bits: bytes) -> bytes:
    """Undo to_ascii()."""
    lowest = int.from_bytes(bits, "big")
    n = len(text)
    return bytes(byte << 1 | lowest >> (n - 1 - i) & 1 for i, byte in enumerate(text))


def in_ascii(inner: Compressor) -> Compressor:
    """Return a compressor of chunks by the paper's mapping; the lowest bits stand in front as they are."""

    def compress(data: bytes) -> bytes:
        text, bits = to_ascii(data)
        return bits + inner.compress(text)

    def decompress(packed: bytes) -> bytes:
        n_bits = CHUNK // 8
        return from_ascii(inner.decompress(packed[n_bits:]), packed[:n_bits])

    return Compressor(
        inner.name + ", as ASCII", compress, decompress, lambda packed: inner.header(packed[CHUNK // 8 :])
    )
