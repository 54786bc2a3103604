"""Measure what the samples base starts from: mean products of samples some moments apart (SAMPLES 3).

    scripts/measure_sound.py RECORDING...

The recordings, of any format that soundfile reads, are cut into pieces of 2,048 samples that overlap by half; each
counts with the inverse of the energy of its second differences, so that loud ones do not count for more.  Prints the
numbers of `typical_products` in lmzip/native/src/sound_priors.h, 1.0 = 2^20.  Wants soundfile and numpy.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import soundfile

N_PRODUCTS = 48
PIECE = 2048
_QUIET = 20  # what the energy of a silent piece counts for at least
_RIDGE = 1.00001  # of the first product: samples are never known exactly


def pieces(paths: list[str]) -> Iterator[np.ndarray]:
    """Yield pieces (PIECE) of the first channel, in units of the smallest step of 16 bits."""
    for path in paths:
        samples = soundfile.read(path, dtype="int16", always_2d=True)[0][:, 0].astype(float)
        for at in range(0, len(samples) - PIECE, PIECE // 2):
            yield samples[at : at + PIECE]


def mean_products(paths: list[str]) -> np.ndarray:
    """Return the products (N_PRODUCTS), the first nearly 1."""
    sums = np.zeros(N_PRODUCTS)
    for piece in pieces(paths):
        energy = np.mean(np.abs(np.diff(piece, 2))) + _QUIET
        spectrum = np.fft.rfft(piece / np.sqrt(energy), 4 * PIECE)
        sums += np.fft.irfft(np.abs(spectrum) ** 2)[:N_PRODUCTS]
    sums /= sums[0]
    sums[0] *= _RIDGE
    return sums


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recordings", nargs="+", metavar="RECORDING")
    products = mean_products(parser.parse_args().recordings)
    print(", ".join(str(round(value * (1 << 20))) for value in products))


if __name__ == "__main__":
    main()
