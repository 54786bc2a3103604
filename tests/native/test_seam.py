"""Where something new goes: a base, an expert and a CPU variant each touch the files that ARCHITECTURE says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

SOURCES = ROOT / "lmzip" / "native" / "src"
TOY = ROOT / "tests" / "toy"
FLAGS = ["-std=c99", "-D_GNU_SOURCE", "-pthread", "-Wall", "-Wextra", "-Werror"]

# What is added: its own files, and the diff of the lines that tell the kernel of it.
ADDITIONS = {
    "base": (["toy_base.c", "toy_base.h", "toy_loop.inc"], "base.diff"),
    "expert": (["toy_expert.c"], "expert.diff"),
    "CPU variant": (["variant_copy.c"], "variant.diff"),
}


def compiler() -> str:
    found = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    return found or pytest.skip("no C compiler")


def apply(diff: str, folder: Path) -> None:
    """Apply a diff whose pieces are found by their text, wherever they stand."""
    for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
        head, *pieces = re.split(r"^@@.*\n", part, flags=re.MULTILINE)
        path = folder / head.removeprefix("+++ b/").strip()
        text = path.read_text()
        for piece in pieces:
            lines = piece.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            assert text.count(before) == 1, f"{path.name} has no place for: {before}"
            text = text.replace(before, after)
        path.write_text(text)


def extend(folder: Path, *names: str) -> Path:
    """Copy the kernel's sources into a folder and add what is named."""
    shutil.copytree(SOURCES, folder)
    for name in names:
        own, diff = ADDITIONS[name]
        for file in own:
            shutil.copy(TOY / file, folder)
        apply((TOY / diff).read_text(), folder)
    return folder


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Return own files, NAME standing for the name, and changed files of each addition, as ARCHITECTURE has them."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    section = text.split("## Where a new base, expert or CPU variant goes\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    names = [(row[0], *(set(re.findall(r"`([\w.]+)`", cell)) for cell in row[1:3])) for row in rows[2:]]
    return {name: (own, changed) for name, own, changed in names}


def test_all_additions_are_documented() -> None:
    assert set(documented()) == set(ADDITIONS)


@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_touches_the_documented_files(name: str, tmp_path: Path) -> None:
    folder = extend(tmp_path / "src", name)
    before = {path.name: path.read_bytes() for path in SOURCES.iterdir() if path.is_file()}
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    own, changed = documented()[name]
    assert {file for file in before if after[file] != before[file]} == changed
    toy = {"base": "toy", "expert": "toy_expert", "CPU variant": "copy"}[name]
    assert set(after) - set(before) == {file.replace("NAME", toy) for file in own}
    added = sum(line.startswith("+") for line in (TOY / ADDITIONS[name][1]).read_text().splitlines())
    assert len(changed) <= 2 and added <= 3 * len(changed), "a line or two in each"
    command = [compiler(), *FLAGS, "-fsyntax-only", *map(str, sorted(folder.glob("*.c")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_round_trips_with_all_of_them(tmp_path: Path) -> None:
    folder = extend(tmp_path / "src", *ADDITIONS)
    program = tmp_path / "driver"
    sources = [*map(str, sorted(folder.glob("*.c"))), str(TOY / "driver.c")]
    command = [compiler(), *FLAGS, "-O1", f"-I{folder}", "-o", str(program), *sources]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    sizes = [[int(n) for n in re.findall(r"(\d+)(?:,|$)", line)] for line in done.stdout.splitlines() if "toy" in line]
    assert len(sizes) == 3
    for toy, ngram, with_expert in sizes:
        assert with_expert < ngram < toy < 3000, "the base learns, and the expert knows what comes"
    assert "variant portable" in done.stdout and "variant copy" in done.stdout
