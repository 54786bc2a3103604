"""What lmzip-models train tells of a model: what it is worth on files held out, by kind, and what it took."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import TYPE_CHECKING

from lmzip.cli.messages import printable
from lmzip.cli.models.tables import table
from lmzip.cli.progress import duration
from lmzip.models import registry

if TYPE_CHECKING:
    from lmzip.training.gain import Gain


@dataclass(frozen=True)
class Report:
    """What --json prints, too; sizes in bytes."""

    path: str
    name: str
    size: int
    sha256: str
    level: int  # at which files were compressed
    train_size: int
    n_read: int  # in all runs; more than train_size where it was read more than once
    training_seconds: float  # of all runs
    seconds: float  # of this one, with measuring
    threads: int
    device: str
    bits_before: dict[str, float]  # of the net alone, bits per byte of the validation split, by kind and of "all"
    bits_after: dict[str, float]
    held_out: dict[str, Gain]  # by kind, and of "all"

    def as_json(self) -> str:
        """Return an object."""
        return dumps(asdict(self)) + "\n"

    def as_text(self) -> str:
        """Return a table of kinds, and lines on the model."""
        rows: list[Sequence[object]] = [
            ("kind", "net alone, bits/byte", "tuned", "bytes held out", f"-{self.level}", "tuned", "gain")
        ]
        for kind, gain in self.held_out.items():
            bits = [f"{found[kind]:.3f}" if kind in found else None for found in (self.bits_before, self.bits_after)]
            share = f"{100 * gain.share:.1f} %"
            rows.append((kind, *bits, gain.raw_size, gain.default_size, gain.tuned_size, share))
        is_path = os.sep in self.path or self.path.endswith(registry.SUFFIX)
        asked = printable(self.path if is_path else f"./{self.path}")
        return (
            f"{table(rows, set(range(1, 7)))}"
            f"{printable(self.path)}: {printable(self.name)}, {self.size} bytes, sha256 {self.sha256}\n"
            f"{self.n_read} bytes read, of {self.train_size}, in {duration(self.training_seconds)}, "
            f"{duration(self.seconds)} with measuring; threads {self.threads}, {self.device}\n"
            f"lmzip --model {asked} uses it; lmunzip finds it on LMZIP_MODEL_PATH and among the user's models\n"
        )
