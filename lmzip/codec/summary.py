"""What a run over a stream came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

# progress(phase, n): n more raw bytes are done in "compress", "verify" or "decompress"; called by any thread, one at
# a time; what it raises ends the run.
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Hole:
    """Something that salvage could not save."""

    offset: int  # in the damaged file
    raw_offset: int  # in what was written
    raw_size: int | None  # bytes missing there; None: unknown
    reason: str


@dataclass
class Summary:
    """Sizes and counts of a finished run; all sizes in bytes."""

    raw_size: int = 0
    compressed_size: int = 0
    n_frames: int = 0
    n_blocks: int = 0
    n_stored: int = 0
    n_outside: int = 0  # compression only: bytes outside the vocabulary of the model of their block
    content_hash: bytes | None = None  # of the content of the only frame; None if there are several
    names_model: bool = False  # compression only: a frame cannot be decoded without weights
    verified: bool = False
    n_threads: int = 1
    holes: list[Hole] = field(default_factory=list)  # salvage only

    @property
    def bits_per_byte(self) -> float:
        """8 · compressed size / raw size, container included; 0 for no content."""
        return 8 * self.compressed_size / self.raw_size if self.raw_size else 0.0

    def end_frame(self, content_hash: bytes) -> None:
        """Count a frame whose content has this hash."""
        self.content_hash = None if self.n_frames else content_hash
        self.n_frames += 1
