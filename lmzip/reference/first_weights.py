"""What the mixer's weights are at first: numbers of a file that belongs to the specification (ARITHMETIC 8.4)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from safetensors.numpy import load

FILE = Path(__file__).with_name("first_weights.safetensors")
ROWS = (256, 512, 256, 512, 256, 256)  # of each set, in their order
UNIT = 1 << 22


@cache
def _tensors() -> dict:
    return load(FILE.read_bytes())


class FirstWeights:
    """Those of one shape."""

    def __init__(self, profile: int, unit: int, is_code: bool = False) -> None:
        """unit: 0 for the base alone, 1 and 2 beside an expert of bytes and of tokens; is_code: of x86."""
        alone = {1: "fast", 2: "quick", 3: "full"}.get(profile, "max")
        name = "code" if is_code else (alone, "light_bytes" if profile == 5 else "max_bytes", "max_tokens")[unit]
        self._sets, self._finals = _tensors()[f"{name}.sets"], _tensors()[f"{name}.finals"]

    def of_set(self, number: int, row: int, n_inputs: int) -> list[int]:
        """Return a row of a set, its first n_inputs weights: rows are padded."""
        return [int(w) * UNIT for w in self._sets[sum(ROWS[:number]) + row, :n_inputs]]

    def of_final(self, row: int) -> list[int]:
        """Return a row of the second layer; those of k = 1 begin with 256."""
        return [int(w) * UNIT for w in self._finals[row]]
