"""From logits to the integers that the coder takes: the one place where floating point ends (ARITHMETIC 9.10)."""

from __future__ import annotations

from typing import Any

import numpy as np

# The largest float32 below 2^31, so that the conversion to 32-bit integers holds it.
_TOP = float(2**31 - 128)


def exponentials_of(logits: Any, kept: Any) -> np.ndarray:
    """Return floor(2^31 exp(logit - the largest)), within 1 .. 2^31 - 128: (n, n_kept) uint32.

    logits: tensor (n, n_logits) of any dtype and device; kept: (n_kept) int64, the columns wanted.  The softmax is over
    those alone.  What is no number counts as impossible, what is infinite as the largest number.
    """
    import torch

    chosen = torch.nan_to_num(logits.index_select(1, kept).float(), nan=-1e30, posinf=1e30, neginf=-1e30)
    scaled = torch.exp(chosen - chosen.amax(1, keepdim=True)) * 2.0**31
    return scaled.clamp_(1.0, _TOP).to(torch.int32).cpu().numpy().view(np.uint32)
