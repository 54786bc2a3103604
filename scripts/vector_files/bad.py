"""Test vectors that every reader must reject as damaged: cut, turned, contradictory, short of what they claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lmzip.format.block import BASE, WITH_MODEL, stripe_checks_size
from lmzip.format.header import REFERENCED, ModelRecord, pack_header
from lmzip.format.trailer import trailer_size
from vector_files import order, unsupported
from vector_files.frames import (
    LONG,
    NOTE,
    SHORT,
    TEXT,
    Block,
    Vector,
    changed,
    coded,
    coded_frame,
    flip,
    frame,
    handmade_short,
    net_model,
    net_record,
    noise,
    painted,
    recoded,
    sealed,
    stored,
    stored_frame,
)

HEAD, SHORT_HEAD = 17, 10  # bytes


def bad(name: str, data: bytes, sentence: str) -> Vector:
    return Vector(f"bad-{name}", data, sentence)


def bad_bytes() -> Iterator[Vector]:
    """Yield long frames cut, extended, or with one bit turned."""
    data = stored_frame(painted(300), 100)
    trailer_at = len(data) - trailer_size(LONG, 3)
    yield bad("no-bytes", b"", "An empty file.")
    yield bad("plain-text", b"hello, world\n", "Not in this format.")
    yield bad("nul-only", bytes(512), "NUL bytes without a frame.")
    for name, size in (("magic", 3), ("version", 4), ("header", 5), ("head", 20), ("payload", 60), ("trailer", -20)):
        yield bad(f"cut-{name}", data[:size], f"Ends in the {name} or in front of it.")
    yield bad("cut-no-head", data[:6], "Ends behind the header.")
    yield bad("cut-block", data[: 6 + HEAD + 100], "Ends behind the first block.")
    yield bad("cut-no-trailer", data[:trailer_at], "Ends behind the last block.")
    yield bad("cut-last-byte", data[:-1], "The last byte is missing.")
    for name, at, bit, what in (
        ("magic", 0, 0, "the magic"),
        ("short-flag", 4, 4, "byte 4: a long frame that says it is short"),
        ("named-by", 4, 5, "byte 4, which then promises a reference"),
        ("dictionary-flag", 4, 7, "byte 4, which then promises a dictionary"),
        ("settings", 5, 1, "the settings"),
        ("head-kind", 6, 2, "a head's kind"),
        ("head-content", 6, 5, "a head's kind, which then promises a description of the content"),
        ("head-last", 6, 7, "a head's kind: the first block says that it is the last"),
        ("head-raw-size", 7, 0, "a raw size"),
        ("head-payload-size", 11, 0, "a payload size"),
        ("head-data-check", 15, 0, "a data check"),
        ("head-check", 19, 0, "a head's own check"),
        ("data", 6 + HEAD + 50, 0, "a stored block's data"),
        ("table", trailer_at + 4, 0, "the table"),
        ("content-hash", trailer_at + 24, 0, "the content hash"),
        ("n-blocks", trailer_at + 32, 0, "the number of blocks"),
        ("trailer-check", -1, 0, "the trailer's check"),
    ):
        yield bad(f"bit-{name}", flip(data, at, bit), f"A bit is turned in {what}.")
    yield bad("garbage", data + b"x", "A byte behind the frame.")
    yield bad("garbage-like-a-frame", data + b"\x89LMY", "Bytes behind the frame that only begin like one.")
    yield bad("garbage-after-nul", data + bytes(9) + data, "A frame behind NUL bytes.")
    yield bad("second-frame-magic-cut", data + b"\x89LM", "The second frame is cut in its magic.")
    yield bad("second-frame-cut", data + data[:100], "The second frame is cut.")


def bad_short() -> Iterator[Vector]:
    """Yield short frames that are cut, changed, or break a rule."""
    raw = painted(100)
    data = stored_frame(raw, header=SHORT)
    for name, size in (
        ("header", 5),
        ("no-head", 6),
        ("head", 13),
        ("no-payload", 16),
        ("payload", 50),
        ("last-byte", -1),
    ):
        yield bad(f"short-cut-{name}", data[:size], f"A short frame of 116 bytes cut to {len(data[:size])}.")
    for name, at, bit, what in (
        ("flag", 4, 4, "byte 4: a short frame that says it is long"),
        ("settings", 5, 6, "a short frame's settings"),
        ("raw-size", 6, 0, "a short head's raw size"),
        ("payload-size", 8, 0, "a short head's payload size"),
        ("data-check", 10, 0, "a short head's data check"),
        ("head-check", 15, 0, "a short head's own check"),
        ("data", 60, 0, "a short frame's stored data"),
    ):
        yield bad(f"short-bit-{name}", flip(data, at, bit), f"A bit is turned in {what}.")
    yield bad("short-data-check", handmade_short(SHORT, 100, raw, 1), "A wrong data check in a short frame.")
    few = noise()[:9]
    for name, raw_size, payload, sentence in (
        ("payload-too-large", 99, raw, "A payload in a short frame that is larger than its block."),
        ("payload-empty", 100, b"", "A coded payload of no bytes in a short frame."),
        ("empty-coded", 0, few, "A coded block of no bytes in a short frame."),
        ("claims-65535", 65535, few, "9 bytes that claim to be 65,535 in a short frame."),
    ):
        yield bad(f"short-{name}", handmade_short(SHORT, raw_size, payload, 1), sentence)
    promised = handmade_short(SHORT, 65535, b"", 1, 65534)
    yield bad("short-promises-payload", promised, "A short head that promises 65,534 bytes, and nothing behind it.")
    with_trailer = data + stored_frame(raw)[-trailer_size(LONG, 1) :]
    yield bad("short-with-trailer", with_trailer, "A short frame with a trailer.")
    yield bad("short-then-cut", data + data[:6], "A second short frame is cut behind its header.")


def with_trailer_changed(data: bytes, at: int, n_blocks: int) -> bytes:
    """Return a long frame with a bit of its trailer turned under a sound check."""
    start = len(data) - trailer_size(LONG, n_blocks)
    return data[:start] + sealed(LONG, flip(data[start:-4], at))


def bad_fields() -> Iterator[Vector]:
    """Yield frames whose checks are right and whose fields break a rule."""
    raw = painted(300)
    parts = [stored(raw[:100], last=False), stored(raw[100:200], last=False), stored(raw[200:])]
    (first, a), (_, b), (third, c) = parts
    whole = frame(parts, raw)

    def one(name: str, sentence: str, payload: bytes = c, **fields: Any) -> Vector:
        block = (replace(third, **{"payload_size": len(payload), **fields}), payload)
        return bad(name, frame([block], c), sentence)

    yield bad("data-check", frame([(replace(first, data_check=1), a), *parts[1:]], raw), "A wrong data check.")
    yield bad("empty-not-last", frame([stored(b"", last=False), stored(b"")], b""), "An empty block, not the last.")
    yield bad("empty-first", frame([stored(b"", last=False), parts[2]], c), "An empty block before one that is not.")
    middle = [parts[0], stored(b"", last=False), parts[2]]
    yield bad("empty-between", frame(middle, a + c), "An empty block between two that are not.")
    yield bad("empty-last", frame([parts[0], stored(b"")], a), "An empty last block behind one that is not empty.")
    yield bad("no-last", frame(parts[:2], a + b), "No block says that it is the last.")
    yield bad("last-twice", frame([stored(a), parts[2]], a + c), "Two blocks say that they are the last.")
    yield one("stored-size", "A stored block with one byte more of raw size.", raw_size=101)
    yield one("payload-equal", "A coded payload as large as its block.", mode=BASE)
    yield one("payload-too-large", "A coded payload larger than its block.", mode=BASE, raw_size=99)
    yield one("payload-empty", "A coded payload of no bytes.", b"", mode=BASE)
    yield one("coded-empty", "A coded block of no bytes.", mode=BASE, raw_size=0)
    yield one("raw-size", "A coded block of more than 2^30 bytes.", mode=BASE, raw_size=2**30 + 1)
    yield one(
        "raw-size-stored", "A stored block of 2^30 + 1 bytes, it says.", raw_size=2**30 + 1, payload_size=2**30 + 1
    )
    yield one(
        "claims-1-gib-few",
        "100 bytes that claim to be 2^30: too few for checks.",
        mode=BASE,
        raw_size=2**30,
    )
    much = noise() * 16 + noise()[:200]
    yield one("claims-1-gib", "204 coded bytes that claim to be 2^30.", much, mode=BASE, raw_size=2**30)
    promised = replace(third, mode=BASE, raw_size=2**30, payload_size=2**30 - 1).pack(LONG)
    yield bad("promises-payload", LONG.packed + promised, "A head that promises almost 2^30 bytes; there are none.")
    promised = replace(third, raw_size=2**30, payload_size=2**30).pack(LONG)
    yield bad("promises-stored", LONG.packed + promised, "A stored block of 2^30 bytes, of which there are none.")
    yield one("model-not-named", "A block with a model in a frame that names none.", c[:50], mode=WITH_MODEL)
    for name, at, sentence in (
        ("table-raw-size", 0, "A raw size in the table is not the block's."),
        ("table-block-size", 4, "A size of head and payload in the table is not the block's."),
        ("content-hash", 24, "A wrong content hash under a right check."),
        ("n-blocks", 32, "The trailer counts another number of blocks."),
    ):
        yield bad(name, with_trailer_changed(whole, at, 3), sentence)
    swapped = [parts[1], parts[0], parts[2]]
    yield bad("blocks-swapped", frame(swapped, raw), "Blocks swapped; only the content hash tells.")
    yield bad("block-twice", frame([parts[0], *parts], raw), "A block twice; only the content hash tells.")


def bad_headers() -> Iterator[Vector]:
    """Yield headers with a model that are cut or turned, or whose record has texts that are none."""
    record, reference = pack_header(4, net_record()), pack_header(4, known())
    for name, header, at, sentence in (
        ("record-cut", record, 60, "Ends in the model record."),
        ("reference-cut", reference, 8, "Ends in the reference."),
    ):
        yield bad(name, stored_frame(painted(100), header=header)[:at], sentence)
    for name, header, at, what in (
        ("record-kind", record, 6, "the kind of the model"),
        ("record-digest", record, 8, "the digest of the model"),
        ("record-fingerprint", record, 45, "the fingerprint of the model"),
        ("record-name", record, 56, "the name of the model"),
        ("record-numerics", record, 100, "the numerics of the model"),
        ("reference", reference, 7, "a reference"),
    ):
        data = stored_frame(painted(100), header=header)
        yield bad(f"bit-{name}", flip(data, at), f"A bit is turned in {what}: only the head's check can tell.")
    for name, at, text, sentence in (
        ("name", 56, b"\xff", "The name in the model record is no UTF-8."),
        ("name-nul", 56, b"a\0b", "The name in the model record has a NUL inside."),
        ("numerics", 88, b"\xc3", "The numerics in the model record are no UTF-8."),
        ("numerics-nul", 88, b"\0cpu", "The numerics in the model record begin with NUL."),
    ):
        data = stored_frame(painted(100), header=changed(record, at, text))
        yield bad(f"record-{name}", data, sentence)


def known() -> ModelRecord:
    """Return the record of the first model of the table of references."""
    digest, (name, kind) = next(iter(REFERENCED.items()))
    return ModelRecord(kind, bytes.fromhex(digest), name=name)


def with_payload(block: Block, raw: bytes, payload: bytes) -> Block:
    """Return a coded block with another payload under a sound data check."""
    return recoded(raw, payload, block[0].mode, block[0].n_lanes)


def bad_payloads() -> Iterator[Vector]:
    """Yield coded blocks whose heads are right and whose payloads are not."""
    header = pack_header(4)
    block = coded(NOTE, 4)
    payload = block[1]
    for name, other, sentence in (
        ("bit", flip(payload, len(payload) // 2), "A bit of a coded payload is turned, data_check is sound for it."),
        ("cut", payload[: len(payload) // 2], "A coded payload has lost its second half, and its size says so."),
        ("long", payload + bytes(10), "Ten NUL bytes behind a coded payload, counted in its size."),
    ):
        yield bad(f"payload-{name}", frame([with_payload(block, NOTE, other)], NOTE, header), sentence)
    data = coded_frame(NOTE, 4, short=True)
    yield bad("payload-last-bit", flip(data, -1), "The last bit of a payload is turned: data_check tells.")
    other = frame([block], NOTE, pack_header(3))
    yield bad("payload-profile", other, "A payload of profile 4 in a frame of profile 3.")
    head, payload = coded(NOTE, 4, 2)
    other = frame([(replace(head, n_lanes=4), payload)], NOTE, header)
    yield bad("payload-lanes", other, "A payload of 2 lanes that says 4.")


def bad_net() -> Iterator[Vector]:
    """Yield payloads made with the net that are damaged, or of another mode."""
    model, record = net_model(), net_record()
    raw = NOTE[:400]
    data = coded_frame(raw, 4, 2, short=True, model=model)
    payload_at = 129 + SHORT_HEAD
    yield bad("net-payload", flip(data, payload_at + 20), "A bit of a payload made with a net is turned.")
    yield bad("net-payload-last", flip(data, -1), "The last bit of a payload made with a net is turned.")
    yield bad("net-cut", data[: payload_at + 20], "A payload made with a net is cut.")
    header = pack_header(4, record)
    head, payload = coded(raw, 4, 2, model=model)
    other = frame([(replace(head, mode=BASE), payload)], raw, header)
    yield bad("net-as-base", other, "A payload made with a net whose block says that it is made by the base alone.")
    head, payload = coded(raw, 4, 2)
    other = frame([(replace(head, mode=WITH_MODEL), payload)], raw, header)
    yield bad("base-as-net", other, "A payload made by the base alone whose block says that it is made with a net.")
    yield bad("net-profile", frame([coded(raw, 5, 2, model=model)], raw, header), "Profile 5 that says 4, with a net.")


def bad_stripes() -> Iterator[Vector]:
    """Yield blocks of several stripes with a wrong check of one of them, data_check sound all the same."""
    two, three = TEXT * 53, TEXT * 105
    for name, raw, at, sentence in (
        ("first", two, 0, "Two stripes: the first one's check is wrong."),
        ("second", three, 4, "Three stripes: the second one's check is wrong."),
    ):
        block = coded(raw, 1)
        assert stripe_checks_size(len(raw), 1) == at + 4
        data = frame([with_payload(block, raw, flip(block[1], at))], raw)
        yield bad(f"stripe-check-{name}", data, sentence)
    head = replace(coded(two, 1)[0], payload_size=4)
    data = frame([(head, noise()[:4])], two)
    yield bad("stripe-checks-only", data, "A payload of two stripes that ends behind their check.")
    data = frame([(replace(head, payload_size=3), noise()[:3])], two)
    yield bad("stripe-checks-cut", data, "A payload of two stripes that is too short for their check.")


def vectors() -> Iterator[Vector]:
    """Yield all bad and unsupported files."""
    for group in (bad_bytes, bad_short, bad_fields, bad_headers, bad_payloads, bad_net, bad_stripes):
        yield from group()
    yield from unsupported.vectors()
    yield from order.vectors()
