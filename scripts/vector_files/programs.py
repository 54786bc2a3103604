"""Test vectors of blocks that are converted as machine code (FORMAT 4.9): good, bad and unsupported."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from lmzip.block import ARM64, X86, X86_64
from lmzip.format.header import pack_header
from lmzip.native.addresses import body_without_copies
from vector_files.copies import Copy, coded_body, stored_body
from vector_files.copies import body as packed_body
from vector_files.far import WINDOW, made, reaching
from vector_files.frames import NOTE, WEIGHTS, Block, Vector, frame, net_record, stored
from vector_files.patches import NEW, header, patched

NAMES = {X86: "x86", X86_64: "x86-64", ARM64: "arm64"}
# What x86 instructions with a distance begin with, and how many bytes they have behind it.
STARTS = (
    (b"\xe8", 0),
    (b"\xe9", 0),
    (b"\x0f\x84", 0),
    (b"\x0f\x8f", 0),
    (b"\x48\x8b\x05", 0),
    (b"\x84\x3d", 0),
    (b"\x4c\x8d\x0d", 0),
    (b"\xff\x15", 0),
    (b"\x80\x3d", 1),
    (b"\x83\x25", 1),
    (b"\xc6\x05", 1),
    (b"\x81\x3d", 4),
    (b"\x48\xc7\x05", 4),
    (b"\x0f\xb6\x05", 0),
    (b"\x0f\x10\x35", 0),
)
# What is none, or ends another way: a highest byte of its own, one instruction within another, prefixes of them.
ODD = (
    b"\xe8\1\2\3\4",
    b"\xe8\1\xe8\3\7\0",
    b"\x0f\xe8\5\0\0\0",
    b"\x0f\xe9\x05\0\0\0\0",
    b"\xe8\xe8\xe8\xe8\xe8\xff",
    b"\x0f\x0f\x84\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff",
    b"\x0f\x84\x05\x05\x05\1\0\0",
)


def x86_code(n: int) -> bytes:
    """Return n instructions with distances to a few addresses before and behind, amid others."""
    draw, code = random.Random(9), bytearray()
    for i in range(n):
        start, behind = STARTS[draw.randrange(len(STARTS))]
        code += ODD[draw.randrange(len(ODD))] if i % 7 == 6 else draw.randbytes(draw.randrange(4))
        code += start
        target = (0, 64, 3000, 70_000, -70_000)[draw.randrange(5)]
        code += (target - len(code) - 4 - behind).to_bytes(4, "little", signed=True)
        code += bytes(behind)
    return bytes(code)


def arm64_code(n: int) -> bytes:
    """Return n branches and addresses of pages, as many other instructions, and two bytes of the next."""
    draw, code = random.Random(9), bytearray()
    for i in range(n):
        page = (draw.randrange(8) - len(code) // 4096) % 2**21
        adrp = 0x90000000 | (page & 3) << 29 | page >> 2 << 5 | draw.randrange(32)
        branch = 0x94000000 | (draw.choice((0, 500, -500)) - len(code) // 4) % 2**26
        for word in (adrp if i % 3 == 0 else branch, draw.getrandbits(32)):
            code += word.to_bytes(4, "little")
    return bytes(code) + b"\0\x94"


CODE = {X86: x86_code(300), X86_64: x86_code(300), ARM64: arm64_code(300)}


def of_machine(block: Block, machine: int) -> Block:
    """Return a block with a body as one that is converted for a machine."""
    head, payload = block
    return replace(head, machine=machine), payload


def with_copies(before: bytes, copies: list[Copy], rest: bytes, machine: int) -> tuple[bytes, bytes]:
    """Return the body of a block behind others whose rest is given before it is converted, and its raw bytes."""
    ends = [*accumulate(gap for gap, _, _ in copies), len(rest)]
    converted = b""
    for k, start in enumerate([0, *ends[:-1]]):
        place = start + sum(size for _, size, _ in copies[:k])
        # What is before a gap is not converted: NUL bytes stand for it.
        converted += bytes(body_without_copies(bytes(place) + rest[start : ends[k]], machine).coded)[1 + place :]
    return packed_body(copies, converted), made(before, copies, rest)


def good() -> Iterator[Vector]:
    """Yield programs."""
    for machine, raw in CODE.items():
        body, name = bytes(body_without_copies(raw, machine).coded), NAMES[machine]
        block = of_machine(stored_body(body, raw), machine)
        yield Vector(f"good-program-{name}", frame([block], raw), f"Machine code of {name}, stored.", raw)
        # Gaps that begin anywhere, and instructions that copies cut.
        body, raw = with_copies(b"", [(1003, 900, 1003), (700, 945, 1500), (100, 30, 3)], raw, machine)
        block = coded_body(body, raw, 4, 4, machine=machine)
        sentence = f"Machine code of {name} with copies, profile 4, 4 lanes."
        yield Vector(f"good-program-{name}-copies", frame([block], raw, pack_header(4)), sentence, raw)
    raw = CODE[X86_64]
    body = bytes(body_without_copies(raw, X86_64).coded)
    block = coded_body(body, raw, 4, 2, with_net=True, machine=X86_64)
    sentence = f"Machine code of x86-64, the net, 2 lanes; needs `{WEIGHTS.name}`."
    yield Vector("good-program-net", frame([block], raw, pack_header(4, net_record())), sentence, raw)
    far, again = with_copies(raw, [(50, 1200, 1500), (49, 200, 0)], raw[700:1000], X86)
    first = of_machine(stored_body(body, raw, last=False), X86_64)
    second = of_machine(reaching(stored_body(far, again), 1450), X86)
    sentence = "Two blocks of machine code; the second has copies of the first."
    yield Vector("good-program-far", frame([first, second], raw + again, WINDOW), sentence, raw + again)
    plain = of_machine(stored_body(b"\0" + NOTE, NOTE, last=False), ARM64)
    sentence = "A text that a head calls machine code, and a block that is none."
    yield Vector("good-program-text", frame([plain, stored(NOTE)], NOTE + NOTE), sentence, NOTE + NOTE)


def bad() -> Iterator[Vector]:
    """Yield bodies that make something else, and sizes that contradict each other."""
    raw = CODE[X86]
    body = bytes(body_without_copies(raw, X86).coded)
    head, payload = of_machine(stored_body(body, raw), X86)
    n = len(raw)
    for name, of, its_payload, sentence in (
        ("other-machine", replace(head, machine=X86_64), payload, "Code of another machine than it was converted for."),
        ("not-converted", replace(head, machine=0, raw_size=n + 2), payload, "Code that is not converted back."),
        ("body-large", replace(head, raw_size=n - 1), payload, "A body two bytes larger than the raw bytes."),
        ("body-empty", replace(head, body_size=0, payload_size=0), b"", "A body of no bytes."),
        ("too-few", replace(head, raw_size=n + 1), payload, "A body that makes a byte too few."),
        ("rest-long", replace(head, raw_size=n, body_size=n + 1), b"\1" + payload[1:], "A list of nothing."),
    ):
        yield Vector(f"bad-program-{name}", frame([(of, its_payload)], raw), sentence)


def later() -> Iterator[Vector]:
    """Yield what only later versions may know."""
    data = frame([patched(NEW, 2)], NEW, header(2))
    yield Vector("unsupported-program-patch", _with_machine(data), "A patched block of machine code.")


def _with_machine(data: bytes) -> bytes:
    """Return a frame of one patched block whose head names a machine, under a sound check."""
    start = len(header(2).packed)
    head = data[start : start + 16] + bytes([data[start + 16] | 0x40]) + data[start + 17 : start + 25]
    check = zlib.crc32(data[:start] + head).to_bytes(4, "little")
    return data[:start] + head + check + data[start + 29 :]


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for group in (good, bad, later):
        yield from group()
