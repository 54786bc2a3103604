"""Test vectors that break two rules of FORMAT 1.2: the first step, of the first piece that has one, says which counts.

Their names tell which steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lmzip.format.block import BASE
from lmzip.format.header import pack_header
from vector_files.frames import (
    GONE,
    LONG,
    Vector,
    changed,
    flip,
    frame,
    handmade,
    net_record,
    noise,
    painted,
    recoded,
    stored,
    stored_frame,
)
from vector_files.unsupported import IMAGE, LAST

RAW = painted(100)
DATA = stored_frame(RAW)
FEW = noise()[:50]


def damaged_first() -> Iterator[tuple[str, bytes, str]]:
    """Yield what is damaged before it is unsupported: name, bytes, sentence."""
    yield "1-2", b"\x89LMY\x02" + DATA[5:], "A wrong magic before format version 2."
    no_profile = stored_frame(RAW, header=changed(LONG, 5, b"\0"))
    yield "3-4", flip(no_profile, 6 + 13), "A wrong head check and profile 0."
    yield "3-4-cut", no_profile[:20], "Profile 0 and a head that is cut."
    yield "3-4-dictionary", b"\x89LMZ\x81\x01" + bytes(9), "A dictionary that is cut."
    mode_3 = handmade(LONG, RAW, FEW, LAST | 3)
    yield "3-4-mode", flip(mode_3, 6 + 13), "A wrong head check and mode 3."
    gone = pack_header(4, GONE)
    head, payload = stored(RAW)
    yield "5-7", frame([(replace(head, raw_size=101), payload)], RAW, gone), "Impossible sizes and a missing model."
    text = stored_frame(RAW, header=changed(gone, 56, b"\xff"))
    yield "5-7-text", text, "A name that is no UTF-8 of a missing model."
    empty = frame([stored(b"", last=False), stored(RAW)], RAW, gone)
    yield "5-7-sequence", empty, "An empty block that is not the last and a missing model."
    yield "6-7", stored_frame(RAW, header=gone)[:180], "A payload that is cut and a missing model."
    coded = frame([recoded(RAW, FEW, BASE)], RAW, pack_header(15))
    yield "6-7-profile", coded[:40], "A payload that is cut, of profile 15."
    wrong = (replace(head, data_check=1, last=False), payload)
    two = frame([wrong, stored(RAW)], RAW * 2)[: 6 + 17 + 100]
    yield "8-then-4", two + mode_3[6:], "A wrong data check of the first block and mode 3 of the second."
    two = frame([wrong, recoded(RAW, FEW, BASE)], RAW * 2, pack_header(15))
    yield "8-then-7", two, "A wrong data check of the first block and profile 15 of the second."
    other = frame([stored(RAW)], b"?")
    yield "9-then-2", other + DATA[:4] + b"\x02", "A wrong content hash of the first frame, version 2 of the second."


def unsupported_first() -> Iterator[tuple[str, bytes, str]]:
    """Yield what is unsupported before it is damaged: name, bytes, sentence."""
    version = DATA[:4] + b"\x02" + DATA[5:]
    yield "2-3", flip(version, 6 + 13), "Format version 2 and a wrong head check."
    yield "2-3-cut", version[:5], "Format version 2 and nothing behind it."
    yield "4-5", handmade(LONG, b"", FEW, LAST | 3), "Mode 3 and a coded block of no bytes."
    record = pack_header(4, net_record())
    text = stored_frame(RAW, header=changed(changed(record, 6, b"\4"), 56, b"\xff"))
    yield "4-5-text", text, "Model kind 4 and a name that is no UTF-8."
    text = handmade(changed(record, 56, b"\xff"), RAW, FEW, LAST | 3)
    yield "4-5-text-mode", text, "Mode 3 and a name that is no UTF-8."
    head, payload = stored(RAW)
    sizes = frame([(replace(head, raw_size=101, n_lanes=2), payload)], RAW)
    yield "4-5-lanes", sizes, "A stored block with lanes whose sizes differ."
    no_profile = changed(LONG, 5, b"\0")
    yield "4-5-model", handmade(no_profile, RAW, FEW, LAST | 2), "Profile 0 and a block with a model that no one names."
    content = handmade(LONG, b"", b"", 0x20, content=IMAGE)
    yield "4-5-sequence", content, "A stored block with content that is empty and not the last."
    yield "4-6", handmade(LONG, RAW, FEW, LAST | 3)[:40], "Mode 3 and a payload that is cut."
    gone = pack_header(4, GONE)
    wrong = (replace(head, data_check=1), payload)
    yield "7-8", frame([wrong], RAW, gone), "A missing model and a wrong data check."
    yield (
        "7-8-profile",
        frame([recoded(b"?" * 100, FEW, BASE)], RAW, pack_header(15)),
        "Profile 15, a wrong data check.",
    )
    yield "7-9", stored_frame(RAW, header=gone)[:-1], "A missing model and a trailer that is cut."
    later = [stored(RAW, last=False), (replace(head, raw_size=101), payload)]
    yield "7-then-5", frame(later, RAW, gone), "A missing model at the first block and impossible sizes of the second."


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for kind, found in (("bad", damaged_first()), ("unsupported", unsupported_first())):
        for name, data, sentence in found:
            yield Vector(f"{kind}-order-{name}", data, sentence)
