"""Every kernel of the fused twins compiles for GPUs of two generations, within their registers and shared memory."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("torch")
triton = pytest.importorskip("triton", minversion="3.3")

from lmzip.twin.fused import attention, net_kernels, transformer_kernels  # noqa: E402
from lmzip.twin.integers import root_factor  # noqa: E402
from lmzip.twin.net import NORM_UNIT  # noqa: E402

MODULES = [attention, net_kernels, transformer_kernels]
CAPABILITIES = [80, 90]
MOST_SHARED = 48 << 10  # bytes that every GPU has for a program


class Case(NamedTuple):
    """A kernel as it is launched."""

    kernel: Any
    types: dict[str, str]  # of its arguments: i32, or *i8 where it is a pointer
    constants: dict[str, Any]  # also arguments that are 1 or None, which Triton takes as such
    num_warps: int
    num_stages: int = 3


NET_TYPES = {
    **dict.fromkeys(("sums", "multiplier", "forget_bias", "x", "states", "out"), "*i32"),
    **dict.fromkeys(("known", "orders", "rows", "rsqrt"), "*i64"),
    **dict.fromkeys(("byte_embedding", "tables", "q"), "*i8"),
    **dict.fromkeys(("n", "n_lanes", "n_steps"), "i32"),
}


def net_cases() -> Iterator[Case]:
    """Yield kernels for widths of the net that ships, and for the largest."""
    for size, rows, num_warps in ((256, 4, 4), (8192, 1, 8)):
        tile = {"SIZE": size, "ROWS": rows, "BLOCK": size}
        normed = tile | {"FACTOR": root_factor(size, NORM_UNIT)}
        yield Case(net_kernels.norm, NET_TYPES, normed, num_warps)
        for is_first in (False, True):
            yield Case(net_kernels.add_norm, NET_TYPES, normed | {"IS_FIRST": is_first}, num_warps)
        for ones in ({}, {"n_steps": 1}, {"n_lanes": 1}):
            yield Case(net_kernels.recur, NET_TYPES, {"SIZE": size, "BLOCK": 64} | ones, 2)
    yield Case(net_kernels.square, NET_TYPES, {"SIZE": 768, "ROWS": 4, "BLOCK": 256}, 4)
    yield Case(net_kernels.leaves, NET_TYPES, {"ROWS": 4, "BLOCK": 256}, 4)
    dims = {"N_INPUT": 224, "BYTE_DIM": 64, "TABLE_DIM": 32, "TABLE_BITS": 16}
    yield Case(net_kernels.embed, NET_TYPES | {"out": "*i8"}, dims | {"ROWS": 16, "BLOCK": 64}, 4)


ATTENTION_TYPES = {
    **dict.fromkeys(("query", "new_key", "new_value", "cache_key", "cache_value"), "*i8"),
    **dict.fromkeys(("query_top", "query_shift", "out", "sigmoids"), "*i32"),
    **dict.fromkeys(("new_key_size", "new_value_size", "cache_key_size", "cache_value_size"), "*i32"),
    **dict.fromkeys(("rows", "before"), "*i64"),
    **dict.fromkeys(("n_steps", "n_lanes"), "i32"),
}


def attention_cases() -> Iterator[Case]:
    """Yield kernels for SmolLM2-135M's heads, a step and a stretch, and for wide ones with a soft cap."""
    heads = {"N_KV_HEAD": 3, "WINDOW": 2048, "N_SINK": 4, "UNIT": 768022}
    one = {"n_steps": 1}
    for head_dim, group, cap, ones in ((64, 3, 0, (one, one | {"n_lanes": 1}, {})), (256, 2, 295448, (one, {}))):
        shape = heads | {"HEAD_DIM": head_dim, "GROUP": group, "CAP": cap}
        for these in ones:
            tile = attention.tile_of(group * these.get("n_steps", 32), head_dim, cap)
            launch = {name: tile.pop(name) for name in ("num_warps", "num_stages")}
            yield Case(attention.attention_kernel, ATTENTION_TYPES, shape | these | tile, **launch)
        yield Case(attention.store_kernel, ATTENTION_TYPES, shape | tile, 4)


TRANSFORMER_TYPES = {
    **dict.fromkeys(("x", "sums", "multiplier", "places", "q_places", "bias", "largest", "weights"), "*i32"),
    **dict.fromkeys(("gain", "behind_gain", "query_gain", "key_gain"), "*i32"),
    **dict.fromkeys(("query_top", "query_shift", "key_value_size", "sigmoids"), "*i32"),
    **dict.fromkeys(("factor", "q_factor", "roots"), "*i64"),
    **dict.fromkeys(("q", "query", "key_value"), "*i8"),
    **dict.fromkeys(("cosines", "sines"), "*i16"),
    **dict.fromkeys(("n", "stride", "unit", "behind_unit", "query_unit", "key_unit"), "i32"),
}


def transformer_cases() -> Iterator[Case]:
    """Yield kernels for SmolLM2-135M's widths without any option, and for the largest with all."""
    plain = {"OF_INT15": False, "TO_INT15": False, "EPSILON": 96637, "CAP": 0, "IS_GELU": False}
    wide = {"OF_INT15": True, "TO_INT15": True, "EPSILON": 1 << 32, "CAP": 177269, "IS_GELU": True}
    no_sums = dict.fromkeys(("sums", "multiplier", "factor", "places"))
    for width, n_block, num_warps, options in ((576, 1024, 4, plain), (8192, 8192, 16, wide)):
        rows = options | {"WIDTH": width, "N_BLOCK": n_block, "ROOT_FACTOR": root_factor(width, 1 << 12)}
        behind = {"behind_gain": None} if options is plain else {}
        for more in (behind, no_sums | {"behind_gain": None}, behind | {"n": 1, "unit": 1}):
            yield Case(transformer_kernels.added_kernel, TRANSFORMER_TYPES, rows | more, num_warps)
        yield Case(transformer_kernels.packed_kernel, TRANSFORMER_TYPES, rows, num_warps)
        yield Case(transformer_kernels.gated_kernel, TRANSFORMER_TYPES, rows, num_warps)
        head_dim, n_half = (64, 32) if options is plain else (256, 128)
        heads = options | {"N_HEAD": 9, "N_KV_HEAD": 3, "HEAD_DIM": head_dim, "N_HALF": n_half}
        heads |= {"ROOT_FACTOR": root_factor(head_dim, 1 << 12)}
        if options is plain:
            heads |= {"bias": None, "query_gain": None, "key_gain": None}
        yield Case(transformer_kernels.heads_kernel, TRANSFORMER_TYPES, heads, 1)
        logits = options | {"N_SYMBOLS": 49156, "N_BLOCK": 1024}
        yield Case(transformer_kernels.largest_kernel, TRANSFORMER_TYPES, logits, 4)
        yield Case(transformer_kernels.weights_kernel, TRANSFORMER_TYPES, logits | {"N_BLOCKS": 64}, 4)


CASES = [*net_cases(), *attention_cases(), *transformer_cases()]


def compiled(case: Case, capability: int) -> Any:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = case.kernel.arg_names
    constants = {name: value for name, value in case.constants.items() if name in names}
    signature = {name: "constexpr" if name in constants else case.types[name] for name in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")}
    source = ASTSource(case.kernel, signature, constants, aligned)
    options = {"num_warps": case.num_warps, "num_stages": case.num_stages}
    return triton.compile(source, GPUTarget("cuda", capability, 32), options)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is kept nowhere."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kernel.__name__)
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_kernel_compiles(case: Case, capability: int, tmp_path: Path) -> None:
    found = compiled(case, capability)
    assert found.metadata.shared <= MOST_SHARED
    (tmp_path / "kernel.cubin").write_bytes(found.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    command = [tool, "-res-usage", tmp_path / "kernel.cubin"]
    usage = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    spilled = map(int, re.findall(r"(?:STACK|LOCAL):(\d+)", usage))
    assert max(spilled) <= 16, usage  # all of it stays in registers, but for what a call keeps, of a division


def test_none_is_left_out() -> None:
    public = {
        f"{module.__name__}.{name}"
        for module in MODULES
        for name, found in vars(module).items()
        if isinstance(found, triton.JITFunction) and found.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == {f"{case.kernel.__module__}.{case.kernel.__name__}" for case in CASES}
