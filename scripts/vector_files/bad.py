"""Test vectors that every reader must reject, as damaged or as unsupported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lmzip import container
from lmzip.container import BlockHead, FrameHeader, Trailer
from vector_files.frames import (
    GONE,
    PLAIN,
    SHORT,
    TEXT,
    UNKNOWN_NUMBER,
    Vector,
    coded,
    coded_frame,
    flip,
    frame,
    net_model,
    net_record,
    painted,
    repack_trailer,
    stored,
    stored_frame,
)

BOUND: dict[str, Any] = {"fingerprint": b"\1" * 16, "numerics": "cuda, bf16"}


def bad(name: str, data: bytes, sentence: str, error: str = "DamagedError") -> Vector:
    return Vector(f"bad-{name}", data, sentence, error=error)


def bad_bytes() -> Iterator[Vector]:
    """Yield frames cut, extended, or with one bit turned."""
    data = stored_frame(painted(300), 100)
    yield bad("no-bytes", b"", "An empty file.", "TruncatedError")
    yield bad("magic", flip(data, 0), "A bit of the magic is turned.", "NotLmzipError")
    yield bad("plain-text", b"hello, world\n", "Not in this format.", "NotLmzipError")
    for name, size in (
        ("magic", 3),
        ("header", 4),
        ("head", 15),
        ("payload", 60),
        ("block", 22 + 100),
        ("trailer", -1),
    ):
        yield bad(
            f"cut-{name}", data[:size], f"Ends {'in' if name != 'block' else 'after'} the {name}.", "TruncatedError"
        )
    yield bad("head-check", flip(data, 5 + 13), "A bit of a head's check is turned.")
    yield bad("head-size", flip(data, 5 + 1), "A bit of a raw size is turned.")
    yield bad("data", flip(data, 5 + 17 + 50), "A bit of a stored block's data is turned.")
    yield bad("trailer-check", flip(data, len(data) - 1), "A bit of the trailer's check is turned.")
    yield bad(
        "model-bit", flip(data[:4] + b"\x80" + data[5:], 4), "The version byte promises a model record; there is none."
    )
    yield bad("garbage", data + b"x", "A byte behind the frame.", "TrailingGarbageError")
    yield bad("garbage-after-nul", data + bytes(9) + data, "A frame behind NUL bytes.", "TrailingGarbageError")
    yield bad("second-frame-cut", data + data[:100], "The second frame is cut.", "TruncatedError")


def bad_short() -> Iterator[Vector]:
    """Yield short frames that are cut, changed, or break a rule."""
    raw = painted(100)
    data, (head, _) = stored_frame(raw, 100, SHORT), stored(raw)
    for name, size in (("header", 4), ("head", 15), ("no-head", 5), ("payload", 50), ("last-byte", -1)):
        sentence = f"A short frame that ends {'behind the header' if name == 'no-head' else 'too early'}."
        yield bad(f"short-cut-{name}", data[:size], sentence, "TruncatedError")
    for name, at, sentence in (
        ("kind", 5, "A bit of a short head's kind is turned."),
        ("raw-size", 6, "A bit of a short head's raw size is turned."),
        ("data-check", 10, "A bit of a short head's data check is turned."),
        ("head-check", 15, "A bit of a short head's own check is turned."),
        ("data", 60, "A bit of a short frame's stored data is turned."),
    ):
        yield bad(f"short-{name}", flip(data, at), sentence)
    yield bad("short-bit-set", stored_frame(raw, 100)[:4] + b"\x21" + stored_frame(raw, 100)[5:], "Long, says short.")
    yield bad("short-bit-clear", data[:4] + b"\x01" + data[5:], "A short frame that says it is long.")
    yield bad("short-not-last", frame([stored(raw, last=False)], raw, SHORT), "A short frame's block is not the last.")
    changes: tuple[tuple[str, BlockHead, str], ...] = (
        ("stored-size", replace(head, raw_size=101), "A stored block in a short frame whose sizes differ."),
        ("payload-too-large", replace(head, method=1), "A coded payload in a short frame as large as its block."),
        ("claims-65535", replace(head, method=1, raw_size=65535), "100 bytes that claim to be 65,535."),
        ("empty-coded", replace(head, method=1, raw_size=0), "A coded block of no bytes in a short frame."),
    )
    for name, changed, sentence in changes:
        yield bad(f"short-{name}", frame([(changed, raw)], raw, SHORT), sentence)
    promised = SHORT.packed + replace(head, method=1, raw_size=65535, payload_size=65534).pack(SHORT)
    yield bad("short-promises-payload", promised, "A head that promises 65,534 bytes.", "TruncatedError")
    trailer = Trailer((100,), bytes(8)).pack(PLAIN)
    yield bad("short-with-trailer", data + trailer, "A short frame with a trailer.", "TrailingGarbageError")
    yield bad("short-garbage", data + b"\x89LMY", "Bytes that only begin like a frame.", "TrailingGarbageError")
    yield bad("short-then-cut", data + data[:5], "A second short frame is cut behind its header.", "TruncatedError")


def bad_net() -> Iterator[Vector]:
    """Yield damage to frames with a net, and wrong headers."""
    model, record = net_model(), net_record()
    header = container.pack_header(record, short=True)
    data = coded_frame(TEXT, 6, 2, header=header, model=model)
    payload_at = len(header.packed) + container.SHORT_HEAD_SIZE
    yield bad("net-payload", flip(data, payload_at + 100), "A bit of a payload made with a net is turned.")
    yield bad("net-payload-last", flip(data, len(data) - 1), "The last bit of a payload made with a net is turned.")
    yield bad("net-cut", data[: payload_at + 100], "A payload made with a net is cut.", "TruncatedError")
    yield bad("net-digest", flip(data, 7), "A bit of the model's digest is turned: only the check can tell.")
    yield bad("net-name", flip(data, 55), "A bit of the model's name is turned.")
    head, payload = coded(TEXT, 6, 2, model=model)
    wrong = replace(head, method=5)
    yield bad("net-method", frame([(wrong, payload)], TEXT, header), "A payload of method 6 under the number 5.")
    wrong = replace(head, n_lanes=4)
    yield bad("net-lanes", frame([(wrong, payload)], TEXT, header), "A payload of 2 lanes that says 4.")
    number = b"\x89LMZ\x61" + bytes([UNKNOWN_NUMBER]) + record.digest[:4]
    yield bad("registered-cut", number[:8], "Ends in the number's digest.", "TruncatedError")
    for at, what in ((5, "number"), (9, "digest")):
        changed = flip(stored_frame(painted(9), 9, FrameHeader(number)), at)
        yield bad(f"registered-{what}", changed, f"A bit of a registered model's {what} is turned.")


def bad_fields() -> Iterator[Vector]:
    """Yield frames whose checks are right and whose fields break a rule."""
    raw = painted(300)
    parts = [stored(raw[:100], last=False), stored(raw[100:200], last=False), stored(raw[200:])]
    (first, a), (second, b), (third, c) = parts
    yield bad("data-check", frame([(replace(first, data_check=1), a), parts[1], parts[2]], raw), "A wrong data check.")
    yield bad(
        "block-too-long", frame([stored(raw[:99], last=False), (third, c)], raw), "The last block exceeds the first."
    )
    yield bad(
        "block-too-short",
        frame([parts[0], stored(raw[100:150], last=False), parts[2]], raw),
        "A block in the middle is shorter than the first.",
    )
    yield bad(
        "empty-not-last",
        frame([stored(b"", last=False), stored(b"")], b""),
        "A first empty block that is not the last.",
    )
    yield bad("empty-last", frame([parts[0], stored(b"")], a), "An empty last block behind one that is not empty.")
    yield bad("no-last", frame(parts[:2], a + b), "No block says that it is the last.", "DamagedError")
    yield bad("stored-size", frame([(replace(third, raw_size=101), c)], c), "A stored block whose sizes differ.")
    yield bad("payload-too-large", frame([(replace(third, method=1), c)], c), "A coded payload as large as its block.")
    yield bad(
        "payload-empty", frame([(replace(third, method=1, payload_size=0), b"")], c), "A coded payload of no bytes."
    )
    yield bad(
        "raw-size", frame([(replace(third, method=1, raw_size=2**30 + 1), c)], c), "A block of more than 2^30 bytes."
    )
    yield bad(
        "claims-1-gib", frame([(replace(third, method=1, raw_size=2**30), c)], c), "100 bytes that claim to be 2^30."
    )
    yield bad(
        "promises-payload",
        PLAIN.packed + replace(third, method=1, raw_size=2**30, payload_size=2**30 - 1).pack(PLAIN),
        "A head that promises a payload of almost 2^30 bytes, and nothing behind it.",
        "TruncatedError",
    )
    whole = frame(parts, raw)
    size = container.trailer_size(PLAIN, 3)
    body, trailer = whole[:-size], whole[-size:]
    yield bad("content-hash", body + repack_trailer(flip(trailer, 12)), "A wrong content hash under a right check.")
    yield bad("table", body + repack_trailer(flip(trailer, 4)), "A size in the table is not the block's.")
    yield bad("n-blocks", body + repack_trailer(flip(trailer, 20)), "The trailer counts another number of blocks.")
    yield bad(
        "blocks-swapped", frame([parts[1], parts[0], parts[2]], raw), "Blocks swapped; only the content hash tells."
    )
    wrong_name = FrameHeader(container.pack_header(GONE).packed[:55] + b"\xff" + bytes(72))
    yield bad("model-name", stored_frame(raw, 100, wrong_name), "The name in the model record is no UTF-8.")


def bad_payloads() -> Iterator[Vector]:
    """Yield coded blocks whose heads are right and whose payloads are not."""
    raw = b"the quick brown fox jumps over the lazy dog, " * 5
    head, payload = coded(raw, 4)
    for name, changed, sentence in (
        ("payload-bit", flip(payload, len(payload) // 2), "A bit of a coded payload is turned."),
        (
            "payload-cut",
            payload[: len(payload) // 2],
            "A coded payload has lost its second half, and its size says so.",
        ),
        ("payload-long", payload + bytes(10), "Ten NUL bytes behind a coded payload, counted in its size."),
    ):
        check = container.data_check(head.method, raw, changed)
        yield bad(name, frame([(replace(head, payload_size=len(changed), data_check=check), changed)], raw), sentence)


def unsupported() -> Iterator[Vector]:
    """Yield files that are sound and need something that is not here."""
    raw = painted(100)
    head, payload = stored(raw)
    data = stored_frame(raw, 100)
    yield Vector("unsupported-version", data[:4] + b"\x02" + data[5:], "Format version 2.", error="UnsupportedError")
    yield Vector(
        "unsupported-method",
        frame([(replace(head, method=15, raw_size=101), payload)], raw),
        "Method 15.",
        error="UnsupportedError",
    )
    yield Vector(
        "unsupported-stored-lanes",
        frame([(replace(head, n_lanes=2), payload)], raw),
        "A stored block of two lanes.",
        error="UnsupportedError",
    )
    yield Vector(
        "unsupported-short-version", data[:4] + b"\x22" + data[5:], "Format version 2, short.", error="UnsupportedError"
    )
    yield Vector(
        "unsupported-header-bits",
        data[:4] + b"\xc1" + data[5:],
        "The version byte promises a model record and a number.",
        error="UnsupportedError",
    )
    for method, sentence in ((15, "Method 15 in a short frame."), (10, "Method 10 in a short frame.")):
        changed = replace(head, method=method, raw_size=101)
        data = frame([(changed, payload)], raw, SHORT)
        yield Vector(f"unsupported-short-method-{method}", data, sentence, error="UnsupportedError")
    for method in (5, 6, 7, 8, 9):
        data = frame([(replace(head, method=method, raw_size=101), payload)], raw)
        sentence = f"Method {method}, which needs a net, in a frame that names none."
        yield Vector(f"unsupported-net-method-{method}", data, sentence, error="UnsupportedError")
    header = container.pack_header(net_record(), short=True)
    data = frame([(replace(head, method=10, raw_size=101), payload)], raw, header)
    yield Vector("unsupported-net-method-10", data, "Method 10 in a frame with a net.", error="UnsupportedError")
    yield from unsupported_models(raw)
    packed = container.pack_header(GONE).packed
    for name, at, sentence in (("kind", 5, "Model kind 9."), ("flags", 6, "A model record with a flag.")):
        header = FrameHeader(packed[:at] + b"\x09" + packed[at + 1 :])
        yield Vector(f"unsupported-model-{name}", stored_frame(raw, 100, header), sentence, error="UnsupportedError")
    here = net_record()
    for name, record, sentence, error in (
        ("net", GONE, "Needs a net that no one has.", "ModelMissingError"),
        ("llm", replace(GONE, kind=2), "Needs an exact language model that no one has.", "UnsupportedError"),
        ("numerics", replace(GONE, kind=3, **BOUND), "Bound to numerics.", "NumericsError"),
        (
            "net-kind-2",
            replace(here, kind=2),
            "The digest of a net, named as an exact language model.",
            "UnsupportedError",
        ),
        ("net-kind-3", replace(here, kind=3, **BOUND), "The digest of a net, bound to numerics.", "NumericsError"),
        (
            "net-fingerprint",
            replace(here, **BOUND),
            "A net with a fingerprint, which nets have none of.",
            "NumericsError",
        ),
    ):
        data = stored_frame(raw, 100, container.pack_header(record))
        yield Vector(f"unsupported-{name}", data, sentence, error=error)


def unsupported_models(raw: bytes) -> Iterator[Vector]:
    """Yield frames of models that no one has, by number and by record."""
    for kind, version in (("", b"\x41"), ("-short", b"\x61")):
        header = FrameHeader(container.MAGIC + version + bytes([UNKNOWN_NUMBER]) + GONE.digest[:4])
        yield Vector(
            f"unsupported-registered{kind}",
            stored_frame(raw, 100, header),
            f"Needs the registered model {UNKNOWN_NUMBER}, which there is not.",
            error="UnsupportedError",
        )
        header = FrameHeader(header.packed[:5] + bytes([container.RESERVED_NUMBER]) + header.packed[6:])
        sentence = "A number that is reserved for longer headers."
        data = stored_frame(raw, 100, header)
        yield Vector(f"unsupported-registered-reserved{kind}", data, sentence, error="UnsupportedError")
    for number, (name, _) in container.REGISTERED.items():
        header = FrameHeader(container.MAGIC + b"\x61" + bytes([number]) + GONE.digest[:4])
        sentence = f"The number of {name} with the digest of something else."
        data = stored_frame(raw, 100, header)
        yield Vector(f"unsupported-registered-{number}", data, sentence, error="UnsupportedError")
    yield Vector(
        "unsupported-net-short",
        coded_frame(TEXT, 6, header=container.pack_header(GONE, short=True), model=net_model()),
        "Needs a net that no one has, in a short frame.",
        error="ModelMissingError",
    )


def vectors() -> Iterator[Vector]:
    """Yield all bad and unsupported files."""
    for group in (bad_bytes, bad_short, bad_net, bad_fields, bad_payloads, unsupported):
        yield from group()
