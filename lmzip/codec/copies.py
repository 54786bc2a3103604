"""Which blocks have their long repeats taken out before they are coded: the encoder's choice, recorded in the head."""

from __future__ import annotations

# Raw bytes of a block up to which the list and its size in the head cost what coding a run does, or more.
_SMALL_BLOCK = 512 << 10
# Of the raw bytes, that copies must save.  The models code a repeat that they have seen for little, and where it is cut
# out, what follows loses its contexts: less is won than time.
_LEAST_SHARE = 1 / 16
# Of the raw bytes, that a body may leave of images or sound: what is left is coded as bytes.
_SAMPLES_SHARE = 1 / 8


def least_saved(raw_size: int) -> int:
    """Return the bytes that copies must save of a block of raw_size bytes, if not of blocks before; never all."""
    return raw_size if raw_size <= _SMALL_BLOCK else int(raw_size * _LEAST_SHARE)


def largest_body(raw_size: int) -> int:
    """Return the bytes that the body of a block of raw_size bytes has at most, where it stands alone; 0 for none."""
    return raw_size - least_saved(raw_size)


def suits_samples(body_size: int, raw_size: int) -> bool:
    """Return whether a block of images or sound is better coded as a body of so many bytes."""
    return body_size <= raw_size * _SAMPLES_SHARE
