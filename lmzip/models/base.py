"""The contract between the codec and a model: how a block becomes a payload and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

Progress = Callable[[int], None]


class Model(ABC):
    """A predictor with its coder.  Calls are thread-safe, and each starts from the same state: blocks share nothing.

    What encode_block returns depends on its arguments alone, on every machine that passes the model's own checks.
    """

    name: str
    methods: frozenset[int]  # method numbers (1 to 15) that a block head may carry
    likes_lanes: bool = False  # whether many at once take hardly longer than one: on a GPU
    numerics: str = ""  # what the arithmetic is bound to, in words; "" for one that is exact

    @property
    @abstractmethod
    def digest(self) -> bytes:
        """SHA-256 of the weights, 32 bytes; b"" for a model without weights."""

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that tell the arithmetic from others; b"" for one that is exact."""
        return b""

    def needs_weights(self, method: int) -> bool:
        """Return whether blocks of that method can be decoded with the weights only, not by the built-in model."""
        return bool(self.digest)

    @abstractmethod
    def encode_block(self, raw, method: int, n_lanes: int, progress: Progress | None, n_threads: int) -> bytes | None:
        """Return the payload of the bytes-like raw, or None when it would not be smaller than raw.

        n_threads: how many may work on this block; the payload does not depend on it.

        progress is called in this thread with raw bytes done since its last call; what it raises abandons the block.
        """

    @abstractmethod
    def decode_block(
        self, payload, raw_size: int, method: int, n_lanes: int, progress: Progress | None, n_threads: int
    ):
        """Return the raw_size bytes (bytes-like) that a payload stands for.

        A damaged payload gives wrong bytes or raises DamagedError: the caller compares a check of the data.
        """

    @abstractmethod
    def memory_size(self, method: int, raw_size: int, n_lanes: int) -> int:
        """Return the bytes of state that one block needs, its raw and payload buffers not counted."""

    def shared_size(self, method: int) -> int:
        """Return the bytes that all blocks of that method share, however many are coded at once: the weights."""
        return 0

    def loading_size(self, method: int) -> int:
        """Return the bytes that loading the weights for that method takes at most; 0 once they are there, or if few."""
        return 0
