"""Which blocks have their long repeats taken out before they are coded: the encoder's choice, recorded in the head."""

from __future__ import annotations

# Raw bytes of a block up to which the list and its size in the head cost what coding a run does, or more.
_SMALL_BLOCK = 512 << 10
# Of the raw bytes, that copies must save.  The models code a repeat that they have seen for little, and where it is cut
# out, what follows loses its contexts: less is won than time.
_LEAST_SHARE = 1 / 16


def largest_body(raw_size: int) -> int:
    """Return the bytes that the body of a block of raw_size bytes has at most; 0 where there never is one."""
    return 0 if raw_size <= _SMALL_BLOCK else raw_size - int(raw_size * _LEAST_SHARE)
