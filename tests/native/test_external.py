"""External experts: fed with what the kernel's own models predict, they give the payloads of these."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import tiny_net
import token_tools
from conftest import SAMPLE, TINY
from kernel_tools import VARIANTS, Reached, alone, beside
from lmzip.native._kernel import ffi, lib
from token_tools import BYTES, PROFILE, STRINGS, cut, random_text, transformer

from lmzip import native
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.errors import DamagedError
from lmzip.native.bytelm import Net
from lmzip.native.external import ExternalBytes, ExternalTokens

N = len(STRINGS)
TEXT = SAMPLE.read_bytes()[9000:9260]
KINDS = ["bytes", "tokens"]


class FromTheKernel:
    """Predicts as a model of the kernel does, from all symbols of a lane anew in every step.

    next_weights: the symbols so far to the weights of the next.
    """

    def __init__(self, start: int, next_weights: Callable[[list[int]], np.ndarray]) -> None:
        self.start, self.next_weights = start, next_weights
        self.symbols: dict[int, list[int]] = {}
        self.calls: list[list[int]] = []

    def __call__(self, lanes: list[int], last: list[int]) -> np.ndarray:
        self.calls.append(lanes)
        rows = []
        for lane, symbol in zip(lanes, last, strict=True):
            if lane in self.symbols:
                self.symbols[lane].append(symbol)
            else:
                assert symbol == self.start
                self.symbols[lane] = []
            rows.append(self.next_weights(self.symbols[lane]))
        return np.ascontiguousarray(rows)


def net(simd: str | None = None, kind: str = "plausible") -> Net:
    return tiny_net.kernel_net(*tiny_net.tiny_net(3, kind, **TINY), simd)


def from_net(kind: str = "plausible") -> FromTheKernel:
    """The leaves of the net's trees."""
    model = net(kind=kind)
    return FromTheKernel(0, lambda before: np.asarray(model.run(bytes([*before, 0])))[-256:])


def from_transformer() -> FromTheKernel:
    return FromTheKernel(N, lambda before: np.asarray(transformer().run([*before, 0])[-N:]))


def encode_bytes(raw: bytes, spec: BlockSpec, predict, run: Run = DEFAULT_RUN) -> bytes | None:
    return native.encode_block(raw, spec, ExternalBytes(), run, predict=predict)


def encode_tokens(raw: bytes, n_lanes: int, sizes: bytes, predict, run: Run = DEFAULT_RUN) -> bytes | None:
    spec = beside(len(raw), PROFILE, n_lanes)
    return native.encode_block(raw, spec, ExternalTokens(STRINGS), run, token_sizes=sizes, predict=predict)


def decode_tokens(payload: bytes, raw_size: int, n_lanes: int, predict, run: Run = DEFAULT_RUN) -> memoryview:
    return native.decode_block(
        payload, beside(raw_size, PROFILE, n_lanes), ExternalTokens(STRINGS), run, predict=predict
    )


def uneven(size: int = 60) -> bytes:
    """Text of which some lanes take many more tokens than others."""
    return random_text(size, 5) + b"x" * 300 + b"then the " * 5


def check_calls(calls: list[list[int]], n_lanes: int) -> None:
    """Lanes are asked for in order of their numbers, and never again once they have ended."""
    assert calls[0] == list(range(n_lanes))
    assert all(b == sorted(b) and set(b) <= set(a) for a, b in zip(calls, calls[1:], strict=False))


# --- the same payload -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("n_lanes", [1, 5])
def test_tokens_give_the_payload_of_the_transformer(
    monkeypatch: pytest.MonkeyPatch, n_lanes: int, n_threads: int
) -> None:
    raw = uneven()
    sizes = cut(raw, n_lanes, max)
    expected, run = token_tools.encode(raw, sizes, n_lanes), Run(n_threads=n_threads)
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        assert encode_tokens(raw, n_lanes, sizes, from_transformer(), run) == expected, simd
        predict = from_transformer()
        assert decode_tokens(expected, len(raw), n_lanes, predict, run) == raw, simd
        check_calls(predict.calls, n_lanes)
        assert n_lanes == 1 or len(predict.calls[-1]) < n_lanes, "lanes end at different times"


@pytest.mark.parametrize(("profile", "kind"), [(4, "plausible"), (5, "extreme"), (6, "plausible")])
@pytest.mark.parametrize("n_lanes", [1, 3, 16])
def test_bytes_give_the_payload_of_the_net(
    monkeypatch: pytest.MonkeyPatch, n_lanes: int, profile: int, kind: str
) -> None:
    spec = beside(len(TEXT), profile, n_lanes)
    expected = native.encode_block(TEXT, spec, net(kind=kind))
    assert expected is not None
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        assert encode_bytes(TEXT, spec, from_net(kind)) == expected, simd
        predict = from_net(kind)
        run = Run(n_threads=2)
        assert native.decode_block(expected, spec, ExternalBytes(), run, predict=predict) == TEXT, simd
        check_calls(predict.calls, n_lanes)
        assert n_lanes == 1 or len(predict.calls[-1]) < n_lanes, "the last chunk is shorter"
        assert native.decode_block(expected, spec, net(simd, kind)) == TEXT


@pytest.mark.parametrize("value", [1, 1 << 23])
def test_extreme_weights_of_bytes(value: int) -> None:
    """All alike, or one of them as large as may be beside the least: sums of all stay within their words."""
    raw = TEXT[:200]

    def flat(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.full((len(lanes), 256), value, np.uint32)

    def steep(lanes: list[int], last: list[int]) -> np.ndarray:
        weights = np.ones((len(lanes), 256), np.uint32)
        weights[:, ord("e")] = value
        return weights

    spec = beside(len(raw), 4, 3)
    for predict in (flat, steep):
        payload = encode_bytes(raw, spec, predict)
        assert payload is not None
        assert native.decode_block(payload, spec, ExternalBytes(), predict=predict) == raw


@pytest.mark.parametrize("value", [1, 1 << 31])
def test_extreme_weights_of_tokens(value: int) -> None:
    raw = random_text(400)

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.full((len(lanes), N), value, np.uint32)

    payload = encode_tokens(raw, 2, cut(raw, 2, max), predict)
    assert payload is not None and decode_tokens(payload, len(raw), 2, predict) == raw


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, (1 << 31) + 1, (1 << 32) - 1])
def test_weights_of_tokens_beyond_the_range_end_the_block(value: int) -> None:
    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        result = np.ones((len(lanes), N), np.uint32)
        result[-1, -1] = value
        return result

    with pytest.raises(ValueError, match="out of range"):
        encode_tokens(b"the" * 50, 1, b"\3" * 50, predict)
    with pytest.raises(ValueError, match="out of range"):
        decode_tokens(bytes(9), 100, 1, predict)


@pytest.mark.parametrize("value", [0, (1 << 23) + 1, (1 << 32) - 1])
def test_weights_of_bytes_beyond_the_range_end_the_block(value: int) -> None:
    for place in (0, -1):

        def predict(lanes: list[int], last: list[int], place: int = place) -> np.ndarray:
            result = np.ones((len(lanes), 256), np.uint32)
            result[place, place] = value
            return result

        with pytest.raises(ValueError, match="out of range"):
            encode_bytes(TEXT, beside(len(TEXT), 4, 2), predict)
        with pytest.raises(ValueError, match="out of range"):
            native.decode_block(bytes(9), beside(100, 4, 2), ExternalBytes(), predict=predict)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_another_shape(kind: str) -> None:
    expert, n = (ExternalBytes(), 256) if kind == "bytes" else (ExternalTokens(STRINGS), N)
    spec = beside(8, PROFILE, 2)
    for size in (0, 4, (n - 1) * 4, n * 4, (2 * n + 1) * 4):
        with pytest.raises(ValueError, match="another shape"):
            native.decode_block(b"ab", spec, expert, predict=lambda lanes, last, size=size: bytes(size))
    with pytest.raises(ValueError):
        native.decode_block(b"ab", spec, expert, predict=lambda lanes, last: bytes(n * 8 + 1))


def test_wrong_arguments_are_value_errors() -> None:
    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.ones((len(lanes), N), np.uint32)

    with pytest.raises(ValueError, match="sizes of tokens"):
        encode_tokens(b"the", 1, b"\2", predict)
    for n_lanes in (0, 65):
        with pytest.raises(ValueError, match="lanes must be 1 to 64"):
            encode_tokens(b"the", n_lanes, b"\3", predict)
    for n_lanes in (0, 129):
        with pytest.raises(ValueError, match="lanes must be 1 to 128"):
            encode_bytes(b"the", beside(3, 4, n_lanes), predict)
    for spec in (beside(3, 3), alone(3, 4), beside(3, 4, context=1)):
        with pytest.raises((ValueError, MemoryError)):
            encode_bytes(b"the", spec, predict)
    with pytest.raises(ValueError):
        encode_tokens(b"", 1, b"", predict)
    with pytest.raises(ValueError, match="empty block"):
        decode_tokens(b"", 0, 1, predict)
    with pytest.raises(DamagedError):
        decode_tokens(b"", 200, 1, predict)
    for strings in (BYTES[1:], [*BYTES, b"a"], [b"", *BYTES], [b"b", *BYTES], []):
        with pytest.raises(ValueError, match="not a vocabulary"):
            ExternalTokens(strings)
    with pytest.raises(ValueError):
        ExternalTokens(sorted([*BYTES, b"x" * 256]))


def test_an_external_expert_does_not_run_by_itself_nor_another_by_the_caller() -> None:
    raw = ffi.from_buffer("uint8_t[]", b"the thin")
    payload, symbols = ffi.new("uint8_t[]", 100), ffi.new("uint32_t[]", 1)
    weights, sizes = ffi.new("uint32_t[]", [1] * N), ffi.from_buffer("uint8_t[]", b"\1" * 8)
    spec = ffi.new("lmz_block_spec *", [8, PROFILE, 1, 0, []])
    experts = [(transformer(), True, True), (ExternalTokens(STRINGS), False, True)]
    experts += [(net(), True, False), (ExternalBytes(), False, False), (None, True, False)]
    for model, own, has_tokens in experts:
        handle = model.handle if model else ffi.NULL
        coder = lib.lmz_encoder_new(spec, handle, native.simd_number(), raw, payload, 100)
        coder = ffi.gc(coder, lib.lmz_coder_free)
        if has_tokens:
            assert lib.lmz_coder_set_tokens(coder, sizes, 8) == lib.LMZ_DONE
        for status, allowed in (
            (lib.lmz_coder_run(coder, 1), own),
            (lib.lmz_coder_run_external(coder, weights, symbols), not own),
        ):
            assert status == (lib.LMZ_MORE if allowed else lib.LMZ_E_ARGUMENT)
    result, vocabulary = ffi.new("uint32_t[]", max(N, 512)), ExternalTokens(STRINGS)
    for handle in (vocabulary.handle, ExternalBytes().handle, net().handle):
        assert lib.lmz_llama_set_vocabulary(handle, b"\1", 1, b"\1") == lib.LMZ_E_ARGUMENT
        assert lib.lmz_llama_set(handle, 0, 0, b"", ffi.NULL, ffi.NULL, 0, 0) == lib.LMZ_E_ARGUMENT
        assert not lib.lmz_llama_is_complete(handle)
    for handle in (vocabulary.handle, ExternalBytes().handle):
        assert lib.lmz_expert_run(handle, 1, 1, symbols, 1, result) == lib.LMZ_E_ARGUMENT
    with pytest.raises(ValueError, match="missing or out of range"):
        native.decode_block(b"ab", beside(8, PROFILE), ExternalBytes())


# --- around blocks ----------------------------------------------------------------------------------------------------


def test_more_tokens_than_weight_files_may_have() -> None:
    """Gemma's vocabularies have 262,144 and more."""
    strings = sorted({*BYTES, *(b"%06d" % number for number in range(270_000))})
    expert = ExternalTokens(strings)
    raw = b"123456" * 6 + b"x" * 40
    spec = beside(len(raw), PROFILE)

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.full((len(lanes), len(strings)), 1 << 31, np.uint32)

    payload = native.encode_block(raw, spec, expert, token_sizes=b"\6" * 6 + b"\1" * 40, predict=predict)
    assert payload is not None and native.decode_block(payload, spec, expert, predict=predict) == raw


def test_memory_of_a_block() -> None:
    """What a model needs is not in it, only what the kernel does."""
    spec = beside(1000, PROFILE, 64)
    size = native.memory_size(spec, ExternalTokens(STRINGS))
    assert 1 << 20 < size < native.memory_size(spec, transformer())
    assert 1 << 20 < native.memory_size(spec, ExternalBytes()) < native.memory_size(spec, net())


@pytest.mark.parametrize("kind", KINDS)
def test_progress_counts_all_bytes_and_may_abandon(kind: str) -> None:
    raw, seen = b"then the " * 9, []
    spec = beside(len(raw), PROFILE, 2)

    def encode(run: Run) -> bytes | None:
        if kind == "bytes":
            return encode_bytes(raw, spec, from_net(), run)
        return encode_tokens(raw, 2, cut(raw, 2, max), from_transformer(), run)

    payload = encode(Run(seen.append))
    assert payload is not None and sum(seen) == len(raw) and len(seen) > 1

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(Run(stop))
    expert, predict = (
        (ExternalBytes(), from_net()) if kind == "bytes" else (ExternalTokens(STRINGS), from_transformer())
    )
    reached = Reached(raw, spec)
    assert native.decode_block(payload, spec, expert, Run(reached=reached), predict=predict) == raw
    if kind == "bytes":
        assert reached.seen == list(range(1, spec.chunk_size)), "a byte of every lane a step"
    predict = from_net() if kind == "bytes" else from_transformer()
    reached = Reached(raw, spec, limit=9)
    native.decode_block(payload, spec, expert, Run(reached=reached), predict=predict)
    assert 9 <= reached.seen[-1] < spec.chunk_size and len(predict.calls) < spec.chunk_size


@pytest.mark.parametrize("n_lanes", [1, 64])
def test_any_payload_gives_bytes_or_is_damaged(n_lanes: int) -> None:
    """What is predicted depends on the symbols, so that it goes wrong where they do."""
    rng = random.Random(8)

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.array([[1 + (symbol * 769 + k * 40503) % (1 << 23) for k in range(N)] for symbol in last], np.uint32)

    def of_bytes(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.ascontiguousarray(predict(lanes, last)[:, :256])

    for size in range(0, 40, 8):
        for expert, function in ((ExternalTokens(STRINGS), predict), (ExternalBytes(), of_bytes)):
            payload = rng.randbytes(size)
            try:
                found = native.decode_block(payload, beside(90, PROFILE, n_lanes), expert, predict=function)
            except DamagedError:
                continue
            assert len(found) == 90
