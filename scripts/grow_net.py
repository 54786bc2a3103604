"""Make a weight file of a larger net for train.py --init from that of a smaller one:

    python scripts/grow_net.py OLD.safetensors scripts/configs/bytelm4.toml work/grown.safetensors --data work/data

The new net may have further hashed contexts, whose tables are random and not listened to yet, and fewer hidden units:
those that add least to the residual stream over the validation split are left out.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from lmzip.errors import LmzipError
from lmzip.training.net.config import load_config
from lmzip.training.net.data import Corpus
from lmzip.training.net.grow import grown, hidden_weights
from lmzip.training.net.trainer import Trainer
from lmzip.training.net.weight_file import net_config_of, restore, weight_file


@click.command()
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", default="grown", show_default=True)
def main(weights: Path, config: Path, output: Path, data: Path, name: str) -> None:
    """Write to OUTPUT the net of CONFIG with what WEIGHTS know."""
    try:
        net, train, augmentation = load_config(config)
        old = net_config_of(weights.read_bytes())
        validation = Corpus.mapped(data, "val")
        trainer = Trainer(old, train, augmentation, Corpus.mapped(data, "train"), "cpu", compiled=False)
        restore(trainer.net, weights.read_bytes())
        hidden = hidden_weights(trainer, validation)
        torch.manual_seed(train.seed)
        output.write_bytes(weight_file(grown(trainer.net, net, hidden), name))
    except (OSError, ValueError, LmzipError) as error:
        raise click.UsageError(str(error)) from None
    for i, weight in enumerate(hidden):
        share = weight.sort().values[: len(weight) - net.n_hidden].sum() / weight.sum()
        click.echo(f"layer {i}: {len(weight) - net.n_hidden} hidden units less, with {share:.2%} of what all add")
    click.echo(f"{output}: {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
