"""Blocks that are made of copies of an original (FORMAT 4.8): their lists, and what they begin behind instead."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lmzip.block import BlockSpec
from lmzip.codec.copies import suits_samples
from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError
from lmzip.format.block import BlockHead
from lmzip.models.base import Model
from lmzip.models.dictionary import behind

if TYPE_CHECKING:
    from lmzip.native.original import PatchedBody

NEAR_SIZE = 1 << 23  # bytes near the rest of a block that count, the last ones
# Raw bytes that copies must save: what names the original, and a list, take a hundred.
_LEAST_SAVED = 512
# Bytes that stand near a gap of n bytes are 4 n and so many more; a copy takes three bytes of a list.
_NEAR_GAP, _LEAST_COPY_SIZE = 2 * 256 + 32, 3


class Patched(NamedTuple):
    """A block whose raw bytes are made of an original."""

    body: PatchedBody
    listed: bytes  # the list of copies
    rest: bytes
    model: Model  # of the rest, behind what stands near it in the original


@cache
def _kernel() -> Any:
    # Here, since listing a file needs none; once, since files are finished even when nothing can be imported any more.
    from lmzip.native import original

    return original


def patched(model: Model, raw, *, is_bytes: bool = True) -> Patched | None:
    """Return what a block is coded as with the model's original; None where it has few copies of that.

    is_bytes: if not, raw is samples of image or sound, of which copies must leave little.  Raises MemoryError.
    """
    original = model.original
    if not original:
        return None
    body = original.index(_kernel().Index).body_of(raw)
    if body is None or len(raw) - len(body.coded) < _LEAST_SAVED:
        return None
    if not is_bytes and not suits_samples(len(body.coded), len(raw)):
        return None
    listed, rest = bytes(body.coded[: body.list_size]), bytes(body.coded[body.list_size :])
    return Patched(body, listed, rest, of_rest(model, listed, len(rest)))


def of_rest(model: Model, listed: bytes, rest_size: int) -> Model:
    """Return the model of the rest of a block; raises DamagedError for what is no list of copies, MemoryError."""
    assert model.original
    most = near_size(len(listed), rest_size)
    near = _kernel().near_rest(model.original.data, listed, rest_size, most)
    return behind(model.unpatched, Dictionary(near, NEAR_SIZE) if near else None)


def near_size(list_size: int, rest_size: int) -> int:
    """Return how many bytes stand at most near the rest of a block."""
    return min(NEAR_SIZE, 4 * rest_size + _NEAR_GAP * (list_size // _LEAST_COPY_SIZE + 1))


def pack_list(model: Model, profile: int, listed: bytes) -> bytes:
    """Return the payload of a list: coded by the base alone, or as it is where that is not smaller."""
    payload = model.plain.encode(listed, BlockSpec(len(listed), profile, False)) if len(listed) > 1 else None
    return listed if payload is None else payload


def list_spec(profile: int, head: BlockHead) -> BlockSpec | None:
    """Return what the list of a block is coded as; None where it is not coded, or there is none."""
    if head.list_size is None or head.list_payload_size == head.list_size:
        return None
    return BlockSpec(head.list_size, profile, False)


def parse_list(model: Model, profile: int, head: BlockHead, payload) -> bytes:
    """Return the list of copies of a block; raises DamagedError, MemoryError."""
    packed = bytes(memoryview(payload)[: head.list_payload_size])
    if len(packed) < head.list_payload_size:
        raise DamagedError("damaged payload")
    spec = list_spec(profile, head)
    return bytes(model.plain.decode(packed, spec)) if spec else packed
