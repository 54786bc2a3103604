"""Sums of tokens' weights lead to the payloads of the weights, whichever prefixes are told and which are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_tools import beside
from mass_tools import entries_of, fetch_from, is_decided, path_of
from test_driven import weights_behind
from token_tools import PROFILE, STRINGS, cut, random_text

from lmzip import native
from lmzip.errors import DamagedError
from lmzip.native.driven import Batch, DrivenBlock, DrivenDecoder, DrivenEncoder
from lmzip.native.external import ExternalTokens
from lmzip.native.predicted import Entries, TokenMasses, Weights
from lmzip.reference.tokens import Vocabulary

VOCABULARY = Vocabulary(STRINGS)
N = len(STRINGS)
DECIDED = [prefix for prefix in VOCABULARY.prefixes if is_decided(VOCABULARY, prefix)]
RAW = random_text(40, 5) + b"x" * 260 + b"then the " * 4
N_LANES = 3
SPEC, SIZES = beside(len(RAW), PROFILE, N_LANES), cut(RAW, N_LANES, max)


def payload_of_weights() -> bytes:
    def predict(lanes, last):
        return weights_behind(np.array(last), N)

    found = native.encode_block(RAW, SPEC, ExternalTokens(STRINGS), token_sizes=SIZES, predict=predict)
    assert found is not None
    return found


def tokens_by_step() -> list[list[bytes]]:
    """Return the tokens of all lanes at each step, b"\\0" where a lane has ended."""
    lanes: list[list[bytes]] = [[] for _ in range(N_LANES)]
    at = 0
    for size in SIZES:
        lanes[at // SPEC.chunk_size].append(RAW[at : at + size])
        at += size
    n_steps = max(map(len, lanes))
    return [[lane[step] if step < len(lane) else b"\0" for lane in lanes] for step in range(n_steps)]


def run(blocks: list[DrivenBlock], told: list[bytes], n_threads: int = 1) -> int:
    """Advance blocks step by step; told: prefixes that are told of.  Return how many weights were fetched."""
    batch, n_fetched = Batch(blocks), 0
    while not blocks[0].is_done:
        symbols = np.concatenate([np.frombuffer(block.last_symbols(), np.uint32) for block in blocks])
        weights = weights_behind(symbols, N)
        entries = entries_of(VOCABULARY, [told] * len(weights), weights)
        predicted = TokenMasses(len(weights), entries, fetch_from(weights))
        batch.drive(predicted, np.arange(len(blocks)) * N_LANES, 1, n_threads)
        n_fetched += predicted.n_fetched
    return n_fetched


def test_prefixes_have_the_numbers_of_the_specification() -> None:
    found = ExternalTokens(STRINGS).prefixes()
    assert len(found) == len(VOCABULARY.prefixes)
    for prefix, number in VOCABULARY.prefixes.items():
        first, end, children, n_children, is_token = found[number].tolist()
        assert STRINGS[first:end] == [string for string in STRINGS if string.startswith(prefix)]
        longer = [p for p in VOCABULARY.prefixes if p[:-1] == prefix and p]
        assert [VOCABULARY.prefixes[p] for p in sorted(longer)] == [*range(children, children + n_children)]
        assert is_token == (prefix in VOCABULARY.numbers)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("told", [DECIDED, DECIDED[:1], DECIDED[1::2], []], ids=["all", "first", "some", "none"])
def test_payloads_are_those_of_weights(told: list[bytes], n_threads: int) -> None:
    expected = payload_of_weights()
    encoders: list = [DrivenEncoder(RAW, SPEC, ExternalTokens(STRINGS), SIZES) for _ in range(2)]
    decoders: list = [DrivenDecoder(expected, SPEC, ExternalTokens(STRINGS)) for _ in range(3)]
    for blocks in (encoders, decoders):
        assert (run(blocks, told, n_threads) > 0) == (told != DECIDED)
    assert [block.payload() for block in encoders] == [expected] * 2
    assert [block.raw() for block in decoders] == [RAW] * 3


def test_many_steps_of_known_tokens() -> None:
    steps = tokens_by_step()
    before = np.array([[N] * N_LANES, *([VOCABULARY.numbers[t] for t in step] for step in steps[:-1])], np.uint32)
    weights = weights_behind(before.reshape(-1), N)
    paths = [path_of(VOCABULARY, token) for step in steps for token in step]
    masses = TokenMasses(N_LANES, entries_of(VOCABULARY, paths, weights), None)
    expected = payload_of_weights()
    encoder = DrivenEncoder(RAW, SPEC, ExternalTokens(STRINGS), SIZES)
    decoder = DrivenDecoder(expected, SPEC, ExternalTokens(STRINGS))
    for block in (encoder, decoder):
        Batch([block]).drive(masses, 0, len(steps), 1)
        assert block.is_done
    assert encoder.payload() == expected and decoder.raw() == RAW
    damaged = bytearray(expected)
    damaged[3] ^= 64
    decoder = DrivenDecoder(bytes(damaged), SPEC, ExternalTokens(STRINGS))
    Batch([decoder]).drive(masses, 0, len(steps), 1)
    with pytest.raises(DamagedError):
        decoder.raw()
    other = DrivenEncoder(b"other" * 40 + RAW[200:], SPEC, ExternalTokens(STRINGS), bytes([1] * len(RAW)))
    Batch([other]).drive(masses, 0, len(steps), 1)
    with pytest.raises(ValueError, match="missing"):
        other.payload()


def changed(entries: Entries, **arrays) -> Entries:
    return entries._replace(**arrays)


def test_wrong_sums_are_refused() -> None:
    weights = weights_behind(np.full(N_LANES, N, np.uint32), N)
    right = entries_of(VOCABULARY, [DECIDED] * N_LANES, weights)
    n = len(right.leaves)
    wrong = {
        "no leaf": changed(right, leaves=np.zeros(n, np.uint32)),
        "large leaves": changed(right, leaves=np.full(n, (1 << 30) + 1, np.uint32)),
        "a large sum": changed(right, leaves=np.full(n, 1 << 29, np.uint32)),
        "beyond all": changed(right, leaves_at=np.full(len(right.prefixes), n, np.uint64)),
        "far beyond": changed(right, leaves_at=np.full(len(right.prefixes), (1 << 64) - 2, np.uint64)),
        "no end": changed(right, ends=np.zeros(len(right.prefixes), np.uint32)),
        "a sure end": changed(right, ends=np.full(len(right.prefixes), (1 << 32) - 1, np.uint32)),
    }
    for name, entries in wrong.items():
        encoder = DrivenEncoder(RAW, SPEC, ExternalTokens(STRINGS), SIZES)
        Batch([encoder]).drive(TokenMasses(N_LANES, entries, fetch_from(weights)), 0, 1, 1)
        with pytest.raises(ValueError):
            encoder.payload()
        assert encoder.is_done, name


def test_what_is_fetched_is_looked_at() -> None:
    weights = weights_behind(np.full(N_LANES, N, np.uint32), N)
    none = entries_of(VOCABULARY, [[]] * N_LANES, weights)

    def fail(*_):
        raise OSError("the device is gone")

    for fetch, error in ((fail, OSError), (lambda *_: np.ones(3, np.uint32), ValueError)):
        encoder = DrivenEncoder(RAW, SPEC, ExternalTokens(STRINGS), SIZES)
        with pytest.raises(error):
            Batch([encoder]).drive(TokenMasses(N_LANES, none, fetch), 0, 1, 1)
    encoder = DrivenEncoder(RAW, SPEC, ExternalTokens(STRINGS), SIZES)
    Batch([encoder]).drive(TokenMasses(N_LANES, none, fetch_from(weights * 0)), 0, 1, 1)
    with pytest.raises(ValueError):
        encoder.payload()
    assert Weights(weights[None]).n_lanes == N_LANES
