"""The inputs whose compressed sizes tests/sizes.csv pins: a small sample of each kind of data, the same everywhere."""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import SAMPLE, painted

from lmzip import levels

SIZES = Path(__file__).with_name("sizes.csv")
LEVELS = range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1)
COLUMNS = ("sample", "level", "raw_size", "compressed_size")


def numbers(seed: int) -> Iterator[int]:
    """Yield 32-bit numbers of a linear congruential generator (Numerical Recipes), high bits first in quality."""
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) % (1 << 32)
        yield state >> 8


def log_lines() -> bytes:
    """Return a server's log: times that move on, a few hosts, paths and states."""
    source = numbers(1)
    lines, second = [], 36000
    for _ in range(300):
        second += next(source) % 7
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        host, path = f"10.0.{next(source) % 4}.{next(source) % 250}", f"/api/v1/items/{next(source) % 1000}"
        state = (200, 200, 200, 304, 404)[next(source) % 5]
        lines.append(
            f"2024-05-17 {clock} INFO web[{next(source) % 8}] {host} GET {path} {state} {next(source) % 9000}\n"
        )
    return "".join(lines).encode()


def csv_table() -> bytes:
    """Return a table of numbers with commas: columns that grow, repeat and wander."""
    source = numbers(2)
    value, lines = 1000, ["id,city,day,value,change\n"]
    for row in range(600):
        change = next(source) % 21 - 10
        value += change
        city = ("Oslo", "Bergen", "Tromsø", "Trondheim")[next(source) % 4]
        lines.append(f"{row},{city},{row % 28 + 1},{value / 10:.1f},{change}\n")
    return "".join(lines).encode()


def records() -> bytes:
    """Return binary records of 20 bytes: a counter, a slowly changing number, flags, a small noise, zeros."""
    source = numbers(3)
    level, packed = 5000, []
    for row in range(1000):
        level += next(source) % 9 - 4
        packed.append(struct.pack("<IhBBd4x", row * 16, level, next(source) % 3, 0xFF, (next(source) % 4) / 8))
    return b"".join(packed)


def random_bytes() -> bytes:
    """Return bytes that nothing can compress."""
    source = numbers(4)
    return bytes(next(source) >> 8 & 0xFF for _ in range(10000))


SAMPLES: dict[str, Callable[[], bytes]] = {
    "text": SAMPLE.read_bytes,
    "text_1k": lambda: SAMPLE.read_bytes()[5000:6000],
    "log": log_lines,
    "csv": csv_table,
    "records": records,
    "painted": lambda: painted(20000),
    "zeros": lambda: bytes(100000),
    "random": random_bytes,
    "one_byte": lambda: b"a",
    "empty": lambda: b"",
}


def measured_rows() -> Iterator[tuple[str, int, int, int]]:
    """Yield a row of sizes.csv for every sample and level."""
    import lmzip

    for name, make in SAMPLES.items():
        raw = make()
        for level in LEVELS:
            yield name, level, len(raw), len(lmzip.compress(raw, level=level))


def pinned_rows() -> list[tuple[str, int, int, int]]:
    """Return the rows of the checked-in sizes.csv."""
    with open(SIZES, newline="") as file:
        reader = csv.reader(file)
        assert tuple(next(reader)) == COLUMNS
        return [(name, int(level), int(raw), int(compressed)) for name, level, raw, compressed in reader]


def write_rows() -> None:
    """Rewrite sizes.csv with what is measured now."""
    rows = list(measured_rows())
    with open(SIZES, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
