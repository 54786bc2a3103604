"""lmzip-models train: a net tuned on one's own files, measured on what is held out of them, kept as a weight file."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip import codec, levels
from lmzip.cli import signals
from lmzip.cli.messages import CallError, Reporter, printable, reason
from lmzip.cli.models.training_report import Report
from lmzip.cli.progress import Meter, duration
from lmzip.cli.writing import target, write_file
from lmzip.errors import UnsupportedError
from lmzip.models import registry, weights
from lmzip.packages import needed

if TYPE_CHECKING:
    from lmzip.training.documents import Split
    from lmzip.training.tuning import Plan, Tuner

DEFAULT_SECONDS = 600.0
_FOLDER = ".training"  # behind the name of the output: of the checkpoint
_LEAST_SHARE = 0.25  # of the time that is trained in, however long measuring takes


@dataclass
class Training:
    """One call of the command: what was asked for."""

    reporter: Reporter
    names: Sequence[str]
    output: str | None  # None: among the user's models
    force: bool
    name: str | None  # None: as the output is called, or the first of the names
    config: str | None
    seconds: float | None
    n_bytes: int | None
    device: str
    threads: int | None
    level: str | None
    json: bool

    def run(self) -> str:
        """Train, measure, write, and return what is to be told; raises CallError, after which there is no output."""
        began = time.monotonic()
        self.of_level = int(self.level or levels.DEFAULT_LEVEL)
        self.n_threads = self.threads or codec.available_threads()
        self.model_name = self._model_name()
        self.place = self.output or str(registry.user_folder() / f"{self.model_name}{registry.SUFFIX}")
        try:
            if not self.output:
                Path(self.place).parent.mkdir(parents=True, exist_ok=True)
            target(self.place, self.force).close()
            with needed("training needs", "torch"):
                import torch
            self.device = _device(self.device)
            torch.set_num_threads(self.n_threads)
            return self._trained(self._documents(), began)
        except (OSError, ValueError, MemoryError) as error:
            name = os.fsdecode(getattr(error, "filename", None) or self.names[0])
            raise CallError(f"{printable(name)}: {reason(error)}") from None

    def _model_name(self) -> str:
        name = self.name or Path(self.output or Path(self.names[0]).absolute()).name.removesuffix(registry.SUFFIX)
        if not name or "/" in name or not name.isprintable() or len(name.encode()) > weights.MAX_NAME_SIZE:
            raise CallError(f"a model's name is printable text of 1 to {weights.MAX_NAME_SIZE} bytes: say --name")
        return name

    def _documents(self) -> Split:
        from lmzip.training.documents import read_documents, split

        documents, n_passed_over = read_documents([Path(name) for name in self.names])
        if n_passed_over:
            self.reporter.warning(None, f"{n_passed_over} files passed over that are no text or damaged", 0)
        return split(documents)

    def _plan(self, seconds: float) -> Plan:
        from lmzip.training.tuning import Plan

        limits: dict[str, Any] = {"seconds": seconds, "n_bytes": self.n_bytes or float("inf"), "device": self.device}
        if self.config is None:
            return Plan.of_weights(weights.read(registry.Registry().default().path), **limits)
        from lmzip.training.net.config import load_config

        try:
            return Plan(*load_config(Path(self.config)), **limits)
        except ValueError as error:  # which names the file
            raise CallError(printable(str(error))) from None

    def _tuner(self, documents: Split, seconds: float) -> Tuner:
        """Return what trains, once it is known that what comes of it is a model."""
        from lmzip.training.tuning import Tuner

        plan, folder = self._plan(seconds), Path(self.place + _FOLDER)
        self.checkpoint, self.candidate = folder / "checkpoint.pt", folder / f"candidate{registry.SUFFIX}"
        try:
            tuner = Tuner(plan, documents, self.checkpoint)
            weights.load_net(tuner.weights(self.model_name), Path(self.config or self.place))
        except ValueError as error:
            raise CallError(f"{printable(str(self.checkpoint))}: {reason(error)}") from None
        folder.mkdir(exist_ok=True)
        if tuner.resumed:
            self.reporter.info(self.place, f"goes on from {printable(str(self.checkpoint))}")
        return tuner

    def _trained(self, documents: Split, began: float) -> str:
        from lmzip.training.gain import by_kind, sizes

        _, _, n_held_out = documents.sizes()
        with self._meter("measure", n_held_out) as meter:
            default = sizes(documents.held_out, self.of_level, None, self.n_threads, self._advance(meter))
        # What the tuned net is measured in, and decompressed, is of the time that was given, too.
        seconds = self.seconds or (float("inf") if self.n_bytes else DEFAULT_SECONDS)
        spent = time.monotonic() - began
        left = max(_LEAST_SHARE * seconds, seconds - 3.2 * spent)
        tuner = self._tuner(documents, left)
        self._train(tuner)
        data = tuner.weights(self.model_name)
        self.candidate.write_bytes(data)
        with self._meter("measure", n_held_out) as meter:
            tuned = sizes(documents.held_out, self.of_level, self.candidate, self.n_threads, self._advance(meter))
        gains = by_kind(documents.held_out, default, tuned)
        report = Report(
            path=self.place,
            name=self.model_name,
            size=len(data),
            sha256=sha256(data).hexdigest(),
            level=self.of_level,
            train_size=documents.sizes()[0],
            n_read=tuner.n_bytes,
            training_seconds=round(tuner.course.seconds, 1),
            seconds=round(time.monotonic() - began, 1),
            threads=self.n_threads,
            device=self.device,
            bits_before=tuner.course.losses[0],
            bits_after=tuner.course.losses[tuner.course.best],
            held_out=gains,
        )
        if gains["all"].share <= 0:
            self.candidate.unlink()
            raise CallError(
                f"{printable(self.place)}: not written: of {n_held_out} bytes held out it makes "
                f"{gains['all'].tuned_size}, the default {gains['all'].default_size}; more time goes on from here"
            )
        write_file(self.place, data, force=self.force)
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)
        return report.as_json() if self.json else report.as_text()

    def _train(self, tuner: Tuner) -> None:
        done = tuner.n_bytes
        with self._meter("train", None) as meter:

            def tell(tuner: Tuner) -> None:
                nonlocal done
                share = max(tuner.share(), 1e-6)
                meter.total = max(tuner.n_bytes, int(tuner.n_bytes / share))
                losses = tuner.course.losses
                meter.note = f"validation {losses[-1]['all']:.3f} bits/byte"
                self._tell_losses(tuner)
                meter.advance("train", tuner.n_bytes - done)
                done = tuner.n_bytes

            self._n_told = len(tuner.course.losses)
            tuner.run(tell)

    def _tell_losses(self, tuner: Tuner) -> None:
        losses = tuner.course.losses
        if len(losses) == self._n_told:
            return
        self._n_told = len(losses)
        kinds = ", ".join(f"{kind} {bits:.3f}" for kind, bits in losses[-1].items())
        seconds = duration(tuner.course.seconds)
        self.reporter.info(self.place, f"{seconds}, {tuner.n_bytes} bytes read, validation in bits/byte: {kinds}")

    @contextmanager
    def _meter(self, phase: str, total: int | None) -> Iterator[Meter]:
        meter = Meter(self.reporter, self.place, (phase,), total)
        with meter, signals.reporting(meter.report):
            yield meter

    @staticmethod
    def _advance(meter: Meter):
        return lambda n_bytes: meter.advance("measure", n_bytes)


def _device(name: str) -> str:
    """Return the device to train on; raises UnsupportedError where it is not here."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UnsupportedError(f"torch finds no CUDA here, which {name} needs")
    return name
