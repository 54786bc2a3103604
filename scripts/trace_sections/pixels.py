"""The last section of PIXELS: samples of two tiny pictures, step by step, and checks of payloads of larger ones."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from lmzip import native, reference
from lmzip.block import BIG_ENDIAN, IMAGE, LINE_UNIT_SHIFT, SIGNED, BlockSpec, Content
from lmzip.reference import pixels
from lmzip.reference.pixels import Byte, Pixels
from trace_sections.common import Calls, Tracer, check_rows, code_block, noting, number_rows, payload_rows, told_bytes

TITLE = "## 10. A trace\n"
INTRODUCTION = """
Sample i of a picture, counted from 0 on through all lines, is (3 x + 7 y + 40 channel + (i * i >> 3 & 3)) * m, modulo
2^depth, x being its pixel in its line y and m 1 with 8 bits, 300 with 16; where samples are signed, it is 2^(depth - 1)
less. Numbers are decimal but for payloads and checks. `scripts/make_trace.py` writes this section.

*error sums* are total[k] of §6.1, *value4* all predictions of the byte, those of the shared histograms not repeated,
*inputs* those of §7.1, *weights* those of least squares, *uncorrected* and *place* those of §4.8. The rows of bits have
layer[0 ..] (§7.2), mixed and p_mixed (§7.3), what both maps refine (§7.4), p (§7.5) and the bit.
"""


class Picture(NamedTuple):
    """A picture of the trace: how it is told, what it is."""

    name: str
    content: Content
    n_lines: int

    def raw(self) -> bytes:
        """Return all lines, with their padding."""
        c = self.content
        order, flip = ("big" if c.flags & BIG_ENDIAN else "little"), (1 << c.depth - 1 if c.flags & SIGNED else 0)
        raw = bytearray(b"\xff" * c.offset)
        factor = 1 if c.depth == 8 else 300
        for y in range(self.n_lines):
            line = bytearray()
            for x in range(c.width * c.channels):
                i = y * c.width * c.channels + x
                value = 3 * (x // c.channels) + 7 * y + 40 * (x % c.channels) + (i * i >> 3 & 3)
                line += (value * factor % (1 << c.depth) ^ flip).to_bytes(c.depth // 8, order)  # type: ignore[arg-type]
            raw += line + bytes(c.line_size - len(line))
        return bytes(raw)

    def reference(self) -> reference.Content:
        c = self.content
        return reference.Content(c.kind, c.channels, c.depth, c.flags, c.offset, c.width)


COLOUR = Picture("colour", Content(IMAGE, 3, 8, 0, 10), 5)
WIDE = Picture("16 bits", Content(IMAGE, 1, 16, BIG_ENDIAN, 9), 4)
LARGER = (
    Picture("8 bits, one channel", Content(IMAGE, 1, 8, 0, 64), 40),
    Picture("8 bits, three channels", Content(IMAGE, 3, 8, 0, 40), 20),
    Picture("8 bits, four channels, five bytes of 255 before", Content(IMAGE, 4, 8, 0, 30, 5), 20),
    Picture("16 bits, one channel, little-endian", Content(IMAGE, 1, 16, 0, 50), 25),
    Picture(
        "16 bits, three channels, big-endian, signed, lines padded to 4 bytes by zeros",
        Content(IMAGE, 3, 16, BIG_ENDIAN | SIGNED | 2 << LINE_UNIT_SHIFT, 21),
        20,
    ),
)


class Traced(Pixels):
    """Notes the bytes of chosen samples, by line and place in it."""

    def __init__(self, raw_size: int, profile: int, content: reference.Content, chosen: set[tuple[int, int]]) -> None:
        super().__init__(raw_size, profile, content)
        self.chosen, self.y = chosen, 0
        self.calls: Calls = {}
        self.rows: list[str] = []
        self.is_noted = False

    def end_line(self) -> None:
        super().end_line()
        self.y += 1

    def start_byte(self, values4: list[int], n_fixed: int, part: int, upper: int) -> Byte:
        with noting(pixels, "error_class") as calls:
            b = super().start_byte(values4, n_fixed, part, upper)
        self.is_noted = (self.y, self.x) in self.chosen
        if not self.is_noted:
            return b
        learned = self.learned[self.channel]
        if not part:
            head = f"line {self.y}, pixel {self.x // self.channels}, channel {self.channel}"
            self.rows += ["", head] if self.rows else [head]
            self.rows += number_rows("weights     ", learned.squares, 8)
            places = "  ".join(f"place[{k}] = {place}" for k, place in learned.places)
            self.rows.append(f"uncorrected = {learned.uncorrected}  {places}")
        else:
            self.rows.append(f"part 1, upper = {upper}")
        n = len(values4) + 2
        totals = [args[0] for args, _ in calls["error_class"][1 : n + 1]]  # behind that of the last blend
        self.rows += number_rows("error sums  ", totals, 4) + number_rows("value4      ", b.value4[:n], 4)
        classes = f"error_class = {b.error_class}  texture = {b.texture}  signs = {b.signs}"
        self.rows.append(f"{classes}  last_class = {self.last_class}  n_bytes = {self.n_bytes}")
        return b

    def code_bit(self, coder: Any, b: Byte, i: int, *args: Any) -> int:
        if not self.is_noted:
            return super().code_bit(coder, b, i, *args)
        with noting(pixels, "mix_dot", "refined") as calls:
            bit = super().code_bit(coder, b, i, *args)
        inputs = calls["mix_dot"][0][0][0]
        layer = calls["mix_dot"][self.n_sets][0][0]
        mixed = pixels.clamp(calls["mix_dot"][self.n_sets][1], pixels.STRETCH_LIMIT)
        both = [result for _, result in calls["refined"]]
        if not i:
            self.rows += number_rows("inputs      ", inputs, 6)
            self.rows.append(f"bit{'layer':>{7 * self.n_sets}}  mixed   p_mixed{'refined':>18}         p  decided")
        numbers = "".join(f"{number:7}" for number in [*layer, mixed])
        p = coder.decisions[-1][0] >> 8
        self.rows.append(f"{i:3}{numbers}{pixels.squash(mixed):10}{both[0]:9}{both[1]:9}{p:10}  {bit:7}")
        return bit


def picture_section(number: int, picture: Picture, profile: int, chosen: set[tuple[int, int]], told: str) -> str:
    """Return the trace of a picture's block."""
    raw = picture.raw()
    payload = reference.encode_block(raw, profile, content=picture.reference())
    tracer, block = Tracer(payload), Traced(len(raw), profile, picture.reference(), chosen)
    assert block.code_block(tracer, None) == raw
    tracer.check_end()
    parts = [
        f"\n### 10.{number} {told}, profile {profile}\n",
        f"{picture.content.width} pixels wide, {picture.n_lines} lines; {told_bytes(raw)}, a payload of"
        f" {told_bytes(payload)}:\n",
        code_block(payload_rows(payload)),
        code_block(block.rows),
        check_rows(tracer),
    ]
    return "\n".join(parts)


def payload_section() -> str:
    """Return sizes and checks of payloads of larger pictures, made by the kernel, which is faster."""
    rows = ["| picture | width | lines | CRC-32 | profile 1 | CRC-32 | profile 2 | CRC-32 | profile 4 | CRC-32 |"]
    rows.append("|---" * 10 + "|")
    for picture in LARGER:
        raw = picture.raw()
        row = [picture.name, str(picture.content.width), str(picture.n_lines), f"`{zlib.crc32(raw):08x}`"]
        for profile in (1, 2, 4):
            payload = native.encode_block(raw, BlockSpec(len(raw), profile, False, content=picture.content))
            assert payload is not None
            row += [str(len(payload)), f"`{zlib.crc32(payload):08x}`"]
        rows.append("| " + " | ".join(row) + " |")
    return "\n### 10.3 Payloads\n\nBytes of payloads of pictures that are made alike.\n\n" + "\n".join(rows) + "\n"


def render() -> str:
    """Return the whole section."""
    colour, wide = {(0, 0), (1, 0), (3, 26)}, {(2, 8)}
    return (
        TITLE
        + INTRODUCTION
        + picture_section(1, COLOUR, 4, colour, "Three channels of 8 bits")
        + picture_section(2, WIDE, 2, wide, "One channel of 16 bits, big-endian")
        + payload_section()
    )
