"""Models of the hub by name: a commit may be said, and whatever goes wrong is one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmzip.errors import ModelMissingError
from lmzip.models.hf import opening
from lmzip.models.hf.numerics import Settings
from lmzip.models.registry import Registry

COMMIT = "0123456789abcdef" * 2 + "01234567"
ALLOWED = Settings(allow_download=True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str | None]]:
    """The names and commits that another huggingface_hub is asked for; no model there has a configuration."""
    asked = []

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert "config.json" in allow_patterns and not any(p.endswith((".bin", ".py")) for p in allow_patterns)
        if name == "some/offline":
            raise ConnectionError("no route\nto host")
        return str(tmp_path)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    return asked


@pytest.mark.parametrize(
    ("name", "asked"),
    [("some/model", ("some/model", None)), (f"a/b@{COMMIT}", ("a/b", COMMIT)), ("gpt2", ("gpt2", None))],
)
def test_a_commit_may_be_said(hub, name: str, asked: tuple[str, str | None]) -> None:
    with pytest.raises(ModelMissingError, match="is no model directory"):
        Registry(ALLOWED).add_path(f"hf:{name}")
    assert hub == [asked]


@pytest.mark.parametrize(
    "name", ["a/b@main", f"a/b@{COMMIT[1:]}", f"a/b@{COMMIT.upper()}", "../b", "a/..", "a/b/c", "a b"]
)
def test_what_is_no_name_is_not_asked_for(hub, name: str) -> None:
    with pytest.raises(ModelMissingError, match="there is no "):
        Registry(ALLOWED).add_path(f"hf:{name}")
    assert hub == []


def test_nothing_is_downloaded_unless_that_is_allowed(hub) -> None:
    with pytest.raises(ModelMissingError, match="--allow-download gets it"):
        Registry().add_path("hf:some/model")
    assert hub == []


def test_a_download_that_fails(hub) -> None:
    with pytest.raises(ModelMissingError, match=r"^some/offline cannot be downloaded \(no route\)$"):
        opening.FloatModels(ALLOWED).place_of("some/offline")
