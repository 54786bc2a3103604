"""Check that each row of the table of names in docs/ARITHMETIC.md is defined in the kernel and in the reference.

A row is `| what | FILE: name | module.name |`: a function or table at the outermost level of a file of the kernel, and
a function, class, method or table of lmzip/reference.  Prints what is missing; exit status 1 if anything is.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "ARITHMETIC.md"
KERNEL = ROOT / "lmzip" / "native" / "src"
REFERENCE = ROOT / "lmzip" / "reference"
HEADING = "## Names"


class Row(NamedTuple):
    what: str
    file: str  # of the kernel
    kernel: str
    module: str  # of the reference
    reference: str  # a method behind its class and a dot


def rows(document: str) -> list[Row]:
    """Return the rows of the table of names; raises ValueError for a line of it that is none."""
    section = re.split(r"^## ", document.partition(f"\n{HEADING}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = []
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]:
        match = re.fullmatch(r"\| (.+?) \| `([\w.]+): (\w+)` \| `(\w+)\.([\w.]+)` \|", line)
        if not match:
            raise ValueError(f"no row of names: {line}")
        found.append(Row(*match.groups()))
    return found


def kernel_names(text: str) -> set[str]:
    """Return the functions and tables that C source defines: their first line is not indented, and no declaration."""
    names = set()
    for line in text.splitlines():
        code = line.partition("/*")[0].rstrip()
        match = re.match(r"(?!#|typedef|extern|return)[\w*][\w\s*]*?[\s*](\w+)(\(|\[)", code)
        if match and (match[2] == "[" or not code.endswith(";")):
            names.add(match[1])
    return names


def reference_names(text: str) -> set[str]:
    """Return the functions, classes, methods and constants that a module defines."""
    return set(_defined(ast.parse(text).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign):
            yield from (prefix + target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


def missing(table: list[Row]) -> list[str]:
    """Return a line for each name that its side does not define."""
    lines = []
    for row in table:
        for path, names, name in (
            (KERNEL / row.file, kernel_names, row.kernel),
            (REFERENCE / f"{row.module}.py", reference_names, row.reference),
        ):
            if not path.is_file():
                lines.append(f"{row.what}: there is no {path.name}")
            elif name not in names(path.read_text()):
                lines.append(f"{row.what}: {path.name} does not define {name}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.parse_args()
    lines = missing(rows(DOCUMENT.read_text()))
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
