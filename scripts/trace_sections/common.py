"""What the sections share: a decoder that notes its decisions, and how numbers are laid out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from lmzip.reference.range_coder import RangeDecoder

N_DECISIONS = 32
N_CHECKED = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
COLUMNS = 112  # of rows of numbers


class Tracer(RangeDecoder):
    """A decoder that notes each decision: p1, bit, range and code behind it."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.decisions: list[tuple[int, int, int, int]] = []

    def code_bit(self, bit: int | None, p1: int) -> int:
        bit = super().code_bit(bit, p1)
        self.decisions.append((p1, bit, self.range, self.offset))
        return bit

    def checks(self) -> list[tuple[int, int]]:
        """Return CRC-32s of the first probabilities, little-endian words, for more and more of them."""
        words = struct.pack(f"<{len(self.decisions)}I", *(decision[0] for decision in self.decisions))
        ends = [n for n in N_CHECKED if n < len(self.decisions)] + [len(self.decisions)]
        return [(n, zlib.crc32(words[: 4 * n])) for n in ends]


def code_block(rows: list[str]) -> str:
    return "```\n" + "\n".join(rows) + "\n```\n"


def decision_rows(tracer: Tracer) -> list[str]:
    rows = ["decision  bit        p1             range              code"]
    for n, (p1, bit, range_, code) in enumerate(tracer.decisions[:N_DECISIONS]):
        rows.append(f"{n:8}  {bit:3}  {p1:08x}  {range_:016x}  {code:016x}")
    return rows


def check_rows(tracer: Tracer) -> str:
    checks = [f"{n} `{check:08x}`" for n, check in tracer.checks()]
    lines = ["CRC-32 of the first n values of p1, each as a little-endian u32, for n ="]
    for check in checks:
        if len(lines[-1]) + len(check) > 116:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{check}{',' if check != checks[-1] else '.'}"
    return "\n".join(lines) + "\n"


def told_bytes(data: bytes) -> str:
    return f"{len(data)} bytes (CRC-32 `{zlib.crc32(data):08x}`)"


def payload_rows(payload: bytes) -> list[str]:
    return [payload[at : at + 32].hex() for at in range(0, len(payload), 32)]


def number_rows(label: str, numbers: list[int], width: int) -> list[str]:
    """Return rows of decimal numbers, each `width` columns wide, the label before the first row."""
    texts = [f"{number:{width}}" for number in numbers]
    n = (COLUMNS - len(label)) // (width + 1)
    rows = [" ".join(texts[at : at + n]) for at in range(0, len(texts), n)]
    return [f"{label if not i else ' ' * len(label)} {row}" for i, row in enumerate(rows)]


Calls = dict[str, list[tuple[tuple[Any, ...], Any]]]  # by name of a function, arguments and results


@contextmanager
def noting(module: ModuleType, *names: str) -> Iterator[Calls]:
    """Note the calls of functions of a module, until the end of the `with`."""
    calls: Calls = {name: [] for name in names}

    def noted(name: str) -> Any:
        function = getattr(module, name)

        def wrapper(*args: Any) -> Any:
            result = function(*args)
            calls[name].append((args, result))
            return result

        return wrapper

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(module, name, noted(name)))
        yield calls


def wrapped(text: str) -> str:
    """Return text with the lines of its paragraphs, but not those of its code, at most 120 columns wide."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("    ") or len(line) <= 120:
            lines.append(line)
            continue
        rest = line
        while len(rest) > 120:
            cut = rest.rindex(" ", 0, 121)
            lines.append(rest[:cut])
            rest = rest[cut + 1 :]
        lines.append(rest)
    return "\n".join(lines) + "\n"
