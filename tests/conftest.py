"""Fixtures that several test modules share."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import surroundings

surroundings.settle()

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "harriet-shelley.txt"


def painted(size: int) -> bytes:
    """Return bytes i % 251: the largest prime below 256, so that swapped blocks of round sizes show."""
    pattern = bytes(range(251))
    return (pattern * (size // 251 + 1))[:size]


def find_program(name: str) -> Path:
    """Return the installed console script `name` of this environment; skip the test where there is none."""
    here = Path(sys.executable).parent / name
    found = here if here.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed in this environment")
    return Path(found)


@pytest.fixture(scope="session")
def lmzip_path() -> Path:
    """The installed lmzip script."""
    return find_program("lmzip")


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """The environment without what would change lmzip's output, its messages or the modules Python finds."""
    unwanted = ("LMZIP_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def sample_text() -> bytes:
    """The bundled English text, about 90 kB."""
    return SAMPLE.read_bytes()


TINY = {"orders": [2, 0], "byte_dim": 30, "table_dim": 1}  # a weight file of 180 kB


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of a tiny net from a seed, which predicts nothing."""
    import tiny_net

    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=0, **TINY))
    return path


@pytest.fixture(scope="session")
def tiny_model(tiny_path: Path):
    """The model in that file, from then on known to the registry of the library."""
    from lmzip.stream import shared

    return shared.registry.model(str(tiny_path))


@pytest.fixture
def new_registry(monkeypatch: pytest.MonkeyPatch):
    """A function that gives the library a registry which was told of no model, and loads them anew, and returns it."""
    from lmzip.models.registry import Registry
    from lmzip.stream import shared

    def renew(*settings):
        monkeypatch.setattr(shared, "registry", Registry(*settings))
        return shared.registry

    return renew


@pytest.fixture
def always_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels with a net use it for every block that it makes smaller, whatever samples say."""
    import codec_tools

    monkeypatch.setattr("lmzip.codec.encode.code_block", codec_tools.code_as_the_level_says)


@pytest.fixture
def tiny_is_referenced(monkeypatch: pytest.MonkeyPatch, tiny_model) -> None:
    """The format knows the tiny net by reference."""
    from lmzip.format import header

    monkeypatch.setattr(header, "REFERENCED", {tiny_model.digest.hex(): ("tiny", header.NET_KIND)})


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """torch on one thread, with scripts/ on the path and nothing to compile; tests are skipped where there is none."""
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    yield torch
    torch.set_num_threads(n_threads)


def _start_triton(device: str) -> None:
    """Let sums, differences and products that overflow be errors of Triton's interpreter; those of 64 bits may."""
    if device == "cpu":
        from triton.runtime.interpreter import interpreter_builder

        interpreter_builder.options = dataclasses.replace(interpreter_builder.options, debug=True)


@pytest.fixture(scope="module")
def on_triton() -> Iterator[Callable[..., Any]]:
    """A function that calls others, of a module, in a process where Triton's kernels run; its result is theirs.

    They run on a GPU if torch finds one, else in Triton's interpreter, for which a variable asks before any import.
    What is called gets the device's name, and then its own arguments.
    """
    torch = pytest.importorskip("torch")
    pytest.importorskip("triton")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "0" if device == "cuda" else "1")
            process.submit(_start_triton, device).result()
        yield lambda function, *arguments: process.submit(function, device, *arguments).result()
