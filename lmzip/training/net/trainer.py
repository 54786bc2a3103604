"""A net with its optimisers and its data: one step at a time, and bits per byte of a validation split."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lmzip.training.net import contexts
from lmzip.training.net.data import RESET, SKIP, Augmentation, Corpus, Stream
from lmzip.training.net.model import ByteNet, NetConfig
from lmzip.training.net.optim import Muon, RowwiseOptimizer
from lmzip.training.net.precision import multiplies_bfloat16


@dataclass
class TrainConfig:
    """What a config file's [train] table may say; raises ValueError."""

    batch_size: int = 32  # streams
    window: int = 512  # bytes of each stream in a step: the reach of back-propagation
    optimiser: str = "muon"  # of the matrices inside the net: muon or adam
    muon_lr: float = 0.01
    adam_lr: float = 0.002
    table_lr: float = 0.01
    warmup_steps: int = 200  # in which the learning rates rise from zero
    seed: int = 1
    weights: dict[str, float] = field(default_factory=dict)  # how much more often a kind is read than its share

    def __post_init__(self) -> None:
        if self.optimiser not in ("muon", "adam"):
            raise ValueError(f"optimiser is muon or adam, not {self.optimiser}")
        if min(self.batch_size, self.window) < 1:
            raise ValueError("batch_size and window are at least 1")
        if not all(type(weight) in (int, float) for weight in self.weights.values()):
            raise ValueError("weights are a table of numbers")


def read_checkpoint(path: Path, device: str) -> dict:
    """Return a trainer's state from a file; raises OSError, ValueError if it holds none.

    Checkpoints are pickles, which can run anything: read your own ones only.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=False)
        if "net_config" in state:
            return state
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, KeyError, IndexError):
        pass
    raise ValueError("not a checkpoint, or damaged")


class Trainer:
    """A net with its optimisers and data."""

    def __init__(
        self,
        net: NetConfig,
        train: TrainConfig,
        augmentation: Augmentation,
        corpus: Corpus,
        device: str,
        *,
        compiled: bool = True,
    ) -> None:
        """compiled: torch makes machine code of the net at the first step: slow at first, then faster.

        Raises ValueError for weights of kinds that the corpus does not hold.
        """
        torch.manual_seed(train.seed)
        self.config, self.device, self.corpus = train, torch.device(device), corpus
        self.net = ByteNet(net).to(device)
        matrices = [p for layer in self.net.layers for p in layer.parameters() if p.ndim == 2]
        matrices.append(self.net.w_embed.weight)
        matrices = matrices if train.optimiser == "muon" else []
        inside = {id(p) for p in matrices}
        rest = [p for p in self.net.parameters() if id(p) not in inside]
        # Adam alone leaves Muon one parameter without a gradient, since an optimiser wants one.
        self.muon = Muon(matrices or [torch.nn.Parameter(torch.zeros(1, 1))], lr=train.muon_lr)
        self.adam = torch.optim.Adam(rest, lr=train.adam_lr, betas=(0.9, 0.98))
        self.rowwise = RowwiseOptimizer(self.net.tables)
        sampling = corpus.sampling(train.weights, augmentation.piece)
        seeds = [train.seed * 100_003 + i for i in range(train.batch_size)]
        self.streams = [Stream(corpus, sampling, augmentation, seed) for seed in seeds]
        self.states = self.net.initial_state(train.batch_size)
        self.n_steps = 0
        self.run = torch.compile(self._loss, dynamic=False) if compiled else self._loss

    @property
    def step_size(self) -> int:
        """The bytes that a step reads."""
        return self.config.batch_size * self.config.window

    def _loss(self, last: Tensor, rows: Tensor, states: list[Tensor], reset: Tensor, target: Tensor):
        """Return the mean loss in nats of the targets that are not -100, and the states after the window."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=multiplies_bfloat16(self.device.type)):
            logits, states = self.net(last, rows, states, reset)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)
        return loss, states

    def tensors(self, seen: np.ndarray, marks: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return last (B, T), rows of tables (n_orders, B, T), reset (B, T) and target (B, T) of a batch of windows.

        seen: (B, 8 + T) uint8, marks: (B, T) uint8, as Stream.window returns them; target is -100 where it is skipped.
        """
        c = self.net.config
        index = torch.from_numpy(contexts.rows(seen, c.orders, c.table_rows)).to(self.device)
        last = torch.from_numpy(seen[:, contexts.WINDOW - 1 : -1].astype(np.int64)).to(self.device)
        reset = torch.from_numpy((marks == RESET).astype(np.uint8)).to(self.device)
        target = seen[:, contexts.WINDOW :].astype(np.int64)
        target[marks == SKIP] = -100
        return last, index, reset, torch.from_numpy(target).to(self.device)

    def gather(self, index: Tensor) -> Tensor:
        """Return the entries (n_orders, B, T, table_dim) of the tables in the rows index (n_orders, B, T)."""
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
        """Return bits per byte of every kind of document, and of all bytes ("all").

        The documents of a kind, end to end, are cut into n_rows sequences, which are read `window` bytes at a time.
        """
        nats: dict[str, float] = {}
        sizes: dict[str, int] = {}
        for k, kind in enumerate(corpus.kinds):
            documents = [corpus.document(int(i)) for i in np.flatnonzero(corpus.kind == k)]
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
        """Return what a checkpoint holds; its tensors are those in use, which the next step changes."""
        return {
            "net": self.net.state_dict(),
            "net_config": asdict(self.net.config),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "rowwise": self.rowwise.state_dict(),
            "streams": [s.state_dict() for s in self.streams],
            "states": self.states,
            "n_steps": self.n_steps,
            "window": self.config.window,
            "corpus": self.corpus.fingerprint(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint; raises ValueError, before anything is changed, if it is of another training.

        Learning rates and weights of kinds may differ.  Older checkpoints do not say their window and their corpus.
        """
        here = self.state_dict()
        of_both = {
            "architecture": [x["net_config"] for x in (state, here)],
            "optimiser": [len(x["muon"]["param_groups"][0]["params"]) > 1 for x in (state, here)],
            "batch size": [len(x["streams"]) for x in (state, here)],
            "window": [x.get("window", self.config.window) for x in (state, here)],
            "corpus": [x.get("corpus", here["corpus"]) for x in (state, here)],
        }
        different = [name for name, (there, ours) in of_both.items() if there != ours]
        if different:
            raise ValueError(f"the checkpoint is of another {' and another '.join(different)}")
        self.net.load_state_dict(state["net"])
        for name in ("muon", "adam", "rowwise"):
            getattr(self, name).load_state_dict(state[name])
        for stream, s in zip(self.streams, state["streams"], strict=True):
            stream.load_state_dict(s)
        self.states, self.n_steps = [x.to(self.device) for x in state["states"]], state["n_steps"]
