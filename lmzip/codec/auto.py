"""Which method a block is coded with: the encoder looks at samples; the block head records what it chose.

Deterministic: the choice depends on the block's bytes, the level and the model only.
"""

from __future__ import annotations

from lmzip.levels import Level, n_lanes
from lmzip.models.base import Model, Progress

_SMALL_BLOCK = 16 << 10  # bytes up to which a block is coded both ways
_N_PIECES = 4
_NET_GAIN = 0.01  # of a sample's size that a net must save to be worth its time
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

    if not choice.has_net:
        method = choice.method
    elif not takes_sample(choice, len(raw)):
        plain = code(choice.ngram_method)
        mixed = code(choice.method, progress)
        if mixed is not None and len(mixed) + net_cost <= len(raw if plain is None else plain):
            return mixed, choice.method, lanes_of(choice.method)
        return plain, choice.ngram_method, lanes_of(choice.ngram_method)
    else:
        method = method_by_sample(model, raw, choice, net_cost, tried, n_threads)
        if not method:
            probe = code(_PROBE_METHOD)
            if probe is None or len(probe) > len(raw) * (1 - _SOME_GAIN):
                return probe, _PROBE_METHOD, lanes_of(_PROBE_METHOD)
            method = choice.ngram_method
    return code(method, progress), method, lanes_of(method)


def takes_sample(choice: Level, raw_size: int) -> bool:
    """Return whether a sample decides how a block of raw_size bytes is coded."""
    return choice.has_net and raw_size > _SMALL_BLOCK


def method_by_sample(
    model: Model, raw, choice: Level, net_cost: int, progress: Progress | None = None, n_threads: int = 1
) -> int:
    """Return the method that a sample of the block speaks for, 0 if none makes it smaller."""
    sample = _sample(raw, choice.sample_size)
    plain = _coded_size(model, sample, choice.ngram_method, progress, n_threads)
    mixed = _coded_size(model, sample, choice.method, progress, n_threads)
    if min(plain, mixed) > len(sample) * (1 - _SOME_GAIN):
        return 0
    least_gain = max(plain * _NET_GAIN, net_cost * len(sample) / len(raw))
    return choice.method if plain - mixed > least_gain else choice.ngram_method


def _sample(raw, sample_size: int) -> bytes:
    """Return pieces from all over the block, sample_size bytes in all; they become lanes of a block of their own."""
    size = min(len(raw), sample_size) // _N_PIECES
    step = (len(raw) - size) // (_N_PIECES - 1)
    return b"".join(bytes(raw[i * step : i * step + size]) for i in range(_N_PIECES))


def _coded_size(model: Model, sample: bytes, method: int, progress: Progress | None, n_threads: int) -> int:
    payload = model.encode_block(sample, method, _N_PIECES, progress, n_threads)
    return len(sample) if payload is None else len(payload)
