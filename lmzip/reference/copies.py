"""Copies: of a block's own bytes and those before it, and of an original (FORMAT 4.6 to 4.8)."""

from __future__ import annotations

from lmzip.reference.addresses import convert_back
from lmzip.reference.faults import DamagedFile, take


def put_back_copies(body: bytes, raw_size: int, before: bytes = b"", machine: int = 0) -> bytes:
    """Return the raw bytes that a body makes (FORMAT 4.6), of bytes that stand before the block too (4.7).

    machine: what the rest is converted for (4.9).
    """
    n_copies, at = read_number(body, 0)
    copies = []
    for _ in range(n_copies):
        gap, at = read_number(body, at)
        size, at = read_number(body, at)
        distance, at = read_number(body, at)
        copies.append((gap, size, distance))
    raw, last_distance = bytearray(before), 0
    raw_size += len(before)
    for gap, size, said in copies:
        raw += convert_back(take(body, at, gap), len(raw) - len(before), machine)
        at += gap
        distance = said or last_distance
        if not 0 < distance <= len(raw) or not 0 < size <= raw_size - len(raw):
            raise DamagedFile("a copy of bytes that there are not")
        for _ in range(size):
            raw.append(raw[-distance])
        last_distance = distance
    raw += convert_back(body[at:], len(raw) - len(before), machine)
    if len(raw) != raw_size:
        raise DamagedFile("a body that makes another number of bytes")
    return bytes(raw[len(before) :])


def read_places(listed: bytes, original_size: int) -> list[tuple[int, int, int]]:
    """Return for each copy of a list the gap before it, and where in the original it starts and ends."""
    n_copies, at = read_number(listed, 0)
    copies, place = [], 0
    for _ in range(n_copies):
        gap, at = read_number(listed, at)
        size, at = read_number(listed, at)
        step, at = read_number(listed, at, 2**31)
        start = place + gap + (step // 2 if step % 2 == 0 else -(step + 1) // 2)
        place = start + size
        if size == 0 or start < 0 or place > original_size:
            raise DamagedFile("a copy of bytes that the original does not have")
        copies.append((gap, start, place))
    if at != len(listed):
        raise DamagedFile("bytes behind the list of copies")
    return copies


def near_gaps(original: bytes, copies: list[tuple[int, int, int]], gaps: list[int]) -> bytes:
    """Return what of the original stands near the gaps of a rest, each before a copy but the last (FORMAT 4.8)."""
    near = b""
    for i, gap in enumerate(gaps):
        width = 2 * gap + 256
        before = copies[i - 1][2] if i > 0 else None
        behind = copies[i][1] if i < len(copies) else None
        if gap == 0:
            continue
        if before is not None and behind is not None and before <= behind <= before + 2 * width:
            near += original[max(0, before - 32) : behind]
            continue
        if before is not None:
            near += original[max(0, min(before - 32, len(original) - width)) : before + width]
        if behind is not None:
            near += original[max(0, behind - width) : max(behind, width)]
    return near[-(2**23) :]


def read_number(body: bytes, at: int, most: int = 2**30) -> tuple[int, int]:
    """Return the number at a place of a body, and where it ends."""
    number = 0
    for i in range(5):
        byte = take(body, at + i, 1)[0]
        number |= (byte & 127) << 7 * i
        if byte < 128 and number <= most:
            return number, at + i + 1
    raise DamagedFile("a number that is none")
