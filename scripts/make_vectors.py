"""Writes tests/vectors: small files that are good, bad or unsupported, and a README with one sentence for each.

The checked-in files are compared with what this makes (tests/test_vectors.py).  Content is painted (byte i is i % 251),
so that swapped blocks show.  Run it again after a change of the predictor before a release; after one, never:
old files stay readable.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import lmzip
from lmzip import container
from lmzip.container import STORED, BlockHead, FrameHeader, ModelRecord, Trailer

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "vectors"
PLAIN = container.pack_header()
NET = ModelRecord(1, bytes(range(32)), bytes(16), "tiny-v1", "")


@dataclass(frozen=True)
class Vector:
    """A file: name (good-, bad-, unsupported-), bytes, content (good only), error class (the others), one sentence."""

    name: str
    data: bytes
    sentence: str
    content: bytes = b""
    error: str = ""


def painted(size: int) -> bytes:
    """Return bytes i % 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def stored(raw: bytes, *, last: bool = True) -> tuple[BlockHead, bytes]:
    """Return head and payload of a stored block."""
    return BlockHead(last, STORED, 1, len(raw), len(raw), zlib.crc32(raw)), raw


def frame(blocks: list[tuple[BlockHead, bytes]], content: bytes, header: FrameHeader = PLAIN) -> bytes:
    """Return the frame of these blocks, sound or not, with sound checks over whatever the heads say."""
    hash_ = container.content_hash()
    hash_.update(content)
    trailer = Trailer(tuple(head.payload_size for head, _ in blocks), hash_.digest())
    body = b"".join(head.pack(header) + payload for head, payload in blocks)
    return header.packed + body + trailer.pack(header)


def stored_frame(raw: bytes, block_size: int, header: FrameHeader = PLAIN) -> bytes:
    """Return raw in stored blocks."""
    pieces = [raw[at : at + block_size] for at in range(0, len(raw), block_size)] or [b""]
    return frame([stored(piece, last=i == len(pieces) - 1) for i, piece in enumerate(pieces)], raw, header)


def repack_trailer(packed: bytes, header: FrameHeader = PLAIN) -> bytes:
    """Return trailer bytes with their check made right."""
    return packed[:-4] + struct.pack("<I", zlib.crc32(header.packed + packed[:-4]))


def flip(data: bytes, at: int) -> bytes:
    """Return data with the lowest bit of one byte turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def good_stored() -> Iterator[Vector]:
    """Yield frames that need no kernel."""
    yield Vector("good-empty", stored_frame(b"", 256), "No content: one stored block of no bytes.")
    for size in (1, 255, 256, 257, 511, 512, 513):
        sentence = f"{size} painted bytes in stored blocks of at most 256."
        yield Vector(f"good-stored-{size}", stored_frame(painted(size), 256), sentence, painted(size))
    one, empty = stored_frame(painted(300), 100), stored_frame(b"", 100)
    yield Vector(
        "good-two-frames",
        one + stored_frame(painted(70), 50),
        "Frames of 300 and of 70 painted bytes joined.",
        painted(300) + painted(70),
    )
    yield Vector(
        "good-empty-between", one + empty + one, "An empty frame between two of 300 painted bytes.", painted(300) * 2
    )
    yield Vector(
        "good-nul-padding", one + bytes(1000), "1000 NUL bytes behind a frame of 300 painted bytes.", painted(300)
    )


def good_coded() -> Iterator[Vector]:
    """Yield frames whose payloads the kernel makes."""
    for level, method in ((1, "fast"), (2, "quick"), (3, "full"), (9, "max")):
        for size in (4095, 4096, 4097):
            data = lmzip.compress(painted(size), level, block_size=2048)
            sentence = f"{size} painted bytes, method {method}, blocks of 2048."
            yield Vector(f"good-{method}-{size}", data, sentence, painted(size))
    for n_lanes in (2, 128):
        data = lmzip.compress(painted(4097), 9, n_lanes=n_lanes)
        yield Vector(
            f"good-lanes-{n_lanes}", data, f"4097 painted bytes in one block of {n_lanes} lanes.", painted(4097)
        )
    yield Vector(
        "good-few-bytes-many-lanes",
        lmzip.compress(bytes(200), 9, n_lanes=128),
        "200 zeros in 128 lanes, so that chunks of two bytes end before the lanes do.",
        bytes(200),
    )
    yield Vector(
        "good-zeros",
        lmzip.compress(bytes(100000), 1),
        "100,000 zeros, the most that a payload byte can stand for.",
        bytes(100000),
    )
    noise = b"".join(zlib.crc32(bytes([i, 1])).to_bytes(4, "little") for i in range(256))
    yield Vector(
        "good-coded-and-stored",
        lmzip.compress(bytes(1024) + noise, 1, block_size=1024),
        "1024 zeros in a coded block and 1024 bytes of noise in a stored one.",
        bytes(1024) + noise,
    )


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
    body, trailer = whole[: -container.trailer_size(3)], whole[-container.trailer_size(3) :]
    yield bad("content-hash", body + repack_trailer(flip(trailer, 12)), "A wrong content hash under a right check.")
    yield bad("table", body + repack_trailer(flip(trailer, 4)), "A size in the table is not the block's.")
    yield bad("n-blocks", body + repack_trailer(flip(trailer, 20)), "The trailer counts another number of blocks.")
    yield bad(
        "blocks-swapped", frame([parts[1], parts[0], parts[2]], raw), "Blocks swapped; only the content hash tells."
    )
    wrong_name = FrameHeader(container.pack_header(NET).packed[:55] + b"\xff" + bytes(72))
    yield bad("model-name", stored_frame(raw, 100, wrong_name), "The name in the model record is no UTF-8.")


def bad_payloads() -> Iterator[Vector]:
    """Yield coded blocks whose heads are right and whose payloads are not."""
    raw = b"the quick brown fox jumps over the lazy dog, " * 5
    data = lmzip.compress(raw, 9)
    start = len(PLAIN.packed) + container.BLOCK_HEAD_SIZE
    head = container.parse_block_head(PLAIN, data[len(PLAIN.packed) : start])
    payload = data[start : start + head.payload_size]
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
    packed = container.pack_header(NET).packed
    for name, at, sentence in (("kind", 5, "Model kind 9."), ("flags", 6, "A model record with a flag.")):
        header = FrameHeader(packed[:at] + b"\x09" + packed[at + 1 :])
        yield Vector(f"unsupported-model-{name}", stored_frame(raw, 100, header), sentence, error="UnsupportedError")
    for name, record, sentence in (
        ("net", NET, "Needs a net that no one has."),
        ("llm", replace(NET, kind=2), "Needs an exact language model that no one has."),
        ("numerics", replace(NET, kind=3, fingerprint=b"\1" * 16, numerics="cuda, bf16"), "Bound to numerics."),
    ):
        data = stored_frame(raw, 100, container.pack_header(record))
        yield Vector(f"unsupported-{name}", data, sentence, error="ModelMissingError")


def vectors() -> list[Vector]:
    """Return all vectors; the same bytes each time."""
    groups = (good_stored(), good_coded(), bad_bytes(), bad_fields(), bad_payloads(), unsupported())
    return [vector for group in groups for vector in group]


def readme() -> str:
    """Return the text of the README."""
    rows = [f"| `{v.name}.lmz` | {v.sentence} | {v.error or f'{len(v.content):,} bytes'} |" for v in vectors()]
    return "\n".join(
        [
            "# Test vectors",
            "",
            "Written by `scripts/make_vectors.py`, which knows the contents. A reader must decode every `good-` file,",
            "reject every `bad-` file as damaged and every `unsupported-` file as unsupported (FORMAT 1).",
            "",
            "| file | what it is, or what is wrong with it | result |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Write all files, remove those that are no longer made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.lmz"):
        old.unlink()
    for vector in vectors():
        (FOLDER / f"{vector.name}.lmz").write_bytes(vector.data)
    (FOLDER / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
