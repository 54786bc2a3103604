"""The records of a block that go through all layers: what it is, and how it is worked on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lmzip.dictionary import Dictionary

IMAGE, SOUND = 1, 2  # kinds
X86, X86_64, ARM64 = 1, 2, 3  # machines whose code a block may be converted for (FORMAT 4.9)
BIG_ENDIAN, SIGNED, FLOAT, PALETTE = 1, 2, 4, 8  # flags
LINE_UNIT_SHIFT = 4  # two bits of flags: lines are padded to multiples of 2 to this power bytes


@dataclass(frozen=True)
class Content:
    """What the raw bytes of a block are samples of (FORMAT 4.5); bytes of any meaning unless a head says otherwise."""

    kind: int  # 0 bytes, 1 image, 2 sound
    channels: int = 0  # samples of a pixel, or of a moment of sound
    depth: int = 0  # bits of a sample
    flags: int = 0  # BIG_ENDIAN ...
    width: int = 0  # pixels of a line; 0 for sound
    offset: int = 0  # bytes before the first sample, a header for instance

    @property
    def line_size(self) -> int:
        """Bytes of a line of pixels with what it is padded with, or of a moment of sound; 1 for bytes."""
        size = max(1, self.width) * self.channels * self.depth // 8
        unit = 1 << (self.flags >> LINE_UNIT_SHIFT & 3)
        return -(-size // unit) * unit if self.kind else 1


BYTES = Content(0)


@dataclass(frozen=True)
class BlockSpec:
    """What a block is: everything besides the payload that decoding it takes."""

    raw_size: int  # bytes
    profile: int  # row of the table of profiles (ARITHMETIC 8.1), from the frame's header
    uses_model: bool  # coded by the base with the frame's model; else by the base alone
    n_lanes: int = 1
    context: int = 0  # how often the window of a model of tokens is halved, 0 to 3, from the frame's header
    content: Content = BYTES
    dictionary: Dictionary | None = None  # what it begins behind (ARITHMETIC 1.5); of blocks of bytes only
    machine: int = 0  # whose code it is converted for (FORMAT 4.9): X86 ...; of blocks of bytes only

    @property
    def dictionary_size(self) -> int:
        """Bytes that are known before the first raw byte."""
        return len(self.dictionary) if self.dictionary else 0

    @property
    def chunk_size(self) -> int:
        """Raw bytes of a lane's chunk; the last ones may be shorter, or empty."""
        return -(-self.raw_size // self.n_lanes)

    def chunks(self) -> list[tuple[int, int]]:
        """Return start and end, in the raw bytes, of the chunk of every lane that has one."""
        size = self.chunk_size
        return [(at, min(at + size, self.raw_size)) for at in range(0, self.raw_size, max(1, size))]


@dataclass(frozen=True)
class Run:
    """How a block is worked on; never changes the bytes."""

    # Called with the raw bytes done since the last call; what it raises abandons the block.
    progress: Callable[[int], None] | None = None
    n_threads: int = 1
    # For decoding: called with the raw buffer and n once the first n bytes of every lane's chunk are decoded (of a
    # shorter chunk, all of it); returns False to stop early.
    reached: Callable[[memoryview, int], bool] | None = None
    # For decoding, to prove a payload: the bytes that must come out.  A model that knows them predicts faster; it is
    # decoded all the same, and where something else comes out decoding ends as that of a damaged payload.
    expected: bytes | bytearray | memoryview | None = None


DEFAULT_RUN = Run()
