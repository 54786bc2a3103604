"""The direction of imports (docs/ARCHITECTURE.md), what a start of the program may import, and who may print."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "lmzip"

# part of the package -> the parts it may import besides itself
ALLOWED = {
    "errors": set(),
    "_version": set(),
    "arguments": set(),
    "dictionary": {"errors"},
    "original": {"errors"},
    "block": {"dictionary"},
    "system": set(),
    "levels": {"errors", "arguments", "block"},
    "format": {"errors", "block", "dictionary", "original"},
    "contents": {"errors", "block"},
    "native": {"errors", "block"},
    "reference": set(),
    "packages": {"errors"},
    "weights": {"errors", "packages"},
    "twin": {"errors", "native", "packages"},
    "tokenizers": {"errors", "packages", "weights"},
    "models": {
        "errors",
        "block",
        "dictionary",
        "original",
        "format",
        "native",
        "system",
        "packages",
        "weights",
        "tokenizers",
        "twin",
    },
    "convert": {"errors", "system", "packages", "weights", "tokenizers", "models"},
    "codec": {
        "errors",
        "arguments",
        "block",
        "dictionary",
        "original",
        "levels",
        "contents",
        "format",
        "models",
        "native",
        "system",
    },
    "fileio": {"errors"},
    "remote": {"errors", "packages", "fileio"},
    "stream": {"errors", "arguments", "dictionary", "original", "levels", "contents", "codec", "models"},
    "tarfile": {"errors", "stream"},
    "integrations": {"levels", "format", "stream", "tarfile"},
    "training": {"errors", "dictionary", "stream", "models"},
    "plot": {"packages", "contents", "codec"},
    "cluster": {"errors", "_version", "dictionary", "original", "codec", "models", "packages"},
    "cli": {
        "errors",
        "_version",
        "block",
        "dictionary",
        "original",
        "levels",
        "contents",
        "format",
        "codec",
        "models",
        "weights",
        "convert",
        "packages",
        "fileio",
        "remote",
        "system",
        "training",
        "plot",
        "cluster",
        "twin",
    },
    "__init__": {"errors", "_version", "dictionary", "original", "codec", "stream"},
    "__main__": {"cli"},
}
HEAVY = {"torch", "transformers", "numpy", "safetensors", "matplotlib", "tqdm", "ray"}


def modules() -> list[Path]:
    """Return the source files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the part of the package that a source file belongs to: its name or its folder's below lmzip/."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(path: Path) -> Iterator[str]:
    """Yield the full dotted names that a source file imports anywhere, relative imports resolved."""
    package = ["lmzip", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imported_parts(path: Path) -> set[str]:
    """Return the parts of the package that a source file imports; `from lmzip import x` names part x or __init__."""
    parts = set()
    for name in imported_names(path):
        if name == "lmzip":
            parts.add("__init__")
        elif name.startswith("lmzip."):
            part = name.split(".")[1]
            exists = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()
            parts.add(part if exists else "__init__")
    return parts


def top_level_parts() -> set[str]:
    return {part_of(path) for path in modules()}


def test_every_part_has_a_place():
    assert top_level_parts() <= set(ALLOWED), "new part: give it a row in ALLOWED and a line in docs/ARCHITECTURE.md"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    part = part_of(path)
    forbidden = imported_parts(path) - ALLOWED.get(part, set()) - {part}
    assert not forbidden, f"{part} must not import {sorted(forbidden)}"


def test_allowed_directions_have_no_cycle():
    """The table itself must be a ladder: peel off parts that import nothing that is left."""
    left = {part: set(targets) for part, targets in ALLOWED.items()}
    while left:
        bottom = {part for part, targets in left.items() if not targets & set(left)}
        assert bottom, f"cycle among {sorted(left)}"
        left = {part: targets for part, targets in left.items() if part not in bottom}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints_and_sets_signals(path):
    if part_of(path) == "cli" or path == PACKAGE / "native" / "build_kernel.py":
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert "print" not in {func.id for func in calls if isinstance(func, ast.Name)}
    forbidden = {"signal", "click", "tqdm"}
    if path == PACKAGE / "codec" / "workers.py":  # blocks signals in its threads, which is not to handle them
        forbidden.remove("signal")
        assert {func.attr for func in calls if getattr(getattr(func, "value", None), "id", "") == "signal"} <= {
            "pthread_sigmask",
            "valid_signals",
        }
    assert not forbidden & {name.split(".")[0] for name in imported_names(path)}


def test_what_sets_signals_first_is_for_programs_only():
    """Nothing but the programs imports the launcher; the library leaves the signals of those who import it alone."""
    assert {part_of(path) for path in modules() if "lmzip_launcher" in path.read_text()} == {"__main__"}
    program = """
import signal
before = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
import lmzip, lmzip.stream, lmzip.cli.main
lmzip.decompress(lmzip.compress(b"abc" * 9))
assert before == [signal.getsignal(number) for number in sorted(signal.valid_signals())]
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def loaded_modules(statement: str) -> set[str]:
    """Return the top-level modules that are loaded after a statement in a fresh interpreter."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return {name.split(".")[0] for name in output.split()}


ROUND_TRIP = "import lmzip; lmzip.decompress(lmzip.compress(b'abc' * 300, level={}))"


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("import lmzip", set()),
        ("import lmzip.cli", set()),
        ("import lmzip_launcher", set()),
        (ROUND_TRIP.format(4), set()),
        (ROUND_TRIP.format(6), set()),
    ],
    ids=["library", "command line", "launcher", "round trip", "round trip with a net"],
)
def test_a_start_loads_nothing_heavy(statement, needed):
    loaded = loaded_modules(statement)
    assert "lmzip" in loaded
    assert loaded & HEAVY == needed


def test_the_walk_sees_a_forbidden_import(tmp_path, monkeypatch):
    """The test of the tests: relative, absolute and lazy imports are all seen."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("codec.py", "container.py", "errors.py"):
        (tmp_path / name).touch()
    source = tmp_path / "models" / "bad.py"
    source.write_text("from ..codec import x\nfrom .. import errors\ndef f():\n    import lmzip.container\n")
    assert imported_parts(source) == {"codec", "errors", "container"}
