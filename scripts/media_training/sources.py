"""Starting values where they stand: a module of the reference is the source, kernel and specification follow it.

A prior is a dict of the names of its fields: whole numbers, lists of them, or lists of lists.  Nothing here knows which
fields there are, so that a base may get new ones without a change: a line in the reference's module and a member of the
kernel's struct.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path
from typing import NamedTuple

import bench_report

Numbers = int | tuple["Numbers", ...]
Prior = dict[str, Numbers]

ROOT = Path(__file__).resolve().parent.parent.parent
_WIDTH = 120


class Place(NamedTuple):
    """Where the values of a base stand."""

    name: str  # of the files and of the kernel's object
    struct: str
    header: str
    document: str
    section: str

    @property
    def reference(self) -> str:
        return f"lmzip/reference/{self.name}.py"

    @property
    def kernel(self) -> str:
        return f"lmzip/native/src/{self.name}.c"


PIXELS = Place("pixel_prior", "pixels_prior", "pixels_base.h", "docs/PIXELS.md", "PIXELS 3.2")
SAMPLES = Place("sample_prior", "samples_prior", "samples_base.h", "docs/SAMPLES.md", "SAMPLES 2.4")
PLACES = (PIXELS, SAMPLES)


def _filled(text: str, indent: str, further: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)


def _nested(value: Numbers, opening: str, closing: str, indent: str) -> str:
    """Return a number, or lists in lines of their own."""
    if isinstance(value, int):
        return str(value)
    if any(isinstance(part, tuple) for part in value):
        inner = indent + "    "
        rows = [f"{inner}{_nested(part, opening, closing, inner)},\n" for part in value]
        return f"{opening}\n{''.join(rows)}{indent}{closing}"
    text = ", ".join(map(str, value)) + ("," if len(value) == 1 else "")
    if len(indent + text) < _WIDTH - 30:
        return f"{opening}{text}{closing}"
    return f"{opening}\n{_filled(text + ',', indent + '    ', indent + '    ')}\n{indent}{closing}"


def python_text(place: Place, prior: Prior) -> str:
    """Return the reference's module."""
    lines = [
        f'"""Starting values ({place.section}), made by scripts/train_media.py: docs/MODELS.md has its sources."""'
    ]
    lines += ["", "# fmt: off"]
    lines += [f"{name.upper()} = {_nested(value, '(', ')', '')}" for name, value in prior.items()]
    return "\n".join(lines) + "\n"


def c_text(place: Place, prior: Prior) -> str:
    """Return the kernel's file."""
    fields = "".join(f"    .{name} = {_nested(value, '{', '}', '    ')},\n" for name, value in prior.items())
    return (
        f"/* Made by scripts/train_media.py from {place.reference}; {place.section}.  Do not edit. */\n"
        f'#include "{place.header}"\n\nconst {place.struct} {place.name} = {{\n{fields}}};\n'
    )


def document_lines(prior: Prior) -> list[str]:
    """Return the lines of the specification: each list behind its name, further ones with their numbers."""
    lines = []
    for name, value in prior.items():
        rows = [(name, value)]
        if isinstance(value, tuple) and any(isinstance(part, tuple) for part in value):
            rows = [(f"{name}[{i}]", part) for i, part in enumerate(value)]
        for label, row in rows:
            text = ", ".join(map(str, row)) if isinstance(row, tuple) else str(row)
            lines += _filled(f"{label} = {text}", "    ", "        ").splitlines()
    return lines


def read(place: Place, root: Path = ROOT) -> Prior:
    """Return the values that the reference has."""
    tree = ast.parse((root / place.reference).read_text())
    found: Prior = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id.lower()] = ast.literal_eval(node.value)
    return found


def texts(place: Place, prior: Prior, root: Path = ROOT) -> dict[str, str]:
    """Return what the three files hold with these values, by path; the document's other lines stay as they are.

    Raises OSError, and ValueError if the document has no place for them.
    """
    document = bench_report.replace_between((root / place.document).read_text(), place.name, document_lines(prior))
    return {
        place.reference: python_text(place, prior),
        place.kernel: c_text(place, prior),
        place.document: document,
    }


def write(place: Place, prior: Prior, root: Path = ROOT) -> None:
    """Write the values to all places; raises as texts()."""
    for path, text in texts(place, prior, root).items():
        (root / path).write_text(text)


def differing(place: Place, root: Path = ROOT) -> list[str]:
    """Return the files that do not hold what the reference's values would make of them; raises as texts()."""
    wanted = texts(place, read(place, root), root)
    return [path for path, text in wanted.items() if not (root / path).exists() or (root / path).read_text() != text]
