"""Versions of other people's packages: pyproject.toml, lmzip and what is tried agree; others get one line."""

from __future__ import annotations

import re
import sys
from importlib import metadata

import pytest
from conftest import ROOT

from lmzip.errors import UnsupportedError
from lmzip.packages import RANGES, needed

REQUIREMENT = re.compile(r'"([A-Za-z0-9_-]+)(?:\[\w+\])?([<>=][0-9.,<>=]*)?(?:;[^"]*)?"')
LIST = re.compile(r"^(\w+) = (\[.*?\])$", re.MULTILINE | re.DOTALL)
TOOLS = {"ruff", "mypy"}  # of `make lint`, which is for the newest
ELSEWHERE = {"torch", "tomli"}  # torch: see scripts/oldest.txt; tomli: of Python 3.10


def requirements() -> list[tuple[str, str, str]]:
    """Return of each line of pyproject.toml's lists of packages where it stands, the package and its range."""
    text = (ROOT / "pyproject.toml").read_text()
    project = text[text.index("[project]") : text.index("[project.scripts]")]
    lists = {name: body for name, body in LIST.findall(project) if name not in ("keywords", "classifiers", "dynamic")}
    return [(name, *found) for name, body in lists.items() for found in REQUIREMENT.findall(body)]


def test_ranges_are_those_of_pyproject() -> None:
    extras = [(extra, name, wanted) for extra, name, wanted in requirements() if name in RANGES]
    assert {name for _, name, _ in extras} == set(RANGES)
    assert all(wanted == RANGES[name] for _, name, wanted in extras)
    assert {name for extra, name, _ in requirements() if extra in ("hf", "llm", "remote", "plot", "cluster")} >= set(
        RANGES
    )


def test_the_oldest_are_those_of_pyproject() -> None:
    """What is tried is what is promised: each lower bound, and nothing else."""
    least: dict[bool, dict[str, str]] = {False: {}, True: {}}
    for extra, name, wanted in requirements():
        least[extra == "integrations"][name] = re.findall(r">=([0-9.]+)", wanted)[0]
    check_pins("oldest.txt", least[False])
    check_pins("oldest-integrations.txt", least[True])


def check_pins(file: str, least: dict[str, str]) -> None:
    """Compare the versions in a file of scripts/ with lower bounds."""
    pins = dict(re.findall(r"^([\w-]+)==([0-9.]+)$", (ROOT / "scripts" / file).read_text(), re.MULTILINE))
    if "numpy" not in least:
        del pins["numpy"]  # the oldest that goes with the others
    assert set(pins) == set(least) - TOOLS - ELSEWHERE
    assert all((pin + ".0").startswith(least[name] + ".") for name, pin in pins.items())


def test_what_is_here_is_within_its_range() -> None:
    for name in RANGES:
        try:
            with needed("this test needs", name):
                pass
        except UnsupportedError as error:
            pytest.fail(str(error))


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [
        ("4.57.6", False),
        ("5", True),
        ("5.0.0", True),
        ("5.24.0", True),
        ("5.100.1.dev0", True),
        ("5.0.0rc1", True),
        ("6.0.0.dev0", False),
        ("6", False),
        ("11.0", False),
        ("", False),
    ],
)
def test_versions_outside_the_range_are_refused(monkeypatch: pytest.MonkeyPatch, version: str, is_taken: bool) -> None:
    """Those outside of the range are refused before anything is imported."""
    monkeypatch.setattr(metadata, "version", lambda name: version)
    within = []
    try:
        with needed("models need", "transformers"):
            within.append("imported")
    except UnsupportedError as error:
        assert error.exit_status == 3 and not is_taken and not within
        assert str(error) == (
            f"models need another version of transformers than {version}: pip install 'transformers>=5.0,<6'"
        )
    else:
        assert is_taken and within


def test_a_range_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    with needed("models need", "protobuf"):
        pass


def test_what_is_missing_is_told_by_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UnsupportedError) as caught, needed("this needs", "gguf", "accelerate"):
        import gguf  # noqa: F401
    assert str(caught.value) == (
        "this needs the packages gguf and accelerate: pip install 'gguf>=0.10,<1' 'accelerate>=1.2,<2'"
    )


def test_what_is_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0")
    with pytest.raises(UnsupportedError) as caught, needed("this needs", "torch"):
        raise ImportError("libcudart.so.13: cannot open\nand so on", name="torch")
    message = "this needs the package torch, which cannot be imported here (libcudart.so.13: cannot open)"
    assert str(caught.value) == message


def test_nobody_is_sent_to_another_project() -> None:
    """lmzip on PyPI is not this one."""
    sources = [path for folder in ("lmzip", "scripts", "docs") for path in (ROOT / folder).rglob("*.*")]
    texts = {path: path.read_text() for path in [*sources, ROOT / "README.md"] if path.suffix in (".py", ".md")}
    sent = [path for path, text in texts.items() if re.search(r"pip install '?lmzip\b", text)]
    assert len(texts) > 100 and not sent
