"""One block at a time: raw bytes <-> head and payload; the same for streams, files and verification."""

from __future__ import annotations

from collections.abc import Callable

from lmzip import container
from lmzip.codec.auto import encode_auto
from lmzip.codec.memory import check_weights
from lmzip.container import STORED, BlockHead, FrameHeader, ModelRecord, data_check
from lmzip.errors import DamagedError, LmzipError, MemoryLimitError, NumericsError, UnsupportedError
from lmzip.levels import TOKEN_METHOD, TOKEN_METHODS, Level
from lmzip.models import registry
from lmzip.models.base import Model

Report = Callable[[int], None]


def encode_block(
    model: Model,
    raw,
    *,
    choice: Level,
    last: bool,
    n_lanes: int | None = None,
    report: Report | None = None,
    n_threads: int = 1,
    net_cost: int = 0,
) -> tuple[BlockHead, bytes | bytearray]:
    """Return head and payload of a block; it is stored where coding does not make it smaller.

    n_lanes: None for as many as the level gives.  report is called with raw bytes done, len(raw) in all.  net_cost:
    bytes by which the frame's header grows if this block needs the net.  Raises MemoryLimitError if there is no memory.
    """
    counted = _Counter(report)
    payload, method, lanes = None, STORED, 1
    try:
        if len(raw) > 1:
            payload, method, lanes = encode_auto(model, raw, choice, n_lanes, counted, n_threads, net_cost)
    except MemoryError:
        raise _no_memory(len(raw)) from None
    counted(len(raw) - counted.done)
    if payload is None:
        payload, method, lanes = raw, STORED, 1
    check = data_check(method, raw, payload)
    return BlockHead(last, method, lanes, len(raw), len(payload), check), payload


def decode_block(model: Model, head: BlockHead, payload, name: str, report: Report | None = None, n_threads: int = 1):
    """Return the raw bytes (bytes-like) of a block after comparing their check; `name` is for messages.

    Raises DamagedError, UnsupportedError for a method that the model does not have, MemoryLimitError.
    """
    counted = _Counter(report)
    if head.method == STORED:
        raw = payload
    else:
        check_method(model, head)
        try:
            raw = model.decode_block(payload, head.raw_size, head.method, head.n_lanes, counted, n_threads)
        except DamagedError as error:
            raise DamagedError(f"{name}: {error}") from None
        except MemoryError:
            raise _no_memory(head.raw_size) from None
    if data_check(head.method, raw, payload) != head.data_check:
        raise DamagedError(f"{name}: damaged data")
    counted(head.raw_size - counted.done)
    return raw


def check_method(model: Model, head: BlockHead) -> None:
    """Raise UnsupportedError if the model cannot decode this kind of block."""
    if head.method != STORED and head.method not in model.methods:
        raise UnsupportedError(f"needs a newer lmzip: method {head.method}")


def model_of(header: FrameHeader, memory_limit: int | None = None) -> Model:
    """Return the model that a frame's header, already checked, asks for.

    The digest alone does not say which: nets are exact, others are bound to numerics, and one that was coded as
    something else is not here whoever has its weights (FORMAT 3.2).  One bound to numerics is loaded for that, within
    memory_limit bytes and what the system has.  Raises ModelMissingError, UnsupportedError, NumericsError,
    DamagedError, MemoryLimitError.
    """
    record = header.model()
    if record is None:
        return registry.by_name(registry.BUILT_IN)
    if not record.is_known:
        raise UnsupportedError(f"needs a newer lmzip: model {record.name} (sha256 {record.digest.hex()}...)")
    if record.kind == container.BOUND_KIND and any(record.fingerprint):

        def check(model: Model) -> None:
            check_weights(model, TOKEN_METHOD, memory_limit)

        return registry.bound(record.digest, record.name, record.fingerprint, record.numerics, check)
    if record.kind == container.BOUND_KIND or any(record.fingerprint):
        bound = record.numerics or f"fingerprint {record.fingerprint.hex()}"
        raise NumericsError(f"needs the model {_name_of(record)} and its arithmetic, which is not here: {bound}")
    if record.kind != container.NET_KIND:
        kind = container.MODEL_KINDS[record.kind]
        raise UnsupportedError(f"needs a newer lmzip: model {_name_of(record)} of kind {record.kind}, {kind}")
    return registry.by_digest(record.digest, record.name)


def record_of(model: Model) -> ModelRecord | None:
    """Return the record that names a model in a header; None for the built-in one."""
    if not model.digest:
        return None
    if model.fingerprint:
        return ModelRecord(container.BOUND_KIND, model.digest, model.fingerprint, model.name, model.numerics)
    return ModelRecord(container.NET_KIND, model.digest, bytes(container.FINGERPRINT_SIZE), model.name, "")


def tells_unspelled(record: ModelRecord | None, head: BlockHead) -> bool:
    """Return whether a payload begins with the number of bytes that no token of the model spells (FORMAT 4.2)."""
    return record is not None and record.kind == container.BOUND_KIND and head.method in TOKEN_METHODS


def substitute(header: FrameHeader, head: BlockHead) -> Model | None:
    """Return a model that decodes this block of a frame whose own model is not to be had, None if there is none.

    What is stored needs no model; methods 1 to 4 of a net need no weights (FORMAT 3.4).
    """
    built_in = registry.by_name(registry.BUILT_IN)
    if head.method == STORED:
        return built_in
    try:
        record = header.model()
    except LmzipError:
        return None
    is_net = record and record.is_known and record.kind == container.NET_KIND and not any(record.fingerprint)
    is_bound = record and record.kind == container.BOUND_KIND and any(record.fingerprint)
    return built_in if (is_net or is_bound) and head.method in built_in.methods else None


def _name_of(record: ModelRecord) -> str:
    return f"{record.name} (sha256 {record.digest.hex()})"


def _no_memory(raw_size: int) -> MemoryLimitError:
    return MemoryLimitError(f"not enough memory for a block of {raw_size} bytes")


class _Counter:
    """Passes progress on, also none, as what that raises ends the work; knows how much there has been."""

    def __init__(self, report: Report | None) -> None:
        self.done = 0
        self._report = report

    def __call__(self, n: int) -> None:
        self.done += n
        if self._report:
            self._report(n)
