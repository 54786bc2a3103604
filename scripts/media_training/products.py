"""Mean products of samples of sound some moments apart (SAMPLES 4.4)."""

from __future__ import annotations

import numpy as np

_PIECE = 2048
_QUIET = 20  # what the energy of a silent piece counts for at least
_RIDGE = 1.00001  # of the first product: samples are never known exactly


def mean_products(recordings: list[np.ndarray], n: int) -> tuple[int, ...]:
    """Return n products of recordings (n_samples) int16, the first nearly 1; 1.0 = 2^20.

    Recordings are cut into pieces of 2,048 samples that overlap by half; each counts with the inverse of the energy of
    its second differences, so that loud ones do not count for more.  Raises ValueError where all are shorter.
    """
    sums = np.zeros(n)
    for samples in recordings:
        for at in range(0, len(samples) - _PIECE, _PIECE // 2):
            piece = samples[at : at + _PIECE].astype(float)
            energy = np.mean(np.abs(np.diff(piece, 2))) + _QUIET
            spectrum = np.fft.rfft(piece / np.sqrt(energy), 4 * _PIECE)
            sums += np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    if not sums[0]:
        raise ValueError("no recording has 2,048 samples")
    sums /= sums[0]
    sums[0] *= _RIDGE
    return tuple(round(float(value) * (1 << 20)) for value in sums)
