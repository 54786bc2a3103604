"""What a level means: the one table from -1 .. -9 to predictor method, block size and lanes."""

from __future__ import annotations

from dataclasses import dataclass

MIN_LEVEL, MAX_LEVEL, DEFAULT_LEVEL = 1, 9, 6
MIN_BLOCK_SIZE, MAX_BLOCK_SIZE = 1, 1 << 30

_MIB = 1 << 20


@dataclass(frozen=True)
class Level:
    """Settings of a compressor; a frame written with them says by itself how to decode it."""

    method: int  # row of the table of predictors (ARITHMETIC)
    block_size: int  # raw bytes


# The fast levels cut so that a few megabytes already keep two processors busy and a pipe flows after a second or two;
# the strong ones take the ratio (docs/RESULTS.md, "Blocks and lanes").
_LEVELS = {
    1: Level(1, 1 * _MIB),
    2: Level(2, 2 * _MIB),
    3: Level(3, 2 * _MIB),
    **{level: Level(4, 16 * _MIB) for level in range(4, 10)},  # until the nets arrive
}


def get_level(level: int) -> Level:
    """Return the settings of a level; raises ValueError if there is no such level."""
    try:
        return _LEVELS[level]
    except KeyError:
        raise ValueError(f"level must be {MIN_LEVEL} to {MAX_LEVEL}, not {level}") from None


def n_lanes(level: int, raw_size: int) -> int:
    """Return the number of lanes of a block of raw_size bytes.

    One for all levels of today: lanes cost the n-gram predictor some ratio and gain it nothing; they are there for
    predictors that evaluate many chunks at once.
    """
    get_level(level)
    return 1


def check_block_size(block_size: int) -> int:
    """Return block_size; raises ValueError if blocks cannot have that many raw bytes."""
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE:
        raise ValueError(f"block size must be {MIN_BLOCK_SIZE} to {MAX_BLOCK_SIZE}, not {block_size}")
    return block_size
