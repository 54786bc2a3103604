"""Train the paper's small transformers on bytes.

    PYTHONPATH=scripts python -m paper.train_transformer TEXT --size 200K --out work/paper/200K --minutes 60

Llama architecture over 256 bytes and a start (paper/llama.py), windows of 256 bytes that grow to 2,048, in bfloat16 on
CUDA or a CPU that multiplies it.  TEXT is a file, or what scripts/prepare_data.py wrote, of which --kind says what is
taken.  The next run with the same --out goes on exactly from checkpoint.pt.  At the end, and at each checkpoint, --out
is a Hugging Face directory that `lmzip-models import` reads; log.csv gets the loss.  In the end it is imported for the
paper's experiments, with a window of a whole chunk and all activations of 15 bits: exact.safetensors.

The learning rate falls to zero where --max-bytes are read, or --minutes are over, in all runs together; on a CPU
minutes are of its work, so a training that has to share the machine learns as much.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import click
import numpy as np
import torch

from lmzip.convert import import_model
from paper.llama import SIZES, save_directory
from paper.options import of_kinds
from paper.training_run import Schedule, TrainingRun, bits

WINDOW = 2048  # tokens
ALL_INT15 = ("qkv", "o", "gate_up", "down", "lm_head")


def load_text(path: Path, kinds: tuple[str, ...], split: str) -> np.ndarray:
    """Return the bytes of a file, or those of some kinds of documents of a prepared folder; (n,) uint8."""
    if path.is_file():
        return np.memmap(path, np.uint8, "r")
    with np.load(path / f"{split}.npz") as table:
        start, kind, names = table["start"], table["kind"], [str(name) for name in table["kinds"]]
    unknown = set(kinds) - set(names)
    if unknown:
        raise ValueError(f"no such kinds of documents: {', '.join(sorted(unknown))}")
    data = np.memmap(path / f"{split}.bin", np.uint8, "r")
    chosen = [i for i in range(len(kind)) if not kinds or names[kind[i]] in kinds]
    return np.concatenate([data[start[i] : start[i + 1]] for i in chosen] or [np.zeros(0, np.uint8)])


@click.command()
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--size", type=click.Choice(list(SIZES)), default="200K", show_default=True)
@of_kinds
@click.option("--first-bytes", type=float, default=0, help="Train on so many bytes of TEXT; 0: on all.")
@click.option("--max-bytes", type=float, default=float("inf"), help="Read so many bytes.")
@click.option("--minutes", type=float, default=float("inf"), help="Train for so long.")
@click.option("--save-minutes", type=float, default=3.0, show_default=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(
    text: Path,
    out: Path,
    size: str,
    kinds: tuple[str, ...],
    first_bytes: float,
    max_bytes: float,
    minutes: float,
    save_minutes: float,
    device: str,
    threads: int,
    seed: int,
) -> None:
    """Train a transformer of a size on TEXT, going on from the checkpoint in OUT if there is one."""
    if max_bytes == minutes == float("inf"):
        raise click.UsageError("a training needs an end: --max-bytes, --minutes, or both")
    torch.set_num_threads(threads)
    try:
        data = load_text(text, kinds, "train")
        data = data[: int(first_bytes)] if first_bytes else data
        run = TrainingRun(SIZES[size], Schedule(seed=seed), data, device)
        if (out / "checkpoint.pt").exists():
            run.load(out / "checkpoint.pt")
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    click.echo(f"{size}: {run.model.n_parameters:,} parameters, {len(data):,} bytes of text; step {run.n_steps}")
    train(run, out, size, max_bytes, minutes * 60, save_minutes * 60)
    import_exact(out, f"paper-{size.lower()}")


def import_exact(folder: Path, name: str) -> Path:
    """Make a weight file of a trained model, as exact as there are; return its path."""
    weights = folder / "exact.safetensors"
    import_model(folder, weights, name=name, window=WINDOW, int15=ALL_INT15)
    return weights


def train(
    run: TrainingRun,
    out: Path,
    name: str,
    max_tokens: float,
    seconds: float,
    save_seconds: float,
    tokenizer: dict | None = None,
) -> None:
    """Train to the end, with checkpoints and a log in a folder; tokenizer: None for bytes."""
    clock = time.monotonic if run.device.type == "cuda" else time.thread_time
    began, before = clock(), run.seconds
    saved = logged = time.monotonic()
    losses: list[float] = []

    def save() -> None:
        nonlocal losses, logged, saved
        run.save(out / "checkpoint.pt")
        save_directory(run.model, out, name, tokenizer)
        if losses:
            log(out / "log.csv", run, float(np.mean(losses)), len(losses), time.monotonic() - logged)
        losses, saved = [], time.monotonic()
        logged = saved

    while (progress := max(run.n_tokens / max_tokens, run.seconds / seconds)) < 1:
        losses.append(float(run.step(progress)))
        run.seconds = before + clock() - began
        if time.monotonic() - saved > save_seconds:
            save()
    save()


def log(path: Path, run: TrainingRun, nats: float, n_steps: int, seconds: float) -> None:
    """Add a line on the last steps to a CSV file, and show it."""
    row = {
        "megatokens": f"{run.n_tokens / 1e6:.1f}",
        "bits_per_token": f"{bits(nats):.4f}",
        "kilotokens_per_s": f"{n_steps * run.schedule.tokens_a_step / seconds / 1000:.1f}",
        "seconds": f"{run.seconds:.0f}",
    }
    is_new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    click.echo("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
