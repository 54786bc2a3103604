"""Tokens whose exponentials come from outside the kernel: the payload is the one that the kernel's own model makes."""

from __future__ import annotations

import numpy as np
import pytest
import token_tools
from lmzip.native._kernel import ffi, lib
from token_tools import BYTES, METHOD, STRINGS, VARIANTS, cut, random_text, transformer

from lmzip import native
from lmzip.errors import DamagedError
from lmzip.native import outside
from lmzip.native.outside import Vocabulary

N = len(STRINGS)


class FromTheKernel:
    """Predicts as the kernel's transformer does, from all tokens of a lane anew in every step."""

    def __init__(self) -> None:
        self.tokens: dict[int, list[int]] = {}
        self.calls: list[list[int]] = []

    def __call__(self, lanes: list[int], last: list[int]) -> np.ndarray:
        self.calls.append(lanes)
        result = np.empty((len(lanes), N), np.uint32)
        for row, (lane, token) in enumerate(zip(lanes, last, strict=True)):
            before = self.tokens.setdefault(lane, [])
            if token < N:
                before.append(token)
            else:
                assert not before
            result[row] = np.asarray(transformer().run([*before, 0])[-N:])
        return result


def uneven(size: int = 60) -> bytes:
    """Text of which some lanes take many more tokens than others."""
    return random_text(size, 5) + b"x" * 300 + b"then the " * 5


@pytest.mark.parametrize("simd", VARIANTS)
@pytest.mark.parametrize("n_lanes", [1, 5])
def test_the_payload_is_the_same(monkeypatch: pytest.MonkeyPatch, simd: str, n_lanes: int) -> None:
    monkeypatch.setenv("LMZIP_SIMD", simd)
    raw = uneven()
    sizes = cut(raw, n_lanes, max)
    payload = outside.encode_block(raw, n_lanes, Vocabulary(STRINGS), sizes, FromTheKernel())
    assert payload == token_tools.encode(raw, sizes, n_lanes)
    predict = FromTheKernel()
    assert outside.decode_block(payload, len(raw), n_lanes, Vocabulary(STRINGS), predict) == raw
    assert predict.calls[0] == list(range(n_lanes))
    assert all(b == sorted(b) and set(b) <= set(a) for a, b in zip(predict.calls, predict.calls[1:], strict=False))
    assert n_lanes == 1 or len(predict.calls[-1]) < n_lanes, "lanes end at different times"


@pytest.mark.parametrize("value", [1, 1 << 31])
def test_extreme_exponentials(value: int) -> None:
    raw = random_text(400)

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.full((len(lanes), N), value, np.uint32)

    payload = outside.encode_block(raw, 2, Vocabulary(STRINGS), cut(raw, 2, max), predict)
    assert payload is not None and outside.decode_block(payload, len(raw), 2, Vocabulary(STRINGS), predict) == raw


@pytest.mark.parametrize("value", [0, (1 << 31) + 1, (1 << 32) - 1])
def test_exponentials_beyond_the_range_end_the_block(value: int) -> None:
    """The kernel takes it for a failure; that nothing overflows is what matters (make asan)."""

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        result = np.ones((len(lanes), N), np.uint32)
        result[-1, -1] = value
        return result

    assert outside.encode_block(b"the" * 50, 1, Vocabulary(STRINGS), b"\3" * 50, predict) is None
    with pytest.raises(DamagedError):
        outside.decode_block(bytes(9), 100, 1, Vocabulary(STRINGS), predict)


def test_wrong_shapes_and_arguments() -> None:
    def predict(lanes: list[int], last: list[int]) -> bytes:
        return bytes(4)

    vocabulary = Vocabulary(STRINGS)
    with pytest.raises(ValueError, match="another shape"):
        outside.encode_block(b"the", 1, vocabulary, b"\3", predict)
    with pytest.raises(ValueError, match="sizes of tokens"):
        outside.encode_block(b"the", 1, vocabulary, b"\2", predict)
    for n_lanes in (0, 65):
        with pytest.raises(ValueError, match="lanes"):
            outside.encode_block(b"the", n_lanes, vocabulary, b"\3", predict)
    for call in (
        lambda: outside.encode_block(b"", 1, vocabulary, b"", predict),
        lambda: outside.decode_block(b"", 0, 1, vocabulary, predict),
    ):
        with pytest.raises(ValueError, match="empty block"):
            call()
    for strings in (BYTES[1:], [*BYTES, b"a"], [b"", *BYTES], [b"b", *BYTES], []):
        with pytest.raises(ValueError, match="not a vocabulary"):
            Vocabulary(strings)
    with pytest.raises(ValueError):
        Vocabulary(sorted([*BYTES, b"x" * 256]))


def test_neither_kind_runs_as_the_other() -> None:
    raw = ffi.from_buffer("uint8_t[]", b"the thin")
    payload, tokens = ffi.new("uint8_t[]", 100), ffi.new("uint32_t[]", 1)
    exponentials = ffi.new("uint32_t[]", [1] * N)
    vocabulary = Vocabulary(STRINGS)
    for model, own in ((transformer(), True), (vocabulary, False)):
        coder = lib.lmz_encoder_new(METHOD, 1, native.simd_number(), ffi.NULL, model.handle, raw, 8, payload, 100)
        coder = ffi.gc(coder, lib.lmz_coder_free)
        sizes = ffi.from_buffer("uint8_t[]", b"\1" * 8)
        assert lib.lmz_encoder_set_tokens(coder, sizes, 8) == lib.LMZ_DONE
        assert (lib.lmz_coder_run(coder, 1) == lib.LMZ_MORE) == own
        assert (lib.lmz_coder_run_tokens(coder, exponentials, tokens) == lib.LMZ_MORE) == (not own)
    result = ffi.new("uint32_t[]", N)
    assert lib.lmz_transformer_run(vocabulary.handle, 1, 1, tokens, 1, result) == lib.LMZ_E_DAMAGED
    one = b"\1"
    assert lib.lmz_transformer_set_vocabulary(vocabulary.handle, one, 1, one) == lib.LMZ_E_DAMAGED


def test_more_tokens_than_weight_files_may_have() -> None:
    """Gemma's vocabularies have 262,144 and more."""
    strings = sorted({*BYTES, *(b"%06d" % number for number in range(270_000))})
    vocabulary = Vocabulary(strings)
    raw = b"123456" * 6 + b"x" * 40

    def predict(lanes: list[int], last: list[int]) -> np.ndarray:
        return np.full((len(lanes), len(strings)), 1 << 31, np.uint32)

    payload = outside.encode_block(raw, 1, vocabulary, b"\6" * 6 + b"\1" * 40, predict)
    assert payload is not None and outside.decode_block(payload, len(raw), 1, vocabulary, predict) == raw


def test_memory_of_a_block() -> None:
    """What a model needs is not in it, only what the kernel does."""
    size = native.memory_size(METHOD, 1000, 64, None, Vocabulary(STRINGS))
    assert 1 << 20 < size < native.memory_size(METHOD, 1000, 64, None, transformer())


def test_progress_counts_all_bytes() -> None:
    raw, seen = b"then the " * 9, []
    payload = outside.encode_block(raw, 2, Vocabulary(STRINGS), cut(raw, 2, max), FromTheKernel(), seen.append)
    assert payload is not None and sum(seen) == len(raw)
