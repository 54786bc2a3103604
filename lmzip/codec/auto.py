"""Which method a block is coded with: the encoder looks at samples; the block head records what it chose.

Deterministic: the choice depends on the block's bytes, the level and the model only.
"""

from __future__ import annotations

from typing import NamedTuple

from lmzip.levels import Level, n_lanes
from lmzip.models.base import Model, Progress

_SMALL_BLOCK = 16 << 10  # bytes up to which a block is coded both ways
_N_PIECES = 4
_NET_GAIN = 0.01  # of the plain payload that a net must save to be worth its time
# At the end of a sample `ngram` has learned little, so a net gains more there than in the whole block, which it may
# even make larger; never seen where it saved a quarter of the sample (docs/RESULTS.md, "The choice by sample").
_SURE_GAIN = 0.25
_LEARNED = 0.01  # of the raw size: where `ngram` leaves no more than that, there is nothing to gain
_SOME_GAIN = 0.005  # below this a sample counts as incompressible
_PROBE_METHOD = 1  # finds repetitions over the whole block at several times the speed


def encode_auto(
    model: Model, raw, choice: Level, forced_lanes: int | None, progress: Progress, n_threads: int, net_cost: int = 0
) -> tuple[bytes | None, int, int]:
    """Return payload, method and number of lanes of a block; no payload where nothing makes it smaller.

    Without a net there is no choice but to code or not to.  progress is called with raw bytes done, and with 0 while
    something is only tried, as what it raises abandons that too.  net_cost: bytes that the frame grows by outside the
    payload if the block needs the net.
    """

    def tried(_n: int) -> None:
        progress(0)

    def code(method: int, report=tried) -> bytes | None:
        return model.encode_block(raw, method, lanes_of(method), report, n_threads)

    def lanes_of(method: int) -> int:
        return forced_lanes or (n_lanes(choice, len(raw)) if method == choice.method else 1)

    def smaller_of_both(least_size: float, least_gain: float) -> tuple[bytes | None, int, int]:
        """Code without the net, and with it if at least least_size bytes are left; take it if it saves least_gain."""
        plain = code(choice.ngram_method)
        plain_size = len(raw if plain is None else plain)
        if plain_size >= least_size:
            mixed = code(choice.method, progress)
            if mixed is not None and len(mixed) + net_cost <= plain_size * (1 - least_gain):
                return mixed, choice.method, lanes_of(choice.method)
        else:
            progress(len(raw))
        return plain, choice.ngram_method, lanes_of(choice.ngram_method)

    method = choice.method
    if choice.has_net:
        if not takes_sample(choice, len(raw)):
            return smaller_of_both(0, 0.0)
        sizes = sample_sizes(model, raw, choice, tried, n_threads)
        least_gain = max(sizes.plain * _NET_GAIN, net_cost * sizes.sample / len(raw))
        if min(sizes.plain, sizes.mixed) > sizes.sample * (1 - _SOME_GAIN):
            method = _PROBE_METHOD
            probe = code(method)
            if probe is None or len(probe) > len(raw) * (1 - _SOME_GAIN):
                return probe, method, lanes_of(method)
            method = choice.ngram_method
        elif sizes.plain - sizes.mixed <= least_gain:
            method = choice.ngram_method
        elif sizes.mixed > sizes.plain * (1 - _SURE_GAIN):
            return smaller_of_both(len(raw) * _LEARNED, _NET_GAIN)
    return code(method, progress), method, lanes_of(method)


def takes_sample(choice: Level, raw_size: int) -> bool:
    """Return whether a sample decides how a block of raw_size bytes is coded."""
    return choice.has_net and raw_size > _SMALL_BLOCK


class SampleSizes(NamedTuple):
    """What a sample came to, in bytes."""

    sample: int
    plain: int  # coded without the net
    mixed: int  # with it


def sample_sizes(model: Model, raw, choice: Level, progress: Progress | None = None, n_threads: int = 1) -> SampleSizes:
    """Code a sample of a block both ways."""
    sample = _sample(raw, choice.sample_size)
    sizes = (_coded_size(model, sample, method, progress, n_threads) for method in (choice.ngram_method, choice.method))
    return SampleSizes(len(sample), *sizes)


def _sample(raw, sample_size: int) -> bytes:
    """Return pieces from all over the block, sample_size bytes in all; they become lanes of a block of their own."""
    size = min(len(raw), sample_size) // _N_PIECES
    step = (len(raw) - size) // (_N_PIECES - 1)
    return b"".join(bytes(raw[i * step : i * step + size]) for i in range(_N_PIECES))


def _coded_size(model: Model, sample: bytes, method: int, progress: Progress | None, n_threads: int) -> int:
    payload = model.encode_block(sample, method, _N_PIECES, progress, n_threads)
    return len(sample) if payload is None else len(payload)
