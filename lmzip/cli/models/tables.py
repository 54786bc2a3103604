"""Rows as aligned columns or as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lmzip.cli.messages import printable


def table(rows: Sequence[Sequence[object]], numbers: set[int]) -> str:
    """Return rows as aligned columns, "-" for what there is not; columns of numbers stand at their right end."""
    cells = [[printable(str(cell or "-")) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        columns = enumerate(zip(row, widths, strict=True))
        padded = [cell.rjust(width) if i in numbers else cell.ljust(width) for i, (cell, width) in columns]
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)


def json_lines(records: Iterable[Any]) -> str:
    """Return an object a line for each of some named tuples."""
    return "".join(json.dumps(record._asdict()) + "\n" for record in records)
