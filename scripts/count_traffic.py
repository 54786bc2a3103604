"""Counts what a step of the twins reads from and writes to memory beside products, in bytes for each byte or token.

Usage: TRITON_INTERPRET=1 count_traffic.py [--lanes N] [--steps N] [--tokens N]

With --tokens, a transformer of SmolLM2-135M's shape and random weights, whose lanes have so many tokens before; else
the net that ships.

Needs torch and Triton, and no GPU.  Of torch's operations: the sizes of all tensors that each takes and gives, but of
those that give a view.  Of kernels: all that they load and store in Triton's interpreter, also what a GPU would find in
a cache.  Rows of tables are counted with what is gathered of them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from triton.runtime.interpreter import GridExecutor, InterpreterBuilder

from lmzip.models import weights
from lmzip.twin.fused.net import FusedNet
from lmzip.twin.fused.transformer import FusedTransformer
from lmzip.twin.net import NetTwin
from lmzip.twin.products import by_integers
from lmzip.twin.transformer import TransformerTwin

SHIPPED = Path(weights.__file__).parent / "data" / "bytelm3.safetensors"
NOTHING = {"_unsafe_view", "empty", "empty_like"} | {"new_empty", "set_", "copy_"}  # the last by the interpreter
PRODUCTS = {"_int_mm"}
LAYERS = 30


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


def transformer(n_layer: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return tensors and metadata of a transformer like SmolLM2-135M, but for its layers."""
    random = np.random.default_rng(1)
    config: dict[str, Any] = {
        "n_embd": 576,
        "n_hidden": 1536,
        "n_layer": n_layer,
        "n_head": 9,
        "n_kv_head": 3,
        "head_dim": 64,
    }
    config |= {"n_vocab": 49152, "window": 2048, "epsilon": 96637, "int15": []}
    shapes = {"embed": (49153, 576)}
    for i in range(n_layer):
        for name, shape in (("qkv", (960, 576)), ("o", (576, 576)), ("gate_up", (3072, 576)), ("down", (576, 1536))):
            shapes[f"layers.{i}.{name}"] = shape
    tensors = {"inv_freq": random.integers(0, 1 << 32, 32), "gain_shifts": np.full(2 * n_layer + 1, 14)}
    for name, shape in shapes.items():
        tensors[f"{name}.weight"] = random.integers(-127, 128, shape, np.int8)
        tensors[f"{name}.multiplier"] = np.full(shape[0], 1 << 20)
    for name in ("lm_head", *(f"layers.{i}.{place}" for i in range(n_layer) for place in ("qkv", "gate_up"))):
        tensors[f"{name}.norm"] = random.integers(8000, 30000, 576, np.int16)
    return tensors, config


def count(twin: Any, n_lanes: int, n_steps: int, n_tokens: int | None = None) -> Traffic:
    """Return what a step comes to; n_tokens: that the lanes of a transformer have before."""
    state = twin.new_state(n_lanes)
    if n_tokens is not None:
        state.n_tokens.fill_(n_tokens)
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
    parser.add_argument("--tokens", type=int)
    options = parser.parse_args()
    n_lanes, n_steps = options.lanes, options.steps
    if options.tokens is None:
        of_net = load_file(SHIPPED), weights.inspect(SHIPPED)[0]
        for kind in (NetTwin, FusedNet):
            traffic = count(kind(*of_net, "cpu", multiply=by_integers), n_lanes, n_steps)
            tell(kind.__name__, traffic.bytes, traffic.calls, n_lanes * n_steps)
        return
    for twin in (TransformerTwin, FusedTransformer):
        one, two = (
            count(twin(*transformer(n_layer), "cpu", multiply=by_integers), n_lanes, n_steps, options.tokens)
            for n_layer in (1, 2)
        )
        sizes, calls = (
            {name: a[name] + (LAYERS - 1) * (b[name] - a[name]) for name in b}
            for a, b in ((one.bytes, two.bytes), (one.calls, two.calls))
        )
        tell(twin.__name__, sizes, calls, n_lanes * n_steps)


def tell(name: str, sizes: Mapping[str, int], calls: Mapping[str, int], n: int) -> None:
    parts = [f"{size / n:,.0f} by {calls[of]} {of}" for of, size in sizes.items()]
    print(f"{name}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
