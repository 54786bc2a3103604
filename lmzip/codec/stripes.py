"""Checks within a block: what has been decoded of it is compared stripe by stripe, and may go out before its end."""

from __future__ import annotations

from collections.abc import Sequence

from lmzip.block import BlockSpec
from lmzip.errors import DamagedError
from lmzip.format.block import n_stripe_checks, pack_stripe_checks, stripe_check, stripe_width


def checks_of(raw, n_lanes: int) -> bytes:
    """Return what the coded payload of a block begins with: the checks of all its stripes but the last (FORMAT 4.2)."""
    return pack_stripe_checks(stripe_check(raw, n_lanes, k) for k in range(n_stripe_checks(len(raw), n_lanes)))


class StripeChecker:
    """Compares the stripes of a block that is being decoded, in order, each once.

    Only the first lane's bytes can be let out early in order: its chunk ends with the last stripe, which has no check
    but the block's own, and what the other lanes have comes behind it.
    """

    def __init__(self, spec: BlockSpec, checks: Sequence[int]) -> None:
        """checks: of all stripes but the last, as the payload begins with them."""
        if len(checks) != n_stripe_checks(spec.raw_size, spec.n_lanes):
            raise ValueError(f"{len(checks)} checks for a block of {spec.raw_size} bytes in {spec.n_lanes} lanes")
        self._spec, self._checks = spec, tuple(checks)
        self._width = stripe_width(spec.n_lanes)
        self._n_done = 0  # stripes compared

    @property
    def n_checked(self) -> int:
        """Raw bytes from the block's start on that may be let out."""
        return self._n_done * self._width

    def covers(self, start: int, end: int) -> bool:
        """Return whether raw bytes start .. end, in whichever lanes, are compared."""
        chunk_size = self._spec.chunk_size
        first, last = start // chunk_size, (end - 1) // chunk_size
        needed = chunk_size if last > first else end - first * chunk_size
        return self.n_checked >= needed

    def reached(self, raw, n: int) -> int:
        """Compare what is complete once the first n bytes of every lane's chunk are decoded; return n_checked.

        raw: the block's whole buffer (bytes-like).  Raises DamagedError at the first stripe that is wrong; nothing of
        it or behind it counts as checked then or later.
        """
        n_complete = min(n // self._width, len(self._checks))
        while self._n_done < n_complete:
            if stripe_check(raw, self._spec.n_lanes, self._n_done) != self._checks[self._n_done]:
                raise DamagedError(f"damaged data in stripe {self._n_done + 1}")
            self._n_done += 1
        return self.n_checked
