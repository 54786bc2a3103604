"""How much memory blocks need, and how many threads fit into a limit."""

from __future__ import annotations

from lmzip import levels
from lmzip.codec.choice import choose
from lmzip.codec.workers import available_threads
from lmzip.container import STORED, BlockHead
from lmzip.errors import MemoryLimitError
from lmzip.models.base import Model


def need_for_threads(n_threads: int, block_need: int, raw_size: int) -> int:
    """Return the bytes that n_threads blocks need at once, and one more that is read meanwhile."""
    return n_threads * block_need + (raw_size if n_threads > 1 else 0)


def fitting_threads(n_threads: int, block_need: int, raw_size: int, memory_limit: int | None) -> int:
    """Return how many of n_threads fit into memory_limit bytes (None: no limit); raises MemoryLimitError if none."""
    if memory_limit is None:
        return n_threads
    for n in range(n_threads, 0, -1):
        if need_for_threads(n, block_need, raw_size) <= memory_limit:
            return n
    raise MemoryLimitError(
        f"needs {-(-block_need >> 20)} MiB of memory, the limit is {memory_limit >> 20} MiB; "
        f"--memlimit={-(-block_need >> 20)}MiB would do"
    )


def decode_need(model: Model, head: BlockHead) -> int:
    """Return the bytes that decoding a block needs: state, payload and raw bytes."""
    if head.method == STORED:
        return head.payload_size
    return model.memory_size(head.method, head.raw_size, head.n_lanes) + head.payload_size + head.raw_size


def encode_need(model: Model, method: int, raw_size: int, n_lanes: int) -> int:
    """Return the bytes that encoding a block needs: state, raw bytes and the largest payload."""
    return model.memory_size(method, raw_size, n_lanes) + 2 * raw_size if raw_size else 0


def compress_memory(
    level: int = levels.DEFAULT_LEVEL,
    block_size: int | None = None,
    threads: int | None = None,
    model: str | None = None,
) -> int:
    """Return the bytes that compressing a long input needs, the interpreter itself not counted; loads the kernel."""
    choice, chosen = choose(level, model)
    size = block_size or choice.block_size
    need = encode_need(chosen, choice.method, size, levels.n_lanes(choice, size))
    return need_for_threads(threads or available_threads(), need, size)
