"""Other kinds of data than the paper's: time series as CSV, and databases made of them.

    PYTHONPATH=scripts python -m paper.modalities FILE.csv... --model PATH

Every file is compressed as the sets of Table 1 are, whole and in chunks of 2,048 bytes, and so is the SQLite database
that has its columns.  What SQLite writes depends a little on its version.
"""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import click

from paper.classical import general_compressors
from paper.data import DataSet, whole_chunks
from paper.lmzip_rows import of_lmzip
from paper.options import of_models, to_out
from paper.store import Store
from paper.table1 import COLUMNS, measure_alone, measure_chunks, measure_whole

_MOST = 1 << 20  # chunks


def to_database(path: Path, out: Path) -> None:
    """Write a database of one table with the columns of a CSV file, whose first row that has no # names them."""
    with open(path, newline="") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    names, width = rows[0], len(rows[0])
    columns = ", ".join(f'"c{i}_{name.replace(chr(34), "")}" NUMERIC' for i, name in enumerate(names))
    out.unlink(missing_ok=True)
    database = sqlite3.connect(out)
    with database:
        database.execute(f"CREATE TABLE rows ({columns})")
        marks = ", ".join("?" * width)
        database.executemany(
            f"INSERT INTO rows VALUES ({marks})", [(row + [""] * width)[:width] for row in rows[1:] if row]
        )
    database.close()


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_models
@to_out
@click.option("--quick", is_flag=True, help="Some chunks, to try it out.")
def main(files: tuple[Path, ...], models: tuple[Path, ...], out: Path, quick: bool) -> None:
    """Measure FILES, and the databases of those that are CSV; OUT/modalities.csv gets the rows."""
    out.mkdir(parents=True, exist_ok=True)
    taken = list(files)
    for path in files:
        if path.suffix.lower() == ".csv":
            taken.append(out / f"{path.stem}.sqlite")
            to_database(path, taken[-1])
    store = Store(out / "modalities.csv", *COLUMNS)
    for path in taken:
        of = DataSet(path.name, "bytes", whole_chunks(path.read_bytes(), 2 if quick else _MOST))
        own = [of_lmzip(f"lmzip -{level}", level) for level in (4, 6)]
        for compressor in [*general_compressors(), *own]:
            measure_whole(store, of, compressor)
            measure_chunks(store, of, compressor, _MOST)
        for model in models:
            measure_alone(store, of, model, _MOST)
    for row in store.rows.values():
        rate = 100 * int(row["compressed_size"]) / int(row["raw_size"])
        click.echo(f"{row['set']:16} {row['way']:6} {row['n_chunks']:>6} {rate:7.2f} %  {row['row']}")


if __name__ == "__main__":
    main()
