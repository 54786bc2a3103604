"""Levels and models: the contract that every model keeps, and the registry."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import threading
import tracemalloc

import pytest
import tiny_net
from conftest import TINY

from lmzip import container, levels, native
from lmzip.errors import LmzipError, ModelMissingError, UnsupportedError
from lmzip.models import registry, weights
from lmzip.models.base import Model
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.ngram import NgramModel

MODELS = {"ngram": NgramModel, "bytelm": ByteLmModel}


@pytest.fixture(params=MODELS)
def model(request, tiny_path):
    """Every kind of model; a net from a seed, as what ships is another one with each release."""
    return NgramModel() if request.param == "ngram" else ByteLmModel(tiny_path)


RAW = b"the cat sat on the mat, the dog sat on the log. " * 12


# --- the contract -----------------------------------------------------------------------------------------------------


def test_contract(model):
    assert isinstance(model, Model) and 0 < len(model.name.encode()) <= 32
    assert model.digest == b"" or len(model.digest) == 32
    assert isinstance(model.methods, frozenset) and model.methods <= set(range(1, 16)) and model.methods
    for method in model.methods:
        for n_lanes in (1, 4):
            done = []
            payload = model.encode_block(RAW, method, n_lanes, done.append, 1)
            assert payload is not None and len(payload) < len(RAW) and sum(done) == len(RAW)
            assert model.encode_block(bytearray(RAW), method, n_lanes, None, 2) == payload
            assert model.encode_block(memoryview(RAW), method, n_lanes, None, 1) == payload
            for n_threads in (1, 2):
                done.clear()
                raw = model.decode_block(bytearray(payload), len(RAW), method, n_lanes, done.append, n_threads)
                assert bytes(raw) == RAW and sum(done) == len(RAW)
            assert model.memory_size(method, len(RAW), n_lanes) > 0


def test_weights_are_counted_as_shared(model):
    """What a weight file and the net in it take where the net is used; else neither is read."""
    for method in model.methods:
        size = getattr(model, "size", 0)
        assert model.shared_size(method) == (2 * size if model.needs_weights(method) else 0)


def test_what_does_not_become_smaller_has_no_payload(model):
    for method in model.methods:
        assert model.encode_block(b"\xf3", method, 1, None, 1) is None
        assert model.encode_block(random.Random(8).randbytes(300), method, 8, None, 2) is None


def test_calls_from_several_threads(model):
    """Also the first ones, at which a net is unpacked."""
    expected = {method: model.encode_block(RAW, method, 4, None, 1) for method in model.methods}
    fresh = type(model)(model.path) if isinstance(model, ByteLmModel) else model
    found = {}
    threads = [
        threading.Thread(target=lambda m=method: found.update({m: fresh.encode_block(RAW, m, 4, None, 2)}))
        for method in model.methods
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_progress_may_abandon_a_block(model):
    def abandon(_n):
        raise KeyboardInterrupt

    for method in model.methods:
        payload = model.encode_block(RAW * 60, method, 2, None, 1)
        for n_threads in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                model.encode_block(RAW * 60, method, 2, abandon, n_threads)
            with pytest.raises(KeyboardInterrupt):
                model.decode_block(payload, len(RAW) * 60, method, 2, abandon, n_threads)


def test_wrong_bytes_or_an_error_from_a_damaged_payload(model):
    for method in model.methods:
        payload = bytearray(model.encode_block(RAW, method, 2, None, 1))
        payload[len(payload) // 3] ^= 255
        for n_threads in (1, 2):
            with contextlib.suppress(LmzipError):
                assert bytes(model.decode_block(payload, len(RAW), method, 2, None, n_threads)) != RAW


def test_weights_are_needed_for_methods_with_a_net_only(model):
    built_in = registry.by_name(registry.BUILT_IN)
    for method in model.methods:
        needs = model.needs_weights(method)
        assert needs == (method >= levels.FIRST_NET_METHOD)
        if not needs:  # the built-in model decodes it, and a frame need not name this one
            payload = model.encode_block(RAW, method, 2, None, 1)
            assert bytes(built_in.decode_block(payload, len(RAW), method, 2, None, 1)) == RAW


def test_other_weights_decode_to_something_else(tiny_model, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=1, **TINY))
    other = ByteLmModel(path)
    assert other.digest != tiny_model.digest
    payload = tiny_model.encode_block(RAW, 6, 1, None, 1)
    with contextlib.suppress(LmzipError):
        assert bytes(other.decode_block(payload, len(RAW), 6, 1, None, 1)) != RAW


# --- the registry -----------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh_registry(monkeypatch, tmp_path):
    """A registry that was given nothing by path yet; its caches are emptied before and behind the test."""

    def clear():
        for cached in (registry.by_name, registry.by_digest, registry._load):
            cached.cache_clear()

    monkeypatch.setattr(registry, "_given", [])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LMZIP_MODEL_PATH", raising=False)
    clear()
    yield
    clear()


def weight_file(folder, name, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=seed, name=name, **TINY))
    return path


@pytest.mark.usefixtures("fresh_registry")
class TestRegistry:
    def test_names_and_digests(self):
        ngram = registry.by_name("ngram")
        assert ngram.name == "ngram" == registry.BUILT_IN == registry.names()[0]
        assert registry.by_name("ngram") is ngram
        with pytest.raises(ModelMissingError, match="no model gpt here; there is ngram"):
            registry.by_name("gpt")
        with pytest.raises(ModelMissingError, match="tiny .sha256 0101"):
            registry.by_digest(b"\1" * 32, "tiny")
        with pytest.raises(ModelMissingError):
            registry.by_digest(b"", "the empty digest is that of no net")

    def test_a_path(self, tmp_path):
        path = weight_file(tmp_path, "alpha")
        assert "alpha" not in registry.names()
        model = registry.by_name(str(path))
        assert model.name == "alpha" and registry.by_digest(model.digest, "alpha") is model
        assert registry.by_name("alpha") is model and "alpha" in registry.names()

    def test_a_path_relative_to_here(self, tmp_path, monkeypatch):
        weight_file(tmp_path, "alpha")
        monkeypatch.chdir(tmp_path)
        assert registry.by_name("alpha.safetensors").name == "alpha"
        assert registry.by_name("./alpha.safetensors").name == "alpha"

    @pytest.mark.parametrize("how", ["file", "folder", "among others", "home"])
    def test_places(self, tmp_path, monkeypatch, how):
        home = tmp_path / "home" / "lmzip" / "models"
        path = weight_file(home if how == "home" else tmp_path / "models", "beta")
        places = {
            "file": str(path),
            "folder": str(path.parent),
            "among others": os.pathsep.join(["/nowhere", str(tmp_path), str(path.parent)]),
        }
        if how != "home":
            monkeypatch.setenv("LMZIP_MODEL_PATH", places[how])
        model = registry.by_name("beta")
        assert registry.by_digest(model.digest, "beta") is model
        for start in (model.digest[:4], model.digest[:31], b""):
            with pytest.raises(ModelMissingError):
                registry.by_digest(start, "beta")

    def test_files_that_hold_no_model_are_passed_over(self, tmp_path, monkeypatch):
        folder = weight_file(tmp_path / "models", "gamma").parent
        (folder / "a.safetensors").write_bytes(b"no weights")
        (folder / "b.safetensors").mkdir()
        (folder / "c.txt").write_text("not asked")
        monkeypatch.setenv("LMZIP_MODEL_PATH", str(folder))
        assert registry.names()[-1] == "gamma"

    def test_large_files_that_hold_no_model_are_not_read(self, tmp_path, monkeypatch):
        """Nor is a model held in memory to know its digest."""
        folder = weight_file(tmp_path / "models", "gamma").parent
        entry = {"x": {"dtype": "I8", "shape": [700 << 20], "data_offsets": [0, 700 << 20]}}
        for name, header in (("a", b"{}"), ("b", json.dumps(entry).encode()), ("c", b"x" * (1 << 20))):
            with open(folder / f"{name}.safetensors", "wb") as file:
                file.write(len(header).to_bytes(8, "little") + header)
                file.truncate(700 << 20)
        data = tiny_net.tiny_weights(seed=0, name="long", **TINY)
        with open(folder / "d.safetensors", "wb") as file:
            file.write(data)
            file.truncate(40 << 20)
        monkeypatch.setenv("LMZIP_MODEL_PATH", str(folder))
        reads = []
        monkeypatch.setattr(weights, "read", lambda path: reads.append(path))
        tracemalloc.start()
        try:
            assert registry.names()[-2:] == ["long", "gamma"]
            long = registry.by_name("long")
            assert registry.by_digest(long.digest, "long") is long
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        assert not reads and long.digest == hashlib.sha256(data.ljust(40 << 20, b"\0")).digest()

    def test_a_file_that_changed_since_its_digest_was_read_is_not_taken(self, tmp_path):
        path = weight_file(tmp_path, "alpha")
        model = registry.by_name(str(path))
        assert model.digest == hashlib.sha256(path.read_bytes()).digest()
        old = path.read_bytes()
        weight_file(tmp_path, "alpha", seed=1)
        for _ in range(2):
            with pytest.raises(ModelMissingError, match="alpha.safetensors changed meanwhile"):
                model.encode_block(RAW, 6, 1, None, 1)
        path.unlink()
        with pytest.raises(ModelMissingError, match=r"cannot read .*alpha.safetensors: No such file"):
            model.memory_size(6, 100, 1)
        assert model.encode_block(RAW, 4, 1, None, 1)
        path.write_bytes(old)
        assert model.encode_block(RAW, 6, 1, None, 1)

    def test_a_digest_is_that_of_the_weights_in_use(self, tmp_path):
        """Whether it is asked for before the net is unpacked or behind it; files that vanish between hold no model."""
        path = weight_file(tmp_path, "alpha")
        digest, first, second = hashlib.sha256(path.read_bytes()).digest(), ByteLmModel(path), ByteLmModel(path)
        assert first.net and first.digest == digest
        path.unlink()
        assert first.digest == digest
        with pytest.raises(ModelMissingError):
            assert second.digest

    def test_the_same_weights_twice_are_one_model(self, tmp_path, monkeypatch):
        first, second = weight_file(tmp_path / "1", "delta"), tmp_path / "2" / "other-name.safetensors"
        second.parent.mkdir()
        second.write_bytes(first.read_bytes())
        monkeypatch.setenv("LMZIP_MODEL_PATH", os.pathsep.join([str(first.parent), str(second.parent)]))
        assert registry.names().count("delta") == 1

    def test_bad_paths(self, tmp_path):
        with pytest.raises(ModelMissingError, match="No such file"):
            registry.by_name(str(tmp_path / "missing.safetensors"))
        (tmp_path / "none.safetensors").write_bytes(b"no weights")
        with pytest.raises(UnsupportedError, match="not an lmzip weight file"):
            registry.by_name(str(tmp_path / "none.safetensors"))
        assert registry._given == []


def test_damaged_weights_are_refused_when_they_are_used(tmp_path):
    """Metadata are read at once, weights when a block needs them."""
    tensors, config = tiny_net.tiny_net(seed=0, **TINY)
    tensors["head.multiplier"][3] = -1
    path = tmp_path / "bad.safetensors"
    path.write_bytes(tiny_net.weight_file(tensors, config))
    model = ByteLmModel(path)
    assert model.encode_block(RAW, 4, 1, None, 1) is not None
    for _ in range(2):
        with pytest.raises(UnsupportedError):
            model.encode_block(RAW, 6, 1, None, 1)


def test_every_registered_model_ships():
    """A number in the format is for what everyone has."""
    for name, digest in container.REGISTERED.values():
        assert registry.by_digest(bytes.fromhex(digest), name).name == name


# --- levels -----------------------------------------------------------------------------------------------------------

LEVELS = range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1)


def test_levels_name_methods_of_their_models(tiny_model):
    ngram = registry.by_name(registry.BUILT_IN)
    for level in LEVELS:
        choice = levels.get_level(level)
        assert choice.method in (tiny_model if choice.has_net else ngram).methods
        assert choice.ngram_method in ngram.methods
        assert choice.has_net == (choice.method >= native.NET_METHOD) == (choice.method != choice.ngram_method)
        assert levels.check_block_size(choice.block_size) == choice.block_size
    for wrong in (0, 10, -1):
        with pytest.raises(ValueError):
            levels.get_level(wrong)


def test_levels_with_and_without_a_net():
    for level in LEVELS:
        without, with_one = levels.get_level(level, net=False), levels.get_level(level, net=True)
        assert not without.has_net and without.method == without.ngram_method == levels.get_level(level).ngram_method
        assert with_one.has_net
        own = levels.get_level(level)
        assert own in (without, with_one) and own == (with_one if own.has_net else own)


def test_lanes_are_powers_of_two_that_rise_with_the_block():
    for level in LEVELS:
        choice = levels.get_level(level)
        sizes = sorted({1, *(size + d for size, _ in choice.lanes for d in (0, 1)), choice.block_size, 1 << 30})
        lanes = [levels.n_lanes(choice, size) for size in sizes]
        assert lanes == sorted(lanes) and set(lanes) <= {1, 2, 4, 8, 16, 32, 64, 128} and lanes[0] == 1
        assert choice.has_net or set(lanes) == {1}
        assert levels.n_lanes(levels.get_level(level, net=False), 1 << 30) == 1


def test_method_names():
    assert list(levels.METHOD_NAMES) == list(range(native.N_METHODS + 1))
    assert (levels.FIRST_NET_METHOD, levels.TOKEN_METHOD) == (native.NET_METHOD, native.TOKEN_METHOD)
    for method, name in levels.METHOD_NAMES.items():
        assert ("net" in name) == (native.NET_METHOD <= method < native.TOKEN_METHOD)
        assert ("tokens" in name) == (method >= native.TOKEN_METHOD)
