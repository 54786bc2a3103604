"""Blocks that a device codes together, each in a thread of its own, beside the kernel's payloads of them."""

from __future__ import annotations

import threading

from lmzip.block import BlockSpec, Run
from lmzip.models.base import Model


def check_coded_together(kernel: Model, device: Model, raws: list[bytes], specs: list[BlockSpec]) -> None:
    """Assert that of three blocks one is encoded, one proven and one decoded as the kernel does, all at once."""
    expected = [kernel.encode(raw, spec) for raw, spec in zip(raws, specs, strict=True)]
    found: list[bool | None] = [None] * len(raws)

    def work(i: int) -> None:
        if i % 3 == 0:
            found[i] = device.encode(raws[i], specs[i]) == expected[i]
        else:
            run = Run(expected=raws[i]) if i % 3 == 1 else Run()
            found[i] = device.decode(expected[i], specs[i], run) == raws[i]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(raws))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * len(raws)
