"""Test vectors of blocks that have copies of those before them (FORMAT 4.7): good and bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lmzip.format.block import BASE, payload_check
from lmzip.format.header import pack_header
from vector_files.copies import Copy, body, coded_body, stored_body
from vector_files.frames import (
    NOTE,
    WEIGHTS,
    Block,
    Vector,
    frame,
    handmade,
    net_record,
    painted,
    stored,
)

WINDOW = pack_header(1, window_log=24)


def made(before: bytes, copies: list[Copy], rest: bytes) -> bytes:
    """Return the raw bytes of a block behind others."""
    content, last = bytearray(before), 0
    for gap, size, distance in copies:
        content += rest[:gap]
        rest, last = rest[gap:], distance or last
        for _ in range(size):
            content.append(content[-last])
    return bytes(content[len(before) :]) + rest


def reaching(block: Block, reach: int) -> Block:
    """Return a block with a body as one that reaches back."""
    head, payload = block
    return replace(head, reach=reach, payload_check=payload_check(payload)), payload


def good() -> Iterator[Vector]:
    """Yield frames whose blocks refer back."""
    n = len(NOTE)
    again: tuple[list[Copy], bytes] = [(3, n, n + 3), (0, 9, 1)], b"now"
    raw = made(NOTE, *again)
    first = stored(NOTE, last=False)
    block = reaching(stored_body(body(*again), raw), n)
    yield Vector("good-far", frame([first, block], NOTE + raw, WINDOW), "All of the block before, stored.", NOTE + raw)
    plain = stored(b"between", last=False)
    content = NOTE + b"between"
    over = [(0, n, n + 7)], b"end"
    raw = made(content, *over)
    data = frame([first, plain, reaching(stored_body(body(*over), raw), n + 7)], content + raw, WINDOW)
    yield Vector("good-far-over-a-block", data, "Of the block before the one before.", content + raw)
    chain = [(0, 2 * n, n)], b"."
    second, third = made(NOTE, *chain), made(NOTE + made(NOTE, *chain), *chain)
    blocks = [
        first,
        reaching(stored_body(body(*chain), second, last=False), n),
        reaching(stored_body(body(*chain), third), n),
    ]
    content = NOTE + second + third
    yield Vector("good-far-chain", frame(blocks, content, WINDOW), "Copies of copies, across two borders.", content)
    for log in (27, 30):
        data = frame([first, block], NOTE + made(NOTE, *again), pack_header(1, window_log=log))
        sentence = f"A window of 2^{log} bytes, of which few are there."
        yield Vector(f"good-far-window-{log}", data, sentence, NOTE + made(NOTE, *again))
    mixed: tuple[list[Copy], bytes] = [(0, n // 2, n), (400, n, n // 2 + 400), (0, 5000, 1)], painted(400) + NOTE
    raw = made(NOTE, *mixed)
    for name, header, n_lanes, with_net, sentence in (
        ("coded", pack_header(4, window_log=24), 1, False, "Copies near and far, profile 4, 1 lane."),
        ("lanes", pack_header(4, window_log=24), 8, False, "Copies near and far, profile 4, 8 lanes."),
        (
            "net",
            pack_header(4, net_record(), window_log=24),
            2,
            True,
            f"Copies near and far, the net, 2 lanes; needs `{WEIGHTS.name}`.",
        ),
    ):
        block = reaching(coded_body(body(*mixed), raw, 4, n_lanes, with_net=with_net), n)
        yield Vector(f"good-far-{name}", frame([first, block], NOTE + raw, header), sentence, NOTE + raw)
    data = frame([stored(NOTE, last=False), stored(b"alone")], NOTE + b"alone", WINDOW)
    yield Vector("good-far-unused", data, "A window that no block uses.", NOTE + b"alone")


def bad() -> Iterator[Vector]:
    """Yield blocks that reach where they may not, under sound checks."""
    n = len(NOTE)
    first = stored(NOTE, last=False)

    def behind(copies: list[Copy], reach: int, **fields: Any) -> list[Block]:
        head, payload = reaching(stored_body(body(copies, b"end"), made(NOTE, copies, b"end")), reach)
        return [first, (replace(head, **fields), payload)]

    whole: list[Copy] = [(0, n, n)]
    head, payload = stored_body(body([(0, 999, 1)], b"a"), b"a" * 1000)
    alone: Block = (replace(head, reach=1, payload_check=payload_check(payload)), payload)
    far_distance = body([(0, n, n)], b"end")
    short = reaching(stored_body(far_distance, made(NOTE, whole, b"end")), n - 1)
    cases: tuple[tuple[str, list[Block], Any, str], ...] = (
        ("no-window", behind(whole, n), pack_header(1), "A reach in a frame without a window."),
        ("reach-over-window", behind(whole, 2**24 + 1), WINDOW, "A reach beyond the window."),
        ("reach-over-start", behind(whole, n + 1), WINDOW, "A reach beyond the first byte of the frame."),
        ("first-block", [alone], WINDOW, "A reach in the first block."),
        ("distance-over-reach", [first, short], WINDOW, "A distance beyond the reach."),
        ("payload-check", behind(whole, n, payload_check=1), WINDOW, "Another payload check."),
        ("data-check", behind(whole, n, data_check=1), WINDOW, "Another data check."),
        ("body-equal", behind(whole, n, raw_size=len(far_distance)), WINDOW, "A body as large as the raw bytes."),
        ("coded-size", behind(whole, n, mode=BASE), WINDOW, "A coded payload as large as the body."),
    )
    for name, blocks, header, sentence in cases:
        content = NOTE + made(NOTE, whole, b"end")
        yield Vector(f"bad-far-{name}", frame(blocks, content, header), sentence)
    more = len(payload).to_bytes(4, "little") + bytes(4) + payload_check(payload).to_bytes(4, "little")
    data = handmade(WINDOW, b"a" * 1000, payload, 0x80 | 0x60, content=more)
    yield Vector("bad-far-reach-0", data, "A reach of 0.")


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for group in (good, bad):
        yield from group()
