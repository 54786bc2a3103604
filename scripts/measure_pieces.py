"""Measure what short pieces of files come to, each compressed by itself: lmzip against brotli and xz.

Takes pieces of --size bytes from regular places of each file and sums them up.  Prints a Markdown table for
docs/RESULTS.md; sizes are those of whole output files, every round trip is checked.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import bench_peers
import bench_run


def pieces(raw: bytes, size: int, n: int) -> list[bytes]:
    """Return n pieces of `size` bytes from regular places, fewer where the file does not hold so many."""
    n = min(n, len(raw) // size)
    step = (len(raw) - size) // max(1, n - 1)
    return [raw[i * step : i * step + size] for i in range(n)]


def sums(programs: list[bench_peers.Program], path: Path, size: int, n: int) -> tuple[int, list[int]]:
    """Return the number of pieces of a file and what they come to with each program."""
    totals = [0] * len(programs)
    parts = pieces(path.read_bytes(), size, n)
    with tempfile.TemporaryDirectory(prefix="lmzip-pieces-") as folder:
        for part in parts:
            source = Path(folder, "piece")
            source.write_bytes(part)
            for i, result in enumerate(bench_run.measure(programs, source, path.name, 1, lambda text: None)):
                totals[i] += result.compressed_size
    return len(parts), totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=1000, help="bytes of a piece")
    parser.add_argument("--pieces", type=int, default=10, help="of each file")
    args = parser.parse_args()
    programs, missing = bench_peers.select([6], ["xz", "brotli"], 1)
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    print(f"| pieces of {args.size:,} bytes | number | {' | '.join(p.name for p in programs)} | against brotli |")
    print("|---|---|" + "---|" * len(programs) + "---|")
    for path in args.files:
        n, totals = sums(programs, path, args.size, args.pieces)
        if n:
            cells = " | ".join(f"{total:,}" for total in totals)
            print(f"| {path.name} | {n} | {cells} | {100 * (totals[0] / totals[-1] - 1):+.1f} % |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
