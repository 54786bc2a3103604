"""Test vectors of blocks that have copies of an original (FORMAT 4.8): good, bad and unsupported.

The original is the dictionary of other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lmzip.codec.encode import encode_block
from lmzip.format.block import STORED, BlockHead, data_check
from lmzip.format.header import FrameHeader, ModelRecord, OriginalRecord, pack_header, record_of_original
from lmzip.levels import LevelSettings
from lmzip.models.original import patching
from lmzip.original import Original
from vector_files.frames import (
    DICTIONARY,
    NOTE,
    REGISTRY,
    WEIGHTS,
    Block,
    Vector,
    changed,
    coded,
    flip,
    frame,
    net_model,
    net_record,
    noise,
    stored,
    stored_frame,
)

ORIGINAL = Original(DICTIONARY.data)
OLD = DICTIONARY.data
NAMED = record_of_original(ORIGINAL)
NEW = OLD[:400] + b"no bottles at all" + OLD[420:]


def header(profile: int = 1, model: ModelRecord | None = None) -> FrameHeader:
    return pack_header(profile, model, dictionary=NAMED)


def patched(raw: bytes, profile: int, n_lanes: int = 1, *, last: bool = True, uses_model: bool = False) -> Block:
    """Return a block as this program makes it."""
    model = patching(net_model() if uses_model else REGISTRY.built_in(), ORIGINAL)
    settings = LevelSettings(profile, uses_model, 1 << 20)
    encoded = encode_block(model, raw, settings=settings, last=last, n_lanes=n_lanes)
    return encoded.head, bytes(encoded.payload)


def handmade(raw_size: int, listed: bytes, rest: bytes, raw: bytes = b"") -> Block:
    """Return a block whose list and rest are stored."""
    check = data_check(STORED, raw, listed + rest, has_copies=True)
    size = len(listed) + len(rest)
    head = BlockHead(True, STORED, 1, raw_size, size, check, body_size=size)
    return _with_list(head, listed), listed + rest


def _with_list(head: BlockHead, listed: bytes) -> BlockHead:
    return replace(head, list_size=len(listed), list_payload_size=len(listed))


def good() -> Iterator[Vector]:
    """Yield files that every reader must decode which has the original."""
    for profile in range(1, 7):
        data = frame([patched(NEW, profile)], NEW, header(profile))
        yield Vector(f"good-patch-{profile}", data, f"The original with words replaced, profile {profile}.", NEW)
    raw = NOTE[:300] + NEW
    data = frame([patched(raw, 3, 4)], raw, header(3))
    yield Vector("good-patch-lanes-4", data, "300 bytes of the text before that, profile 3, four lanes.", raw)
    data = frame([patched(raw, 4, uses_model=True)], raw, header(4, model=net_record()))
    yield Vector("good-patch-net", data, f"The same with profile 4 and the net of `{WEIGHTS.name}`.", raw)
    data = frame([handmade(len(OLD), b"\1\0" + number(len(OLD)) + b"\0", b"", OLD)], OLD, header())
    yield Vector("good-patch-same", data, "The original itself: a copy, and no rest.", OLD)
    listed = b"\2\1" + number(600) + b"\1" + b"\0" + number(200) + number(2 * 500 - 1)
    raw = b"!" + OLD[:600] + OLD[100:300] + b"?"
    data = frame([handmade(len(raw), listed, b"!?", raw)], raw, header())
    yield Vector("good-patch-steps", data, "Steps backwards: to byte 0, and to byte 100 from byte 600.", raw)
    blocks = [patched(NEW, 2, last=False), stored(noise(), last=False), coded(NOTE[:200], 2, last=False)]
    blocks.append(patched(OLD[300:], 2))
    raw = NEW + noise() + NOTE[:200] + OLD[300:]
    yield Vector("good-patch-blocks", frame(blocks, raw, header(2)), "Patched blocks, and two that are not.", raw)


def number(value: int) -> bytes:
    """Return an unsigned LEB128 number of two bytes."""
    return bytes([value & 127 | 128, value >> 7])


def bad() -> Iterator[Vector]:
    """Yield damaged files."""
    data = frame([patched(NEW, 2)], NEW, header(2))
    for name, at, what in (
        ("digest", 20, "the digest of the original"),
        ("size-log", 6, "the size of the original"),
        ("list-size", 56, "the size of the list"),
        ("list", 69, "the payload of the list"),
        ("rest", 80, "the payload of the rest"),
    ):
        yield Vector(f"bad-patch-bit-{name}", flip(data, at), f"A bit is turned in {what}.")
    for name, listed, rest, what in (
        ("beyond", b"\1\0" + number(len(OLD) + 1) + b"\0", b"", "A copy goes beyond the end of the original."),
        ("before", b"\1\0\x40\1", b"", "A copy begins before the original."),
        ("size-0", b"\1\0\0\0", b"", "A copy of no bytes."),
        ("gap", b"\1\2\x40\0", b"!", "A gap of more bytes than the rest has."),
        ("behind-list", b"\1\0\x40\0\0", b"", "A byte behind the last copy of a list."),
        ("cut-list", b"\2\0\x40\0", b"", "A list ends before its second copy."),
        ("fewer", b"\1\0\x40\0", b"!", "Copies and rest that make fewer bytes than the head says."),
    ):
        yield Vector(f"bad-patch-{name}", frame([handmade(90, listed, rest, OLD[:90])], OLD[:90], header()), what)
    head, payload = patched(NEW, 2)
    for name, changed_head in (
        ("no-list", replace(head, list_size=0, list_payload_size=0)),
        ("list-of-more", replace(head, list_size=(head.body_size or 0) + 1)),
        ("list-payload", replace(head, list_payload_size=(head.list_size or 0) + 1)),
    ):
        made = frame([(changed_head, payload)], NEW, header(2))
        yield Vector(f"bad-patch-{name}", made, "Sizes of a list that contradict each other.")


def unsupported() -> Iterator[Vector]:
    """Yield files of later versions, or whose original no one has."""
    raw = NOTE[:100]
    other = pack_header(1, dictionary=OriginalRecord(10, bytes(range(32))))
    yield Vector("unsupported-patch-missing", stored_frame(raw, header=other), "Needs an original that no one has.")
    of = changed(header(), 6, bytes([128 + 31]))
    yield Vector("unsupported-patch-log-31", stored_frame(raw, header=of), "An original of up to 2^31 bytes.")
    of = changed(header(), 5, bytes([1 | 1 << 6]))
    yield Vector("unsupported-patch-window", stored_frame(raw, header=of), "An original in a frame with a window.")
    of = changed(pack_header(6, model=net_record(), dictionary=NAMED), 6, b"\2")
    yield Vector("unsupported-patch-tokens", stored_frame(raw, header=of), "An original with a transformer.")


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    yield from good()
    yield from bad()
    yield from unsupported()
