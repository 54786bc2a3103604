"""Levels and models: the contract that every model keeps, and the registry."""

from __future__ import annotations

import contextlib

import pytest

from lmzip import levels
from lmzip.errors import LmzipError, ModelMissingError
from lmzip.models import registry
from lmzip.models.base import Model


@pytest.fixture(params=registry.names())
def model(request):
    return registry.by_name(request.param)


RAW = b"the cat sat on the mat, the dog sat on the log. " * 12


def test_contract(model):
    assert isinstance(model, Model) and model.name in registry.names()
    assert model.digest == b"" or len(model.digest) == 32
    assert set(model.methods) <= set(range(1, 16)) and model.methods
    for method in model.methods:
        for n_lanes in (1, 4):
            done = []
            payload = model.encode_block(RAW, method, n_lanes, done.append)
            assert payload is not None and len(payload) < len(RAW) and sum(done) == len(RAW)
            assert model.encode_block(bytearray(RAW), method, n_lanes, None) == payload
            assert bytes(model.decode_block(payload, len(RAW), method, n_lanes, None)) == RAW
            assert model.memory_size(method, len(RAW), n_lanes) > 0


def test_progress_may_abandon_a_block(model):
    def abandon(_n):
        raise KeyboardInterrupt

    for method in model.methods:
        with pytest.raises(KeyboardInterrupt):
            model.encode_block(RAW * 300, method, 1, abandon)


def test_wrong_bytes_or_an_error_from_a_damaged_payload(model):
    for method in model.methods:
        payload = bytearray(model.encode_block(RAW, method, 1, None))
        payload[len(payload) // 3] ^= 255
        with contextlib.suppress(LmzipError):
            assert bytes(model.decode_block(payload, len(RAW), method, 1, None)) != RAW


def test_registry():
    assert registry.by_name().name == "ngram" == registry.BUILT_IN
    assert registry.by_name("ngram") is registry.by_name("ngram")
    with pytest.raises(ModelMissingError, match="no model gpt here; there is ngram"):
        registry.by_name("gpt")
    with pytest.raises(ModelMissingError, match="tiny .sha256 0101"):
        registry.by_digest(b"\1" * 32, "tiny")


def test_levels_name_methods_of_the_built_in_model():
    methods = registry.by_name().methods
    for level in range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1):
        choice = levels.get_level(level)
        assert choice.method in methods
        assert levels.check_block_size(choice.block_size) == choice.block_size
        assert levels.n_lanes(level, choice.block_size) == 1
    for wrong in (0, 10, -1):
        with pytest.raises(ValueError):
            levels.get_level(wrong)
        with pytest.raises(ValueError):
            levels.n_lanes(wrong, 5)
