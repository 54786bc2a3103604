"""Put the results of the experiments into docs/PAPER.md, between its markers, and its plots beside it.

    PYTHONPATH=scripts python -m paper.report --results work/paper

What has no results keeps what the document says of it.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import bench_report
import click

DOCS = Path(__file__).resolve().parents[2] / "docs"
Rows = list[dict[str, str]]
_SETS = ("text", "images", "speech", "random")
_PLOTS = {
    "context.svg": "paper-context.svg",
    "generated.svg": "paper-generated.svg",
    "scaling.svg": "paper-scaling.svg",
}


def read(path: Path) -> Rows:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def table(head: list[str], body: list[list[str]]) -> list[str]:
    """Return a Markdown table; the first column is text."""
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in [head, ruler, *body]]


def percent(row: dict[str, str], of: str = "compressed_size") -> str:
    return f"{100 * int(row[of]) / int(row['raw_size']):.1f}"


def by_set(rows: Rows, sets: list[str]) -> list[str]:
    """Return rows of compressors and columns of sets: the rate, and of how many chunks where that is not all."""
    most = {name: max(int(row["n_chunks"]) for row in rows if row["set"] == name) for name in sets}
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        note = "" if int(row["n_chunks"]) == most[row["set"]] else f" ({row['n_chunks']})"
        cells.setdefault((row["way"], row["row"]), {})[row["set"]] = percent(row) + note
    ordered = sorted(cells, key=lambda key: key[0] != "whole")
    body = [[way, name, *(cells[way, name].get(s, "") for s in sets)] for way, name in ordered]
    return table(["way", "compressor", *(f"{name}, {most[name]} chunks" for name in sets)], body)


def table1(rows: Rows) -> list[str]:
    return by_set(rows, [name for name in _SETS if any(row["set"] == name for row in rows)])


def modalities(rows: Rows) -> list[str]:
    return by_set(rows, list(dict.fromkeys(row["set"] for row in rows)))


def context(rows: Rows) -> list[str]:
    sizes = sorted({int(row["size"]) for row in rows})
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        cells.setdefault((row["set"], row["row"]), {})[int(row["size"])] = percent(row)
    body = [[of, name, *(found.get(size, "") for size in sizes)] for (of, name), found in cells.items()]
    return table(["set", "compressor", *(f"{size:,}" for size in sizes)], body)


def predictor(rows: Rows) -> list[str]:
    body = []
    for row in rows:
        size, bits = int(row["payload_size"]), float(row["bits"])
        body.append(
            [row["model"], row["set"], f"{int(row['raw_size']):,}", f"{bits / 8:,.1f}", f"{size:,}"]
            + [f"{8 * size - bits:.1f}", f"{1e6 * (8 * size / bits - 1):,.0f}"]
        )
    return table(["model", "set", "raw bytes", "-sum log2 p, bytes", "payload", "bits above", "ppm"], body)


def scaling(rows: Rows) -> list[str]:
    body = []
    for row in sorted(rows, key=lambda row: (int(row["data_size"]), int(row["parameters"]))):
        rate, data, n = (
            int(row["compressed_size"]) / int(row["raw_size"]),
            int(row["data_size"]),
            int(row["parameters"]),
        )
        adjusted = [100 * (rate + size / data) for size in (2 * n, int(row["file_size"]))]
        body.append(
            [f"{data:,}", f"{n:,}", f"{int(row['bytes_read']):,}", f"{100 * rate:.1f}"] + [f"{a:.1f}" for a in adjusted]
        )
    return table(["text, bytes", "parameters", "bytes read", "raw %", "adjusted %", "with the weight file %"], body)


def tokenization(rows: Rows) -> list[str]:
    body = [
        [row["vocabulary"], row["size"], f"{int(row['parameters']):,}", f"{int(row['bytes_read']):,}"]
        + [f"{8 * int(row['compressed_size']) / int(row['raw_size']):.3f}"]
        for row in rows
    ]
    return table(["vocabulary", "layers of", "parameters", "bytes read", "bits per byte"], body)


TABLES: dict[str, Callable[[Rows], list[str]]] = {
    f.__name__: f for f in (table1, context, predictor, scaling, tokenization, modalities)
}


@click.command()
@click.option("--results", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("work/paper"))
@click.option("--docs", type=click.Path(exists=True, file_okay=False, path_type=Path), default=DOCS)
def main(results: Path, docs: Path) -> None:
    """Write the tables that there are results for."""
    path = docs / "PAPER.md"
    text = path.read_text()
    for name, write in TABLES.items():
        if (results / f"{name}.csv").exists():
            text = bench_report.replace_between(text, f"paper-{name}", write(read(results / f"{name}.csv")))
    if (results / "generated.txt").exists():
        lines = (results / "generated.txt").read_text().splitlines()
        text = bench_report.replace_between(text, "paper-generated", [f"    {line[:114]}" for line in lines])
    path.write_text(text)
    for source, target in _PLOTS.items():
        if (results / source).exists():
            shutil.copyfile(results / source, docs / target)


if __name__ == "__main__":
    main()
