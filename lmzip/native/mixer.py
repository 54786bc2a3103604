"""Weights of the mixer of bytes: started from and looked at, for who learns what all blocks start from."""

from __future__ import annotations

from collections.abc import Sequence

from lmzip.block import DEFAULT_RUN, BlockSpec
from lmzip.native._kernel import ffi, lib
from lmzip.native.costs import encoder_of
from lmzip.native.expert import Expert


def learn_weights(
    raw, spec: BlockSpec, first: Sequence[bytes] = (), expert: Expert | None = None, *, token_sizes: bytes = b""
) -> tuple[int, list[bytes]]:
    """Code a block of one lane; return its payload's size and what the mixer's weights came to.

    Weights are int32 in units of 2^-28: of each set of the profile (rows, n_inputs), then of the second layer
    (2, 256, 6).  first: such weights to start from, in place of those of the kernel.  Raises ValueError for bad
    arguments, MemoryError.
    """
    with encoder_of(raw, spec, expert, DEFAULT_RUN, token_sizes) as coder:
        weights = _weights(coder)
        if first and [len(part) for part in first] != [len(part) for part in weights]:
            raise ValueError("these are not the weights of such a block")
        for part, start in zip(weights, first, strict=False):
            part[:] = start
        if lib.lmz_coder_run(coder, spec.raw_size + 1) != lib.LMZ_DONE:
            raise ValueError("what is coded does not fit")
        return lib.lmz_coder_payload_size(coder), [bytes(part) for part in weights]


def _weights(coder) -> list:
    """Return buffers of the coder's own weights; none for a base that has no such."""
    n = ffi.new("size_t *")
    parts: list = []
    while (part := lib.lmz_coder_weights(coder, len(parts), n)) != ffi.NULL:
        parts.append(ffi.buffer(part, 4 * n[0]))
    return parts
