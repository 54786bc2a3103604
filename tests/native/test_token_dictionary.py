"""Dictionaries beside a transformer: as the reference has them, in every variant, on any threads, however it is cut."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import token_tools
from kernel_tools import VARIANTS, Reached, beside
from token_tools import LONGEST, PROFILE, cut, random_text, transformer

from lmzip import native, reference
from lmzip.block import BlockSpec, Run
from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError
from lmzip.native.costs import step_costs
from lmzip.native.sampling import sample_block

TEXT = random_text(900, 7)
PAIRS = {  # dictionary, block; the window holds 128 tokens, of text about 210 bytes
    "within the window": (TEXT[:90], TEXT[60:140]),
    "the window": (b"then" * 127, b"then the" * 8),
    "a token more": (b"q" + b"then" * 127, b"then the" * 8),
    "beyond the window": (TEXT[:400], TEXT[370:440]),
    "one byte": (b"t", TEXT[:80]),
    "the same": (TEXT[:70], TEXT[:70]),
    "ends in a token that goes on": (TEXT[:60] + b"th", b"en" + TEXT[:60]),
    "a long token": (b"the" + LONGEST, b"x" * 20 + TEXT[:60]),
    "the beginning of one": (LONGEST[:200], LONGEST[:100] + TEXT[:60]),
}


def spec_of(raw: bytes, n_lanes: int = 1, context: int = 0, dictionary: bytes = TEXT[:300]) -> BlockSpec:
    return replace(beside(len(raw), PROFILE, n_lanes, context), dictionary=Dictionary(dictionary))


def random_cut(raw: bytes, n_lanes: int = 1) -> bytes:
    return cut(raw, n_lanes, random.Random(1).choice)


def assert_one_payload(raw, spec, expected, sizes, monkeypatch, kind="plausible", window=128):
    """Every variant learns the dictionary for itself; payloads are decoded and proven."""
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        expert = transformer(simd, kind, window)
        for n in (1, 3):
            own = replace(spec, dictionary=Dictionary(spec.dictionary.data))
            payload = native.encode_block(raw, own, expert, Run(n_threads=n), token_sizes=sizes)
            assert payload == (expected if len(expected) < len(raw) else None), (simd, n)
            assert native.decode_block(expected, own, expert, Run(n_threads=n)) == raw, (simd, n)
            proof = Run(n_threads=n, expected=raw)
            assert native.decode_block(expected, own, expert, proof, token_sizes=sizes) == raw, (simd, n)


@pytest.mark.parametrize(("name", "n_lanes"), [(name, (1, 2, 5)[i % 3]) for i, name in enumerate(PAIRS)])
def test_the_kernel_is_as_the_reference(name, n_lanes, monkeypatch):
    dictionary, raw = PAIRS[name]
    sizes, weights = random_cut(raw, n_lanes), token_tools.tiny()[0]
    expected = reference.encode_block(raw, PROFILE, n_lanes, weights, token_sizes=sizes, dictionary=dictionary)
    assert_one_payload(raw, spec_of(raw, n_lanes, 0, dictionary), expected, sizes, monkeypatch)
    if name == "beyond the window":
        assert reference.decode_block(expected, len(raw), PROFILE, n_lanes, weights, dictionary=dictionary) == raw


@pytest.mark.parametrize("kind", ["sharp", "extreme"])
def test_other_weights(kind, monkeypatch):
    raw, dictionary = TEXT[400:440], TEXT[:250]
    sizes = random_cut(raw)
    expected = reference.encode_block(
        raw, PROFILE, 1, token_tools.tiny(kind)[0], token_sizes=sizes, dictionary=dictionary
    )
    assert_one_payload(raw, spec_of(raw, 1, 0, dictionary), expected, sizes, monkeypatch, kind)


def test_a_halved_window_holds_less(monkeypatch):
    """Each context learns for itself, though what it learns takes as much memory as that of another."""
    raw, sizes, weights = TEXT[300:350], random_cut(TEXT[300:350]), token_tools.tiny(window=256)[0]
    dictionary = TEXT[:300]
    expected = [
        reference.encode_block(raw, PROFILE, 1, weights, context=n, token_sizes=sizes, dictionary=dictionary)
        for n in (0, 2, 3)
    ]
    assert len(set(expected)) == 3
    for payload, context in zip(expected, (0, 2, 3), strict=True):
        spec = spec_of(raw, 1, context, dictionary)
        assert_one_payload(raw, spec, payload, sizes, monkeypatch, window=256)
    monkeypatch.undo()
    shared, expert = Dictionary(dictionary), transformer(window=256)
    for payload, context in zip(expected, (0, 2, 3), strict=True):
        spec = replace(spec_of(raw, 1, context), dictionary=shared)
        assert native.decode_block(payload, spec, expert) == raw
        assert native.learner_size(spec, expert) > 0


def test_any_cut_of_the_block_can_be_read():
    raw = TEXT[200:330]
    for choose in (min, max, random.Random(2).choice):
        sizes, spec = cut(raw, 3, choose), spec_of(raw, 3)
        payload = native.encode_block(raw, spec, transformer(), token_sizes=sizes)
        assert native.decode_block(payload, spec, transformer()) == raw
        reached = Reached(raw, spec)
        assert native.decode_block(payload, spec, transformer(), Run(reached=reached)) == raw


def test_what_is_learned_helps():
    raw = TEXT[300:500]
    sizes = cut(raw, 1, max)
    plain = native.encode_block(raw, beside(200, PROFILE), transformer(), token_sizes=sizes)
    behind = native.encode_block(raw, spec_of(raw), transformer(), token_sizes=sizes)
    again = native.encode_block(raw, spec_of(raw, dictionary=raw), transformer(), token_sizes=sizes)
    assert len(again) < 20 < len(behind) < 0.95 * len(plain)


def test_damage_and_another_dictionary():
    raw = TEXT[300:400]
    spec = spec_of(raw, 2)
    payload = native.encode_block(raw, spec, transformer(), token_sizes=random_cut(raw, 2))
    count = len(payload) - 1  # bytes that decide; of the last one the low bits may say nothing
    others = [(payload[:at] + bytes([payload[at] ^ 4]) + payload[at + 1 :], spec) for at in range(count)]
    others += [
        (payload[:-3], spec),
        (payload, spec_of(raw, 2, 0, TEXT[1:301])),
        (payload, replace(spec, dictionary=None)),
    ]
    for damaged, of in others:
        try:
            assert native.decode_block(damaged, of, transformer()) != raw
        except DamagedError:
            continue
    proof = Run(expected=raw[:-1] + b"~")
    with pytest.raises(DamagedError):
        native.decode_block(payload, spec, transformer(), proof, token_sizes=random_cut(raw[:-1] + b"~", 2))


def test_costs_and_samples_behind_it():
    raw = TEXT[300:400]
    spec, sizes = spec_of(raw), random_cut(raw)
    ends, bits = step_costs(raw, spec, transformer(), token_sizes=sizes)
    assert ends[-1] == 100 and len(ends) == len(sizes)
    payload = native.encode_block(raw, spec, transformer(), token_sizes=sizes)
    assert abs(sum(bits) / 8 - len(payload)) < 2
    drawn = {sample_block(b"the", bytes([7] * 999), spec_of(b"-" * 40), transformer(), token_sizes=b"\3") for _ in "ab"}
    other = sample_block(b"the", bytes([7] * 999), beside(40, PROFILE), transformer(), token_sizes=b"\3")
    (one,) = drawn
    assert len(one) == 40 and one.startswith(b"the") and one != other
