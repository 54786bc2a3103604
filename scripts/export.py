"""Turn a checkpoint of train.py into a weight file: int8 safetensors with the architecture in its metadata.

    python scripts/export.py work/small/decayed.pt lmzip/models/data/small.safetensors --name small

The same checkpoint gives the same bytes; their SHA-256, which it prints, is the model's digest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from lmzip.errors import LmzipError
from lmzip.models.weights import MAX_NAME_SIZE, load_net
from lmzip.training.net.model import ByteNet, NetConfig
from lmzip.training.net.trainer import read_checkpoint
from lmzip.training.net.weight_file import weight_file


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The model's name; new weights are a new name.")
def main(checkpoint: Path, output: Path, name: str) -> None:
    """Write the weights of CHECKPOINT to OUTPUT."""
    if not 0 < len(name.encode()) <= MAX_NAME_SIZE:
        raise click.UsageError(f"a model's name has 1 to {MAX_NAME_SIZE} bytes")
    try:
        state = read_checkpoint(checkpoint, "cpu")
        net = ByteNet(NetConfig(**state["net_config"]))
        net.load_state_dict(state["net"])
        data = weight_file(net, name)
    except ValueError as error:
        raise click.UsageError(f"{checkpoint}: {error}") from None
    try:
        load_net(data, output)
    except LmzipError as error:  # a shape or numbers that the format does not allow
        raise click.UsageError(str(error)) from None
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(data)
    click.echo(f"{output}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
