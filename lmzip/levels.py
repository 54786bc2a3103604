"""What a level means: the one table from -1 .. -9 to predictor method, block size and lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmzip import arguments

MIN_LEVEL, MAX_LEVEL, DEFAULT_LEVEL = 1, 9, 6
MIN_BLOCK_SIZE, MAX_BLOCK_SIZE = 1, 1 << 30

# Rows of the table of predictors (ARITHMETIC 6), by the number in a block head.
METHOD_NAMES = {
    0: "stored",
    1: "fast",
    2: "quick",
    3: "full",
    4: "max",
    5: "full+net",
    6: "max+net",
    7: "best+net",
    8: "max+net+fields",
    9: "best+net+fields",
    10: "max+tokens",
    11: "max+tokens/2",
    12: "max+tokens/4",
    13: "max+tokens/8",
}
FIRST_NET_METHOD = 5  # as lmzip.native.NET_METHOD, which is the judge; levels do not load the kernel
TOKEN_METHOD = 10  # as lmzip.native.TOKEN_METHOD
TOKEN_METHODS = range(TOKEN_METHOD, 14)

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Level:
    """Settings of a compressor; a frame written with them says by itself how to decode it."""

    method: int  # row of the table of predictors
    ngram_method: int  # for blocks where the net does not pay, and for those who want none
    block_size: int  # raw bytes
    lanes: tuple[tuple[int, int], ...] = ()  # (raw bytes up to which, lanes), rising; of net methods
    sample_size: int = 32 << 10  # bytes from which it is decided whether a net pays

    @property
    def has_net(self) -> bool:
        return self.method >= FIRST_NET_METHOD


# The fast levels cut so that a few megabytes already keep two processors busy and a pipe flows after a second or two;
# the strong ones take the ratio.  Lanes let the net predict many bytes at once: with 32 it runs three times as fast on
# one core as with one, and two cores share the work; a block comes out 1 to 2 % larger (docs/RESULTS.md, "Blocks and
# lanes").
_LEVELS = {
    1: Level(1, 1, 1 * _MIB),
    2: Level(2, 2, 2 * _MIB),
    3: Level(3, 3, 2 * _MIB),
    4: Level(4, 4, 16 * _MIB),
    5: Level(5, 4, 16 * _MIB, ((64 * _KIB, 1), (256 * _KIB, 8))),
    6: Level(8, 4, 16 * _MIB, ((320 * _KIB, 1), (640 * _KIB, 4), (1 * _MIB, 8), (2 * _MIB, 16))),
    7: Level(8, 4, 16 * _MIB, ((512 * _KIB, 1), (1 * _MIB, 4), (2 * _MIB, 8), (4 * _MIB, 16))),
    8: Level(8, 4, 32 * _MIB, ((768 * _KIB, 1), (2 * _MIB, 4), (8 * _MIB, 8), (16 * _MIB, 16))),
    9: Level(9, 4, 64 * _MIB, ((1 * _MIB, 1), (4 * _MIB, 4), (MAX_BLOCK_SIZE, 8))),
}
_MOST_LANES = 32

# With a transformer there are four settings, which differ in how far it sees and in lanes: with few of those a step
# takes most of its time for reading the weights, with many for reading keys and values, but a lane begins cold.
_LANES_OF_TOKENS = ((8 * _KIB, 1), (16 * _KIB, 2), (32 * _KIB, 4), (96 * _KIB, 8), (256 * _KIB, 16))
_STRONG_TOKENS = Level(TOKEN_METHOD, 4, 1 * _MIB, _LANES_OF_TOKENS, sample_size=4 << 10)
_TOKENS = Level(TOKEN_METHOD + 1, 4, 1 * _MIB, _LANES_OF_TOKENS, sample_size=4 << 10)
_MORE_LANES = (*_LANES_OF_TOKENS, (512 * _KIB, 32), (MAX_BLOCK_SIZE, 64))
_FAST_TOKENS = Level(TOKEN_METHOD + 2, 4, 1 * _MIB, _MORE_LANES, sample_size=4 << 10)
_FASTEST_TOKENS = replace(_FAST_TOKENS, method=TOKEN_METHOD + 3)
_OF_TOKENS = (_FASTEST_TOKENS, *2 * (_FAST_TOKENS,), *3 * (_TOKENS,), *3 * (_STRONG_TOKENS,))

# A GPU runs many lanes in the time of one.
_LANES_OF_A_GPU = ((4 * _KIB, 1), (16 * _KIB, 8), (64 * _KIB, 32), (MAX_BLOCK_SIZE, 64))


def with_many_lanes(choice: Level) -> Level:
    """Return the settings for a model that runs on a GPU: as many lanes as tokens may have."""
    return replace(choice, lanes=_LANES_OF_A_GPU)


def get_level(level: int, *, net: bool | None = None, tokens: bool = False) -> Level:
    """Return the settings of a level; raises ValueError if there is no such level, TypeError for what is no integer.

    net: whether to use one; None means the level's own choice.  A level without a net that is to use one takes the
    weakest with one.  tokens: whether the net is a transformer, with which there are four settings for nine levels.
    """
    level = arguments.integer("level", level)
    if level not in _LEVELS:
        raise ValueError(f"level must be {MIN_LEVEL} to {MAX_LEVEL}, not {level}")
    choice = _LEVELS[level]
    if tokens:
        return _OF_TOKENS[level - MIN_LEVEL]
    if net is None or net == choice.has_net:
        return choice
    return _LEVELS[5] if net else Level(choice.ngram_method, choice.ngram_method, choice.block_size)


def n_lanes(choice: Level, raw_size: int) -> int:
    """Return the number of lanes of a block of raw_size bytes: one without a net, which lanes gain nothing."""
    if not choice.has_net:
        return 1
    return next((lanes for size, lanes in choice.lanes if raw_size <= size), _MOST_LANES)


def check_block_size(block_size: int) -> int:
    """Return block_size; raises ValueError if blocks cannot have that many raw bytes, TypeError for no integer."""
    block_size = arguments.integer("block_size", block_size)
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE:
        raise ValueError(f"block_size must be {MIN_BLOCK_SIZE} to {MAX_BLOCK_SIZE}, not {block_size}")
    return block_size
