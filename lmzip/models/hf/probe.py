"""The fingerprint of an arithmetic: a hash of what a model predicts in fixed steps when it is loaded (HF.md)."""

from __future__ import annotations

import hashlib

from lmzip.models.hf.stepping import Lanes, Runner

FINGERPRINT_SIZE = 16
# (lanes, steps, window, full): one token at a time for one lane and for many, windows that slide, full from the start
# or not.
_PARTS = ((4, 24, 16, False), (1, 6, 16, False), (16, 4, 16, False), (2, 3, 256, True))
_LABEL = b"lmzip-hf-probe-1\0"  # another number for any change of the procedure of coding


def fingerprint_of(runner: Runner) -> bytes:
    """Return the first 16 bytes of SHA-256 over the exponentials of the probe; to be called within fixed()."""
    digest = hashlib.sha256(_LABEL + runner.window.to_bytes(4, "little"))
    for n_lanes, n_steps, window, is_full in _PARTS:
        probe = Lanes(runner, n_lanes, window)
        if is_full:
            probe.fill(lambda place: _token(place, runner.n_vocab))
        lanes, tokens = list(range(n_lanes)), [runner.n_vocab] * n_lanes
        for step in range(n_steps):
            digest.update(probe.predict(lanes, tokens).astype("<u4").tobytes())
            if step == n_steps // 2 and n_lanes > 1:
                lanes.pop(1)  # it has ended
            tokens = [_token(step * 64 + lane, runner.n_vocab) for lane in lanes]
    return digest.digest()[:FINGERPRINT_SIZE]


def _token(number: int, n_vocab: int) -> int:
    return (number * 2654435761 + 40503) % (1 << 32) % n_vocab
