"""lmzip-models train without torch, and calls that it refuses at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_tools import environment, names_in, run
from conftest import SAMPLE

from lmzip.cli.messages import Reporter
from lmzip.cli.progress import Meter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_bytes(SAMPLE.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing"),
        ([""], "empty"),
        (["texts", "-o", ""], "empty"),
        (["texts", "-o", "-"], "not written to standard output"),
        (["texts", "--time=0"], "nothing is learned in no time"),
        (["texts", "--bytes=0"], "nothing is learned in no time"),
        (["texts", "--time=soon"], "not a time"),
        (["texts", "--device=tpu"], "no device 'tpu'"),
    ],
)
def test_calls_that_cannot_be_meant(folder: Path, arguments: list[str], message: str) -> None:
    done = run("lmzip-models", "train", *arguments, cwd=folder)
    assert done.returncode == 1 and message in done.stderr.decode().lower()
    assert names_in(folder) == ["texts"]


def test_without_torch_it_is_one_line(folder: Path) -> None:
    (folder / "path").mkdir()
    (folder / "path" / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    done = run(
        "lmzip-models", "train", "texts", "-o", "m", cwd=folder, env=environment(PYTHONPATH=str(folder / "path"))
    )
    assert done.returncode == 3 and done.stdout == b""
    assert done.stderr.startswith(b"lmzip-models: training needs the package torch: pip install 'torch>=")
    assert done.stderr.count(b"\n") == 1 and names_in(folder) == ["path", "texts"]


def test_how_far_it_is_has_the_loss() -> None:
    with Meter(Reporter("lmzip-models"), "m", ("train",), None) as meter:
        meter.total, meter.note = 200, "validation 1.234 bits/byte"
        meter.advance("train", 50)
        assert meter.line().startswith("train 25 %, 50 bytes, ") and ", validation 1.234 bits/byte, " in meter.line()
