"""Machine code whose operands say addresses, converted back (FORMAT 4.9)."""

from __future__ import annotations

X86, X86_64, ARM64 = 1, 2, 3


def convert_back(gap: bytes, place: int, machine: int) -> bytes:
    """Return the raw bytes of a gap, before which the block has `place` raw bytes."""
    if machine == ARM64:
        return arm64_back(gap, place)
    return x86_back(gap, place, machine) if machine else gap


def x86_back(gap: bytes, place: int, machine: int) -> bytes:
    g, i = bytearray(gap), 0
    while i < len(g):
        o, m = operand(bytes(g[i : i + 3]), machine)
        if o == 0 or i + o + 4 > len(g):
            i += 1
            continue
        t = i + o + 3
        if g[t] not in (0x00, 0xFF):
            i = t
            continue
        a = int.from_bytes(g[t - 3 : t], "big") + (2**24 if g[t] == 0xFF else 0)
        d = (a - (place + t + 1 + m)) % 2**25
        g[t - 3 : t] = (d % 2**24).to_bytes(3, "little")
        g[t] = 0x00 if d < 2**24 else 0xFF
        i = t + 1
    return bytes(g)


def operand(start: bytes, machine: int) -> tuple[int, int]:
    """Return o and m of the row of the table that an instruction is in, 0 for o if it is in none."""
    code, second, third = (*start, -1, -1)[:3]
    if code in (0xE8, 0xE9):
        return 1, 0
    if code == 0x0F and 0x80 <= second <= 0x8F:
        return 2, 0
    if machine == X86_64 and code == 0x0F:
        return (3, 0) if second not in (0xE8, 0xE9) and third & 0xC7 == 0x05 else (0, 0)
    if machine == X86_64 and second & 0xC7 == 0x05:
        if 0x84 <= code <= 0x8D or code == 0xFF:
            return 2, 0
        if code in (0x80, 0x83, 0xC6):
            return 2, 1
        if code in (0x81, 0xC7):
            return 2, 4
    return 0, 0


def arm64_back(gap: bytes, place: int) -> bytes:
    g = bytearray(gap)
    for i in range(-place % 4, len(g) - 3, 4):
        w = int.from_bytes(g[i : i + 4], "little")
        if w >> 26 == 0x25:
            w = 0x25 << 26 | (w - (place + i) // 4) % 2**26
        elif w & 0x9F000000 == 0x90000000:
            number = (w >> 5) % 2**19 * 4 + (w >> 29) % 4
            number = (number - (place + i) // 4096) % 2**21
            w = w & 0x9F00001F | number % 4 << 29 | number // 4 << 5
        g[i : i + 4] = w.to_bytes(4, "little")
    return bytes(g)
