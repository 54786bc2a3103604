"""Rows as aligned columns or as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lmzip.cli.messages import printable


def table(rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """Return rows as aligned columns; those of numbers stand at their right end."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)


def json_lines(records: Iterable[dict]) -> str:
    """Return a JSON object a line."""
    import json

    return "".join(json.dumps(record) + "\n" for record in records)
