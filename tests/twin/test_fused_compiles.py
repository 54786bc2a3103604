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

from lmzip.twin.fused import net_kernels  # noqa: E402
from lmzip.twin.integers import root_factor  # noqa: E402
from lmzip.twin.net import NORM_UNIT  # noqa: E402

MODULES = [net_kernels]
CAPABILITIES = [80, 90]
MOST_SHARED = 48 << 10  # bytes that every GPU has for a program


class Case(NamedTuple):
    """A kernel as it is launched."""

    kernel: Any
    types: dict[str, str]  # of its arguments: i32, or *i8 where it is a pointer
    constants: dict[str, Any]  # also arguments that are 1, which Triton takes as such
    num_warps: int


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


CASES = [*net_cases()]


def compiled(case: Case, capability: int) -> Any:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = case.kernel.arg_names
    signature = {name: "constexpr" if name in case.constants else case.types[name] for name in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")}
    source = ASTSource(case.kernel, signature, case.constants, aligned)
    return triton.compile(source, GPUTarget("cuda", capability, 32), {"num_warps": case.num_warps})


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
    assert re.findall(r"(?:STACK|LOCAL):(\d+)", usage) == ["0", "0"], usage  # all of it stays in registers


def test_none_is_left_out() -> None:
    public = {
        f"{module.__name__}.{name}"
        for module in MODULES
        for name, found in vars(module).items()
        if isinstance(found, triton.JITFunction) and found.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == {f"{case.kernel.__module__}.{case.kernel.__name__}" for case in CASES}
