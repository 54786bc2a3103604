"""Which blocks are converted as machine code before they are coded, and of which machine: the encoder's choice.

Deterministic: it depends on the raw bytes only.
"""

from __future__ import annotations

from lmzip.block import ARM64, X86, X86_64
from lmzip.native.addresses import Repeats, count_repeats

# An address that is there again saves a byte or more: so many pay for what a body adds to a short frame, and are not
# chance; what is no machine code has next to none.
_LEAST_REPEATS, _LEAST_SHARE = 64, 1 / 4096
# Short distances repeat by chance, and are lost for less than an address that does is won: as measured on programs of
# both machines, whose branches within functions have as many of them.
_DISTANCES_WORTH = 1 / 2
_MAX_SIZE = (1 << 30) - 2  # raw bytes of a body without copies


def machine_of(raw) -> int:
    """Return the machine that the raw bytes (bytes-like) of a block have code of, 0 for none; raises MemoryError."""
    size = len(raw)
    if size > _MAX_SIZE:
        return 0
    counts = count_repeats(raw)
    if _pays(counts.arm64_branches, size):
        return ARM64
    if not _pays(counts.x86_branches, size):
        return 0
    return X86_64 if _pays(counts.x86_64_data, size) else X86


def _pays(repeats: Repeats, size: int) -> bool:
    return repeats.addresses > max(_LEAST_REPEATS, size * _LEAST_SHARE, repeats.distances * _DISTANCES_WORTH)
