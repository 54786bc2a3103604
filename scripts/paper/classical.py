"""The paper's classical compressors, and their inverses: what comes out is compared with what went in."""

from __future__ import annotations

import gzip
import io
import lzma
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from paper.data import WIDTH

_FLAC = ("--silent", "--force-raw-format", "--endian=little", "--sign=unsigned", "--channels=1", "--bps=8")
_FLAC_RATE = "--sample-rate=16000"


@dataclass(frozen=True)
class Compressor:
    """Bytes to bytes and back.  header: what of a file the paper does not count for all chunks but one, in bytes."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]
    header: Callable[[bytes], int]

    def packed(self, data: bytes) -> bytes:
        """Return data, compressed; raises ValueError unless they come back."""
        packed = self.compress(data)
        if self.decompress(packed) != data:
            raise ValueError(f"{self.name} does not give its input back")
        return packed

    def chunked(self, chunks: list[bytes]) -> tuple[int, int]:
        """Return the size of all chunks, each by itself: with headers counted once, as in the paper, and always."""
        files = [self.packed(chunk) for chunk in chunks]
        size = sum(map(len, files))
        return size - sum(map(self.header, files[1:])), size


def _with_header(name: str, compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes]) -> Compressor:
    size = len(compress(b"\0"))
    return Compressor(name, compress, decompress, lambda packed: size)


def closest_factors(n: int) -> tuple[int, int]:
    """Return the two factors of n that are closest, the smaller first: the paper's shape of a picture."""
    small = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    return small, n // small


def to_png(data: bytes, width: int) -> bytes:
    """Return a grey picture of lines of that many pixels."""
    from PIL import Image

    output = io.BytesIO()
    Image.frombytes("L", (width, len(data) // width), data).save(output, "PNG", optimize=True)
    return output.getvalue()


def from_png(packed: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(packed)) as image:
        return image.tobytes()


def _flac(data: bytes) -> bytes:
    words = ["flac", "-8", "--totally-silent", "--no-padding", _FLAC_RATE, *_FLAC, "-"]
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True).stdout


def _from_flac(packed: bytes) -> bytes:
    words = ["flac", "-d", "--totally-silent", "--force-raw-format", "--endian=little", "--sign=unsigned", "-"]
    return subprocess.run(words, input=packed, stdout=subprocess.PIPE, check=True).stdout


def general_compressors() -> list[Compressor]:
    """Return those of the paper's rows that are for bytes of any meaning: gzip -9 and LZMA2 (xz)."""
    return [
        _with_header("gzip", lambda data: gzip.compress(data, 9, mtime=0), gzip.decompress),
        _with_header("LZMA2", lzma.compress, lzma.decompress),
    ]


def compressors() -> list[Compressor]:
    """Return all rows: the general ones, PNG with the paper's stride and with the right one, FLAC if installed."""
    found = [
        *general_compressors(),
        _with_header("PNG, the paper's stride", lambda data: to_png(data, closest_factors(len(data))[0]), from_png),
        _with_header("PNG, lines of 64", lambda data: to_png(data, min(WIDTH, len(data))), from_png),
    ]
    return [*found, _with_header("FLAC", _flac, _from_flac)] if shutil.which("flac") else found
