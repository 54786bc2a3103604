"""One block of raw bytes to its head and payload.

Nothing is imported meanwhile: a file left open is written while the interpreter ends.
"""

from __future__ import annotations

from lmzip.block import BYTES, Content, Run
from lmzip.codec.block import Counter, Report, no_memory
from lmzip.codec.choice import code_block
from lmzip.codec.copies import largest_body
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check
from lmzip.levels import LevelSettings
from lmzip.models.base import Model
from lmzip.native.copies import take_copies


def encode_block(
    model: Model,
    raw,
    *,
    settings: LevelSettings,
    last: bool,
    n_lanes: int | None = None,
    report: Report | None = None,
    n_threads: int = 1,
    content: Content = BYTES,
    model_cost: int = 0,
) -> tuple[BlockHead, bytes | bytearray]:
    """Return head and payload of a block; it is stored where coding does not make it smaller.

    Long repeats are taken out of bytes of any meaning before, where they are a good part of them.

    n_lanes: None for as many as the level gives.  report is called with raw bytes done, len(raw) in all.  content: what
    the bytes seem to be; they are coded as bytes where that makes them smaller.  model_cost: bytes by which the frame's
    header grows if this block needs the model.  Raises MemoryLimitError if there is no memory.
    """
    counted = Counter(report)
    payload: bytes | None = None
    try:
        body = body_of(raw) if content == BYTES else None
        coded = raw if body is None else body
        if len(coded) > 1:
            payload, spec = code_block(model, coded, settings, n_lanes, Run(counted, n_threads), model_cost, content)
    except MemoryError:
        raise no_memory(len(raw)) from None
    counted(len(raw) - counted.done)
    mode, lanes, content = STORED, 1, BYTES
    if payload is None:
        payload = coded
    else:
        mode, lanes, content = WITH_MODEL if spec.uses_model else BASE, spec.n_lanes, spec.content
    check = data_check(mode, raw, payload, has_copies=body is not None)
    body_size = None if body is None else len(body)
    return BlockHead(last, mode, lanes, len(raw), len(payload), check, content, body_size), payload


def body_of(raw):
    """Return the body (bytes-like) of a block of bytes of any meaning, None where it is to be coded as it is.

    Raises MemoryError.
    """
    most = largest_body(len(raw))
    return take_copies(raw, most) if most else None
