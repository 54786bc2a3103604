"""Blocks that are driven from outside together give the payloads of blocks that are coded alone."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SAMPLE
from kernel_tools import beside
from token_tools import PROFILE, STRINGS, cut, random_text

from lmzip import native
from lmzip.errors import DamagedError
from lmzip.native.driven import Batch, DrivenBlock, DrivenDecoder, DrivenEncoder
from lmzip.native.external import ExternalBytes, ExternalTokens
from lmzip.native.predicted import Weights

TEXT = SAMPLE.read_bytes()[9000:9700]
N = len(STRINGS)


def weights_behind(symbols: np.ndarray, n_symbols: int) -> np.ndarray:
    """Return (n_lanes, n_symbols) uint32: some weights that depend on the last symbols alone."""
    numbers = (symbols.astype(np.uint64)[:, None] * 769 + np.arange(n_symbols, dtype=np.uint64)) * 2654435761
    return (1 + (numbers & 0xFFFF) ** 2 % (1 << 22)).astype(np.uint32)


def run_together(blocks: list[DrivenBlock], n_threads: int) -> None:
    """Predict for all that are not done, step by step; rows of lanes that have ended hold what no weight may be."""
    while left := [block for block in blocks if not block.is_done]:
        for n_symbols in {block.expert.n_symbols for block in left}:
            some = [block for block in left if block.expert.n_symbols == n_symbols]
            symbols = np.concatenate([np.frombuffer(block.last_symbols(), np.uint32) for block in some])
            weights = weights_behind(symbols, n_symbols)
            firsts = np.cumsum([0, *(block.spec.n_lanes for block in some[:-1])])
            Batch(some).drive(Weights(weights[None]), firsts, 1, n_threads)


def predict(n_symbols: int):
    return lambda lanes, last: np.ascontiguousarray(weights_behind(np.array(last), n_symbols))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_blocks_together_are_those_alone(n_threads: int) -> None:
    some_bytes, tokens = ExternalBytes(), ExternalTokens(STRINGS)
    uneven = random_text(60, 5) + b"x" * 300 + b"then the " * 5
    encoders, expected = [], []
    for size, n_lanes in ((700, 1), (301, 8), (3, 16), (600, 128)):
        raw, spec = TEXT[:size], beside(size, 4, n_lanes)
        encoders.append(DrivenEncoder(raw, spec, some_bytes))
        expected.append((raw, spec, some_bytes, native.encode_block(raw, spec, some_bytes, predict=predict(256))))
    for n_lanes in (1, 5, 16):
        spec, sizes = beside(len(uneven), PROFILE, n_lanes), cut(uneven, n_lanes, max)
        encoders.append(DrivenEncoder(uneven, spec, tokens, sizes))
        payload = native.encode_block(uneven, spec, tokens, token_sizes=sizes, predict=predict(N))
        expected.append((uneven, spec, tokens, payload))
    run_together(list(encoders), n_threads)
    assert [encoder.payload() for encoder in encoders] == [payload for *_, payload in expected]
    there = [one for one in expected if one[3] is not None]
    assert len(there) > 3
    decoders = [DrivenDecoder(payload, spec, expert) for _, spec, expert, payload in there]
    run_together(list(decoders), n_threads)
    assert [decoder.raw() for decoder in decoders] == [raw for raw, *_ in there]
    assert all(decoder.position == decoder.spec.raw_size for decoder in decoders)


def test_many_steps_at_once() -> None:
    raw = TEXT[:101]
    expert, spec = ExternalBytes(), beside(101, 4, 4)
    rows = np.zeros((4, 26), np.uint8)
    rows.reshape(-1)[:101] = np.frombuffer(raw, np.uint8)
    before = np.concatenate([np.zeros((1, 4), np.uint8), rows.T[:-1]])
    weights = np.stack([weights_behind(symbols, 256) for symbols in before])
    weights[-1, 3] = 0  # of a lane that has ended
    encoder = DrivenEncoder(raw, spec, expert)
    last, batch = np.zeros(6, np.uint32), None
    encoder.keep_symbols_in(last[1:5])
    for first, n_steps in ((0, 1), (1, 20), (21, 5)):
        assert not encoder.is_done
        batch = batch or Batch([encoder])
        batch.drive(Weights(weights[first:]), 0, n_steps, 1)
        if not encoder.is_done:
            assert last.tolist() == [0, *rows[:, first + n_steps - 1].tolist(), 0]
    assert encoder.is_done
    assert encoder.payload() == native.encode_block(raw, spec, expert, predict=predict(256))


def test_bad_weights_and_payloads() -> None:
    expert, spec = ExternalBytes(), beside(700, 4, 4)
    for wrong in (0, (1 << 23) + 1):
        weights = np.full((4, 256), 5, np.uint32)
        weights[2, 77] = wrong
        encoder = DrivenEncoder(TEXT, spec, expert)
        Batch([encoder]).drive(Weights(weights[None]), 0, 1, 1)
        assert encoder.is_done
        with pytest.raises(ValueError):
            encoder.payload()
    decoder = DrivenDecoder(b"\x07short", spec, expert)
    run_together([decoder], 1)
    with pytest.raises(DamagedError):
        decoder.raw()
    with pytest.raises(ValueError):
        DrivenEncoder(TEXT[1:], spec, expert)
    token_spec = beside(len(TEXT), PROFILE, 1)
    with pytest.raises(ValueError):
        DrivenEncoder(TEXT, token_spec, ExternalTokens(STRINGS), b"\x01")
