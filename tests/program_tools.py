"""What tests of machine code share: programs made by a formula, whose calls lead to a few functions."""

from __future__ import annotations

import random

FILLERS = (b"\x55", b"\x89\xe5", b"\x90", b"\xc3", b"\x31\xc0", b"\x83\xec\x10", b"\x8b\x45\x08", b"\x50", b"\x5d")


def x86_program(size: int, seed: int = 1, *, is_64: bool = False) -> bytes:
    """Return calls of sixty functions, some of them behind the end, amid other instructions; is_64: reads too."""
    draw, code = random.Random(seed), bytearray()
    targets = [draw.randrange(2 * size) for _ in range(60)]
    while len(code) < size:
        code += b"".join(draw.choices(FILLERS, k=draw.randrange(1, 6)))
        reads = is_64 and draw.random() < 0.5
        code += b"\x48\x8b\x05" if reads else b"\xe8"
        code += (draw.choice(targets) - len(code) - 4).to_bytes(4, "little", signed=True)
    return bytes(code[:size])


def arm64_program(size: int, seed: int = 1) -> bytes:
    """Return branches to sixty functions and addresses of ten pages amid other words."""
    draw, code = random.Random(seed), bytearray()
    targets = [draw.randrange(2 * size) // 4 for _ in range(60)]
    others = [draw.getrandbits(30) for _ in range(9)]
    while len(code) < size:
        page = (draw.randrange(10) - len(code) // 4096) % 2**21
        branch = 0x94000000 | (draw.choice(targets) - len(code) // 4) % 2**26
        adrp = 0x90000000 | (page & 3) << 29 | page >> 2 << 5
        code += draw.choice([branch, branch, adrp, *others[:6]]).to_bytes(4, "little")
    return bytes(code[:size])
