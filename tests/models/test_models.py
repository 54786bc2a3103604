"""Levels and models: the contract that every model keeps."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import replace

import pytest
import tiny_net
from conftest import TINY

from lmzip import levels, native
from lmzip.block import BlockSpec, Content, Run
from lmzip.errors import LmzipError, UnsupportedError
from lmzip.models.base import Model
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.ngram import NgramModel

MODELS = {"ngram": NgramModel, "bytelm": ByteLmModel}


@pytest.fixture(params=MODELS)
def model(request, tiny_path):
    """Every kind of model; a net from a seed, as what ships is another one with each release."""
    return NgramModel() if request.param == "ngram" else ByteLmModel(tiny_path)


RAW = b"the cat sat on the mat, the dog sat on the log. " * 12


WITH_NET = BlockSpec(len(RAW), levels.MAX, True)


# --- the contract -----------------------------------------------------------------------------------------------------


def specs_of(model, raw_size=576, n_lanes=1):
    """Return what blocks of every profile are, by the base alone and with the model."""
    everything = (
        BlockSpec(raw_size, profile, uses_model, n_lanes) for profile in range(16) for uses_model in (False, True)
    )
    return [spec for spec in everything if model.takes(spec)]


def test_every_model_keeps_the_contract(model):
    assert isinstance(model, Model) and 0 < len(model.name.encode()) <= 32
    assert model.digest == b"" or len(model.digest) == 32
    assert bool(model.kind) == bool(model.digest)
    assert {spec.profile for spec in specs_of(model)} == set(levels.PROFILE_NAMES)
    for n_lanes in (1, 4):
        for spec in specs_of(model, n_lanes=n_lanes):
            done = []
            payload = model.encode(RAW, spec, Run(done.append))
            assert payload is not None and len(payload) < len(RAW) and sum(done) == len(RAW)
            assert model.encode(bytearray(RAW), spec, Run(n_threads=2)) == payload
            assert model.encode(memoryview(RAW), spec) == payload
            for n_threads in (1, 2):
                done.clear()
                raw = model.decode(bytearray(payload), spec, Run(done.append, n_threads))
                assert bytes(raw) == RAW and sum(done) == len(RAW)
            assert model.memory_size(spec) > 0


def test_what_there_is_not_is_not_taken(model):
    spec = specs_of(model)[-1]
    for wrong in (
        {"profile": 0},
        {"profile": 15},
        {"n_lanes": 129},
        {"context": 1},
        {"content": Content(1, 5, 8, 0, 100)},
        {"uses_model": True, "profile": levels.FAST},
    ):
        assert not model.takes(replace(spec, **wrong))
        with contextlib.suppress(ValueError, UnsupportedError):
            assert model.encode(RAW, replace(spec, **wrong)) is None


def test_weights_are_counted_as_shared(model):
    """What a weight file and the net in it take; nothing without one."""
    assert model.weights_size() == 2 * getattr(model, "size", 0)


def test_what_does_not_become_smaller_has_no_payload(model):
    for spec in specs_of(model, 1):
        assert model.encode(b"\xf3", spec) is None
    for spec in specs_of(model, 300, 8):
        assert model.encode(random.Random(8).randbytes(300), spec, Run(n_threads=2)) is None


def test_calls_from_several_threads(model):
    """Also the first ones, at which a net is unpacked."""
    specs = specs_of(model, n_lanes=4)
    expected = {spec: model.encode(RAW, spec) for spec in specs}
    fresh = type(model)(model.path) if isinstance(model, ByteLmModel) else model
    found = {}
    threads = [
        threading.Thread(target=lambda s=spec: found.update({s: fresh.encode(RAW, s, Run(n_threads=2))}))
        for spec in specs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_progress_may_abandon_a_block(model):
    def abandon(_n):
        raise KeyboardInterrupt

    for spec in specs_of(model, 60 * len(RAW), 2):
        payload = model.encode(RAW * 60, spec)
        for n_threads in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                model.encode(RAW * 60, spec, Run(abandon, n_threads))
            with pytest.raises(KeyboardInterrupt):
                model.decode(payload, spec, Run(abandon, n_threads))


def test_wrong_bytes_or_an_error_from_a_damaged_payload(model):
    for spec in specs_of(model, n_lanes=2):
        payload = bytearray(model.encode(RAW, spec))
        payload[len(payload) // 3] ^= 255
        for n_threads in (1, 2):
            with contextlib.suppress(LmzipError):
                assert bytes(model.decode(payload, spec, Run(n_threads=n_threads))) != RAW


def test_the_built_in_model_decodes_what_uses_none(model):
    """So a frame need not name a model that no block uses."""
    for spec in specs_of(model, n_lanes=2):
        if not spec.uses_model:
            assert bytes(NgramModel().decode(model.encode(RAW, spec), spec)) == RAW
        else:
            assert not NgramModel().takes(spec)


def test_other_weights_decode_to_something_else(tiny_model, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=1, **TINY))
    other = ByteLmModel(path)
    assert other.digest != tiny_model.digest
    payload = tiny_model.encode(RAW, WITH_NET)
    with contextlib.suppress(LmzipError):
        assert bytes(other.decode(payload, WITH_NET)) != RAW


def test_damaged_weights_are_refused_when_they_are_used(tmp_path):
    """Metadata are read at once, weights when a block needs them."""
    tensors, config = tiny_net.tiny_net(seed=0, **TINY)
    tensors["head.multiplier"][3] = -1
    path = tmp_path / "bad.safetensors"
    path.write_bytes(tiny_net.weight_file(tensors, config))
    model = ByteLmModel(path)
    assert model.encode(RAW, replace(WITH_NET, uses_model=False)) is not None
    for _ in range(2):
        with pytest.raises(UnsupportedError):
            model.encode(RAW, WITH_NET)


# --- levels -----------------------------------------------------------------------------------------------------------

LEVELS = range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1)


def test_levels_name_profiles_of_their_models(tiny_model):
    for level in LEVELS:
        settings = levels.get_level(level)
        for uses_model in {False, settings.uses_model}:
            assert tiny_model.takes(settings.spec(1000, uses_model=uses_model))
        assert levels.check_block_size(settings.block_size) == settings.block_size
    for wrong in (0, 10, -1):
        with pytest.raises(ValueError):
            levels.get_level(wrong)


def test_levels_with_and_without_a_model():
    for level in LEVELS:
        without, with_one = levels.get_level(level, uses_model=False), levels.get_level(level, uses_model=True)
        own = levels.get_level(level)
        assert not without.uses_model and with_one.uses_model
        assert own == (with_one if own.uses_model else without) and own.profile == without.profile


def test_lanes_are_powers_of_two_that_rise_with_the_block():
    for level in LEVELS:
        settings = levels.get_level(level, uses_model=True)
        sizes = sorted({1, *(size + d for size, _ in settings.lanes for d in (0, 1)), settings.block_size, 1 << 30})
        lanes = [settings.spec(size, uses_model=True).n_lanes for size in sizes]
        assert lanes == sorted(lanes) and set(lanes) <= {1, 2, 4, 8, 16, 32, 64, 128} and lanes[0] == 1
        assert settings.spec(1 << 30, uses_model=False).n_lanes == 1
        assert settings.spec(1 << 30, uses_model=False, n_lanes=16).n_lanes == 16


def test_settings_of_models_of_tokens():
    """The window is halved more often the faster the level; a GPU takes as many lanes as there may be."""
    contexts = [levels.get_level(level, uses_model=True, has_tokens=True).context for level in LEVELS]
    assert contexts == sorted(contexts, reverse=True) and set(contexts) == {0, 1, 2, 3}
    for level in LEVELS:
        options = {"uses_model": True, "has_tokens": True}
        settings = levels.get_level(level, **options)
        assert native.profile_takes(settings.profile, native.TOKENS)
        assert settings.spec(1 << 20, uses_model=False).context == 0, "the base has no window"
        assert levels.get_level(level, **options, prefers_batching=True).n_lanes(1 << 20) == native.max_lanes(
            native.TOKENS
        )


def test_every_profile_has_a_name():
    assert list(levels.PROFILE_NAMES) == list(range(1, native.N_PROFILES + 1))
