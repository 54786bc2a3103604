"""How a block is coded: as what its bytes seem to be, with the model or without.  The encoder looks at samples; the
block's head records what it chose.

Deterministic: the choice depends on the block's bytes, their content, the level and the model only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lmzip import levels
from lmzip.block import BYTES, DEFAULT_RUN, BlockSpec, Content, Run
from lmzip.codec.stripes import checks_of
from lmzip.levels import LevelSettings
from lmzip.models.base import Model

_CONTENT_SAMPLE = 32 << 10  # bytes, in whole lines
_SMALL_BLOCK = 16 << 10  # bytes up to which a block is coded both ways, as is one that is all sample
_N_PIECES = 4
# A sample is a sixteenth of the block, for the time that it takes, but no smaller than tells what the whole would.
_SAMPLE_SHARE, _SMALL_SAMPLE = 16, 8 << 10
_MODEL_GAIN = 0.01  # of the plain payload that the model must save to be worth its time
# At the end of a sample the base has learned little, so a model gains more there than in the whole block, which it may
# even make larger: by some 3 to 6 per cent of the size less for each doubling from one to the other, as measured on
# texts and on a tar of programs (docs/RESULTS.md, "The choice by sample").  What is left is to be worth the risk.
_LEAST_GAIN = 0.05
_LEARNED = 0.01  # of the raw size: where the base leaves no more than that, there is nothing to gain
_SOME_GAIN = 0.005  # below this a sample counts as incompressible

Coded = tuple[bytes | None, BlockSpec]  # payload, None where it would not be smaller than the raw bytes


def code_block(
    model: Model,
    raw,
    settings: LevelSettings,
    forced_lanes: int | None,
    run: Run,
    model_cost: int = 0,
    content: Content = BYTES,
    machine: int = 0,
) -> Coded:
    """Return payload and spec of a block; no payload where nothing makes it smaller.

    run.progress is called with raw bytes done, and with 0 while something is only tried, as what it raises abandons
    that too.  content: what the bytes seem to be.  model_cost: bytes that the frame grows by outside the payload if the
    block needs the model.  machine: whose code they are converted for, 0 for none.
    """
    if content != BYTES:
        spec = BlockSpec(len(raw), settings.profile, False, content=content)
        if _is_content(model, raw, spec, _tries(run)):
            return encode_payload(model, raw, spec, run), spec
    return _code_bytes(model, raw, settings, forced_lanes, run, model_cost, machine)


def _is_content(model: Model, raw, spec: BlockSpec, run: Run) -> bool:
    """Return whether a sample from the middle comes out smaller as samples than as bytes, which are cheap to code."""
    if not model.takes(spec):
        return False
    line = spec.content.line_size
    n_lines = max(1, _CONTENT_SAMPLE // line)
    offset = spec.content.offset
    start = offset + max(0, (len(raw) - offset) // line - n_lines) // 2 * line
    sample = bytes(memoryview(raw)[start : start + n_lines * line])
    of_samples = replace(spec, raw_size=len(sample), content=replace(spec.content, offset=0))
    model = model.plain
    payloads = (model.encode(sample, s, run) for s in (of_samples, BlockSpec(len(sample), spec.profile, False)))
    as_samples, as_bytes = (len(sample if payload is None else payload) for payload in payloads)
    return as_samples < as_bytes


def _code_bytes(
    model: Model, raw, settings: LevelSettings, forced_lanes: int | None, run: Run, model_cost: int, machine: int
) -> Coded:
    """Code a block of bytes of any meaning.  Without a model there is no choice but to code or not to."""
    tries = _tries(run)

    def code(uses_model: bool, this_run: Run = tries) -> Coded:
        spec = settings.spec(len(raw), uses_model=uses_model, n_lanes=forced_lanes, machine=machine)
        return encode_payload(model, raw, spec, this_run), spec

    def smaller_of_both(least_size: float, least_gain: float) -> Coded:
        """Code without the model, and with it if at least least_size bytes are left; take it if it saves least_gain."""
        plain = code(False)
        plain_size = len(raw if plain[0] is None else plain[0])
        if plain_size >= least_size:
            mixed = code(True, run)
            if mixed[0] is not None and len(mixed[0]) + model_cost <= plain_size * (1 - least_gain):
                return mixed
        elif run.progress:
            run.progress(len(raw))
        return plain

    if not settings.uses_model:
        return code(False, run)
    if not takes_sample(settings, len(raw)):
        return smaller_of_both(0, 0.0)
    sizes = sample_sizes(model, raw, settings, tries, machine)
    least_gain = max(sizes.plain * _MODEL_GAIN, model_cost * sizes.sample / len(raw))
    if min(sizes.plain, sizes.mixed) > sizes.sample * (1 - _SOME_GAIN):
        if model.dictionary:
            return code(False, run)  # which may have what is in none of the samples twice
        # The fastest profile finds repetitions over the whole block in a fraction of the time.
        probe = encode_payload(model, raw, BlockSpec(len(raw), levels.FAST, False), tries)
        return code(False, run) if probe is not None else (None, settings.spec(len(raw), uses_model=False))
    if sizes.plain - sizes.mixed <= least_gain:
        return code(False, run)
    sure_gain = _LEAST_GAIN + settings.gain_lost * (len(raw) // sizes.sample).bit_length()
    if sizes.mixed > sizes.plain * (1 - sure_gain):
        return smaller_of_both(len(raw) * _LEARNED, _MODEL_GAIN)
    return code(True, run)


def encode_payload(model: Model, raw, spec: BlockSpec, run: Run) -> bytes | None:
    """Return the whole payload of a block, its stripes' checks first; None where it would not be smaller than raw."""
    checks = checks_of(raw, spec.n_lanes)
    coded = model.encode(raw, spec, run)
    return None if coded is None or len(checks) + len(coded) >= len(raw) else checks + coded


def _tries(run: Run) -> Run:
    """Return how something is worked on that may come to nothing: its progress counts as none."""
    progress = run.progress
    return replace(run, progress=lambda _n: progress(0)) if progress else run


def takes_sample(settings: LevelSettings, raw_size: int) -> bool:
    """Return whether a sample decides how a block of raw_size bytes is coded."""
    return settings.uses_model and raw_size > max(_SMALL_BLOCK, settings.sample_size)


class SampleSizes(NamedTuple):
    """What a sample came to, in bytes."""

    sample: int
    plain: int  # coded by the base alone
    mixed: int  # with the model


def sample_sizes(model: Model, raw, settings: LevelSettings, run: Run = DEFAULT_RUN, machine: int = 0) -> SampleSizes:
    """Code a sample of a block both ways, not behind a dictionary: that would take as long as to learn it."""
    sample = _sample(raw, min(settings.sample_size, max(len(raw) // _SAMPLE_SHARE, _SMALL_SAMPLE)))
    specs = (settings.spec(len(sample), uses_model=use, n_lanes=_N_PIECES, machine=machine) for use in (False, True))
    payloads = (model.plain.encode(sample, spec, run) for spec in specs)
    return SampleSizes(len(sample), *(len(sample if payload is None else payload) for payload in payloads))


def _sample(raw, sample_size: int) -> bytes:
    """Return pieces from all over the block, sample_size bytes in all; they become lanes of a block of their own."""
    size = min(len(raw), sample_size) // _N_PIECES
    step = (len(raw) - size) // (_N_PIECES - 1)
    return b"".join(bytes(raw[i * step : i * step + size]) for i in range(_N_PIECES))
