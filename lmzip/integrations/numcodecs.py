"""numcodecs: the codec "lmzip", which zarr of format 2 takes as well.  Found by an entry point; nothing is imported."""

from __future__ import annotations

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from lmzip import levels
from lmzip.stream import compress, decompress


class LmzCodec(Codec):
    """Codec in lmzip format; its configuration is that of compressing, and nothing of it is needed to decompress."""

    codec_id = "lmzip"

    def __init__(self, level: int = levels.DEFAULT_LEVEL, model: str | None = None) -> None:
        """level: 1 to 9; model: a name that is known wherever data are written.  Raises ValueError, TypeError."""
        levels.get_level(level)
        self.level, self.model = level, model

    def encode(self, buf) -> bytes:
        """Return a buffer as a frame, coded in this thread: who has many chunks codes them side by side."""
        return compress(ensure_contiguous_ndarray(buf), self.level, model=self.model, threads=1)

    def decode(self, buf, out=None) -> Any:
        """Return the content of frames, in `out` where that is given.  Raises LmzipError, ValueError for its size."""
        content = decompress(ensure_contiguous_ndarray(buf), threads=1)
        return ndarray_copy(content, None if out is None else ensure_contiguous_ndarray(out))

    def get_config(self) -> dict[str, Any]:
        """Return what from_config() makes an equal codec of."""
        config = {"id": self.codec_id, "level": self.level}
        return config if self.model is None else config | {"model": self.model}
