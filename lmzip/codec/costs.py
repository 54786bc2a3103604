"""What a level finds hard: the bits that each byte, sample or token of some bytes costs, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from lmzip.block import BYTES, BlockSpec, Content, Run
from lmzip.codec.block import check_takes, no_memory
from lmzip.codec.cutting import Cutter, take_blocks
from lmzip.codec.memory import check_model
from lmzip.codec.settings import settings_for
from lmzip.codec.source import Source
from lmzip.dictionary import Dictionary
from lmzip.levels import DEFAULT_LEVEL
from lmzip.models.base import Model, Steps
from lmzip.models.registry import Registry


@dataclass(frozen=True)
class BlockCosts:
    """A block that was coded in one lane, and what that cost."""

    start: int  # its first byte among all
    spec: BlockSpec
    steps: Steps  # bytes, samples or tokens, their ends counted from `start`


def costs(
    raw: bytes,
    *,
    level: int = DEFAULT_LEVEL,
    model: Model | None = None,
    registry: Registry | None = None,
    dictionary: Dictionary | None = None,
    content: Content | None = None,
    n_threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Iterator[BlockCosts]:
    """Yield the blocks that compress_stream() cuts, with what each step costs.

    The arguments are its; progress: called with bytes done.  A block is coded in one lane, its long repeats among the
    rest, and with the level's model if it is not of samples, so a file may come out a little larger or smaller.

    Raises ValueError and TypeError for bad arguments, ModelMissingError, UnsupportedError, MemoryLimitError, and what
    progress raises.
    """
    settings, chosen = settings_for(level, model, registry, dictionary)
    check_model(chosen, settings, None)
    size = settings.block_size
    source, cutter = Source(BytesIO(raw).read), Cutter(size, min(size, settings.samples_size), content)
    rest, start, is_last = bytearray(), 0, not raw
    while not is_last:
        blocks, rest = take_blocks(source, size, cutter, rest)
        is_last = blocks[-1].is_last
        for part, of, _ in blocks:
            if of == BYTES:
                spec = settings.spec(len(part), uses_model=settings.uses_model, n_lanes=1)
            else:
                spec = BlockSpec(len(part), settings.profile, False, content=of)
            check_takes(chosen, spec)
            try:
                steps = chosen.costs(part, spec, Run(progress, n_threads))
            except MemoryError:
                raise no_memory(len(part)) from None
            yield BlockCosts(start, spec, steps)
            start += len(part)
