"""Simulate lmzip --cluster on many nodes: how long a pile of files takes, with slow nodes and nodes that die.

    scripts/simulate_cluster.py [--update-docs]

It places jobs as lmzip/cli/crew.py and Ray do: files in their order, the next one begun as soon as those that are begun
no longer fill the cluster; a block is a job of one processor; a node that dies loses the jobs that it has, which go to
the front of the queue, and another comes after a while.  What it takes as given is on the command line: bytes that a
processor codes in a second (scripts/bench.py), how nodes and jobs differ in speed, how often nodes die.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import bench_report
import click

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Given:
    """A pile of files and a cluster."""

    n_nodes: int
    n_processors: int  # of each
    speed: float  # bytes that a processor codes in a second
    total: float  # bytes of all files
    file_size: float  # bytes of each
    block_size: float  # bytes
    spread: float = 0.1  # of the nodes' speeds, as a share of them
    straggling: float = 0.02  # share of jobs that take three times as long
    life: float = 1000.0  # hours until a node dies, on average
    repair: float = 0.25  # hours until another is in its place


@dataclass
class Outcome:
    """What a pile came to."""

    given: Given
    capacity: float  # processors of average speed that all nodes are worth
    hours: float = 0.0
    busy: float = 0.0  # hours of processors at work, done twice or not
    lost: float = 0.0  # of these, what died with nodes
    n_deaths: int = 0

    @property
    def efficiency(self) -> float:
        """Share of the nodes' time that would have been enough if each had been busy with blocks to the end."""
        return self.given.total / self.given.speed / 3600 / (self.hours * self.capacity)


class Simulation:
    """One run; times in seconds."""

    def __init__(self, given: Given, seed: int) -> None:
        self.given, self.rng = given, random.Random(seed)
        self.now = 0.0
        self.events: list[tuple[float, int, str, int]] = []
        self.n_events = 0
        n_files = max(1, round(given.total / given.file_size))
        n_blocks = max(1, round(given.file_size / given.block_size))
        self.seconds = given.file_size / n_blocks / given.speed  # of a job on an average processor
        self.files = deque([n_blocks] * n_files)
        self.waiting: deque[None] = deque()  # jobs that are no one's yet: they are all alike
        self.n_wanted = 0  # jobs of the files that are begun
        self.speeds = [max(0.2, self.rng.gauss(1.0, given.spread)) for _ in range(given.n_nodes)]
        self.free = [given.n_processors] * given.n_nodes
        self.running: list[dict[int, float]] = [{} for _ in range(given.n_nodes)]  # job -> when it began
        self.outcome = Outcome(given, given.n_processors * sum(self.speeds))

    def at(self, seconds: float, what: str, node: int) -> int:
        self.n_events += 1
        heapq.heappush(self.events, (self.now + seconds, self.n_events, what, node))
        return self.n_events

    def place(self) -> None:
        """Begin files while there is room for their jobs, and give jobs to free processors."""
        n_processors = sum(self.free) + sum(map(len, self.running))
        while self.files and self.n_wanted < n_processors + max(2, n_processors // 4):
            n_blocks = self.files.popleft()
            self.n_wanted += n_blocks
            self.waiting.extend([None] * n_blocks)
        for node, free in enumerate(self.free):
            for _ in range(min(free, len(self.waiting))):
                self.waiting.popleft()
                slow = 3.0 if self.rng.random() < self.given.straggling else 1.0
                seconds = self.seconds * slow / self.speeds[node]
                self.free[node] -= 1
                self.running[node][self.at(seconds, "done", node)] = self.now

    def run(self) -> Outcome:
        """Return what comes of it."""
        for node in range(self.given.n_nodes):
            self.at(self.rng.expovariate(1 / (self.given.life * 3600)), "dies", node)
        self.place()
        while self.files or self.n_wanted:
            self.now, number, what, node = heapq.heappop(self.events)
            if what == "done" and number in self.running[node]:
                self.outcome.busy += (self.now - self.running[node].pop(number)) / 3600
                self.free[node] += 1
                self.n_wanted -= 1
            elif what == "dies":
                self._die(node)
            elif what == "comes":
                self.free[node] = self.given.n_processors
                self.at(self.rng.expovariate(1 / (self.given.life * 3600)), "dies", node)
            self.place()
        self.outcome.hours = self.now / 3600
        return self.outcome

    def _die(self, node: int) -> None:
        lost = sum(self.now - start for start in self.running[node].values()) / 3600
        self.outcome.n_deaths += 1
        self.outcome.busy += lost
        self.outcome.lost += lost
        self.waiting.extendleft([None] * len(self.running[node]))
        self.running[node].clear()
        self.free[node] = 0
        self.at(self.given.repair * 3600, "comes", node)


CASES = [
    # nodes, processors of each, bytes of each file, hours that a node lives
    (1, 16, 1e9, 1000.0),
    (10, 16, 1e9, 1000.0),
    (100, 16, 1e9, 1000.0),
    (100, 16, 1e9, 24.0),
    (100, 16, 1e7, 1000.0),
    (100, 16, 1e12, 1000.0),
]


def table(speeds: dict[str, float], total: float, block_size: float, seed: int) -> list[str]:
    """Return what a pile of `total` bytes takes at each level, a row for each case."""
    lines = [
        "| nodes x processors | files of | a node lives | level | hours | busy processor hours | efficiency | lost |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for n_nodes, n_processors, file_size, life in CASES:
        for level, speed in speeds.items():
            given = Given(n_nodes, n_processors, speed, total, file_size, block_size, life=life)
            out = Simulation(given, seed).run()
            of = f"{file_size / 1e6:,.0f} MB" if file_size < 1e9 else f"{file_size / 1e9:,.0f} GB"
            lines.append(
                f"| {n_nodes} x {n_processors} | {of} | {life:,.0f} h | {level} | {out.hours:,.1f} | {out.busy:,.0f} | "
                f"{100 * out.efficiency:.0f} % | {out.n_deaths} nodes, {100 * out.lost / out.busy:.2f} % of the work |"
            )
    return lines


@click.command()
@click.option("--speed", "speeds", type=(str, float), multiple=True, help="A level, and bytes a second of a processor.")
@click.option("--total", type=float, default=1e12, show_default=True, help="Bytes of all files.")
@click.option("--block-size", type=float, default=float(1 << 24), show_default=True, help="Bytes.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--update-docs", is_flag=True, help="Put the table into docs/SCALE.md.")
def main(speeds: tuple[tuple[str, float], ...], total: float, block_size: float, seed: int, update_docs: bool) -> None:
    """Simulate piles of files on clusters."""
    lines = table(dict(speeds), total, block_size, seed)
    click.echo("\n".join(lines))
    if update_docs:
        path = ROOT / "docs" / "SCALE.md"
        said = ", ".join(f"{level} at {speed / 1000:,.0f} kB/s" for level, speed in speeds)
        body = [
            *lines,
            "",
            f"{total / 1e12:.0f} TB in blocks of {block_size / (1 << 20):.0f} MiB; a processor does {said}.",
        ]
        path.write_text(bench_report.replace_between(path.read_text(), "simulation", body))


if __name__ == "__main__":
    main()
