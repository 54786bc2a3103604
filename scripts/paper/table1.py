"""Table 1 of "Language Modeling Is Compression": rates on text, images, speech and random bytes, whole and in chunks.

    PYTHONPATH=scripts python -m paper.table1 --text FILE --images FOLDER --speech FOLDER --model PATH... --llm smollm2

Every size is that of something decoded and compared.  --model: weight files over bytes (paper.train_transformer, then
`lmzip-models import`), by themselves in their exact arithmetic, and mixed by lmzip.  --llm: a model of tokens, which is
slow: so few chunks of it.  Rows that are in the results already are not measured again.
"""

from __future__ import annotations

from pathlib import Path

import click

from paper.alone import Alone
from paper.classical import Compressor, compressors
from paper.data import CHUNK, DataSet, Places, data_sets
from paper.lmzip_rows import in_ascii, model_path, of_lmzip, to_ascii
from paper.options import of_data, of_llm, of_models, to_out
from paper.store import Store

COLUMNS = (("set", "row", "way"), ("n_chunks", "raw_size", "compressed_size", "whole_files"))
WHOLE, CHUNKS = "whole", "chunks"
MODEL_LEVEL = 9  # with the whole window of a model of tokens


def measure_chunks(store: Store, of: DataSet, compressor: Compressor, n: int) -> None:
    """Add the row of a compressor on n chunks, each by itself, headers counted once and counted always."""

    def measure() -> tuple[int, int, int, int]:
        chunks = of.some(n)
        return len(chunks), len(chunks) * CHUNK, *compressor.chunked(chunks)

    store.measure((of.name, compressor.name, CHUNKS), measure)


def measure_whole(store: Store, of: DataSet, compressor: Compressor) -> None:
    """Add the row of a compressor on a set in one piece."""

    def measure() -> tuple[int, int, int, int]:
        size = len(compressor.packed(of.data))
        return len(of.data) // CHUNK, len(of.data), size, size

    store.measure((of.name, compressor.name, WHOLE), measure)


def measure_alone(store: Store, of: DataSet, path: Path, n: int, *, as_ascii: bool = False) -> None:
    """Add the row of a transformer by itself: codes without a header.  as_ascii: by the paper's mapping."""

    def measure() -> tuple[int, int, int, int]:
        chunks, size = of.some(n), 0
        coded = chunks
        if as_ascii:
            coded, lowest_bits = map(list, zip(*map(to_ascii, chunks), strict=True))
            size = sum(map(len, lowest_bits))
        size += Alone(path).coded_size(coded)
        return len(chunks), len(chunks) * CHUNK, size, size

    store.measure((of.name, f"{path.stem} alone" + (", as ASCII" if as_ascii else ""), CHUNKS), measure)


def measure_set(store: Store, of: DataSet, models: tuple[Path, ...], llm: str | None, most: int, few: int) -> None:
    """Add all rows of a set.  most: chunks for transformers by themselves; few: for the model of tokens."""
    everything = len(of.chunks)
    for compressor in compressors():
        measure_whole(store, of, compressor)
        measure_chunks(store, of, compressor, everything)
    for level in (4, 6):
        own = of_lmzip(f"lmzip -{level}", level)
        measure_whole(store, of, own)
        measure_chunks(store, of, own, everything)
    if of.content != "bytes":
        own = of_lmzip("lmzip -6, as what it is", 6, content=of.content)
        measure_whole(store, of, own)
        measure_chunks(store, of, own, everything)
    for path in models:
        measure_alone(store, of, path, everything if of.name == "text" else most)
        mixed = of_lmzip(f"lmzip with {path.stem}", MODEL_LEVEL, model=str(path))
        measure_chunks(store, of, mixed, everything if of.name == "text" else most)
        if of.name == "text":
            measure_whole(store, of, mixed)
    if llm:
        path = model_path(llm)
        measure_alone(store, of, path, few)
        if of.name != "text":
            measure_alone(store, of, path, few, as_ascii=True)
        with_llm = of_lmzip(f"lmzip with {llm}", MODEL_LEVEL, model=llm)
        measure_chunks(store, of, with_llm, few)
        if of.name != "text":
            measure_chunks(store, of, in_ascii(with_llm), few)


@click.command()
@of_data
@of_models
@of_llm
@to_out
@click.option("--most", type=int, default=488281, show_default=True, help="Chunks of each set at most.")
@click.option("--most-alone", type=int, default=64, show_default=True, help="Chunks for --model, but of text.")
@click.option("--few", type=int, default=8, show_default=True, help="Chunks for --llm.")
@click.option("--quick", is_flag=True, help="Few chunks of everything, to try it out.")
def main(
    text: tuple[Path, ...],
    images: Path | None,
    speech: Path | None,
    models: tuple[Path, ...],
    llm: str | None,
    out: Path,
    most: int,
    most_alone: int,
    few: int,
    quick: bool,
) -> None:
    """Measure the rows of Table 1 on what data there are; OUT/table1.csv gets them."""
    if quick:
        most, most_alone, few = 4, 2, 1
    store = Store(out / "table1.csv", *COLUMNS)
    for of in data_sets(Places(text, images, speech), most):
        measure_set(store, of, models, llm, most_alone, few)
    for row in store.rows.values():
        rate = 100 * int(row["compressed_size"]) / int(row["raw_size"])
        click.echo(f"{row['set']:8} {row['way']:6} {row['n_chunks']:>6} {rate:7.2f} %  {row['row']}")


if __name__ == "__main__":
    main()
