"""No line of code or prose goes beyond 120 columns, but for rows of tables in Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

FOLDERS = ("docs", "fuzz", "lmzip", "scripts", "tests")
SUFFIXES = (".c", ".h", ".inc", ".md", ".py", ".toml")
FILES = [path for path in ROOT.iterdir() if path.suffix in SUFFIXES or path.name == "Makefile"]
FILES += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "_kernel.c"], ids=lambda p: p.name)
def test_lines_have_120_columns_at_most(path: Path) -> None:
    rows = enumerate(path.read_text().splitlines(), 1)
    assert not [n for n, line in rows if len(line) > 120 and not (path.suffix == ".md" and line.startswith("|"))]
