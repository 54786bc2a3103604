"""What the mixer's weights are at first: numbers of a file that belongs to the specification (ARITHMETIC 8.4)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from safetensors.numpy import load

FILE = Path(__file__).with_name("first_weights.safetensors")
ROWS = (256, 512, 256, 512, 256, 256)  # of each set, in their order
UNIT = 1 << 22
CODE_WEIGHT = 33280000  # of inputs in code of x86


@cache
def _tensors() -> dict:
    return load(FILE.read_bytes())


class FirstWeights:
    """Those of one shape; unit: 0 for the base alone, 1 and 2 beside an expert of bytes and of tokens."""

    def __init__(self, profile: int, unit: int) -> None:
        alone = {1: "fast", 2: "quick", 3: "full"}.get(profile, "max")
        name = (alone, "light_bytes" if profile == 5 else "max_bytes", "max_tokens")[unit]
        self._sets, self._finals = _tensors()[f"{name}.sets"], _tensors()[f"{name}.finals"]

    def of_set(self, number: int, row: int, n_inputs: int) -> list[int]:
        """Return a row of a set, its first n_inputs weights: rows are padded."""
        return [int(w) * UNIT for w in self._sets[sum(ROWS[:number]) + row, :n_inputs]]

    def of_final(self, row: int) -> list[int]:
        """Return a row of the second layer; those of k = 1 begin with 256."""
        return [int(w) * UNIT for w in self._finals[row]]


class EqualWeights:
    """Those of blocks with code of x86."""

    def __init__(self, n_contexts: int, n_sets: int) -> None:
        self._row = [CODE_WEIGHT] * n_contexts + [0] * n_contexts + [CODE_WEIGHT] * 6 + [0]
        self._final = [(1 << 28) // n_sets] * n_sets

    def of_set(self, _number: int, _row: int, _n_inputs: int) -> list[int]:
        return list(self._row)

    def of_final(self, _row: int) -> list[int]:
        return list(self._final)
