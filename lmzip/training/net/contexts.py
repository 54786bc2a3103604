"""The net's hashed contexts in NumPy: which row of each table the bytes before a position select (ARITHMETIC 10.2).

The kernel computes the same; tests hold them equal.
"""

from __future__ import annotations

import numpy as np

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of the hashes: odd
WORD = 0  # the order that stands for the letters of the current word
WINDOW = 8  # bytes that a context may see


def _windows(data: np.ndarray) -> np.ndarray:
    """Return (..., T) uint64: the eight bytes before each position, the newest lowest; data is (..., WINDOW + T)."""
    T = data.shape[-1] - WINDOW
    c8 = np.zeros((*data.shape[:-1], T), np.uint64)
    for back in range(WINDOW, 0, -1):
        c8 = c8 << np.uint64(8) | data[..., WINDOW - back : WINDOW - back + T].astype(np.uint64)
    return c8


def _word_bytes(data: np.ndarray) -> np.ndarray:
    """Return (..., T) how many of the last eight bytes before each position are letters or above 127 without a gap."""
    lower = data | 32
    letter = ((lower >= 97) & (lower < 123)) | (data >= 128)
    T = data.shape[-1] - WINDOW
    run = np.zeros((*data.shape[:-1], T), np.int64)
    unbroken = np.ones(run.shape, bool)
    for back in range(1, WINDOW + 1):
        unbroken &= letter[..., WINDOW - back : WINDOW - back + T]
        run += unbroken
    return run


def rows(data: np.ndarray, orders: list[int], n_rows: int) -> np.ndarray:
    """Return (n_orders, ..., T) int64 rows of the tables for each position of a window.

    data: (..., 8 + T) uint8, the eight bytes before the window (zero before a start) and the window itself, of which
    the last byte is seen by no position.  orders: bytes of each context, 0 for the letters of the current word.
    n_rows: rows of every table, a power of two of at least 2^16.
    """
    c8, result = _windows(data), []
    shift = np.uint64(64 - (n_rows.bit_length() - 1))
    for order in orders:
        if order == WORD:
            kept = (np.uint64(1) << (np.uint64(8) * np.minimum(_word_bytes(data), 7).astype(np.uint64))) - np.uint64(1)
            key = (c8 | np.uint64(0x2020202020202020)) & kept
        else:
            key = c8 & np.uint64((1 << 8 * order) - 1)
        result.append(key if order == 2 else (key + np.uint64(order)) * MULTIPLIER >> shift)
    return np.stack(result).astype(np.int64)
