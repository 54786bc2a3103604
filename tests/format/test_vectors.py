"""Every file in tests/vectors: what a reader must make of it, and that the generator still makes the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import lmzip
from lmzip import codec, errors
from lmzip.format.header import REFERENCED
from lmzip.stream import shared

sys.path.insert(0, str(ROOT / "scripts"))
import make_vectors  # noqa: E402 - the path is set first
from vector_files.frames import DICTIONARY, LINES, NOTE, TEXT  # noqa: E402
from vector_files.patches import ORIGINAL  # noqa: E402

FOLDER = make_vectors.FOLDER
GIVEN = {"dictionary": DICTIONARY, "patch_from": ORIGINAL}
VECTORS = {vector.name: vector for vector in make_vectors.vectors()}
GOOD = [name for name in VECTORS if name.startswith("good-")]
OTHERS = [name for name in VECTORS if not name.startswith("good-")]
README = (FOLDER / "README.md").read_text(encoding="utf-8")
RESULTS = make_vectors.results_in(README)  # what the reference decoder made of the files
LARGE = ("bad-claims-1-gib", "bad-stripe-check-first", "bad-stripe-check-second")  # minutes in plain Python


@pytest.fixture(autouse=True, scope="module")
def weights(tmp_path_factory):
    """The weights beside the vectors and those of a formula, known to this process by their paths."""
    folder = tmp_path_factory.mktemp("weights")
    for name, weight_file in make_vectors.FORMULAS.items():
        (folder / f"{name}.safetensors").write_bytes(weight_file)
    for path in (make_vectors.WEIGHTS, *folder.iterdir()):
        shared.registry.model(str(path))


def file_of(name):
    return (FOLDER / f"{name}.lmz").read_bytes()


def frames_of(names):
    return [frame for name in names for frame in codec.list_frames(io.BytesIO(file_of(name)))]


def test_no_file_without_a_row():
    assert {path.stem for path in FOLDER.glob("*.lmz")} == set(VECTORS) == set(RESULTS)
    others = {path.name for path in FOLDER.iterdir() if path.suffix != ".lmz"}
    assert others == {"README.md", make_vectors.WEIGHTS.name}
    assert make_vectors.readme(RESULTS) == README
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 500_000


@pytest.mark.parametrize("name", VECTORS)
def test_checked_in_files_are_up_to_date(name):
    assert file_of(name) == VECTORS[name].data, "predictor or format changed: run scripts/make_vectors.py"


@pytest.mark.parametrize("name", GOOD)
def test_good_vectors_decode_to_their_content(name):
    content = VECTORS[name].content
    assert RESULTS[name] == make_vectors.of_content(content)
    for threads in (1, 2):
        assert lmzip.decompress(file_of(name), threads=threads, long=30, **GIVEN) == content
    assert sum(frame.raw_size for frame in frames_of([name])) == len(content)
    with lmzip.open(io.BytesIO(file_of(name)), long=30, **GIVEN) as file:
        assert file.read() == content


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_bad_and_unsupported(name, threads):
    with pytest.raises(errors.LmzipError) as caught:
        lmzip.decompress(file_of(name), threads=threads, **GIVEN)
    unsupported = RESULTS[name] == make_vectors.UNSUPPORTED
    assert unsupported == name.startswith("unsupported-")
    assert caught.value.exit_status == (3 if unsupported else 1)
    assert isinstance(caught.value, errors.DamagedError | errors.NotLmzipError) != unsupported
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", VECTORS)
def test_the_reference_agrees(name):
    """Of good files the short ones, as it takes seconds for a kilobyte; make_vectors.py asks it about all."""
    content = VECTORS[name].content
    if name in LARGE or len(content) > (450 if "net" in name else 1100):
        return
    assert make_vectors.result(file_of(name)) == RESULTS[name]


def test_vectors_do_not_hang_on_what_ships():
    """Beside the frames with a reference, whose blocks are stored: no file names a model that lmzip ships."""
    for frame in frames_of(GOOD):
        is_referenced = frame.model is not None and frame.model.digest.hex() in REFERENCED
        here = {make_vectors.WEIGHTS.stem, *make_vectors.FORMULAS}
        assert frame.model is None or is_referenced or frame.model.name in here
        assert not is_referenced or frame.n_stored == len(frame.blocks)


def test_vectors_cover_profiles_headers_and_lanes():
    frames = frames_of(GOOD)
    coded = [(frame, block.head) for frame in frames for block in frame.blocks if not block.head.is_stored]
    profiles = {(frame.header.profile, head.uses_model, frame.header.is_short) for frame, head in coded}
    alone = {(profile, False, short) for profile in range(1, 7) for short in (False, True)}
    assert profiles == alone | {(profile, True, short) for profile in (4, 5, 6) for short in (False, True)}
    lanes = {(head.n_lanes, head.uses_model, frame.header.is_short) for frame, head in coded}
    counts = [(1 << i, uses_model) for i in range(8) for uses_model in (False, True)]
    assert lanes == {(n, uses, short) for n, uses in counts for short in (False, True) if not short or n <= 8}
    layouts = {(len(frame.header.packed), frame.header.is_short) for frame in frames}
    plain = {(size, short) for size in (6, 10, 129) for short in (False, True)} | {(16, True)}
    assert layouts == plain | {(6 + 33, False), (6 + 5, True), (129 + 33, False), (129 + 5, True)}


def test_a_dictionary_is_needed():
    """Whatever else a frame has; what is missing is told with its digest."""
    for name in (name for name in GOOD if name.startswith("good-dictionary-")):
        with pytest.raises(errors.DictionaryMissingError, match="sha256 [0-9a-f]{8}") as caught:
            lmzip.decompress(file_of(name))
        assert caught.value.exit_status == 3
        with pytest.raises(errors.DictionaryMissingError, match="sha256 [0-9a-f]{8}"):
            lmzip.decompress(file_of(name), dictionary=NOTE)


def test_an_original_is_needed():
    for name in (name for name in GOOD if name.startswith("good-patch-")):
        for given in ({}, {"patch_from": NOTE}):
            with pytest.raises(errors.OriginalMissingError, match="sha256 [0-9a-f]{64}") as caught:
                lmzip.decompress(file_of(name), **given)
            assert caught.value.exit_status == 3


def test_the_text_is_what_the_readme_says():
    assert b"".join(LINES) == TEXT and b"".join(LINES[:20]) == NOTE
    assert "99 green bottles, hanging on the wall; 9801 Füße\n98 green" in TEXT.decode()


@pytest.mark.parametrize("form", ["", "-short"])
@pytest.mark.parametrize("kind", ["net", "transformer", "float"])
def test_a_missing_model_is_named_and_listed(kind, form):
    name = f"unsupported-model-{kind}{form}"
    with pytest.raises(errors.LmzipError, match=r"tiny-v1 \(sha256 000102"):
        lmzip.decompress(file_of(name))
    (frame,) = frames_of([name])
    assert frame.model and frame.model.name == "tiny-v1" and frame.raw_size == 100


@pytest.mark.parametrize("form", ["long", "short"])
def test_an_unknown_reference_is_named_and_listed(form):
    name = f"unsupported-reference-{form}"
    with pytest.raises(errors.UnsupportedError, match=r"reference 00010203 \(sha256 00010203"):
        lmzip.decompress(file_of(name))
    (frame,) = frames_of([name])
    assert frame.model and frame.model.name == "reference 00010203" and frame.raw_size == 100


def test_weights_are_found_by_the_environment():
    """As the README of the vectors says; in a process that was not given their path."""
    program = "import sys, lmzip; sys.stdout.buffer.write(lmzip.decompress(sys.stdin.buffer.read()))"
    environment = os.environ | {"XDG_DATA_HOME": "/nowhere"}
    name = "good-net-and-others"
    for folder, status in ((str(FOLDER), 0), ("", 1)):
        environment["LMZIP_MODEL_PATH"] = folder
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, input=file_of(name), capture_output=True
        )
        assert done.returncode == status
        assert done.stdout == (VECTORS[name].content if not status else b"")
    assert b"ModelMissingError" in done.stderr
