"""Measure every level on one file, compressing and decompressing, with each variant of the kernel: README's table.

    python scripts/measure_levels.py FILE [--variants avx512,avx2] [--runs 3] [--update-docs]

Whole processes, in turn within each round, every round trip checked.  Prints Markdown; --update-docs puts it between
the markers `levels` of README.md.  The best variant is left to the program, which takes another one for the base alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench_report
from bench_peers import lmzip
from bench_run import Measurement, measure_once, sha256

from lmzip import levels, native

ROOT = Path(__file__).resolve().parent.parent
WHAT = {
    1: ("few contexts", "speed"),
    2: ("more contexts", "speed"),
    3: ("most contexts", "a middle way"),
    4: ("all contexts", "size without the net: binaries, tables"),
    5: ("very small net and most contexts", "text, in less time"),
    6: ("net and all contexts", "text, the default"),
    7: ("the same, fewer lanes", "size"),
    8: ("the same, fewer lanes still", "size"),
    9: ("the same, fewest lanes", "the smallest files, however long it takes"),
}
TITLES = {"portable": "portable C", "avx2": "AVX2", "avxvnni": "AVX-VNNI", "avx512": "AVX-512 VNNI", "amx": "AMX"}


@contextmanager
def variant(name: str) -> Iterator[None]:
    """Let the programs that are started run one variant of the kernel."""
    before = os.environ.pop("LMZIP_SIMD", None)
    if name != native.simd_variants()[-1]:
        os.environ["LMZIP_SIMD"] = name
    try:
        yield
    finally:
        os.environ.pop("LMZIP_SIMD", None)
        if before is not None:
            os.environ["LMZIP_SIMD"] = before


def measure_levels(
    source: Path, chosen: list[int], variants: list[str], n_runs: int, threads: int
) -> dict[tuple[int, str], Measurement]:
    """Return a measurement for each level and variant."""
    raw_size, digest = source.stat().st_size, sha256(source)
    results = {(k, v): Measurement(f"-{k} {v}", source.name, raw_size, ours=True) for k in chosen for v in variants}
    for _ in range(n_runs):
        for (level, name), measurement in results.items():
            with variant(name):
                measure_once(lmzip(level, threads), source, digest, measurement)
            print(f"{measurement.program}: {measurement.compress_runs[-1].seconds:.2f} s", file=sys.stderr, flush=True)
    return results


def table(results: dict[tuple[int, str], Measurement], source: Path) -> list[str]:
    """Return Markdown: what a level is, its size and memory, and for each variant both speeds."""
    variants = list(dict.fromkeys(name for _, name in results))
    raw_size = source.stat().st_size
    header = ["level", "predictor", "block", "for", f"{source.name} ({raw_size:,} bytes)", "memory for it"]
    header += [TITLES.get(name, name) for name in variants]
    lines = ["| " + " | ".join(header) + " |", "|---" * 4 + "|---:" * (2 + len(variants)) + "|"]
    for level in dict.fromkeys(level for level, _ in results):
        of = [results[level, name] for name in variants]
        if len({m.compressed_size for m in of}) != 1:
            raise SystemExit(f"-{level}: variants differ in size")
        peak = max(m.memory(direction) or 0 for m in of for direction in ("compress", "decompress"))
        predictor, purpose = WHAT[level]
        row = [f"`-{level}`", predictor, f"{levels.get_level(level).block_size >> 20} MiB", purpose]
        row += [f"{of[0].compressed_size:,}", f"{peak / 2**20:.0f} MiB"]
        row += [
            " / ".join(f"{raw_size / s / 1000:,.0f}" for s in (m.compress_seconds, m.decompress_seconds)) for m in of
        ]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--levels", type=lambda text: [int(n) for n in text.split(",")], default=list(WHAT))
    parser.add_argument("--variants", type=lambda text: text.split(","), default=list(native.simd_variants()))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--update-docs", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    results = measure_levels(args.file, args.levels, args.variants, args.runs, args.threads)
    note = (
        f"Speeds are kB/s, compressing / decompressing that file with {args.threads} threads, by variant of the "
        f"kernel; whole processes, {bench_report.runs_text(args.runs)}, by `scripts/measure_levels.py` on "
        f"{bench_report.machine()}."
    )
    body = [*table(results, args.file), "", textwrap.fill(note, 120)]
    print("\n".join(body))
    if args.update_docs:
        readme = ROOT / "README.md"
        readme.write_text(bench_report.replace_between(readme.read_text(), "levels", body))


if __name__ == "__main__":
    main()
