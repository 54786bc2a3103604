"""Measure what lanes, block sizes and SIMD variants do to size and speed, on one file, straight on the kernel.

Prints Markdown tables for docs/RESULTS.md.  Sizes are payloads without the container's bytes; every payload is decoded
and compared.  Speeds are those of --threads cores, the median of --runs runs with the alternatives in turn.  Methods
with a net use the one that ships.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lmzip import native
from lmzip.models import registry, weights
from lmzip.models.bytelm import ByteLmModel

LANES = (1, 2, 4, 8, 16, 32, 64, 128)
Measure = Callable[[], tuple[int, float, float]]

BLOCK_SIZES = (1 << 18, 1 << 20, 1 << 22, 1 << 24)


def load_net(method: int) -> native.Net | None:
    """Return the shipped net in the variant that LMZIP_SIMD names, None for methods without a net."""
    if method < native.NET_METHOD:
        return None
    model = registry.by_name(registry.default_name())
    assert isinstance(model, ByteLmModel)
    return weights.load_net(model.path.read_bytes(), model.path)


def code(raw: bytes, method: int, n_lanes: int, block_size: int, threads: int = 1) -> tuple[int, float, float]:
    """Return the summed payload size and the seconds to encode and to decode, all blocks one after the other."""
    net = load_net(method)
    size, encoding, decoding = 0, 0.0, 0.0
    for start in range(0, len(raw), block_size):
        block = raw[start : start + block_size]
        begin = time.perf_counter()
        payload = native.encode_block(block, method, n_lanes, None, net, threads)
        encoding += time.perf_counter() - begin
        if payload is None:
            size += len(block)
            continue
        begin = time.perf_counter()
        back = native.decode_block(payload, len(block), method, n_lanes, None, net, threads)
        decoding += time.perf_counter() - begin
        if back != block:
            raise SystemExit(f"round trip failed: method {method}, {n_lanes} lanes, block of {block_size}")
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
    parser.add_argument("--method", type=int, default=4, choices=range(1, native.TOKEN_METHOD))
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
    name = f"{args.file.name}, {len(raw):,} bytes, method {args.method}"
    wanted = args.tables.split(",")
    if "lanes" in wanted:
        rows = [(f"{n} lanes", lambda n=n: code(raw, args.method, n, len(raw), args.threads)) for n in args.lane_counts]
        table(name, raw, args.runs, rows)
    if "blocks" in wanted:
        rows = [
            (f"blocks of {size >> 10:,} KiB", lambda size=size: code(raw, args.method, args.lanes, size, args.threads))
            for size in reversed(BLOCK_SIZES)
        ]
        table(name, raw, args.runs, rows)
    if "variants" in wanted:
        measure = lambda: code(raw, args.method, args.lanes, len(raw), args.threads)  # noqa: E731
        table(name, raw, args.runs, [(v, with_variant(v, measure)) for v in native.simd_variants()])


if __name__ == "__main__":
    main()
