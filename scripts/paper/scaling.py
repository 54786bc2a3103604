"""Figure 2 of the paper: the adjusted rate against parameters, for several sizes of training text.

    PYTHONPATH=scripts python -m paper.scaling TEXT --data-size 1e6 --data-size 10e6 --size 20K ... --epochs 1

As in the paper a model is trained on a text and compresses that same text, so its weights count: the adjusted rate is
(codes + 2 bytes for each parameter) / text.  Codes are those of chunks of 2,048 bytes from regular places of the text,
decoded and compared, and stand for all.  TEXT: a file, or a prepared folder of which --kind says what is taken.
Trainings go on from their checkpoints.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from pathlib import Path

import click
import numpy as np

from paper.alone import Alone
from paper.data import CHUNK
from paper.figures import lines
from paper.llama import SIZES
from paper.options import of_kinds, to_out
from paper.store import Store
from paper.train_transformer import import_exact, load_text, train
from paper.training_run import Schedule, TrainingRun

COLUMNS = (("data_size", "size"), ("parameters", "bytes_read", "n_chunks", "raw_size", "compressed_size", "file_size"))


def measure(text: np.ndarray, size: str, folder: Path, epochs: float, n: int) -> tuple[int, ...]:
    """Train a model of a size on a text, and code n chunks of it."""
    run = TrainingRun(SIZES[size], Schedule(), text)
    if (folder / "checkpoint.pt").exists():
        run.load(folder / "checkpoint.pt")
    folder.mkdir(parents=True, exist_ok=True)
    train(run, folder, size, epochs * len(text), math.inf, 60)
    weights = import_exact(folder, f"paper-{size.lower()}")
    starts = [i * (len(text) - CHUNK) // max(1, n - 1) for i in range(n)]
    chunks = [text[start : start + CHUNK].tobytes() for start in starts]
    coded = Alone(weights).coded_size(chunks)
    return run.model.n_parameters, run.n_tokens, n, n * CHUNK, coded, weights.stat().st_size


def fit(store: Store) -> str | None:
    """Return the fit of log rate against logs of parameters and bytes read, by least squares; None for few points."""
    rows = list(store.rows.values())
    if len(rows) < 4:
        return None
    rate = [math.log(int(r["compressed_size"]) / int(r["raw_size"])) for r in rows]
    factors = [(1.0, math.log(int(r["parameters"])), math.log(int(r["bytes_read"]))) for r in rows]
    a, b, c = np.linalg.lstsq(np.array(factors), np.array(rate), rcond=None)[0]
    return f"rate = {math.exp(a):.3g} * parameters^{b:.3f} * bytes read^{c:.3f}, {len(rows)} points"


def plot(store: Store, path: Path) -> None:
    """Draw raw and adjusted rates."""
    panes: dict = {"raw rate": defaultdict(list), "adjusted rate": defaultdict(list)}
    for row in store.rows.values():
        name, parameters = f"{int(row['data_size']) / 1e6:g} MB", int(row["parameters"])
        rate = int(row["compressed_size"]) / int(row["raw_size"])
        panes["raw rate"][name].append((parameters, 100 * rate))
        panes["adjusted rate"][name].append((parameters, 100 * (rate + 2 * parameters / int(row["data_size"]))))
    lines(path, panes, "parameters", "% of the text", log_x=True)


@click.command()
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@of_kinds
@click.option("--data-size", "data_sizes", multiple=True, type=float, default=(1e6, 10e6, 50e6), show_default=True)
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), default=("20K", "50K", "100K", "200K"))
@click.option("--epochs", type=float, default=3, show_default=True, help="How often the text is read.")
@click.option("--chunks", type=int, default=64, show_default=True, help="Chunks that stand for the text.")
@to_out
@click.option("--quick", is_flag=True, help="One tiny model on a few kB, to try it out.")
def main(
    text: Path,
    kinds: tuple[str, ...],
    data_sizes: tuple[float, ...],
    sizes: tuple[str, ...],
    epochs: float,
    chunks: int,
    out: Path,
    quick: bool,
) -> None:
    """Train and measure; OUT/scaling.csv gets the rows, OUT/scaling.svg shows them."""
    import torch

    torch.set_num_threads(1)
    if quick:
        data_sizes, sizes, epochs, chunks = (6000,), ("20K",), 1, 1
    data = load_text(text, kinds, "train")
    store = Store(out / "scaling.csv", *COLUMNS)
    for data_size in map(int, data_sizes):
        for size in sizes:
            folder = out / "scaling" / f"{data_size}-{size}"
            store.measure((data_size, size), partial(measure, data[:data_size], size, folder, epochs, chunks))
    plot(store, out / "scaling.svg")
    click.echo(fit(store) or "too few points for a fit")


if __name__ == "__main__":
    main()
