"""The contract between the codec and a model: how a block becomes a payload and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.dictionary import Dictionary
from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.original import Original


@contextmanager
def readable(name: str | Path) -> Iterator[None]:
    """Within: what cannot be read is a model that is missing; name: what was asked for, or where it lies."""
    try:
        yield
    except OSError as error:
        raise ModelMissingError(f"cannot read the model {name}: {error.strerror or error}") from None


class Steps(NamedTuple):
    """What coding a block cost, step by step: a byte, a sample or a token each."""

    ends: array[int]  # where each ends in the raw bytes
    bits: array[float]  # of information in each, with what tells where tokens end


class Model(ABC):
    """A predictor with its coder.  Calls are thread-safe, and each starts from the same state: blocks share nothing.

    What encode returns depends on raw and spec alone, on every machine that passes the model's own checks.
    """

    name: str
    path: Path  # where it lies, if it has weights
    kind: int = 0  # of the model in a frame's header (FORMAT 3.2); 0 for the built-in one, which no header names
    has_tokens: bool = False  # whether a step of it is a token, not a byte
    takes_dictionary: bool = True  # whether its blocks may begin behind one
    prefers_batching: bool = False  # whether many lanes at once take hardly longer than one: on a GPU
    blocks_at_once: int = 0  # that are worth to be coded together, on a device; 0 for as many as there are processors
    numerics: str = ""  # what the arithmetic is bound to, in words; "" for one that is exact
    dictionary: Dictionary | None = None  # what its blocks of bytes begin behind
    original: Original | None = None  # what its blocks may have copies of

    @property
    @abstractmethod
    def digest(self) -> bytes:
        """SHA-256 of the weights, 32 bytes; b"" for a model without weights."""

    @property
    def plain(self) -> Model:
        """The model without a dictionary or original."""
        return self

    @property
    def unpatched(self) -> Model:
        """The model without an original."""
        return self

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that tell the arithmetic from others; b"" for one that is exact."""
        return b""

    @abstractmethod
    def takes(self, spec: BlockSpec) -> bool:
        """Return whether there are such blocks; reads no weights."""

    @abstractmethod
    def encode(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> bytes | None:
        """Return the payload of the bytes-like raw, or None when it would not be smaller than raw."""

    @abstractmethod
    def decode(self, payload, spec: BlockSpec, run: Run = DEFAULT_RUN) -> memoryview:
        """Return the raw bytes that a payload stands for; the rest are arbitrary where run.reached ends it early.

        A damaged payload gives wrong bytes or raises DamagedError: the caller compares a check of the data.
        run.expected may be ignored.
        """

    def sample(self, given, bits: bytes, spec: BlockSpec, progress: Callable[[int], None] | None = None) -> bytes:
        """Return a block that begins with `given` and goes on as `bits`, random bytes, draw from what is predicted.

        progress: called with bytes done.  Raises ValueError as native.sampling.sample_block does, UnsupportedError for
        a model that does not sample.
        """
        raise UnsupportedError(f"the model {self.name} does not sample")

    def costs(self, raw, spec: BlockSpec, run: Run = DEFAULT_RUN) -> Steps:
        """Return what each step of coding a block of one lane costs; raises UnsupportedError for a model that does not
        say.
        """
        raise UnsupportedError(f"the model {self.name} does not say what bytes cost")

    @abstractmethod
    def load(self) -> None:
        """Load the weights, if there are any, now rather than with the first block.

        Raises ModelMissingError, UnsupportedError for bad ones.
        """

    @abstractmethod
    def memory_size(self, spec: BlockSpec) -> int:
        """Return the bytes of state that one block needs, its raw and payload buffers not counted.

        Loads the weights for a block that uses them.
        """

    def learned_size(self, spec: BlockSpec) -> int:
        """Return the bytes of what is learned of the dictionary once for all blocks like this; 0 without one."""
        return 0

    def weights_size(self) -> int:
        """Return the bytes that all blocks with this model share, however many are coded at once."""
        return 0

    def loading_size(self) -> int:
        """Return the bytes that loading the weights takes at most; 0 once they are there, or if few."""
        return 0
