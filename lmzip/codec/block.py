"""One block at a time: from head and payload to raw bytes, the same for streams, files and verification; and models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmzip.block import BYTES, BlockSpec, Run
from lmzip.codec.memory import check_weights
from lmzip.codec.patch import of_rest, parse_list
from lmzip.codec.stripes import StripeChecker
from lmzip.dictionary import Dictionary, DictionarySource
from lmzip.errors import (
    DamagedError,
    DictionaryMissingError,
    MemoryLimitError,
    OriginalMissingError,
    UnsupportedError,
)
from lmzip.format.block import (
    BlockHead,
    data_check,
    parse_stripe_checks,
    payload_check,
    stripe_checks_size,
)
from lmzip.format.header import FLOAT_KIND, FrameHeader, ModelRecord
from lmzip.models.base import Model
from lmzip.models.dictionary import behind
from lmzip.models.original import patching
from lmzip.models.registry import Registry
from lmzip.original import Original, OriginalSource

if TYPE_CHECKING:
    from lmzip.native.copies import Past

Report = Callable[[int], None]
# early(raw, checker): more of the block is checked; returns False where no more of it is wanted.
Early = Callable[[memoryview, StripeChecker], bool]


def decode_block(
    model: Model,
    header: FrameHeader,
    head: BlockHead,
    payload,
    name: str,
    report: Report | None = None,
    n_threads: int = 1,
    early: Early | None = None,
    past: Past | None = None,
):
    """Return the raw bytes (bytes-like) of a block after comparing all its checks; `name` is for messages.

    early: called as stripes are checked; where it returns False, the rest of the raw bytes is arbitrary.  Of a block
    that has copies these are stripes of its body, and it returns True.  past: what stands in the frame before a block
    that has copies of it.  Raises DamagedError, UnsupportedError for a block that the model does not have,
    MemoryLimitError.
    """
    counted = Counter(report)
    coded, ended = decode_coded(model, header, head, payload, name, counted, n_threads, early)
    raw = coded if ended else make_raw(head, coded, payload, name, past, model.original)
    counted(head.raw_size - counted.done)
    return raw


def decode_coded(
    model: Model,
    header: FrameHeader,
    head: BlockHead,
    payload,
    name: str,
    report: Report | None = None,
    n_threads: int = 1,
    early: Early | None = None,
    expected=None,
) -> tuple[Any, bool]:
    """Return what a payload stands for, body or raw bytes, and whether `early` ended it: the first half of a block.

    expected: to prove a payload, what must come out (bytes-like); DamagedError where something else does.  The rest as
    for decode_block().
    """
    coded, ended, whole, listed = payload, False, expected, b""
    try:
        if head.payload_check is not None and payload_check(payload) != head.payload_check:
            raise DamagedError("damaged payload")
        if head.is_patched:
            listed = parse_list(model, header.profile, head, payload)
            coded = payload = bytes(memoryview(payload)[head.list_payload_size :])
            model = of_rest(model, listed, head.coded_size)
            expected = None if whole is None else bytes(memoryview(whole)[len(listed) :])
        if not head.is_stored:
            spec = head.spec(header)
            check_takes(model, spec)
            run = Run(report, n_threads, expected=expected)
            coded, ended = _decode(model, spec, payload, run, early)
    except DamagedError as error:
        raise DamagedError(f"{name}: {error}") from None
    except MemoryError:
        raise no_memory(head.raw_size) from None
    if head.is_patched:
        coded = b"".join((listed, coded))
    if whole is not None and coded != whole:
        raise DamagedError(f"{name}: other data")
    return coded, ended


def make_raw(head: BlockHead, coded, payload, name: str, past: Past | None = None, original: Original | None = None):
    """Return the raw bytes of a block from what its payload stands for, its check compared: the second half.

    past: of a block that has copies of what stands before it, which takes its raw bytes.  original: of one that has
    copies of that.  Raises DamagedError, MemoryLimitError.
    """
    try:
        if head.is_far and past:
            raw = past.put_back(coded, head.raw_size, head.reach, head.machine)
        elif head.list_size is not None:
            from lmzip.native.original import put_back_patched

            assert original
            raw = put_back_patched(original.data, coded, head.list_size, head.raw_size)
        elif head.has_copies:
            from lmzip.native.copies import put_back_copies  # the kernel, which a list does without

            raw = put_back_copies(coded, head.raw_size, head.machine)
        else:
            raw = coded
    except DamagedError as error:
        raise DamagedError(f"{name}: {error}") from None
    except MemoryError:
        raise no_memory(head.raw_size) from None
    check_data(head, raw, payload, name)
    return raw


def check_data(head: BlockHead, raw, payload, name: str) -> None:
    """Raise DamagedError unless raw bytes and payload are those of the block."""
    if data_check(head.mode, raw, payload, has_copies=head.has_copies) != head.data_check:
        raise DamagedError(f"{name}: damaged data")


def prove_block(
    model: Model,
    header: FrameHeader,
    head: BlockHead,
    payload,
    raw,
    body=None,
    report: Report | None = None,
    n_threads: int = 1,
) -> None:
    """Raise DamagedError unless a block decodes to `raw` with fresh state; body: what its payload should stand for.

    Of one that has copies of what stands before it, only whoever coded it can prove that its body makes the raw bytes.
    """
    counted = Counter(report)
    coded, _ = decode_coded(
        model, header, head, payload, "a block", counted, n_threads, expected=raw if body is None else body
    )
    if head.is_far:
        check_data(head, raw, payload, "a block")
    elif make_raw(head, coded, payload, "a block", original=model.original) != raw:
        raise DamagedError("a block: other data")
    counted(head.raw_size - counted.done)


def _decode(model: Model, spec: BlockSpec, payload, run: Run, early: Early | None) -> tuple[memoryview, bool]:
    """Return a coded block's raw bytes, stripes compared, and whether `early` ended it.  Raises DamagedError."""
    checks = parse_stripe_checks(payload, spec.raw_size, spec.n_lanes)
    checker, ended = StripeChecker(spec, checks), False

    def reached(raw: memoryview, n: int) -> bool:
        nonlocal ended
        before = checker.n_checked
        checker.reached(raw, n)
        ended = checker.n_checked > before and early is not None and not early(raw, checker)
        return not ended

    # No view: CPython's collector crashes on one that cffi holds.
    coded = bytes(memoryview(payload)[stripe_checks_size(spec.raw_size, spec.n_lanes) :]) if checks else payload
    raw = model.decode(coded, spec, replace(run, reached=reached if checks else None))
    if not ended:
        reached(raw, spec.chunk_size)
        ended = False
    return raw, ended


def check_takes(model: Model, spec: BlockSpec) -> None:
    """Raise UnsupportedError if the model does not have such blocks."""
    if not model.takes(spec):
        raise UnsupportedError(
            f"needs a newer lmzip: profile {spec.profile}, {spec.n_lanes} lanes, content {spec.content.kind}"
            f" with {model.name if spec.uses_model else 'no model'}"
        )


def model_of(
    header: FrameHeader,
    registry: Registry,
    memory_limit: int | None = None,
    dictionary: DictionarySource | None = None,
    patch_from: OriginalSource | None = None,
) -> Model:
    """Return the model that a frame's header, already checked, asks for, behind the dictionary that it asks for, or
    with the original.

    One in floating point is loaded for that, within memory_limit bytes and what the system has.  dictionary,
    patch_from: where these come from.  Raises ModelMissingError, DictionaryMissingError, OriginalMissingError,
    UnsupportedError, NumericsError, DamagedError, MemoryLimitError, and what reading the dictionary raises.
    """
    model = registry.of_record(header.model(), lambda model: check_weights(model, memory_limit))
    model = behind(model, dictionary_of(header, dictionary, registry))
    return patching(model, original_of(header, patch_from, registry, memory_limit))


def dictionary_of(header: FrameHeader, source: DictionarySource | None, registry: Registry) -> Dictionary | None:
    """Return the dictionary that a header, already checked, asks for: what was given, or one that the registry finds.

    Raises DictionaryMissingError, and what reading one that was given raises.
    """
    record = header.dictionary
    if record is None:
        return None
    given = source.of_size(record.size_log) if source else None
    if given and record.names(given):
        return given
    found = registry.dictionary(record)
    if found is None:
        needed = f"needs the dictionary with the sha256 {record.digest.hex()}{'...' * header.is_short}"
        other = f"the one that was given has {given.digest.hex()}" if given else "--dictionary or"
        raise DictionaryMissingError(f"{needed}; {other}{'' if given else ' LMZIP_DICTIONARY_PATH can give it'}")
    return found


def original_of(
    header: FrameHeader, source: OriginalSource | None, registry: Registry, memory_limit: int | None = None
) -> Original | None:
    """Return the original that a header, already checked, asks for: what was given, or one that the registry finds.

    Raises OriginalMissingError, MemoryLimitError for one of more than memory_limit bytes.
    """
    record = header.original
    if record is None:
        return None
    given = None if source is None else source.original()
    if given is not None and record.names(given):
        return given
    found = registry.original(record, memory_limit)
    if found is None:
        needed = f"is a patch of the file with the sha256 {record.digest.hex()}"
        if given is None:
            raise OriginalMissingError(f"{needed}; --patch-from or LMZIP_DICTIONARY_PATH can give it")
        raise OriginalMissingError(f"{needed}; the one that was given has {given.digest.hex()}")
    return found


def record_of(model: Model) -> ModelRecord | None:
    """Return the record that names a model in a header; None for the built-in one."""
    if not model.kind:
        return None
    if model.fingerprint:
        return ModelRecord(model.kind, model.digest, model.fingerprint, model.name, model.numerics)
    return ModelRecord(model.kind, model.digest, name=model.name)


def tells_outside(record: ModelRecord | None, head: BlockHead) -> bool:
    """Return whether the coded bytes begin with the number of bytes outside the vocabulary (FORMAT 9)."""
    return record is not None and record.kind == FLOAT_KIND and head.uses_model


def needs_dictionary(head: BlockHead) -> bool:
    """Return whether a block of a frame with a dictionary is decoded with it: not what is stored, nor samples."""
    return not head.is_stored and head.content == BYTES


def substitute(
    header: FrameHeader,
    head: BlockHead,
    registry: Registry,
    dictionary: DictionarySource | None = None,
    patch_from: OriginalSource | None = None,
) -> Model | None:
    """Return a model that decodes this block of a frame whose own model, dictionary or original is not to be had, or
    None.

    What is stored needs neither, nor does what the base codes alone need a model, nor what has no copies an original.
    """
    if head.uses_model:
        return None
    try:
        found = dictionary_of(header, dictionary, registry) if needs_dictionary(head) else None
        original = original_of(header, patch_from, registry) if head.is_patched else None
    except (DictionaryMissingError, OriginalMissingError):
        return None
    return patching(behind(registry.built_in(), found), original)


def no_memory(raw_size: int) -> MemoryLimitError:
    return MemoryLimitError(f"not enough memory for a block of {raw_size} bytes")


class Counter:
    """Passes progress on, also none, as what that raises ends the work; knows how much there has been."""

    def __init__(self, report: Report | None) -> None:
        self.done = 0
        self._report = report

    def __call__(self, n: int) -> None:
        self.done += n
        if self._report:
            self._report(n)
