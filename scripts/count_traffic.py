"""Counts what a step of the net's twins reads from and writes to memory beside its products, in bytes for each byte.

Usage: TRITON_INTERPRET=1 count_traffic.py [--lanes N] [--steps N]

Needs torch and Triton, and no GPU.  Of torch's operations: the sizes of all tensors that each takes and gives, but of
those that give a view.  Of kernels: all that they load and store in Triton's interpreter, also what a GPU would find in
a cache.  Rows of tables are counted with what is gathered of them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.numpy import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from triton.runtime.interpreter import GridExecutor, InterpreterBuilder

from lmzip.models import weights
from lmzip.twin.fused.net import FusedNet
from lmzip.twin.net import NetTwin
from lmzip.twin.products import by_integers

SHIPPED = Path(weights.__file__).parent / "data" / "bytelm3.safetensors"
NOTHING = {"_unsafe_view", "empty", "empty_like"} | {"new_empty", "set_", "copy_"}  # the last by the interpreter
PRODUCTS = {"_int_mm"}


def size_of(*found: Any) -> int:
    """Return the bytes of all tensors in nested values."""
    return sum(tensor.nbytes for tensor in tree_leaves(found) if isinstance(tensor, Tensor))


class Traffic(TorchDispatchMode):
    """Within: operations of torch and loads and stores of kernels are counted, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1]
        if func.is_view or name in NOTHING:
            return result
        if name == "index":
            size = 2 * size_of(result)
        elif name == "index_put_":
            size = 2 * size_of(args[2])
        else:
            size = size_of(args, {key: value for key, value in (kwargs or {}).items() if key != "out"}, result)
        self.add("products" if name in PRODUCTS else "operations", size)
        return result

    def add(self, name: str, size: int) -> None:
        self.bytes[name] += size
        self.calls[name] += 1


def count(kind: type[NetTwin], n_lanes: int, n_steps: int) -> Traffic:
    """Return what a step of the net that ships comes to."""
    config = weights.inspect(SHIPPED)[0]
    twin = kind(load_file(SHIPPED), config, "cpu", multiply=by_integers)
    state = twin.new_state(n_lanes)
    rows, symbols = torch.arange(n_lanes), torch.randint(0, 256, (n_steps, n_lanes))
    traffic = Traffic()

    def counted(name: str, size: Callable[..., int], method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self, *arguments, **options):
            traffic.add(name, size(*arguments))
            return method(self, *arguments, **options)

        return call

    with ExitStack() as stack:
        for owner, method, name, size in (
            (InterpreterBuilder, "create_masked_load", "loads", loaded),
            (InterpreterBuilder, "create_masked_store", "stores", stored),
            (GridExecutor, "__call__", "kernels", lambda *_: 0),
        ):
            stack.enter_context(patch.object(owner, method, counted(name, size, getattr(owner, method))))
        stack.enter_context(traffic)
        twin.predict(state, rows, symbols)
    return traffic


def loaded(pointers: Any, mask: Any, *_: Any) -> int:
    return int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8


def stored(pointers: Any, values: Any, mask: Any, *_: Any) -> int:
    return loaded(pointers, mask)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1)
    options = parser.parse_args()
    for kind in (NetTwin, FusedNet):
        traffic = count(kind, options.lanes, options.steps)
        parts = []
        for name, size in traffic.bytes.items():
            parts.append(f"{size / options.lanes / options.steps:,.0f} by {traffic.calls[name]} {name}")
        print(f"{kind.__name__}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
