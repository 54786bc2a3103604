"""The registry: from a name, a path or a frame's record to one model, wherever it lies."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from dataclasses import replace

import pytest
import tiny_net
from conftest import TINY
from tiny_transformer import tiny_transformer

import lmzip
from lmzip.block import BlockSpec
from lmzip.codec.block import record_of
from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.format.header import MODEL_KINDS, REFERENCED, ModelRecord
from lmzip.levels import LIGHT
from lmzip.models import weights
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.hf.model import HfModel
from lmzip.models.llama import LlamaModel
from lmzip.models.registry import BUILT_IN, Registry, default_name

RAW = b"the cat sat on the mat, the dog sat on the log. " * 12
WITH, WITHOUT = (BlockSpec(len(RAW), LIGHT, uses) for uses in (True, False))


@pytest.fixture
def environment(tmp_path):
    """Where the user says what is where, to be changed."""
    return {"XDG_DATA_HOME": str(tmp_path / "home")}


@pytest.fixture
def registry(environment):
    """A registry that was given nothing by path."""
    return Registry(environment=environment)


def weight_file(folder, name, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=seed, name=name, **TINY))
    return path


def test_names_and_digests(registry):
    ngram = registry.model("ngram")
    assert ngram.name == "ngram" == BUILT_IN == registry.names()[0]
    assert registry.model("ngram") is ngram is registry.built_in() is registry.of_record(None)
    assert registry.model(default_name()) is registry.default()
    with pytest.raises(ModelMissingError, match="no model gpt here; there is ngram"):
        registry.model("gpt")
    with pytest.raises(ModelMissingError, match="tiny .sha256 0101"):
        registry.of_digest(b"\1" * 32, "tiny")
    with pytest.raises(ModelMissingError):
        registry.of_digest(b"", "the empty digest is that of no net")


def test_a_model_given_by_path_is_found_by_name(registry, tmp_path):
    path = weight_file(tmp_path, "alpha")
    assert "alpha" not in registry.names()
    model = registry.model(str(path))
    assert model.name == "alpha" and registry.of_digest(model.digest, "alpha") is model
    assert registry.model("alpha") is model and "alpha" in registry.names()
    assert not registry.is_installed(model.digest)


def test_what_one_registry_is_given_no_other_knows(registry, environment, tmp_path):
    model = registry.model(str(weight_file(tmp_path, "alpha")))
    other = Registry(environment=environment)
    with pytest.raises(ModelMissingError):
        other.of_digest(model.digest, "alpha")
    other.add_path(str(model.path))
    found = other.of_digest(model.digest, "alpha")
    assert found is not model and found.digest == model.digest


def test_a_path_relative_to_here(registry, tmp_path, monkeypatch):
    weight_file(tmp_path, "alpha")
    monkeypatch.chdir(tmp_path)
    assert registry.model("alpha.safetensors").name == "alpha"
    assert registry.model("./alpha.safetensors").name == "alpha"


@pytest.mark.parametrize("how", ["file", "folder", "among others", "home"])
def test_models_are_found_in_all_places(registry, environment, tmp_path, how):
    home = tmp_path / "home" / "lmzip" / "models"
    path = weight_file(home if how == "home" else tmp_path / "models", "beta")
    places = {
        "file": str(path),
        "folder": str(path.parent),
        "among others": os.pathsep.join(["/nowhere", str(tmp_path), str(path.parent)]),
    }
    if how != "home":
        environment["LMZIP_MODEL_PATH"] = places[how]
    model = registry.model("beta")
    assert registry.of_digest(model.digest, "beta") is model and registry.is_installed(model.digest)
    for start in (model.digest[:4], model.digest[:31], b""):
        with pytest.raises(ModelMissingError):
            registry.of_digest(start, "beta")


def test_a_record_names_a_model_of_its_kind_only(registry, tmp_path):
    model = registry.model(str(weight_file(tmp_path, "alpha")))
    record = record_of(model)
    assert registry.of_record(record, lambda _: pytest.fail("nothing to check before it is loaded")) is model
    with pytest.raises(UnsupportedError, match="needs a newer lmzip: model alpha .* as one of kind 2"):
        registry.of_record(replace(record, kind=2))
    with pytest.raises(UnsupportedError, match=r"needs a newer lmzip: model reference 01020304 \(sha256 01020304"):
        registry.of_record(ModelRecord(0, b"\1\2\3\4", name="reference 01020304"))
    with pytest.raises(ModelMissingError, match="gone"):
        registry.of_record(ModelRecord(1, bytes(32), name="gone"))


def test_every_kind_of_the_format_has_a_class():
    assert {kind.kind for kind in (ByteLmModel, LlamaModel, HfModel)} == set(MODEL_KINDS)


def test_files_that_hold_no_model_are_passed_over(registry, environment, tmp_path):
    folder = weight_file(tmp_path / "models", "gamma").parent
    (folder / "a.safetensors").write_bytes(b"no weights")
    (folder / "b.safetensors").mkdir()
    (folder / "c.txt").write_text("not asked")
    environment["LMZIP_MODEL_PATH"] = str(folder)
    assert registry.names()[-1] == "gamma"


def test_large_files_that_hold_no_model_are_not_read(registry, environment, tmp_path, monkeypatch):
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
    environment["LMZIP_MODEL_PATH"] = str(folder)
    reads = []
    monkeypatch.setattr(weights, "read", lambda path: reads.append(path))
    tracemalloc.start()
    try:
        assert registry.names()[-2:] == ["long", "gamma"]
        long = registry.model("long")
        assert registry.of_digest(long.digest, "long") is long
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert not reads and long.digest == hashlib.sha256(data.ljust(40 << 20, b"\0")).digest()


def test_a_file_that_changed_since_its_digest_was_read_is_not_taken(registry, tmp_path):
    path = weight_file(tmp_path, "alpha")
    model = registry.model(str(path))
    assert model.digest == hashlib.sha256(path.read_bytes()).digest()
    old = path.read_bytes()
    weight_file(tmp_path, "alpha", seed=1)
    for _ in range(2):
        with pytest.raises(ModelMissingError, match="alpha.safetensors changed meanwhile"):
            model.encode(RAW, WITH)
    path.unlink()
    with pytest.raises(ModelMissingError, match=r"cannot read .*alpha.safetensors: No such file"):
        model.load()
    assert model.encode(RAW, WITHOUT)
    path.write_bytes(old)
    assert model.encode(RAW, WITH)


def test_a_digest_is_that_of_the_weights_in_use(tmp_path):
    """Whether it is asked for before the net is unpacked or behind it; files that vanish between hold no model."""
    path = weight_file(tmp_path, "alpha")
    digest, first, second = hashlib.sha256(path.read_bytes()).digest(), ByteLmModel(path), ByteLmModel(path)
    assert first.expert() and first.digest == digest
    path.unlink()
    assert first.digest == digest
    with pytest.raises(ModelMissingError):
        assert second.digest


def test_the_same_weights_twice_are_one_model(registry, environment, tmp_path):
    first, second = weight_file(tmp_path / "1", "delta"), tmp_path / "2" / "other-name.safetensors"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    environment["LMZIP_MODEL_PATH"] = os.pathsep.join([str(first.parent), str(second.parent)])
    assert registry.names().count("delta") == 1


def test_bad_paths_are_refused_and_forgotten(registry, tmp_path):
    before = registry.names()
    for add in (registry.model, registry.add_path):
        with pytest.raises(ModelMissingError, match="No such file"):
            add(str(tmp_path / "missing.safetensors"))
        (tmp_path / "none.safetensors").write_bytes(b"no weights")
        with pytest.raises(UnsupportedError, match="not an lmzip weight file"):
            add(str(tmp_path / "none.safetensors"))
    (tmp_path / "none.safetensors").unlink()
    weight_file(tmp_path, "none")
    assert registry.names() == before, "a path is known once it was taken"


def test_the_strongest_is_the_largest_transformer(registry, environment, tmp_path):
    weight_file(tmp_path / "models", "alpha")
    environment["LMZIP_MODEL_PATH"] = str(tmp_path / "models")
    with pytest.raises(ModelMissingError, match="no transformer here; lmzip-models get "):
        registry.strongest()
    for name, n_vocab in (("small", 258), ("large", 300), ("medium", 280)):
        tensors, config = tiny_transformer(1, n_vocab=n_vocab, name=name)
        (tmp_path / "models" / f"{name}.safetensors").write_bytes(tiny_net.weight_file(tensors, config))
    assert registry.strongest() is registry.model("large")


def test_every_model_known_by_reference_ships(registry):
    for digest, (name, kind) in REFERENCED.items():
        model = registry.of_record(ModelRecord(kind, bytes.fromhex(digest), name=name))
        assert (model.name, model.kind) == (name, kind)


# --- the registry of the library --------------------------------------------------------------------------------------


@pytest.fixture
def library(new_registry):
    """A new registry of the library."""
    return new_registry()


def test_the_library_takes_a_name_a_path_or_a_model(library, tmp_path):
    path = weight_file(tmp_path, "alpha")
    library.add_path(str(path))
    frames = {lmzip.compress(RAW, 6, model=model) for model in (str(path), "alpha", library.model("alpha"))}
    assert len(frames) == 1 and lmzip.decompress(frames.pop()) == RAW
    assert lmzip.compress(RAW, 4) == lmzip.compress(RAW, 4, model="ngram")
    with pytest.raises(TypeError, match="model must be a name, a path or a Model, not int"):
        lmzip.compress(RAW, model=6)
    with pytest.raises(ModelMissingError):
        lmzip.open(tmp_path / "a.lmz", "w", model="gpt")
    assert not (tmp_path / "a.lmz").exists()


def test_files_are_written_with_a_model(library, tmp_path):
    for mode, data in (("wb", RAW), ("wt", RAW.decode())):
        with lmzip.open(tmp_path / "a.lmz", mode, level=6, model="ngram") as file:
            file.write(data)
        with lmzip.open(tmp_path / "a.lmz", mode.replace("w", "r")) as file:
            assert file.read() == data
        assert (tmp_path / "a.lmz").read_bytes() == lmzip.compress(RAW, 6, model="ngram")


def test_weights_are_loaded_once(library, monkeypatch):
    loads, load_net = [], weights.load_net
    monkeypatch.setattr(weights, "load_net", lambda *arguments: loads.append(arguments) or load_net(*arguments))
    for _ in range(2):
        assert lmzip.decompress(lmzip.compress(RAW, 6)) == RAW
    assert len(loads) == 1
