"""zarr: the codec "lmzip" from bytes to bytes for arrays of format 3.  Found by an entry point; nothing is imported."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from zarr.abc.codec import BytesBytesCodec

from lmzip import levels
from lmzip.stream import compress, decompress


@dataclass(frozen=True)
class LmzCodec(BytesBytesCodec):
    """Codec in lmzip format; its configuration is that of compressing, and nothing of it is needed to decompress.

    level: 1 to 9; model: a name that is known wherever data are written.  Raises ValueError, TypeError.
    """

    is_fixed_size = False

    level: int = levels.DEFAULT_LEVEL
    model: str | None = None

    def __post_init__(self) -> None:
        levels.get_level(self.level)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LmzCodec:
        """Return the codec that the metadata of an array name."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """Return what the metadata of an array say of the codec."""
        model = {} if self.model is None else {"model": self.model}
        return {"name": "lmzip", "configuration": {"level": self.level, **model}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec) -> int:
        """Raise NotImplementedError: how small it becomes is not known before."""
        raise NotImplementedError

    # Each in one thread: zarr codes chunks side by side.

    async def _encode_single(self, chunk_bytes, chunk_spec):
        return await asyncio.to_thread(self._encode_sync, chunk_bytes, chunk_spec)

    async def _decode_single(self, chunk_bytes, chunk_spec):
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _encode_sync(self, chunk_bytes, chunk_spec):
        packed = compress(chunk_bytes.to_bytes(), self.level, model=self.model, threads=1)
        return chunk_spec.prototype.buffer.from_bytes(packed)

    def _decode_sync(self, chunk_bytes, chunk_spec):
        return chunk_spec.prototype.buffer.from_bytes(decompress(chunk_bytes.to_bytes(), threads=1))
