"""Figure 4 of the paper: the rate of the first n bytes of a chunk, n from 32 on, each beginning by itself.

    PYTHONPATH=scripts python -m paper.context --text FILE --images FOLDER --speech FOLDER --model PATH --llm smollm2

Of text there are longer pieces too, where it is long enough: what more of the same is worth.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from paper.alone import Alone
from paper.classical import Compressor, general_compressors
from paper.data import CHUNK, DataSet, Places, data_sets
from paper.figures import lines
from paper.lmzip_rows import of_lmzip
from paper.options import of_data, of_llm, of_models, to_out
from paper.store import Store

COLUMNS = (("set", "row", "size"), ("n_pieces", "raw_size", "compressed_size"))
SIZES = (32, 64, 128, 256, 512, 1024, 2048)
LONG_SIZES = (8192, 32768, 131072)
LLM_SIZES = (128, 512, 2048)


def pieces(of: DataSet, size: int, n: int) -> list[bytes]:
    """Return the first bytes of n chunks, or n pieces of several chunks."""
    if size <= CHUNK:
        return [chunk[:size] for chunk in of.some(n)]
    at_most = len(of.data) // size
    return [of.data[i * size : (i + 1) * size] for i in range(min(n, at_most))]


def measure(store: Store, of: DataSet, size: int, compressor: Compressor, n: int) -> None:
    def work() -> tuple[int, int, int]:
        taken = pieces(of, size, n)
        return len(taken), len(taken) * size, compressor.chunked(taken)[0]

    if pieces(of, size, n):
        store.measure((of.name, compressor.name, size), work)


def measure_alone(store: Store, of: DataSet, size: int, path: Path, n: int) -> None:
    def work() -> tuple[int, int, int]:
        taken = pieces(of, size, n)
        return len(taken), len(taken) * size, Alone(path).coded_size(taken)

    store.measure((of.name, f"{path.stem} alone", size), work)


def plot(store: Store, path: Path) -> None:
    """Draw the rates; raises ImportError without matplotlib."""
    panes: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in store.rows.values():
        rate = 100 * int(row["compressed_size"]) / int(row["raw_size"])
        panes[row["set"]][row["row"]].append((int(row["size"]), rate))
    lines(path, panes, "bytes, each piece by itself", "size, % of raw", log_x=True)


@click.command()
@of_data
@of_models
@of_llm
@to_out
@click.option("--pieces", "n", type=int, default=64, show_default=True, help="Pieces of each size.")
@click.option("--few", type=int, default=8, show_default=True, help="Pieces for --llm.")
@click.option("--quick", is_flag=True, help="One piece of each, to try it out.")
def main(
    text: tuple[Path, ...],
    images: Path | None,
    speech: Path | None,
    models: tuple[Path, ...],
    llm: str | None,
    out: Path,
    n: int,
    few: int,
    quick: bool,
) -> None:
    """Measure how rates fall with size; OUT/context.csv gets them, OUT/context.svg shows them."""
    if quick:
        n = few = 1
    store = Store(out / "context.csv", *COLUMNS)
    for of in data_sets(Places(text, images, speech), 4096):
        if of.name == "random":
            continue
        own = [of_lmzip("lmzip -4", 4), of_lmzip("lmzip -6", 6)]
        own += [of_lmzip("lmzip -6, as what it is", 6, content=of.content)] if of.content != "bytes" else []
        general = general_compressors()
        for size in (*SIZES, *(LONG_SIZES if of.name == "text" and not quick else ())):
            for compressor in [*general, *own]:
                measure(store, of, size, compressor, n)
            for path in models if size <= CHUNK else ():
                measure_alone(store, of, size, path, n)
            if llm and size in LLM_SIZES:
                measure(store, of, size, of_lmzip(f"lmzip with {llm}", 9, model=llm), few)
    plot(store, out / "context.svg")


if __name__ == "__main__":
    main()
