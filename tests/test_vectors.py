"""Every file in tests/vectors: what a reader must make of it, and that the generator still makes the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import lmzip
from lmzip import codec, errors, native
from lmzip.models import registry

sys.path.insert(0, str(ROOT / "scripts"))
import make_vectors  # noqa: E402 - the path is set first
from vector_files.frames import TEXT  # noqa: E402

VECTORS = {vector.name: vector for vector in make_vectors.vectors()}
GOOD = [name for name in VECTORS if name.startswith("good-")]
OTHERS = [name for name in VECTORS if not name.startswith("good-")]


@pytest.fixture(autouse=True, scope="module")
def weights():
    """The weights beside the vectors, known to this process by their path."""
    registry.by_name(str(make_vectors.WEIGHTS))


def file_of(name):
    return (make_vectors.FOLDER / f"{name}.lmz").read_bytes()


def test_no_file_without_a_row():
    assert {path.stem for path in make_vectors.FOLDER.glob("*.lmz")} == set(VECTORS)
    others = {path.name for path in make_vectors.FOLDER.iterdir() if path.suffix != ".lmz"}
    assert others == {"README.md", make_vectors.WEIGHTS.name}
    assert (make_vectors.FOLDER / "README.md").read_text(encoding="utf-8") == make_vectors.readme()


@pytest.mark.parametrize("name", VECTORS)
def test_checked_in_files_are_up_to_date(name):
    assert file_of(name) == VECTORS[name].data, "predictor or format changed: run scripts/make_vectors.py"


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    content = VECTORS[name].content
    for threads in (1, 2):
        assert lmzip.decompress(file_of(name), threads=threads) == content
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
    assert isinstance(caught.value, errors.DamagedError | errors.NotLmzipError) != unsupported
    assert "\n" not in str(caught.value)


def test_vectors_do_not_hang_on_what_ships():
    """Beside the frames of registered models, whose blocks are stored: no file names a model that lmzip ships."""
    for name in GOOD:
        for frame in codec.list_frames(io.BytesIO(file_of(name))):
            assert frame.model is None or "registered" in name or frame.model.name == make_vectors.WEIGHTS.stem


def test_vectors_cover_every_method_and_header():
    frames = [frame for name in GOOD for frame in codec.list_frames(io.BytesIO(file_of(name)))]
    for short in (True, False):
        some = [frame for frame in frames if frame.header.is_short == short]
        assert {block.head.method for frame in some for block in frame.blocks} == set(range(native.TOKEN_METHOD))
        assert {len(frame.header.packed) for frame in some} >= {5, 128}


@pytest.mark.parametrize(
    "name", ["unsupported-net", "unsupported-net-short", "unsupported-llm", "unsupported-numerics"]
)
def test_a_missing_model_is_named_and_listed(name):
    with pytest.raises(errors.LmzipError, match=r"tiny-v1 \(sha256 000102"):
        lmzip.decompress(file_of(name))
    (frame,) = codec.list_frames(io.BytesIO(file_of(name)))
    assert frame.model and frame.model.name == "tiny-v1"
    assert frame.raw_size == (100 if name != "unsupported-net-short" else len(TEXT))


@pytest.mark.parametrize("name", ["unsupported-registered", "unsupported-registered-short"])
def test_an_unknown_number_is_named_and_listed(name):
    with pytest.raises(errors.UnsupportedError, match=r"number 253 \(sha256 00010203"):
        lmzip.decompress(file_of(name))
    (frame,) = codec.list_frames(io.BytesIO(file_of(name)))
    assert frame.model and frame.model.name == "number 253" and frame.raw_size == 100


def test_weights_are_found_by_the_environment():
    """As the README of the vectors says; in a process that was not given their path."""
    program = "import sys, lmzip; sys.stdout.buffer.write(lmzip.decompress(sys.stdin.buffer.read()))"
    environment = os.environ | {"XDG_DATA_HOME": "/nowhere"}
    name = "good-net-and-others"
    for folder, status in ((str(make_vectors.FOLDER), 0), ("", 1)):
        environment["LMZIP_MODEL_PATH"] = folder
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, input=file_of(name), capture_output=True
        )
        assert done.returncode == status
        assert done.stdout == (VECTORS[name].content if not status else b"")
    assert b"ModelMissingError" in done.stderr
