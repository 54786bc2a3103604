"""How much memory blocks need, and how many threads fit into what there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from lmzip import levels
from lmzip.block import BYTES, BlockSpec, Content
from lmzip.codec.patch import list_spec, near_size
from lmzip.codec.settings import DEFAULT_WINDOW_LOG, settings_for
from lmzip.dictionary import MAX_STATES
from lmzip.errors import MemoryLimitError
from lmzip.format.block import BlockHead
from lmzip.format.header import FrameHeader
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.system import available_threads, free_address_space, free_memory, idle_memory

# Nobody asked for the default to fill the machine: what is idle is a guess, other programs grow too, and the files that
# are read and written want to be cached.
_IDLE_SHARE = 0.75
_THREAD_SPACE = 80 << 20  # bytes of address space beside a block: a thread's stack, and what malloc reserves for it


class Need(NamedTuple):
    """Bytes of memory that coding blocks takes."""

    shared: int  # by all blocks at once: weights
    block: int  # by each: state, raw bytes and payload
    ahead: int  # by one more that is read while several are coded
    window: int = 0  # by what stands before them, where they may refer to it

    def of_threads(self, n_threads: int) -> int:
        """Return the bytes that n_threads blocks take at once."""
        return self.shared + self.window + n_threads * self.block + (self.ahead if n_threads > 1 else 0)


class Threads:
    """How many threads may code blocks at once: as many as the caller says, by default as there is memory for.

    The default depends on what is idle when the first block is looked at.  memory_limit (bytes; None: no limit) and the
    limit of address space lower what the caller says too, as more would fail.  Only memory_limit refuses work: for the
    rest there is always one.
    """

    def __init__(self, wanted: int | None, memory_limit: int | None, on_device: int = 0) -> None:
        """wanted: None or 0 for the default.  on_device: how many blocks are worth to be coded together on a device
        (Model.blocks_at_once), by default as many if that is more than there are processors.
        """
        self.most = wanted or max(available_threads(), on_device)
        self.memory_limit = memory_limit
        self._is_default = not wanted
        self._room: _Room | None = None

    def that_fit(self, need: Need, model: Model | None = None) -> int:
        """Return how many may code blocks like this one, whose weights are loaded; raises MemoryLimitError if none.

        model: of the blocks, where it is not known before whether it is one for a device.
        """
        most = self.most
        if model and self._is_default and not model.blocks_at_once:
            most = min(most, available_threads())
        n = fitting_threads(most, need, self.memory_limit)
        if n == 1:
            return n
        if self._room is None:
            self._room = _Room(idle_memory() if self._is_default else None, free_address_space(), need.shared)
        return next((m for m in range(n, 1, -1) if self._room.holds(m, need)), 1)


class _Room(NamedTuple):
    """What the system had left before the first block, in bytes; None where that is no matter."""

    idle: int | None
    address_space: int | None
    loaded: int  # weights that were there already

    def holds(self, n_threads: int, need: Need) -> bool:
        """Return whether there is room for blocks on so many threads."""
        size = need.of_threads(n_threads) - self.loaded
        fits = self.idle is None or size <= self.idle * _IDLE_SHARE
        return fits and (self.address_space is None or size + n_threads * _THREAD_SPACE <= self.address_space)


def fitting_threads(n_threads: int, need: Need, memory_limit: int | None) -> int:
    """Return how many of n_threads fit into memory_limit bytes (None: no limit); raises MemoryLimitError if none."""
    if memory_limit is None:
        return n_threads
    for n in range(n_threads, 0, -1):
        if need.of_threads(n) <= memory_limit:
            return n
    least = -(-need.of_threads(1) >> 20)
    raise MemoryLimitError(
        f"needs {least} MiB of memory, the limit is {memory_limit >> 20} MiB; --memlimit={least}MiB would do"
    )


def check_weights(model: Model, memory_limit: int | None) -> None:
    """Raise MemoryLimitError if the weights alone, still to be loaded, are beyond memory_limit or what the system has.

    To be called before encode_need() and decode_need(), which load them to know the rest.
    """
    loading = model.loading_size()
    if not loading:
        return
    shared = model.weights_size()
    if memory_limit is not None and shared > memory_limit:
        most = memory_limit >> 20
        raise MemoryLimitError(
            f"the model {model.name} needs more than {shared >> 20} MiB, the limit is {most} MiB; --memlimit raises it"
        )
    free = free_memory()
    if free is not None and loading > free:
        least = -(-loading >> 20)
        raise MemoryLimitError(f"the model {model.name} needs {least} MiB to be loaded, {free >> 20} MiB are free")


def check_model(model: Model, settings: levels.LevelSettings, memory_limit: int | None) -> None:
    """Raise MemoryLimitError as check_weights does, where blocks may use the model."""
    if settings.uses_model:
        check_weights(model, memory_limit)


def check_window(header: FrameHeader, long: int, memory_limit: int | None) -> None:
    """Raise MemoryLimitError for a frame whose blocks refer back farther than 2^long bytes, where nothing else limits.

    memory_limit: counts the window too, and so takes the place of that.
    """
    if memory_limit is None and header.window > 1 << max(long, DEFAULT_WINDOW_LOG):
        raise MemoryLimitError(
            f"needs a window of {header.window >> 20} MiB; --long={header.window.bit_length() - 1} allows it"
        )


def window_size(window: int, block_size: int, *, finds: bool = False) -> int:
    """Return the bytes that keeping a window takes; finds: with what finds them again."""
    if not window:
        return 0
    size = window + max(block_size, window >> 3)
    return size + (size >> 6) * finds


def _learned_size(model: Model, *specs: BlockSpec) -> int:
    """Return the bytes that what is learned of a dictionary takes, and the dictionary itself; 0 without one."""
    if not model.dictionary:
        return 0
    return MAX_STATES * max(map(model.learned_size, specs)) + len(model.dictionary)


class _StandIn:
    """Stands for a dictionary of a size where only that matters."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def _rest_state(model: Model, near: int, n_states: int, *specs: BlockSpec) -> int:
    """Return the bytes of state that the rest of a patched block takes, with what is learned of what stands near."""
    stand_in: Any = _StandIn(near)
    specs = tuple(replace(spec, dictionary=stand_in) for spec in specs)
    learned, state = max(map(model.learned_size, specs)), max(map(model.memory_size, specs))
    return state + n_states * learned + 2 * near + max(spec.raw_size for spec in specs)


def _original_size(model: Model, *, finds: bool = False) -> int:
    """Return the bytes that an original takes; finds: with what finds its bytes again."""
    if not model.original:
        return 0
    size = len(model.original)
    if not finds:
        return size
    from lmzip.native.original import index_size  # the kernel, which a list does without

    return size + index_size(size)


def decode_need(model: Model, header: FrameHeader, head: BlockHead) -> Need:
    """Return what decoding a block like this needs."""
    copied = head.raw_size if head.has_copies and not head.is_far else 0
    window = window_size(header.window, head.raw_size) + _original_size(model)
    if head.list_size is not None:
        copied += 3 * head.list_size + head.coded_size
    of_list = list_spec(header.profile, head)
    state = model.plain.memory_size(of_list) if of_list else 0
    if head.is_stored:
        return Need(0, state + head.payload_size + copied, head.payload_size, window)
    spec = head.spec(header)
    if head.list_size is None:
        state = model.memory_size(spec)
    else:
        state = max(state, _rest_state(model, near_size(head.list_size, spec.raw_size), 1, spec))
    shared = _learned_size(model, spec) + (model.weights_size() if head.uses_model else 0)
    return Need(shared, state + 2 * head.payload_size + head.coded_size + copied, head.payload_size, window)


def encode_need(
    model: Model,
    settings: levels.LevelSettings,
    raw_size: int,
    n_lanes: int | None = None,
    content: Content = BYTES,
    window: int = 0,
) -> Need:
    """Return what encoding a block of raw_size bytes needs, whose payload may be as large; n_lanes: the level's.

    With a model it may be coded without as well, one way after the other, and both payloads are held.  content: what it
    may be besides bytes.  window: bytes that it may refer back.
    """
    if not raw_size:
        return Need(0, 0, 0)
    uses = (False, True) if settings.uses_model else (False,)
    specs = [settings.spec(raw_size, uses_model=use, n_lanes=n_lanes) for use in uses]
    state, payloads = max(map(model.memory_size, specs)), len(specs) * raw_size
    shared = _learned_size(model, *specs) + (model.weights_size() if settings.uses_model else 0)
    of_samples = BlockSpec(raw_size, settings.profile, False, content=content)
    if content != BYTES and model.takes(of_samples):
        state = max(state, model.memory_size(of_samples))
    body = raw_size + 1  # where it is a program
    if model.original:
        state = max(state, _rest_state(model, near_size(raw_size // 8, raw_size), len(specs), *specs))
        body = 2 * raw_size + raw_size // 8
    kept = window_size(window, raw_size, finds=True) + _original_size(model, finds=True)
    return Need(shared, state + raw_size + body + payloads, raw_size, kept)


def encoding_threads(
    threads: int | None,
    model: Model,
    settings: levels.LevelSettings,
    block_size: int,
    memory_limit: int | None = None,
    window: int = 0,
) -> int:
    """Return how many threads code blocks of a long input: `threads`, or the default; loads the weights.

    Raises MemoryLimitError if not even one fits into memory_limit bytes, or the weights alone into what the system has.
    """
    check_model(model, settings, memory_limit)
    need = encode_need(model, settings, block_size, window=window)
    return Threads(threads, memory_limit, model.blocks_at_once).that_fit(need)


def compress_memory(
    level: int = levels.DEFAULT_LEVEL,
    block_size: int | None = None,
    threads: int | None = None,
    model: Model | None = None,
    memory_limit: int | None = None,
    registry: Registry | None = None,
) -> int:
    """Return the bytes that compressing a long input needs, the interpreter itself not counted; loads the weights.

    threads, registry: default as when compressing.  Raises MemoryLimitError if the weights alone are beyond
    memory_limit bytes or what the system has left.
    """
    settings, chosen = settings_for(level, model, registry)
    check_model(chosen, settings, memory_limit)
    size = block_size or settings.block_size
    need = encode_need(chosen, settings, size)
    return need.of_threads(threads or Threads(None, None, chosen.blocks_at_once).that_fit(need))
