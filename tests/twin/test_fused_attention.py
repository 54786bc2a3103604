"""Attention in one Triton kernel gives what the torch twin does: rings, sinks, stretches, caps, sizes at their ends."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from lmzip.native.tables import sigmoid_table  # noqa: E402
from lmzip.twin import attention  # noqa: E402
from lmzip.twin.fused.attention import Heads, attend  # noqa: E402
from lmzip.twin.integers import Tables  # noqa: E402
from lmzip.twin.packed import Packed  # noqa: E402
from lmzip.twin.transformer import soft_cap  # noqa: E402


class Case(NamedTuple):
    before: list[int]  # tokens of each lane
    n_steps: int
    n_head: int = 4
    n_kv_head: int = 2
    head_dim: int = 32
    window: int = 128
    n_sink: int = attention.N_SINK
    cap: int = 0
    is_wild: bool = False  # numbers up to the ends of what there may be


CASES = {
    "one step": Case([0, 5, 124, 300], 1),
    "one head": Case([130], 1, n_head=1, n_kv_head=1),
    "a stretch over the ring's end": Case([1, 126, 247], 37),
    "no sink": Case([1, 126, 300], 9, n_sink=0),
    "odd groups, a wide window": Case([200, 999], 7, 6, 2, 96, 256),
    "wild": Case([1, 126, 300], 9, 6, 1, is_wild=True),
    "wild, capped": Case([1, 126, 300], 9, 6, 1, is_wild=True, cap=295448),
    "capped": Case([1, 126, 300], 5, head_dim=64, cap=295448),
}


def check(device: str, name: str) -> None:
    case = CASES[name]
    random = torch.Generator().manual_seed(len(name))
    n_lanes, n_rows = len(case.before), len(case.before) + 2

    def some(low: int, high: int, *shape: int, dtype: torch.dtype = torch.int64):
        return torch.randint(low, high, shape, generator=random, dtype=dtype).to(device)

    def packed(n_heads: int, least: int, most: int) -> Packed:
        q = some(-127, 128, case.n_steps, n_lanes, n_heads, case.head_dim, dtype=torch.int8)
        of = (*q.shape[:3], 1)
        return Packed(None, q, some(1 if case.is_wild else 1 << 14, 1 << 15, *of), some(least, most, *of))

    query = packed(case.n_head, *((-14, 3) if case.is_wild else (-6, -2)))
    key, value = (packed(case.n_kv_head, *((-28, 17) if case.is_wild else (-8, -1))) for _ in range(2))
    slots = (n_rows, case.n_kv_head, case.window)
    vectors = [some(-127, 128, *slots, case.head_dim, dtype=torch.int8) for _ in range(2)]
    most = attention.SIZE_LIMIT + 1 if case.is_wild else 3000
    cache = attention.Cache(*vectors, *(some(0, most, *slots, dtype=torch.int32) for _ in range(2)))
    other = attention.Cache(*(part.clone() for part in cache))
    rows = torch.randperm(n_rows, generator=random)[:n_lanes].to(device)
    before = torch.tensor(case.before, device=device)
    sigmoids = torch.tensor(sigmoid_table(), dtype=torch.int32, device=device)
    places = attention.Places(rows, before, case.n_steps, case.window, case.n_sink)
    cap = partial(soft_cap, cap=case.cap, table=sigmoids)
    expected = attention.attend(query, key, value, cache, places, 1 << 14, cap, Tables.on(device))

    sizes = attention.size_of(key), attention.size_of(value)
    scales = query.top.squeeze(-1).int(), query.shift.squeeze(-1).int()
    heads = Heads(query.low, *scales, key.low, value.low, *sizes)
    found = attend(heads, other, rows, before, case.n_sink, 1 << 14, case.cap, sigmoids)
    assert expected.count_nonzero() > expected.numel() // 2
    assert torch.equal(found.long(), expected)
    assert all(map(torch.equal, cache, other))


@pytest.mark.parametrize("name", CASES)
def test_attention_equals_the_twins(on_triton, name: str) -> None:
    on_triton(check, name)
