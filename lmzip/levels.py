"""What a level means: the one table from -1 .. -9 to profile, block size and lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmzip import arguments
from lmzip.block import BlockSpec

MIN_LEVEL, MAX_LEVEL, DEFAULT_LEVEL = 1, 9, 6
_WEAKEST_WITH_MODEL = 5
MIN_BLOCK_SIZE, MAX_BLOCK_SIZE = 1, 1 << 30

# Rows of the table of profiles (ARITHMETIC 8.1), by the number in a frame's header.
PROFILE_NAMES = {1: "fast", 2: "quick", 3: "full", 4: "max", 5: "light", 6: "large"}
FAST, QUICK, FULL, MAX, LIGHT, LARGE = PROFILE_NAMES

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class LevelSettings:
    """Settings of a compressor; a frame written with them says by itself how to decode it."""

    profile: int  # row of the table of profiles
    uses_model: bool  # for blocks where it pays
    block_size: int  # raw bytes
    lanes: tuple[tuple[int, int], ...] = ()  # (raw bytes up to which, lanes), rising; of blocks with the model
    context: int = 0  # how often the window of a model of tokens is halved
    sample_size: int = 32 << 10  # most bytes from which it is decided whether the model pays
    gain_lost: float = 0.05  # of the size, that a model gains less for each doubling from the sample to the block
    samples_size: int = 4 << 20  # raw bytes of blocks of images and sound, which are learned sooner than text
    small_net: bool = False  # of the nets that ship the level's own is the smaller

    def spec(self, raw_size: int, *, uses_model: bool, n_lanes: int | None = None, machine: int = 0) -> BlockSpec:
        """Return what a block of raw_size bytes is; n_lanes: None for as many as these settings give.

        machine: whose code the block is converted for, 0 for none.

        Without a model there is one lane: more gain nothing.
        """
        lanes = n_lanes or (self.n_lanes(raw_size) if uses_model else 1)
        context = self.context if uses_model else 0
        return BlockSpec(raw_size, self.profile, uses_model, lanes, context, machine=machine)

    def n_lanes(self, raw_size: int) -> int:
        """Return the number of lanes of a block of raw_size bytes with the model."""
        return next((lanes for size, lanes in self.lanes if raw_size <= size), _MOST_LANES)


# The fast levels cut so that a few megabytes already keep two processors busy and a pipe flows after a second or two;
# the strong ones take the ratio.  Lanes let a decoder's net predict many bytes at once: four take half the time of one
# on one core, and from eight on two cores share the work; a block comes out 0.5 to 2.5 % larger, some logs 7 %
# (docs/RESULTS.md, "Blocks and lanes").  An encoder, which knows all bytes, is as fast with one.
_LEVELS = {
    1: LevelSettings(FAST, False, 1 * _MIB),
    2: LevelSettings(QUICK, False, 2 * _MIB),
    3: LevelSettings(FULL, False, 2 * _MIB),
    4: LevelSettings(MAX, False, 16 * _MIB),
    5: LevelSettings(
        LIGHT,
        True,
        16 * _MIB,
        ((64 * _KIB, 1), (1 * _MIB, 8), (4 * _MIB, 16)),
        small_net=True,
        # This net takes no more time than the base, so to try without it costs more of the time than with the other.
        sample_size=16 << 10,
        gain_lost=0.035,
    ),
    6: LevelSettings(MAX, True, 16 * _MIB, ((192 * _KIB, 1), (384 * _KIB, 4), (768 * _KIB, 8), (2 * _MIB, 16))),
    7: LevelSettings(MAX, True, 16 * _MIB, ((384 * _KIB, 1), (1 * _MIB, 4), (2 * _MIB, 8), (4 * _MIB, 16))),
    8: LevelSettings(MAX, True, 32 * _MIB, ((768 * _KIB, 1), (2 * _MIB, 4), (8 * _MIB, 8), (16 * _MIB, 16))),
    9: LevelSettings(LARGE, True, 64 * _MIB, ((1 * _MIB, 1), (4 * _MIB, 4), (MAX_BLOCK_SIZE, 8))),
}
_MOST_LANES = 32

# With a model of tokens there are four settings, which differ in how far it sees and in lanes: with few of those a step
# takes most of its time for reading the weights, with many for reading keys and values, but a lane begins cold.
_FEW_LANES = ((8 * _KIB, 1), (16 * _KIB, 2), (32 * _KIB, 4), (96 * _KIB, 8), (256 * _KIB, 16))
_MANY_LANES = (*_FEW_LANES, (512 * _KIB, 32), (MAX_BLOCK_SIZE, 64))


def _with_tokens(context: int, lanes: tuple[tuple[int, int], ...]) -> LevelSettings:
    return LevelSettings(LARGE, True, 1 * _MIB, lanes, context, sample_size=4 << 10)


_TOKEN_LEVELS = {
    1: _with_tokens(3, _MANY_LANES),
    **dict.fromkeys((2, 3), _with_tokens(2, _MANY_LANES)),
    **dict.fromkeys((4, 5, 6), _with_tokens(1, _FEW_LANES)),
    **dict.fromkeys((7, 8, 9), _with_tokens(0, _FEW_LANES)),
}

# A GPU runs many lanes in the time of one.
_LANES_OF_A_GPU = ((4 * _KIB, 1), (16 * _KIB, 8), (64 * _KIB, 32), (MAX_BLOCK_SIZE, 64))


def get_level(
    level: int, *, uses_model: bool | None = None, has_tokens: bool = False, prefers_batching: bool = False
) -> LevelSettings:
    """Return the settings of a level; raises ValueError if there is no such level, TypeError for what is no integer.

    uses_model: whether to use one; None means the level's own choice.  A level without one that is to use one takes the
    weakest with one.  has_tokens: whether it is a model of tokens, with which there are four settings for nine levels.
    prefers_batching: whether it takes as many lanes as there may be, on a GPU.
    """
    level = arguments.integer("level", level)
    if level not in _LEVELS:
        raise ValueError(f"level must be {MIN_LEVEL} to {MAX_LEVEL}, not {level}")
    settings = _LEVELS[level]
    if uses_model is False:
        return replace(settings, uses_model=False)
    if has_tokens:
        settings = _TOKEN_LEVELS[level]
    elif uses_model and not settings.uses_model:
        settings = _LEVELS[_WEAKEST_WITH_MODEL]
    return replace(settings, lanes=_LANES_OF_A_GPU) if prefers_batching else settings


def check_block_size(block_size: int) -> int:
    """Return block_size; raises ValueError if blocks cannot have that many raw bytes, TypeError for no integer."""
    block_size = arguments.integer("block_size", block_size)
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE:
        raise ValueError(f"block_size must be {MIN_BLOCK_SIZE} to {MAX_BLOCK_SIZE}, not {block_size}")
    return block_size
