"""Training of what pixels and samples start from: the whole way, with small archives made here."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from media_tools import picture, recording, tar_of

PLACES = [f"{folder}/{name}" for folder, names in (
    ("docs", ("PIXELS.md", "SAMPLES.md")),
    ("lmzip/reference", ("pixel_prior.py", "sample_prior.py")),
    ("lmzip/native/src", ("pixel_prior.c", "sample_prior.c")),
) for name in names]  # fmt: skip


@pytest.fixture
def train_media(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import train_media

    return train_media


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with copies of the files that hold the values."""
    for name in PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def archives(tmp_path: Path) -> list[str]:
    """Options that name an archive of pictures and one of recordings."""
    pictures = [(f"{seed}.ppm", picture(100, 100, 3, seed)) for seed in range(2)]
    (tmp_path / "photos.tar").write_bytes(tar_of(*pictures))
    (tmp_path / "speech.tar").write_bytes(tar_of(*((f"{seed}.wav", recording(5000, seed)) for seed in range(2))))
    return ["--photos", str(tmp_path / "photos.tar"), "--speech", str(tmp_path / "speech.tar")]


def costs(report: str) -> list[tuple[str, float]]:
    """Return what is reported of each step: its name and what the pieces take."""
    return [(name, float(rest.split()[0])) for name, rest in (line.split(": ", 1) for line in report.splitlines())]


def test_reference_kernel_and_specification_have_the_same_values(train_media: ModuleType) -> None:
    assert train_media.main(["--check"]) == 0


@pytest.mark.parametrize("name", PLACES)
def test_check_finds_a_value_that_differs(
    train_media: ModuleType, places: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_media.main(["--check", "--root", str(places)]) == 0
    text = (places / name).read_text()
    for number in ("= 3000", "= 1500"):
        text = text.replace(number, number + "1")
    (places / name).write_text(text)
    assert train_media.main(["--check", "--root", str(places)]) == 1
    assert "does not hold" in capsys.readouterr().err


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")
def test_trained_values_code_better_and_are_written(
    train_media: ModuleType, places: Path, archives: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_media.main([*archives, "--quick", "--root", str(places)]) == 0
    found = costs(capsys.readouterr().err)
    begin = [i for i, (name, _) in enumerate(found) if name == "as it was"]
    assert len(begin) == 2
    for of_base in found[: begin[1]], found[begin[1] :]:
        nothing = next(cost for name, cost in of_base if name == "knowing nothing")
        means = [cost for name, cost in of_base if name.startswith("means")]
        searched = [cost for name, cost in of_base if name.startswith("step")]
        assert min(means) < nothing, "what is learned makes a better start"
        assert searched[-1] <= means[-1] and sorted(searched, reverse=True) == searched, "a search never costs"
    assert train_media.main(["--check", "--root", str(places)]) == 0
    for place in train_media.sources.PLACES:
        trained, shipped = (train_media.sources.read(place, root) for root in (places, ROOT))
        assert trained.keys() == shipped.keys() and trained != shipped
        for name in place.reference, place.kernel, place.document:
            assert (places / name).read_text() != (ROOT / name).read_text()


def test_the_search_finds_the_least(train_media: ModuleType) -> None:
    best = {"scalar": 700, "list": (50, -20, 3)}

    def cost(prior: dict) -> float:
        off = [prior["scalar"] - 700, *(a - b for a, b in zip(prior["list"], best["list"], strict=True))]
        return sum(v * v for v in off)

    start = {"scalar": 300, "list": (10, 10, 10), "kept": 5}
    steps = [0.3, 0.1, 0.03, 0.01]
    found = train_media.search.descend(start, ["scalar", "list"], cost, steps, lambda text: None)
    assert abs(found["scalar"] - 700) <= 10 and found["kept"] == 5
    assert all(abs(a - b) <= 4 for a, b in zip(found["list"], best["list"], strict=True))


def test_crops_are_within_pictures_and_the_same_each_time(train_media: ModuleType) -> None:
    import numpy as np

    noise = random.Random(1)
    pictures = [np.frombuffer(noise.randbytes(90 * 70 * 3), np.uint8).reshape(70, 90, 3) for _ in range(3)]
    sets = train_media.pieces.sets_of_pixels(pictures, 1)
    assert sets == train_media.pieces.sets_of_pixels(pictures, 1)
    for piece in (piece for one in sets for piece in one):
        line = piece.width * piece.channels * piece.depth // 8
        assert len(piece.raw) % line == 0 and 0 < piece.width <= 90 and len(piece.raw) // line <= 70
    assert {(piece.channels, piece.depth) for one in sets for piece in one} == {(1, 8), (3, 8), (1, 16)}
