"""One block of raw bytes to its head and payload.

Nothing is imported meanwhile: a file left open is written while the interpreter ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from lmzip.block import BYTES, Content, Run
from lmzip.codec.block import Counter, Report, no_memory
from lmzip.codec.choice import code_block
from lmzip.codec.copies import largest_body
from lmzip.codec.patch import pack_list, patched
from lmzip.codec.programs import machine_of
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead, data_check, payload_check
from lmzip.levels import LevelSettings
from lmzip.models.base import Model
from lmzip.native.addresses import body_without_copies
from lmzip.native.copies import Body, take_copies
from lmzip.native.original import PatchedBody


class Encoded(NamedTuple):
    """What came of a block."""

    head: BlockHead
    payload: bytes | bytearray
    body: Body | PatchedBody | None  # what the payload stands for where that is not the raw bytes


def body_of(raw, content: Content = BYTES) -> Body | None:
    """Return the body of a block of bytes that stands alone, None where it is to be coded as it is.

    Raises MemoryError.
    """
    if content != BYTES:
        return None
    most, machine = largest_body(len(raw)), machine_of(raw)
    body = take_copies(raw, most, machine) if most else None
    return body_without_copies(raw, machine) if machine and body is None else body


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
    find_body: Callable[..., Body | None] = body_of,
) -> Encoded:
    """Return head and payload of a block; it is stored where coding does not make it smaller.

    Copies of the model's original are taken out before, or else long repeats, as find_body(raw, content) says; what is
    left is coded as bytes.

    n_lanes: None for as many as the level gives.  report is called with raw bytes done, len(raw) in all.  content: what
    the bytes seem to be; they are coded as bytes where that makes them smaller.  model_cost: bytes by which the frame's
    header grows if this block needs the model.  Raises MemoryLimitError if there is no memory.
    """
    counted = Counter(report)
    payload: bytes | None = None
    machine = 0
    body: Body | PatchedBody | None
    try:
        if patch := patched(model, raw, is_bytes=content == BYTES):
            body, coded, content, model = patch.body, patch.rest, BYTES, patch.model
            listed = pack_list(model, settings.profile, patch.listed)
        else:
            body = find_body(raw, content)
            coded, content = (raw, content) if body is None else (body.coded, BYTES)
            machine = body.machine if body else 0
        if len(coded) > 1:
            run = Run(counted, n_threads)
            payload, spec = code_block(model, coded, settings, n_lanes, run, model_cost, content, machine)
    except MemoryError:
        raise no_memory(len(raw)) from None
    counted(len(raw) - counted.done)
    mode, lanes, content = STORED, 1, BYTES
    if payload is None and len(coded) > len(raw):
        body, coded = None, raw
    if payload is None:
        payload = coded
    else:
        mode, lanes, content = WITH_MODEL if spec.uses_model else BASE, spec.n_lanes, spec.content
    if patch:
        payload = listed + payload
    check = data_check(mode, raw, payload, has_copies=body is not None)
    head = BlockHead(last, mode, lanes, len(raw), len(payload), check, content)
    if patch:
        size = len(patch.body.coded)
        head = replace(head, body_size=size, list_size=len(patch.listed), list_payload_size=len(listed))
    elif isinstance(body, Body):
        head = _with_body(head, payload, body)
    return Encoded(head, payload, body)


def _with_body(head: BlockHead, payload, body: Body) -> BlockHead:
    """Return the head of a block whose payload stands for a body."""
    head = replace(head, body_size=len(body.coded), machine=body.machine)
    return replace(head, reach=body.reach, payload_check=payload_check(payload)) if body.reach else head
