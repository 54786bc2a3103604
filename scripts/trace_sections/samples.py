"""The last section of SAMPLES: samples of two tiny sounds, step by step, and checks of payloads of larger ones."""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple
from unittest import mock

from lmzip import native, reference
from lmzip.block import BIG_ENDIAN, FLOAT, SIGNED, SOUND, BlockSpec, Content
from lmzip.reference import samples
from lmzip.reference.samples import Channel, Samples
from trace_sections.common import Tracer, check_rows, code_block, noting, number_rows, payload_rows, told_bytes

TITLE = "## 10. A trace\n"
INTRODUCTION = """
Channel c of moment m is (|m * 7 % 64 - 32| - 16) * 2^(depth - 6), rounded down after a division by 2^c, and m * m % 5
more; 2^(depth - 1) more where the content is not signed, and in floating point that of 16 bits divided by 2^15. Numbers
are decimal but for payloads and checks. `scripts/make_trace.py` writes this section.

*weights* are those of linear prediction 0, the first eight, *mean* and *scale* those of §2.3 and §3, the latter by
prediction and then by j, all before the sample is coded; *inputs* are those of §7 at the first bit that is mixed. The
rows of bits have level, ratio, rank and place, a and b (§7), p and the bit; one that densities are sure of has p only.
"""


class Sound(NamedTuple):
    """A sound of the trace: how it is told, what it is."""

    name: str
    content: Content
    n_moments: int

    def raw(self) -> bytes:
        c = self.content
        size, is_float = c.depth // 8, c.flags & FLOAT
        order, sign = ("big" if c.flags & BIG_ENDIAN else "little"), (0 if c.flags & SIGNED else 1 << c.depth - 1)
        raw = bytearray(c.offset)
        for m in range(self.n_moments):
            for channel in range(c.channels):
                value = ((abs(m * 7 % 64 - 32) - 16) * (1 << (16 if is_float else c.depth) - 6) >> channel) + m * m % 5
                if is_float:
                    raw += struct.pack(">f" if c.flags & BIG_ENDIAN else "<f", value / (1 << 15))
                else:
                    raw += ((value + sign) % (1 << c.depth)).to_bytes(size, order)  # type: ignore[arg-type]
        return bytes(raw)

    def reference(self) -> reference.Content:
        c = self.content
        return reference.Content(c.kind, c.channels, c.depth, c.flags, c.offset, c.width)


STEREO = Sound("stereo", Content(SOUND, 2, 16, SIGNED), 20)
FLOATS = Sound("floats", Content(SOUND, 1, 32, FLOAT), 18)
LARGER = (
    Sound("8 bits, one channel", Content(SOUND, 1, 8), 2000),
    Sound("8 bits, eight channels, signed, one byte of 0 before", Content(SOUND, 8, 8, SIGNED, 0, 1), 300),
    Sound("16 bits, one channel, signed, 44 bytes of 0 before", Content(SOUND, 1, 16, SIGNED, 0, 44), 1000),
    Sound("16 bits, two channels, signed, big-endian", Content(SOUND, 2, 16, SIGNED | BIG_ENDIAN), 500),
    Sound("24 bits, two channels, signed", Content(SOUND, 2, 24, SIGNED), 300),
    Sound("32 bits, one channel", Content(SOUND, 1, 32), 400),
    Sound("32 bits in floating point, one channel", Content(SOUND, 1, 32, FLOAT), 500),
    Sound("32 bits in floating point, two channels, big-endian", Content(SOUND, 2, 32, FLOAT | BIG_ENDIAN), 300),
)


class Noted(dict[Any, Any]):
    """Rows of weights, which note the last that was asked for."""

    last: Any = None

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self.last = key
        return super().setdefault(key, default)


class Traced(Channel):
    """Notes chosen samples, by channel and moment; `notes` are those of all channels."""

    chosen: set[tuple[int, int]]
    notes: list[str]
    n_channels = 0

    def __init__(self, content: reference.Content, profile: int) -> None:
        super().__init__(content, profile)
        self.number = type(self).n_channels
        type(self).n_channels += 1

    def code_sample(self, coder: Any, sample: int | None, expected: int, rate: int) -> int:
        if (self.number, self.n_moments) not in self.chosen:
            return super().code_sample(coder, sample, expected, rate)
        rows: list[str] = ["", ""] if self.notes else [""]
        rows[-1] = f"channel {self.number}, moment {self.n_moments}: rate {rate}, expected {expected}, run {self.run}"
        rows += number_rows("weights", self.linear[0].weights[:8], 10)
        rows += number_rows("mean   ", self.means[: self.n_predictions], 10)
        rows += number_rows("scale  ", [scale for three in self.scales[: self.n_predictions] for scale in three], 10)
        levels, places = Noted(self.level_weights), Noted(self.place_weights)
        self.level_weights, self.place_weights = levels, places
        start = len(coder.decisions)
        bits: list[str] = []
        has_inputs = False
        code_bit = coder.code_bit
        with noting(samples, "mix_dot") as calls:

            def noted(bit: int | None, p1: int) -> int:
                nonlocal has_inputs
                i, mixed = self.depth_bits - 1 - (len(coder.decisions) - start), calls["mix_dot"]
                decided = code_bit(bit, p1)
                numbers = " " * 44
                if mixed:
                    if not has_inputs:
                        rows.extend(number_rows("inputs ", mixed[0][0][0], 6))
                        has_inputs = True
                    a, b = (samples.clamp(dot, samples.STRETCH_LIMIT) for _, dot in mixed)
                    level, ratio = levels.last
                    rank, place = places.last
                    numbers = f"{level:7}{ratio:7}{rank:6}{place:7}{a:8}{b:9}"
                    mixed.clear()
                bits.append(f"{i:3}{numbers}{p1 >> 8:10}  {decided:7}")
                return decided

            with mock.patch.object(coder, "code_bit", noted):
                sample = super().code_sample(coder, sample, expected, rate)
        self.notes += [*rows, "bit  level  ratio  rank  place       a        b         p  decided", *bits]
        return sample


def sound_section(number: int, sound: Sound, profile: int, chosen: set[tuple[int, int]], told: str) -> str:
    """Return the trace of a sound's block."""
    raw = sound.raw()
    payload = reference.encode_block(raw, profile, content=sound.reference())
    noting_channel = type("NotingChannel", (Traced,), {"chosen": chosen, "notes": []})
    with mock.patch.object(samples, "Channel", noting_channel):
        tracer, block = Tracer(payload), Samples(len(raw), profile, sound.reference())
    assert block.code_block(tracer, None) == raw
    tracer.check_end()
    parts = [
        f"\n### 10.{number} {told}, profile {profile}\n",
        f"{sound.n_moments} moments; {told_bytes(raw)}, a payload of {told_bytes(payload)}:\n",
        code_block(payload_rows(payload)),
        code_block(noting_channel.notes),  # type: ignore[attr-defined]
        check_rows(tracer),
    ]
    return "\n".join(parts)


def payload_section() -> str:
    """Return sizes and checks of payloads of larger sounds, made by the kernel, which is faster."""
    rows = ["| sound | moments | CRC-32 | profile 1 | CRC-32 | profile 2 | CRC-32 | profile 4 | CRC-32 |"]
    rows.append("|---" * 9 + "|")
    for sound in LARGER:
        raw = sound.raw()
        row = [sound.name, str(sound.n_moments), f"`{zlib.crc32(raw):08x}`"]
        for profile in (1, 2, 4):
            payload = native.encode_block(raw, BlockSpec(len(raw), profile, False, content=sound.content))
            assert payload is not None
            row += [str(len(payload)), f"`{zlib.crc32(payload):08x}`"]
        rows.append("| " + " | ".join(row) + " |")
    return "\n### 10.3 Payloads\n\nBytes of payloads of sounds that are made alike.\n\n" + "\n".join(rows) + "\n"


def render() -> str:
    """Return the whole section."""
    return (
        TITLE
        + INTRODUCTION
        + sound_section(1, STEREO, 4, {(0, 0), (1, 8), (1, 18)}, "Two channels of 16 bits, signed")
        + sound_section(2, FLOATS, 2, {(0, 17)}, "One channel in floating point")
        + payload_section()
    )
