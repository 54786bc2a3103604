"""What numbers a device multiplies fast."""

from __future__ import annotations

from functools import cache

import torch


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Tell whether a type of device ("cpu", "cuda") has products of bfloat16.

    A CPU without them makes them of others, which takes eight times as long as float32.  True where torch does not say
    (below 2.13, or not x86-64).
    """
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device != "cpu" or bool(capabilities.get("avx512_bf16", True))
