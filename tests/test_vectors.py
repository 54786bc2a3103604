"""Every file in tests/vectors: what a reader must make of it, and that the generator still makes the same bytes."""

from __future__ import annotations

import importlib.util
import io
import sys

import pytest
from conftest import ROOT

import lmzip
from lmzip import codec, errors

_spec = importlib.util.spec_from_file_location("make_vectors", ROOT / "scripts" / "make_vectors.py")
assert _spec and _spec.loader
make_vectors = importlib.util.module_from_spec(_spec)
sys.modules["make_vectors"] = make_vectors
_spec.loader.exec_module(make_vectors)

VECTORS = {vector.name: vector for vector in make_vectors.vectors()}
GOOD = [name for name in VECTORS if name.startswith("good-")]
OTHERS = [name for name in VECTORS if not name.startswith("good-")]


def file_of(name):
    return (make_vectors.FOLDER / f"{name}.lmz").read_bytes()


def test_no_file_without_a_row():
    assert {path.stem for path in make_vectors.FOLDER.glob("*.lmz")} == set(VECTORS)
    assert (make_vectors.FOLDER / "README.md").read_text(encoding="utf-8") == make_vectors.readme()


@pytest.mark.parametrize("name", VECTORS)
def test_checked_in_files_are_up_to_date(name):
    assert file_of(name) == VECTORS[name].data, "predictor or format changed: run scripts/make_vectors.py"


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    content = VECTORS[name].content
    assert lmzip.decompress(file_of(name)) == content
    assert sum(frame.raw_size for frame in codec.list_frames(io.BytesIO(file_of(name)))) == len(content)
    with lmzip.open(io.BytesIO(file_of(name))) as file:
        assert file.read() == content


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_bad_and_unsupported(name, threads):
    with pytest.raises(errors.LmzipError) as caught:
        lmzip.decompress(file_of(name), threads=threads)
    assert type(caught.value).__name__ == VECTORS[name].error
    unsupported = name.startswith("unsupported-")
    assert caught.value.exit_status == (3 if unsupported else 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["unsupported-net", "unsupported-llm", "unsupported-numerics"])
def test_a_missing_model_is_named_and_listed(name):
    with pytest.raises(errors.ModelMissingError, match=r"tiny-v1 \(sha256 000102"):
        lmzip.decompress(file_of(name))
    (frame,) = codec.list_frames(io.BytesIO(file_of(name)))
    assert frame.model and frame.model.name == "tiny-v1"
    assert frame.raw_size == 100
