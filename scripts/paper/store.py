"""Results that survive: a row a measurement in a CSV file, so that a run goes on where the last one ended."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

Row = dict[str, str]


class Store:
    """The rows of a CSV file, told apart by the first columns, and more of them as they are measured."""

    def __init__(self, path: Path, keys: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Raises ValueError for a file with other columns."""
        self.path, self.keys, self.values = path, keys, values
        self.rows: dict[tuple[str, ...], Row] = {}
        if path.exists():
            with open(path, newline="") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != keys + values:
                    raise ValueError(f"{path}: other columns than {', '.join(keys + values)}")
                self.rows = {tuple(row[key] for key in keys): row for row in reader}

    def measure(self, key: tuple[object, ...], measure: Callable[[], tuple[object, ...]]) -> Row:
        """Return the row of a key, measured now if it is not there; key and values are kept as text."""
        place = tuple(map(str, key))
        if place not in self.rows:
            print(f"{self.path.stem}: {', '.join(place)}", file=sys.stderr, flush=True)
            values = map(str, measure())
            self.rows[place] = dict(zip(self.keys + self.values, (*place, *values), strict=True))
            self._append(self.rows[place])
        return self.rows[place]

    def _append(self, row: Row) -> None:
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, self.keys + self.values, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
