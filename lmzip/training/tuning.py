"""Tunes a net on documents within a budget: rates that fall at the end, validation, an early stop, checkpoints.

Needs torch.  Of the same documents, plan and number of threads the same weights come, if the budget is one of bytes;
where it is one of time, the rates depend on how fast the machine is.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmzip.training.documents import Split
from lmzip.training.net.data import Augmentation, Corpus
from lmzip.training.net.model import NetConfig
from lmzip.training.net.trainer import TrainConfig, Trainer
from lmzip.training.net.weight_file import net_config_of, restore, weight_file

N_VALIDATIONS = 10  # in the course of the budget
PATIENCE = 3  # validations without a gain, after which the rates fall, or with falling rates the training ends
LEAST_GAIN = 0.002  # of the validation's loss, as a share of it
DECAY_SHARE = 0.5  # of the budget in which the rates fall to zero
SAVE_SECONDS = 60.0  # between checkpoints
VALIDATION_SIZE = 64 << 10  # bytes: what the net reads without learning takes a third of the time of learning
VALIDATION_SHARE = 0.1  # of the time at most, where time is what there is little of

# What a net that begins with good weights is best tuned with on one's own files (docs/MODELS.md, "Tuning").
TUNING = TrainConfig(batch_size=8, window=256, optimiser="adam", adam_lr=0.004, table_lr=0.06, warmup_steps=20)
AS_IT_IS = Augmentation(crlf=0.0)


@dataclass(frozen=True)
class Plan:
    """What is tuned and how long: until the first of the limits."""

    net: NetConfig
    train: TrainConfig
    augmentation: Augmentation
    begin: bytes | None = None  # the weight file to begin with; None: a new net
    seconds: float = math.inf  # of all runs together
    n_bytes: float = math.inf  # read in all runs together
    device: str = "cpu"

    @classmethod
    def of_weights(cls, begin: bytes, **limits: Any) -> Plan:
        """Return the plan to tune a net as it is in a weight file; raises UnsupportedError if that holds none."""
        return cls(net_config_of(begin), TUNING, AS_IT_IS, begin, **limits)

    def digest(self) -> str:
        """Return a hash of what may not change between the runs of a training: all but the limits and the device."""
        begin = hashlib.sha256(self.begin).hexdigest() if self.begin else None
        return hashlib.sha256(repr((self.net, self.train, self.augmentation, begin)).encode()).hexdigest()


@dataclass
class Course:
    """How far a training is, but for what the trainer holds."""

    seconds: float = 0.0
    losses: list[dict[str, float]] = field(default_factory=list)  # bits per byte by kind, of each validation
    validated: tuple[float, int] = (0.0, 0)  # the seconds and bytes used at the last of them
    best: int = 0  # which of them was the best
    decay: tuple[float, float] | None = None  # from which share of the budget to which the rates fall, once they do
    n_idle: int = 0  # validations in succession without a gain on the one before, with the rates as they are
    finished: bool = False


class Tuner:
    """A training of a split's documents as planned, which goes on from a checkpoint where there is one."""

    def __init__(self, plan: Plan, documents: Split, checkpoint: Path) -> None:
        """Raises OSError, and ValueError for a checkpoint of another training, or of none, and for a net that fails.

        Raises UnsupportedError for weights that do not hold a net.
        """
        self.plan, self.checkpoint = plan, checkpoint
        self._digest = f"{documents.digest()} {plan.digest()}"
        self.trainer = Trainer(
            plan.net,
            plan.train,
            plan.augmentation,
            Corpus.of([(document.kind, document.data) for document in documents.train]),
            plan.device,
            compiled=not plan.device.startswith("cpu"),
        )
        self._validation = _some(documents, VALIDATION_SIZE)
        self.course = Course()
        self._last = time.monotonic()
        self._reserve = 0.0  # seconds that the last validation will take
        self.resumed = checkpoint.exists()
        if self.resumed:
            self._load()
        else:
            if plan.begin is not None:
                restore(self.trainer.net, plan.begin)
            self._best = _copy(self.trainer.net.state_dict())

    @property
    def n_bytes(self) -> int:
        """The bytes that were read in all runs."""
        return self.trainer.n_steps * self.trainer.step_size

    def share(self) -> float:
        """Return the share of the budget that is used."""
        return self._share(self.course.seconds, self.n_bytes)

    def _share(self, seconds: float, n_bytes: int) -> float:
        return max(seconds / self.plan.seconds, n_bytes / self.plan.n_bytes)

    def run(self, tell: Callable[[Tuner], None] = lambda _: None) -> None:
        """Train until the budget is used or nothing is gained any more, with a checkpoint now and then and at the end.

        tell: called after each step and validation.  Raises OSError where no checkpoint can be written.
        """
        course = self.course
        self._last = saved = time.monotonic()
        while not course.finished:
            if self._validation_is_due():
                self._validate()
                self._clock()
                self.save()
                saved = time.monotonic()
                tell(self)
            self._clock()
            scale = self._scale(self._share(course.seconds + self._reserve, self.n_bytes))
            if scale <= 0 or course.finished:
                break
            self.trainer.step(scale)
            tell(self)
            if time.monotonic() - saved > SAVE_SECONDS:
                self._clock()
                self.save()
                saved = time.monotonic()
        if not course.finished:
            self._validate()
            course.finished = True
            tell(self)
        self._clock()
        self.save()

    def _clock(self) -> None:
        """Count the time since it was last counted."""
        now = time.monotonic()
        self.course.seconds += now - self._last
        self._last = now

    def weights(self, name: str) -> bytes:
        """Return the best weights by validation as a weight file; raises ValueError for weights that are too large."""
        net = self.trainer.net
        kept = _copy(net.state_dict())
        net.load_state_dict(self._best)
        try:
            return weight_file(net, name)
        finally:
            net.load_state_dict(kept)

    def save(self) -> None:
        """Write the checkpoint, so that no crash leaves half of one; raises OSError."""
        scratch = self.checkpoint.with_suffix(".new")
        state = {"digest": self._digest, "course": vars(self.course), "best": self._best}
        torch.save(_plain(state | {"trainer": self.trainer.state_dict()}), scratch)
        scratch.replace(self.checkpoint)

    def _load(self) -> None:
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            found = state["digest"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, KeyError, IndexError, ValueError):
            raise ValueError("not a checkpoint, or damaged") from None
        if found != self._digest:
            raise ValueError("the checkpoint is of other files or another net")
        self.trainer.load_state_dict(state["trainer"])
        self.course = Course(**state["course"])
        self._best = {name: x.to(self.plan.device) for name, x in state["best"].items()}
        if self.course.finished and self.share() < 1:  # more is wanted than what was enough
            self.course.finished, self.course.decay = False, None

    def _validation_is_due(self) -> bool:
        """Return whether enough was read since the last one: of two runs with a budget of bytes at the same places."""
        if not self.course.losses:
            return True
        if math.isfinite(self.plan.seconds):
            seconds = self.course.seconds - self.course.validated[0]
            if seconds < self._reserve / VALIDATION_SHARE:
                return False
        return self.share() - self._share(*self.course.validated) >= 1 / N_VALIDATIONS - 1e-9  # of rounding

    def _scale(self, share: float) -> float:
        """Return what the learning rates are multiplied by at a share of the budget."""
        rising = min(1.0, (self.trainer.n_steps + 1) / max(1, self.trainer.config.warmup_steps))
        if self.course.decay is None and share >= 1 - DECAY_SHARE:
            self.course.decay = (1 - DECAY_SHARE, 1.0)
        if self.course.decay is None:
            return rising
        begin, end = self.course.decay
        return rising * min(1.0, (end - share) / (end - begin))

    def _validate(self) -> None:
        course, began = self.course, time.monotonic()
        course.losses.append(self.trainer.validate(self._validation))
        self._reserve = time.monotonic() - began
        course.validated = (course.seconds, self.n_bytes)
        now, best = course.losses[-1]["all"], course.losses[course.best]["all"]
        # At first high rates may lose much of what the weights knew: what falls again is not idle.
        before = course.losses[-2]["all"] if len(course.losses) > 1 else math.inf
        course.n_idle = 0 if now < before * (1 - LEAST_GAIN) else course.n_idle + 1
        if now < best:
            course.best = len(course.losses) - 1
            self._best = _copy(self.trainer.net.state_dict())
        if course.n_idle >= PATIENCE and course.decay is not None:
            course.finished = True
        elif course.n_idle >= PATIENCE:
            share = self.share()
            course.decay = (share, min(1.0, share / (1 - DECAY_SHARE)))
            course.n_idle = 0


def _some(documents: Split, most: int) -> Corpus:
    """Return the documents for validation, of each no more than its share of `most` bytes: the beginning."""
    size = sum(len(document.data) for document in documents.validation)
    return Corpus.of(
        [
            (document.kind, document.data[: max(1, len(document.data) * min(size, most) // size)])
            for document in documents.validation
        ]
    )


def _copy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in state.items()}


def _plain(state: Any) -> Any:
    """Return nested values with tensors in the place of arrays, which torch reads without running what is in a file."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(map(_plain, state))
    return torch.from_numpy(state.copy()) if isinstance(state, np.ndarray) else state
