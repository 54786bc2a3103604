"""From logits to the integers that the coder takes: the one place where floating point ends (ARITHMETIC 9.10)."""

from __future__ import annotations

from typing import Any

import numpy as np

# The largest float32 below 2^31, so that the conversion to 32-bit integers holds it.
_TOP = float(2**31 - 128)


def exponentials_of(logits: Any, kept: Any) -> np.ndarray:
    """Return floor(2^31 exp(logit - the largest)), within 1 .. 2^31 - 128: (n, n_kept) uint32.

    logits: tensor (n, n_logits) of any dtype and device; kept: (n_kept) int64, the columns wanted, some perhaps
    twice.  The softmax is over those alone.  What is no number counts as impossible, what is infinite as the largest
    number.
    """
    import torch

    # In place: each new array of this size would cost as much as what is computed.
    chosen = logits.index_select(1, kept).float().nan_to_num_(nan=-1e30, posinf=1e30, neginf=-1e30)
    chosen.sub_(chosen.amax(1, keepdim=True)).exp_().mul_(2.0**31).clamp_(1.0, _TOP)
    return chosen.to(torch.int32).cpu().numpy().view(np.uint32)
