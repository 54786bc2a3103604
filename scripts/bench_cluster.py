"""Compare a Ray cluster of two nodes of one processor, on this machine, with one process of two threads.

    scripts/bench_cluster.py FILE --size 64MiB --level 4 [--rounds 3] [--update-docs]

Both compress the same bytes in turn and decompress them, and must come to the same; times are the program's own,
without what joining the cluster takes, which is told apart.  Wants the extra cluster.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import bench_report
import click

from lmzip.cli.option_types import SizeType

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).parent / "lmzip"


class Run(NamedTuple):
    """Seconds that work took, and those before and behind it: to start, to join, to leave."""

    work: float
    rest: float


def run(options: list[str], source: Path, target: Path) -> Run:
    """Run the program once."""
    target.unlink(missing_ok=True)
    start = time.monotonic()
    done = subprocess.run(
        [PROGRAM, *options, "-k", "--json", "-o", target, source], check=True, stdout=subprocess.PIPE, text=True
    )
    whole = time.monotonic() - start
    work = json.loads(done.stdout.splitlines()[0])["seconds"]
    return Run(work, whole - work)


def measure(source: Path, level: int, address: str, rounds: int, folder: Path) -> dict[str, list[Run]]:
    """Return the runs of each way in both directions, in turn; raises ValueError where they differ."""
    ways = {"threads": ["-T2"], "cluster": ["--cluster", address, "-T2"]}
    runs: dict[str, list[Run]] = {f"{way} {direction}": [] for way in ways for direction in ("compress", "decompress")}
    outputs = {way: folder / f"{way}.lmz" for way in ways}
    back = folder / "back"
    for _ in range(rounds):
        for way, options in ways.items():
            runs[f"{way} compress"].append(run([f"-{level}", *options], source, outputs[way]))
        for way, options in ways.items():
            runs[f"{way} decompress"].append(run(["-d", *options], outputs[way], back))
            if back.read_bytes() != source.read_bytes():
                raise ValueError(f"{way}: other bytes came back")
    if outputs["threads"].read_bytes() != outputs["cluster"].read_bytes():
        raise ValueError("the cluster came to other bytes")
    return runs


def table(runs: dict[str, list[Run]], size: int, level: int) -> str:
    """Return the medians as a table."""
    lines = [
        f"| {size >> 20} MiB at -{level} | two threads, s | two nodes, s | efficiency | start, join and leave, s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for direction in ("compress", "decompress"):
        threads = statistics.median(run.work for run in runs[f"threads {direction}"])
        cluster = statistics.median(run.work for run in runs[f"cluster {direction}"])
        rest = statistics.median(run.rest for run in runs[f"cluster {direction}"])
        lines.append(f"| {direction} | {threads:.1f} | {cluster:.1f} | {100 * threads / cluster:.0f} % | {rest:.1f} |")
    return "\n".join(lines)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--size", type=SizeType(), default="64MiB", show_default=True, help="As much of FILE is compressed.")
@click.option("--level", type=click.IntRange(1, 9), default=4, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--update-docs", is_flag=True, help="Put the table into docs/SCALE.md.")
def main(file: Path, size: int, level: int, rounds: int, update_docs: bool) -> None:
    """Measure the efficiency of a cluster."""
    # Both ways are to be as nice; of Ray's own settings the names are in small letters.
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"})
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        with open(file, "rb") as data:
            source.write_bytes(data.read(size))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        try:
            runs = measure(source, level, cluster.address, rounds, folder)
        finally:
            cluster.shutdown()
        text = table(runs, source.stat().st_size, level)
    click.echo(text)
    if update_docs:
        path = ROOT / "docs" / "SCALE.md"
        body = [text, "", f"Medians of {rounds}, {bench_report.machine()}."]
        path.write_text(bench_report.replace_between(path.read_text(), f"cluster-{level}", body))


if __name__ == "__main__":
    main()
