"""The picture of a training, from its logs.  Without torch, but with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from conftest import ROOT

LOG = "megabytes,bits_per_byte,kB_per_s\n0.5,5.9,17\n1.5,2.4,25\n2.5,2.1,25\n2.0,2.2,25\n3.0,2.0,25\n"
VALIDATION = "megabytes,docs,gutenberg,rest,all\n1.5,1.9,2.1,4.9,2.5\n3.0,1.4,1.8,4.2,2.2\n"


@pytest.fixture
def plot_training(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import plot_training

    return plot_training


@pytest.fixture
def draw(plot_training: ModuleType, tmp_path: Path) -> Callable:
    """A function: options, and what the logs hold, to the exit status, what is printed and the picture."""

    def draw(*options: str, log: str | None = LOG, validation: str | None = VALIDATION) -> tuple[int, str, str]:
        for name, text in (("log.csv", log), ("val.csv", validation)):
            (tmp_path / name).unlink(missing_ok=True)
            if text is not None:
                (tmp_path / name).write_text(text)
        output = tmp_path / "loss.svg"
        output.unlink(missing_ok=True)
        done = CliRunner().invoke(plot_training.main, [str(tmp_path), "-o", str(output), *options])
        return done.exit_code, done.output, output.read_text() if output.exists() else ""

    return draw


def test_lines_are_parted_where_a_run_went_back(plot_training: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    columns = plot_training.columns(tmp_path / "log.csv")
    assert list(columns) == ["megabytes", "bits_per_byte", "kB_per_s"]
    for name, values in (("megabytes", [0.5, 1.5, 2.5, 2.0, 3.0]), ("bits_per_byte", [5.9, 2.4, 2.1, 2.2, 2.0])):
        assert columns[name][:3] + columns[name][4:] == values
        assert math.isnan(columns[name][3])
    assert plot_training.columns(tmp_path / "none.csv") == {}


def test_the_same_logs_give_the_same_bytes(draw: Callable) -> None:
    first = draw()
    assert first == draw() and first[:2] == (0, "")
    assert "<dc:date>" not in first[2]


def test_the_legend_names_what_is_drawn(draw: Callable) -> None:
    """Text becomes outlines; what it says stands in comments."""
    _, _, picture = draw()
    labels = ["training (weights adapt to", "validation (weights fixed), all", "    gutenberg", "    docs"]
    places = [picture.find(f"<!-- {label}") for label in labels]
    assert -1 not in places and places == sorted(places), "the kinds in the order of their last values"
    assert "rest" not in picture
    assert "<!--     rest" in draw("--kind", "rest")[2]


def test_one_log_is_enough(draw: Callable) -> None:
    for options in ({"log": None}, {"validation": None}, {"log": None, "validation": None}):
        status, output, picture = draw(**options)
        assert (status, output) == (0, "") and "</svg>" in picture
        assert ("<!-- validation" in picture) == ("validation" not in options)
        assert ("<!-- training" in picture) == ("log" not in options)


def test_kinds_that_are_not_there(draw: Callable) -> None:
    status, output, picture = draw("--kind", "docs", "--kind", "verse")
    assert status == 2 and output.endswith("val.csv: no such kinds of documents: verse\n") and not picture


def test_logs_that_are_none(draw: Callable) -> None:
    assert draw(log="megabytes,bits_per_byte\n1,many\n")[0] == 2
