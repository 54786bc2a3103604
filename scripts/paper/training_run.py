"""One training of a transformer on a file of tokens: steps, schedule, and a state from which it goes on exactly."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lmzip.training.net.optim import Muon
from lmzip.training.net.precision import multiplies_bfloat16
from paper.llama import Llama, LlamaConfig


@dataclass(frozen=True)
class Schedule:
    """How a training goes; the parts of it are shares of all that it reads, or of its time."""

    tokens_a_step: int = 4096
    # (until what share, tokens of a window, all predicted behind the start alone): attention over more costs more than
    # it is worth in the beginning, and a model that meets positions it has never seen needs many steps to know them.
    windows: tuple[tuple[float, int], ...] = ((0.6, 256), (0.75, 512), (0.88, 1024), (1.0, 2048))
    decay_share: float = 0.5  # how much the learning rates take to fall to zero
    warmup_steps: int = 100
    muon_lr: float = 0.03
    adam_lr: float = 0.005
    seed: int = 1

    def rate(self, progress: float, n_steps: int) -> float:
        """Return the factor of the learning rates; progress: 0 .. 1."""
        return min(1.0, (n_steps + 1) / self.warmup_steps, max(0.0, 1 - progress) / self.decay_share)

    def size(self, progress: float) -> int:
        """Return how many tokens a window has."""
        return next((size for end, size in self.windows if progress < end), self.windows[-1][1])


class TrainingRun:
    """A model, its optimisers, and how far they are; raises ValueError for a text shorter than a window."""

    def __init__(self, config: LlamaConfig, schedule: Schedule, tokens: np.ndarray, device: str = "cpu") -> None:
        """tokens: (n,) integers below config.n_vocab, which may be mapped from a file."""
        largest = max(size for _, size in schedule.windows)
        if len(tokens) <= largest:
            raise ValueError(f"{len(tokens)} tokens are not more than a window of {largest}")
        torch.manual_seed(schedule.seed)
        self.schedule, self.tokens, self.device = schedule, tokens, torch.device(device)
        self.model = Llama(config).to(self.device)
        inside = [p for p in self.model.layers.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if all(p is not q for q in inside)]
        self.optimisers = [
            Muon(inside, lr=schedule.muon_lr),
            torch.optim.Adam(others, lr=schedule.adam_lr, betas=(0.9, 0.95)),
        ]
        self.n_steps, self.seconds = 0, 0.0  # seconds: of all runs so far
        # On a CPU compiling takes longer than it saves in models of this size.
        self._loss = torch.compile(self.model.loss, dynamic=False) if self.device.type == "cuda" else self.model.loss

    @property
    def n_tokens(self) -> int:
        return self.n_steps * self.schedule.tokens_a_step

    def batch(self, size: int) -> Tensor:
        """Return this step's windows (B, size), from places that the seed and the step's number tell."""
        random = np.random.default_rng([self.schedule.seed, self.n_steps])
        starts = random.integers(0, len(self.tokens) - size, max(1, self.schedule.tokens_a_step // size))
        return torch.from_numpy(np.stack([self.tokens[s : s + size] for s in starts]).astype(np.int64))

    def step(self, progress: float) -> Tensor:
        """Learn from a batch; return its loss in nats a token.  progress: how much of the training is done, 0 .. 1."""
        scale = self.schedule.rate(progress, self.n_steps)
        batch = self.batch(self.schedule.size(progress)).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=multiplies_bfloat16(self.device.type)):
            loss = self._loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser, lr in zip(self.optimisers, (self.schedule.muon_lr, self.schedule.adam_lr), strict=True):
            optimiser.param_groups[0]["lr"] = lr * scale
            optimiser.step()
            optimiser.zero_grad()
        self.n_steps += 1
        return loss.detach()

    def save(self, path: Path) -> None:
        """Write a checkpoint so that no crash leaves half of one."""
        state = {
            "config": asdict(self.model.config),
            "schedule": asdict(self.schedule),
            "n_text": len(self.tokens),
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "n_steps": self.n_steps,
            "seconds": self.seconds,
        }
        scratch = path.with_suffix(".new")
        torch.save(state, scratch)
        scratch.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises OSError, ValueError if it is damaged or of another training.

        Checkpoints are pickles, which can run anything: read your own ones only.
        """
        state = read_checkpoint(path, self.device)
        here = {"config": asdict(self.model.config), "schedule": asdict(self.schedule), "n_text": len(self.tokens)}
        different = [name for name, value in here.items() if state[name] != value]
        if different:
            raise ValueError(f"{path}: the checkpoint is of another {' and another '.join(different)}")
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.n_steps, self.seconds = state["n_steps"], state["seconds"]


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    """Return the state in a checkpoint; raises OSError, ValueError if it holds none."""
    try:
        state = torch.load(path, map_location=device, weights_only=False)
        if "optimisers" in state:
            return state
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, KeyError, IndexError):
        pass
    raise ValueError(f"{path}: not a checkpoint, or damaged")


def model_of(state: dict) -> Llama:
    """Return the model of a checkpoint."""
    model = Llama(LlamaConfig(**state["config"]))
    model.load_state_dict(state["model"])
    return model


@torch.no_grad()
def nats_by_position(model: Llama, windows: np.ndarray) -> np.ndarray:
    """Return -ln p of each token of windows (n, T) in float32, each window behind the start alone: (n, T)."""
    parts = []
    for row in torch.from_numpy(windows.astype(np.int64)).split(4):
        before = torch.cat([torch.full_like(row[:, :1], model.config.n_vocab), row[:, :-1]], 1)
        logits = model(before).float()
        parts.append(-logits.log_softmax(-1).gather(-1, row[..., None])[..., 0])
    return torch.cat(parts).numpy()


def bits(nats: float) -> float:
    return nats / math.log(2)
