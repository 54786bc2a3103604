"""Train a byte-level net: python scripts/train.py scripts/configs/small.toml --data work/data --out work/small

Runs on a CPU (in bfloat16 if it multiplies that) or on CUDA, by the same command.  Every few minutes it writes
checkpoint.pt, from which the next run with the same --out goes on exactly: weights, optimisers, random states and
documents half read.
log.csv gets the loss in bits per byte of every interval, val.csv that of every kind of document in the validation
split, and loss.svg draws both.

The learning rate is constant after a short warm-up; --decay-minutes M makes the last M minutes of this run fall to
zero, for weights to ship (decayed.pt), while checkpoint.pt stays as it was before them, for a later run to go on from.
"""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import click
import torch
from plot_training import plot
from torch import Tensor

from lmzip.errors import LmzipError
from lmzip.training.net.config import load_config
from lmzip.training.net.data import Corpus
from lmzip.training.net.trainer import Trainer, read_checkpoint
from lmzip.training.net.weight_file import restore


def save(state: dict, path: Path) -> None:
    """Write a checkpoint so that no crash leaves half of one."""
    scratch = path.with_suffix(".new")
    torch.save(state, scratch)
    scratch.rename(path)


def append(path: Path, row: dict) -> None:
    """Add a row to a CSV file, which begins with the names of its columns."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def begin(trainer: Trainer, checkpoint: Path, init: Path | None, device: str) -> None:
    """Go on from a checkpoint if there is one, else begin with the weight file `init` if one is given.

    Raises OSError, and ValueError for what this training cannot begin with.
    """
    goes_on = checkpoint.exists()
    try:
        if goes_on:
            trainer.load_state_dict(read_checkpoint(checkpoint, device))
        elif init:
            restore(trainer.net, init.read_bytes())
    except (ValueError, LmzipError) as error:
        raise ValueError(f"{checkpoint if goes_on else init}: {error}") from None


@click.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--minutes", type=float, default=float("inf"), help="Stop after so long.")
@click.option("--max-bytes", type=float, default=float("inf"), help="Stop after so many bytes read in all runs.")
@click.option("--decay-minutes", type=float, default=0.0, help="Let the learning rate fall before --minutes are over.")
@click.option("--decay-bytes", type=float, default=0.0, help="The same, in bytes before --max-bytes.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--threads", type=int, default=0, help="CPU threads; 0: as many as there are.")
@click.option("--save-minutes", type=float, default=5.0, show_default=True)
@click.option("--validate-minutes", type=float, default=15.0, show_default=True)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY[.SUB]=VALUE",
    help="Replace a value of CONFIG; VALUE is TOML.",
)
@click.option(
    "--init",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin with a weight file, where OUT has no checkpoint.",
)
def main(
    config: Path,
    data: Path,
    out: Path,
    minutes: float,
    max_bytes: float,
    decay_minutes: float,
    decay_bytes: float,
    device: str,
    threads: int,
    save_minutes: float,
    validate_minutes: float,
    settings: tuple[str, ...],
    init: Path | None,
) -> None:
    """Train the net that CONFIG describes on DATA, going on from the checkpoint in OUT if there is one."""
    if (decay_minutes and math.isinf(minutes)) or (decay_bytes and math.isinf(max_bytes)):
        raise click.UsageError("a decay needs its end: --decay-minutes needs --minutes, --decay-bytes --max-bytes")
    if threads:
        torch.set_num_threads(threads)
    checkpoint = out / "checkpoint.pt"
    try:
        trainer = Trainer(*load_config(config, settings), Corpus.mapped(data, "train"), device)
        validation = Corpus.mapped(data, "val")
        begin(trainer, checkpoint, init, device)
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    size = sum(p.numel() for p in trainer.net.parameters())
    click.echo(f"{size:,} weights and {trainer.net.tables.numel():,} in tables; step {trainer.n_steps}")

    started = saved = validated = logged = time.monotonic()
    losses: list[Tensor] = []
    decaying = False

    def megabytes() -> dict[str, str]:
        return {"megabytes": f"{trainer.n_steps * trainer.step_size / 1e6:.1f}"}

    def log_training() -> None:
        nonlocal losses, logged
        if losses:
            row = megabytes() | {"bits_per_byte": f"{float(torch.stack(losses).mean()) / math.log(2):.4f}"}
            row["kB_per_s"] = f"{len(losses) * trainer.step_size / (time.monotonic() - logged) / 1000:.1f}"
            append(out / "log.csv", row)
            click.echo("  ".join(f"{k} {v}" for k, v in row.items()))
        losses, logged = [], time.monotonic()

    def validate() -> None:
        nonlocal validated, logged
        row = megabytes() | {k: f"{v:.4f}" for k, v in trainer.validate(validation).items()}
        append(out / "val.csv", row)
        click.echo(f"    validation {row['all']}")
        validated = logged = time.monotonic()

    while True:
        now = time.monotonic()
        left_seconds = minutes * 60 - (now - started)
        left_bytes = max_bytes - trainer.n_steps * trainer.step_size
        if left_seconds <= 0 or left_bytes <= 0:
            break
        scale = min(1.0, (trainer.n_steps + 1) / max(1, trainer.config.warmup_steps))
        for left, span in ((left_seconds, decay_minutes * 60), (left_bytes, decay_bytes)):
            if span and left < span:
                if not decaying:
                    save(trainer.state_dict(), checkpoint)
                decaying, scale = True, scale * left / span
        losses.append(trainer.step(scale))
        now = time.monotonic()
        if now - logged > 30:
            log_training()
        if now - saved > save_minutes * 60:
            save(trainer.state_dict(), out / "decayed.pt" if decaying else checkpoint)
            saved = time.monotonic()
        if now - validated > validate_minutes * 60:
            log_training()
            validate()
    log_training()
    save(trainer.state_dict(), out / "decayed.pt" if decaying else checkpoint)
    validate()
    try:
        plot(out, out / "loss.svg")
    except ImportError:
        click.echo("no loss.svg, since matplotlib is not installed")


if __name__ == "__main__":
    main()
