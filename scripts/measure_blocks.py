"""Measure what lanes, block sizes and SIMD variants do to size and speed, on one file, straight on the kernel.

Prints Markdown tables for docs/RESULTS.md.  Sizes are payloads without the container's bytes; every payload is decoded
and compared.  Speeds are those of --threads cores, the median of --runs runs with the alternatives in turn.  Blocks
with a model use the net that ships.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from lmzip import levels, native
from lmzip.block import BlockSpec, Run
from lmzip.models import weights
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.registry import Registry
from lmzip.native.bytelm import Net

LANES = (1, 2, 4, 8, 16, 32, 64, 128)
Measure = Callable[[], tuple[int, float, float]]

BLOCK_SIZES = (1 << 18, 1 << 20, 1 << 22, 1 << 24)


def load_net() -> Net:
    """Return the shipped net in the variant that LMZIP_SIMD names."""
    model = Registry().default()
    assert isinstance(model, ByteLmModel)
    return weights.load_net(model.path.read_bytes(), model.path)


def code(raw: bytes, shape: BlockSpec, threads: int = 1) -> tuple[int, float, float]:
    """Return the summed payload size and the seconds to encode and to decode, all blocks one after the other.

    shape: what each block is but the last, which is shorter.
    """
    net = load_net() if shape.uses_model else None
    run = Run(n_threads=threads)
    size, encoding, decoding = 0, 0.0, 0.0
    for start in range(0, len(raw), shape.raw_size):
        block = raw[start : start + shape.raw_size]
        spec = replace(shape, raw_size=len(block))
        begin = time.perf_counter()
        payload = native.encode_block(block, spec, net, run)
        encoding += time.perf_counter() - begin
        if payload is None:
            size += len(block)
            continue
        begin = time.perf_counter()
        back = native.decode_block(payload, spec, net, run)
        decoding += time.perf_counter() - begin
        if back != block:
            raise SystemExit(f"round trip failed: {spec}")
        size += len(payload)
    return size, encoding, decoding


def table(title: str, raw: bytes, runs: int, rows: Iterable[tuple[str, Measure]]) -> None:
    rows = list(rows)
    results: dict[str, list[tuple[int, float, float]]] = {name: [] for name, _ in rows}
    for _ in range(runs):
        for name, measure in rows:
            results[name].append(measure())
    first = results[rows[0][0]][0][0]
    print(f"\n| {title} | bytes | against the first | encode kB/s | decode kB/s |\n|---|---|---|---|---|")
    for name, measured in results.items():
        size = measured[0][0]
        speeds = [len(raw) / 1000 / statistics.median(m[k] for m in measured) for k in (1, 2)]
        print(f"| {name} | {size:,} | {100 * (size / first - 1):+.2f} % | {speeds[0]:,.0f} | {speeds[1]:,.0f} |")
    sys.stdout.flush()


def with_variant(variant: str, measure: Measure) -> Measure:
    def run() -> tuple[int, float, float]:
        os.environ["LMZIP_SIMD"] = variant
        try:
            return measure()
        finally:
            del os.environ["LMZIP_SIMD"]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--profile", choices=list(levels.PROFILE_NAMES.values()), default="max")
    parser.add_argument("--model", action="store_true", help="with the net that ships, not by the base alone")
    parser.add_argument("--bytes", type=int, default=0, help="measure on the first so many bytes only")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="threads for each block; two need a net and lanes")
    parser.add_argument("--lanes", type=int, default=1, help="lanes in the tables of blocks and variants")
    parser.add_argument(
        "--lane-counts", type=lambda text: [int(n) for n in text.split(",")], default=LANES, metavar="N,..."
    )
    parser.add_argument("--tables", default="lanes,blocks,variants", help="lanes, blocks, variants: which (all)")
    args = parser.parse_args()
    raw = args.file.read_bytes()
    raw = raw[: args.bytes] if args.bytes else raw
    (profile,) = (number for number, name in levels.PROFILE_NAMES.items() if name == args.profile)
    if not native.profile_takes(profile, native.BYTES if args.model else native.ALONE):
        parser.error(f"profile {args.profile} takes no net")
    name = f"{args.file.name}, {len(raw):,} bytes, profile {args.profile}{' with the net' if args.model else ''}"
    wanted = args.tables.split(",")

    def measure(n_lanes: int = args.lanes, block_size: int = len(raw)) -> Measure:
        return lambda: code(raw, BlockSpec(block_size, profile, args.model, n_lanes), args.threads)

    if "lanes" in wanted:
        table(name, raw, args.runs, [(f"{n} lanes", measure(n)) for n in args.lane_counts])
    if "blocks" in wanted:
        rows = [(f"blocks of {size >> 10:,} KiB", measure(block_size=size)) for size in reversed(BLOCK_SIZES)]
        table(name, raw, args.runs, rows)
    if "variants" in wanted:
        table(name, raw, args.runs, [(v, with_variant(v, measure())) for v in native.simd_variants()])


if __name__ == "__main__":
    main()
