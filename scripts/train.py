"""Train a byte-level net: python scripts/train.py scripts/configs/small.toml --data work/data --out work/small

Runs on a CPU (bfloat16 autocast) or on CUDA, by the same command.  Every few minutes it writes checkpoint.pt, from which
the next run with the same --out goes on exactly: weights, optimisers, random states and documents half read.  log.csv
gets the loss in bits per byte of every interval, val.csv that of every kind of document in the validation split, and
loss.svg draws both.

The learning rate is constant after a short warm-up; --decay-minutes M makes the last M minutes of this run fall to
zero, for weights to ship (decayed.pt), while checkpoint.pt stays as it was before them, for a later run to go on from.
"""

from __future__ import annotations

import csv
import math
import time
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training import contexts
from training.data import RESET, SKIP, Augmentation, Corpus, Stream
from training.model import ByteNet, NetConfig
from training.optim import Muon, RowwiseOptimizer


@dataclass
class TrainConfig:
    """What a config file's [train] table may say."""

    batch_size: int = 32  # streams
    window: int = 512  # bytes of each stream in a step: the reach of back-propagation
    optimiser: str = "muon"  # of the matrices inside the net: muon or adam
    muon_lr: float = 0.01
    adam_lr: float = 0.002
    table_lr: float = 0.01
    warmup_steps: int = 200
    seed: int = 1
    weights: dict[str, float] = field(default_factory=dict)  # how much more often a kind is read than its share


def load_config(path: Path, settings: tuple[str, ...] = ()) -> tuple[NetConfig, TrainConfig, Augmentation]:
    """Return a config file's tables; settings: TABLE.KEY=VALUE, which replace what it says."""
    with open(path, "rb") as file:
        tables = tomllib.load(file)
    for setting in settings:
        table, _, assignment = setting.partition(".")
        tables.setdefault(table, {}).update(tomllib.loads(assignment))
    unknown = set(tables) - {"net", "train", "augmentation"}
    if unknown:
        raise click.UsageError(f"{path}: unknown tables: {', '.join(sorted(unknown))}")
    try:
        return (
            NetConfig(**tables.get("net", {})),
            TrainConfig(**tables.get("train", {})),
            Augmentation(**tables.get("augmentation", {})),
        )
    except TypeError as error:
        raise click.UsageError(f"{path}: {error}") from None


class Trainer:
    """A net with its optimisers and data: one step at a time."""

    def __init__(self, net: NetConfig, train: TrainConfig, augmentation: Augmentation, corpus: Corpus, device: str):
        torch.manual_seed(train.seed)
        self.config, self.device, self.corpus = train, device, corpus
        self.net = ByteNet(net).to(device)
        matrices = [p for layer in self.net.layers for p in layer.parameters() if p.ndim == 2]
        matrices.append(self.net.w_embed.weight)
        matrices = matrices if train.optimiser == "muon" else []
        inside = {id(p) for p in matrices}
        rest = [p for p in self.net.parameters() if id(p) not in inside]
        self.muon = Muon(matrices or [torch.nn.Parameter(torch.zeros(1, 1))], lr=train.muon_lr)
        self.adam = torch.optim.Adam(rest, lr=train.adam_lr, betas=(0.9, 0.98))
        self.rowwise = RowwiseOptimizer(self.net.tables)
        sampling = corpus.sampling(train.weights, augmentation.piece)
        self.streams = [Stream(corpus, sampling, augmentation, train.seed * 100_003 + i) for i in range(train.batch_size)]
        self.states = self.net.initial_state(train.batch_size)
        self.n_steps = 0
        self.run = torch.compile(self._loss, dynamic=False)

    @property
    def step_size(self) -> int:
        return self.config.batch_size * self.config.window

    def _loss(self, last: Tensor, rows: Tensor, states: list[Tensor], reset: Tensor, target: Tensor):
        with torch.autocast(self.device, dtype=torch.bfloat16):
            logits, states = self.net(last, rows, states, reset)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)
        return loss, states

    def tensors(self, seen: np.ndarray, marks: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return last (B, T), table rows (n_orders, B, T), reset (B, T) and target (B, T) of a batch of windows."""
        c = self.net.config
        index = torch.from_numpy(contexts.rows(seen, c.orders, c.table_rows)).to(self.device)
        last = torch.from_numpy(seen[:, contexts.WINDOW - 1 : -1].astype(np.int64)).to(self.device)
        reset = torch.from_numpy((marks == RESET).astype(np.uint8)).to(self.device)
        target = seen[:, contexts.WINDOW :].astype(np.int64)
        target[marks == SKIP] = -100
        return last, index, reset, torch.from_numpy(target).to(self.device)

    def gather(self, index: Tensor) -> Tensor:
        return torch.stack([F.embedding(i, table) for i, table in zip(index, self.net.tables, strict=True)])

    def step(self, scale: float) -> Tensor:
        """Take one step at learning rates `scale` times the configured ones; return the loss in nats."""
        windows = [stream.window(self.config.window) for stream in self.streams]
        last, index, reset, target = self.tensors(*(np.stack(x) for x in zip(*windows, strict=True)))
        rows = self.gather(index).requires_grad_()
        loss, self.states = self.run(last, rows, self.states, reset, target)
        loss.backward()
        for group, lr in [(self.muon, self.config.muon_lr), (self.adam, self.config.adam_lr)]:
            for g in group.param_groups:
                g["lr"] = lr * scale
            group.step()
            group.zero_grad(set_to_none=True)
        assert rows.grad is not None
        self.rowwise.step(index, rows.grad, self.config.table_lr * scale)
        self.n_steps += 1
        return loss.detach()

    @torch.no_grad()
    def validate(self, corpus: Corpus, window: int = 1024, n_rows: int = 4) -> dict[str, float]:
        """Return bits per byte of every kind of document, and of all bytes ("all")."""
        nats: dict[str, float] = {}
        sizes: dict[str, int] = {}
        for k, kind in enumerate(corpus.kinds):
            documents = [corpus.document(i) for i in np.flatnonzero(corpus.kind == k)]
            if not documents:
                continue
            data = np.concatenate(documents)
            width = max(1, -(-len(data) // (n_rows * window))) * window
            padded = np.zeros((n_rows, width), np.uint8)
            padded.reshape(-1)[: len(data)] = data
            marks = np.full((n_rows, width), SKIP, np.uint8)
            marks.reshape(-1)[: len(data)] = 0
            history, states, total = np.zeros((n_rows, contexts.WINDOW), np.uint8), self.net.initial_state(n_rows), 0.0
            for at in range(0, width, window):
                seen = np.concatenate([history, padded[:, at : at + window]], 1)
                history = seen[:, -contexts.WINDOW :]
                last, index, reset, target = self.tensors(seen, marks[:, at : at + window])
                if (target == -100).all():
                    break
                loss, states = self.run(last, self.gather(index), states, reset, target)
                total += loss.item() * int((target != -100).sum())
            nats[kind], sizes[kind] = total, len(data)
        result = {kind: nats[kind] / sizes[kind] / math.log(2) for kind in nats}
        result["all"] = sum(nats.values()) / sum(sizes.values()) / math.log(2)
        return result

    def state_dict(self) -> dict:
        return {
            "net": self.net.state_dict(),
            "net_config": asdict(self.net.config),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "rowwise": self.rowwise.state_dict(),
            "streams": [s.state_dict() for s in self.streams],
            "states": self.states,
            "n_steps": self.n_steps,
        }

    def load_state_dict(self, state: dict) -> None:
        if state["net_config"] != asdict(self.net.config):
            raise click.UsageError("the checkpoint is of another architecture than the config file")
        self.net.load_state_dict(state["net"])
        for name in ("muon", "adam", "rowwise"):
            getattr(self, name).load_state_dict(state[name])
        for stream, s in zip(self.streams, state["streams"], strict=True):
            stream.load_state_dict(s)
        self.states, self.n_steps = state["states"], state["n_steps"]


def save(state: dict, path: Path) -> None:
    """Write a checkpoint so that no crash leaves half of one."""
    scratch = path.with_suffix(".new")
    torch.save(state, scratch)
    scratch.rename(path)


def append(path: Path, row: dict) -> None:
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def plot(out: Path) -> None:
    """Draw log.csv and the totals of val.csv into loss.svg, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, column in (("log.csv", "bits_per_byte"), ("val.csv", "all")):
        if (out / name).exists():
            with open(out / name) as file:
                rows = list(csv.DictReader(file))
            axes.plot([float(r["megabytes"]) for r in rows], [float(r[column]) for r in rows], label=name[:-4])
    axes.set(xlabel="megabytes read", ylabel="bits per byte", ylim=(1.2, 3))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(out / "loss.svg")
    plt.close(figure)


@click.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--minutes", type=float, default=float("inf"), help="Stop after so long.")
@click.option("--max-bytes", type=float, default=float("inf"), help="Stop after so many bytes read in all runs.")
@click.option("--decay-minutes", type=float, default=0.0, help="Let the learning rate fall to zero at the end.")
@click.option("--decay-bytes", type=float, default=0.0, help="The same, in bytes before --max-bytes.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--threads", type=int, default=0, help="CPU threads; 0: as many as there are.")
@click.option("--save-minutes", type=float, default=5.0, show_default=True)
@click.option("--validate-minutes", type=float, default=15.0, show_default=True)
@click.option("--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE", help="Replace a value of CONFIG.")
@click.option("--init", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Weights to begin with.")
def main(config, data, out, minutes, max_bytes, decay_minutes, decay_bytes, device, threads, save_minutes,
         validate_minutes, settings, init) -> None:  # fmt: skip
    """Train the net that CONFIG describes on DATA, going on from the checkpoint in OUT if there is one."""
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(*load_config(config, settings), Corpus(data, "train"), device)
    validation = Corpus(data, "val")
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=False))
    elif init:
        trainer.net.load_state_dict(torch.load(init, map_location=device, weights_only=False)["net"])
    size = sum(p.numel() for p in trainer.net.parameters())
    click.echo(f"{size:,} weights and {trainer.net.tables.numel():,} in tables; step {trainer.n_steps}")

    started = saved = validated = logged = time.monotonic()
    losses: list[Tensor] = []
    decaying = False

    def report(validate: bool) -> None:
        row: dict = {"megabytes": f"{trainer.n_steps * trainer.step_size / 1e6:.1f}"}
        if validate:
            row.update({k: f"{v:.4f}" for k, v in trainer.validate(validation).items()})
            append(out / "val.csv", row)
            click.echo(f"    validation {row['all']}")
        elif losses:
            speed = len(losses) * trainer.step_size / (time.monotonic() - logged) / 1000
            row["bits_per_byte"] = f"{float(torch.stack(losses).mean()) / math.log(2):.4f}"
            row["kB_per_s"] = f"{speed:.1f}"
            append(out / "log.csv", row)
            click.echo("  ".join(f"{k} {v}" for k, v in row.items()))

    while True:
        now = time.monotonic()
        left_seconds = minutes * 60 - (now - started)
        left_bytes = max_bytes - trainer.n_steps * trainer.step_size
        if left_seconds <= 0 or left_bytes <= 0:
            break
        scale = min(1.0, (trainer.n_steps + 1) / trainer.config.warmup_steps)
        for left, span in ((left_seconds, decay_minutes * 60), (left_bytes, decay_bytes)):
            if span and left < span:
                if not decaying:
                    save(trainer.state_dict(), checkpoint)
                decaying, scale = True, scale * left / span
        losses.append(trainer.step(scale))
        now = time.monotonic()
        if now - logged > 30:
            report(validate=False)
            losses, logged = [], time.monotonic()
        if now - saved > save_minutes * 60:
            save(trainer.state_dict(), out / "decayed.pt" if decaying else checkpoint)
            saved = time.monotonic()
        if now - validated > validate_minutes * 60:
            report(validate=True)
            validated = logged = time.monotonic()
            losses = []
    save(trainer.state_dict(), out / "decayed.pt" if decaying else checkpoint)
    report(validate=True)
    plot(out)


if __name__ == "__main__":
    main()
