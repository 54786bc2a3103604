"""Continuations: bytes drawn from what a model predicts behind a prompt, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from lmzip import arguments
from lmzip.block import BYTES, BlockSpec, Content
from lmzip.codec.block import check_takes, no_memory
from lmzip.codec.memory import check_model
from lmzip.codec.settings import settings_for
from lmzip.dictionary import Dictionary
from lmzip.levels import DEFAULT_LEVEL, MAX_BLOCK_SIZE
from lmzip.models.base import Model
from lmzip.models.registry import Registry

_BITS_RATE, _LEAST_BITS = 4, 1024  # bytes to draw by for each byte: more than any that is not made for it takes


def sample(
    prompt: bytes,
    n_bytes: int,
    *,
    seed: int = 0,
    level: int = DEFAULT_LEVEL,
    model: Model | None = None,
    registry: Registry | None = None,
    content: Content | None = None,
    dictionary: Dictionary | None = None,
    progress: Callable[[int], None] | None = None,
) -> bytes:
    """Return n_bytes that a model says follow the prompt, drawn by a seed: what a decoder makes of random bits.

    level, model, registry, content, dictionary: as of compress_stream(); the prompt and what follows are one block of
    one lane, so an image or sound goes on where the prompt is of one.  progress: called with bytes done, the prompt's
    among them.  The result depends on all but registry and progress, and on nothing else.

    Raises ValueError and TypeError for bad arguments, ModelMissingError, UnsupportedError, MemoryLimitError, and what
    progress raises.
    """
    size = len(prompt) + arguments.integer("n_bytes", n_bytes)
    if n_bytes < 1 or size > MAX_BLOCK_SIZE:
        raise ValueError(f"prompt and sample have at most {MAX_BLOCK_SIZE} bytes, and the sample at least one")
    settings, chosen = settings_for(level, model, registry, dictionary)
    content = _content_of(prompt, n_bytes) if content is None else content
    if content != BYTES:
        spec = BlockSpec(size, settings.profile, False, content=content)
        n_whole = len(prompt) - content.offset
        if n_whole >= 0 and n_whole % (content.depth // 8):
            raise ValueError("the prompt ends within a sample")
    else:
        check_model(chosen, settings, None)
        spec = settings.spec(size, uses_model=settings.uses_model, n_lanes=1)
    check_takes(chosen, spec)
    bits = hashlib.shake_256(b"lmzip sample %d" % seed).digest(_BITS_RATE * n_bytes + _LEAST_BITS)
    try:
        return chosen.sample(prompt, bits, spec, progress)[len(prompt) :]
    except MemoryError:
        raise no_memory(size) from None


def _content_of(prompt: bytes, n_bytes: int) -> Content:
    """Return what the prompt says that it and the bytes behind it are."""
    from lmzip.contents import Splitter

    stretches = Splitter().split(prompt + bytes(n_bytes), is_last=True)
    if not stretches or stretches[0].size <= len(prompt):
        return BYTES
    return stretches[0].content
