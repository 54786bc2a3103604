"""What the tests of the kernel share: records of blocks, and the comparison of one payload with all variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from lmzip import native
from lmzip.block import BlockSpec, Run
from lmzip.native.expert import Expert

VARIANTS = native.simd_variants()


def alone(raw_size: int, profile: int, n_lanes: int = 1) -> BlockSpec:
    """Return what a block of the base alone is."""
    return BlockSpec(raw_size, profile, False, n_lanes)


def beside(raw_size: int, profile: int, n_lanes: int = 1, context: int = 0) -> BlockSpec:
    """Return what a block with an expert is."""
    return BlockSpec(raw_size, profile, True, n_lanes, context)


def assert_one_payload(
    raw: bytes,
    spec: BlockSpec,
    expected: bytes,
    monkeypatch: pytest.MonkeyPatch,
    expert: Callable[[str], Expert | None] = lambda simd: None,
    n_threads: Iterable[int] = (1,),
) -> None:
    """Every variant, on each number of threads, writes the payload of the reference, or none, and reads it.

    expert: the variant to the expert of the block.
    """
    for simd in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", simd)
        for n in n_threads:
            payload = native.encode_block(raw, spec, expert(simd), Run(n_threads=n))
            assert payload == (expected if len(expected) < len(raw) else None), (simd, n)
            assert native.decode_block(expected, spec, expert(simd), Run(n_threads=n)) == raw, (simd, n)


class Reached:
    """Takes calls of Run.reached: n rises, and so many bytes of every lane are right; stops a decoder at `limit`."""

    def __init__(self, raw: bytes, spec: BlockSpec, limit: int | None = None) -> None:
        self.raw, self.spec, self.limit = raw, spec, limit
        self.seen: list[int] = []

    def __call__(self, view: memoryview, n: int) -> bool:
        assert n > (self.seen[-1] if self.seen else 0), "n rises"
        assert n <= self.spec.chunk_size and len(view) == len(self.raw)
        for start, end in self.spec.chunks():
            at = min(start + n, end)
            assert view[start:at] == self.raw[start:at], "the first n bytes of every lane's chunk are right"
        self.seen.append(n)
        return self.limit is None or n < self.limit
