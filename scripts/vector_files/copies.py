"""Test vectors of blocks whose long repeats were taken out (FORMAT 4.6): bodies by hand, good, bad and unsupported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lmzip.format.block import BASE, STORED, BlockHead, data_check
from lmzip.format.header import pack_header
from vector_files.frames import (
    LONG,
    NOTE,
    TEXT,
    WEIGHTS,
    Block,
    Vector,
    coded,
    frame,
    handmade,
    net_model,
    net_record,
    noise,
    painted,
    stored,
)

Copy = tuple[int, int, int]  # gap, size, distance


def number(value: int) -> bytes:
    """Return an unsigned LEB128."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def body(copies: list[Copy], rest: bytes) -> bytes:
    """Return a list of copies and the rest."""
    return b"".join(map(number, [len(copies), *(value for copy in copies for value in copy)])) + rest


def made(copies: list[Copy], rest: bytes) -> bytes:
    """Return the raw bytes of a sound list and rest."""
    raw, at, last = b"", 0, 0
    for gap, size, distance in copies:
        raw, at, last = raw + rest[at : at + gap], at + gap, distance or last
        piece = raw[-last:]
        raw += (piece * (size // len(piece) + 1))[:size]
    return raw + rest[at:]


def stored_body(packed: bytes, raw: bytes, *, last: bool = True) -> Block:
    """Return a block whose body is stored, with sound checks."""
    check = data_check(STORED, raw, packed, has_copies=True)
    return BlockHead(last, STORED, 1, len(raw), len(packed), check, body_size=len(packed)), packed


def coded_body(
    packed: bytes, raw: bytes, profile: int, n_lanes: int = 1, *, with_net: bool = False, machine: int = 0
) -> Block:
    """Return a block whose body is coded; machine: whose code it is converted for."""
    head, payload = coded(packed, profile, n_lanes, model=net_model() if with_net else None, machine=machine)
    check = data_check(head.mode, raw, payload, has_copies=True)
    return replace(head, raw_size=len(raw), data_check=check, body_size=len(packed), machine=machine), payload


def good() -> Iterator[Vector]:
    """Yield bodies that make what they should."""
    n = len(NOTE)
    run: tuple[list[Copy], bytes] = [(1, (1 << 20) - 1, 1)], b"\0"
    mixed = [(400 + n, 2 * n, n), (1, 4999, 1), (0, n - 100, 5000 + n - 50)], painted(400) + NOTE + b"xy"
    again = [(3, 9, 3), (1, 900, 0)], b"abcd!"
    stripes = [(len(TEXT) * 53, len(TEXT) * 90, len(TEXT) * 53)], TEXT * 53  # a body of two
    for name, of, profile, n_lanes, sentence in (
        ("run", run, None, 1, "A MiB of NUL bytes: one, and a copy that overlaps itself; stored."),
        ("distance-0", again, None, 1, "The second copy has the distance of the first; stored."),
        ("mixed", mixed, 4, 1, "Copies and a run, profile 4, 1 lane."),
        ("lanes", mixed, 4, 8, "Copies and a run, profile 4, 8 lanes."),
        ("stripes", stripes, 1, 1, "A body of two stripes, one check; profile 1, 1 lane."),
    ):
        packed, raw = body(*of), made(*of)
        block = stored_body(packed, raw) if profile is None else coded_body(packed, raw, profile, n_lanes)
        yield Vector(f"good-copies-{name}", frame([block], raw, pack_header(profile or 1)), sentence, raw)
    packed, raw = body(*mixed), made(*mixed)
    data = frame([coded_body(packed, raw, 4, 2, with_net=True)], raw, pack_header(4, net_record()))
    yield Vector("good-copies-net", data, f"Copies and a run, the net, 2 lanes; needs `{WEIGHTS.name}`.", raw)
    raw = made(*run)
    data = frame([stored_body(body(*run), raw, last=False), stored(NOTE)], raw + NOTE)
    yield Vector("good-copies-then-none", data, "A block with copies, then one without.", raw + NOTE)


def bad() -> Iterator[Vector]:
    """Yield bodies that break a rule under sound checks, and sizes that do."""
    raw, rest = b"a" * 1000, b"a"
    for name, packed, sentence in (
        ("number-cut", b"\x80", "The end of the body cuts the number of copies."),
        ("number-long", b"\x81\x80\x80\x80\x80\0\1" + number(999) + b"\1a", "A number of six bytes."),
        ("number-large", number(2**30 + 1) + rest, "A number of copies above 2^30."),
        ("list-cut", b"\2\1" + number(999) + b"\1", "A list of two copies that ends behind the first."),
        ("size-0", body([(1, 0, 1), (0, 999, 1)], rest), "A copy of no bytes."),
        ("no-distance", body([(1, 999, 0)], rest), "Distance 0 in the first copy."),
        ("at-start", body([(0, 999, 1)], rest), "A copy with nothing before it."),
        ("distance-far", body([(1, 999, 2)], rest), "A distance beyond the first raw byte."),
        ("distance-huge", body([(1, 999, 2**30)], rest), "A distance of 2^30."),
        ("gap-large", body([(2, 998, 1)], rest), "A gap longer than the rest."),
        ("too-few", body([(1, 998, 1)], rest), "A body that makes a byte too few."),
        ("too-many", body([(1, 1000, 1)], rest), "A copy that makes a byte too many."),
        ("size-huge", body([(1, 2**30, 1)], rest), "A copy of 2^30 bytes."),
        ("rest-long", body([(1, 999, 1)], rest * 2), "A rest of a byte too many."),
    ):
        yield Vector(f"bad-copies-{name}", frame([stored_body(packed, raw)], raw), sentence)
    packed = body([(1, 999, 1)], rest)
    head, _ = stored_body(packed, raw)
    changes: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("body-empty", {"body_size": 0, "payload_size": 0}, "A body of no bytes."),
        ("body-equal", {"raw_size": len(packed)}, "A body as large as the raw bytes."),
        ("stored-size", {"body_size": len(packed) + 1}, "A stored body of another size than the payload."),
        ("coded-size", {"mode": BASE}, "A coded payload as large as the body."),
        ("data-check", {"data_check": data_check(STORED, raw, packed)}, "A data check without the payload."),
    )
    for name, fields, sentence in changes:
        payload = packed[: fields.get("payload_size", len(packed))]
        yield Vector(f"bad-copies-{name}", frame([(replace(head, **fields), payload)], raw), sentence)


def later() -> Iterator[Vector]:
    """Yield what only later versions may know."""
    size = (50).to_bytes(4, "little")
    for name, mode, more, sentence in (
        ("mode-3", 3, size, "A body in mode 3."),
        ("stored-lanes", STORED | 1 << 2, size, "A stored body of 2 lanes."),
    ):
        data = handmade(LONG, painted(100), noise()[:50], 0x80 | 0x40 | mode, content=more)
        yield Vector(f"unsupported-copies-{name}", data, sentence)


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for group in (good, bad, later):
        yield from group()
