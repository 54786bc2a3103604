"""A decoder of whole files in plain Python, straight from docs/FORMAT.md: small, slow, and independent of the others.

Shares no code with lmzip.format and lmzip.codec.  What a coded payload stands for is lmzip.reference.decode_block's.
It has no model in floating point (FORMAT 9).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable

from lmzip import reference
from lmzip.reference.copies import near_gaps, put_back_copies, read_places
from lmzip.reference.faults import DamagedFile, UnsupportedFile, take
from lmzip.reference.heads import (
    BASE,
    NET,
    PROFILES,
    RECORD,
    REFERENCE,
    REFERENCES,
    STORED,
    TRANSFORMER,
    WITH_MODEL,
    Head,
    Header,
    read_head,
    read_header,
    stripes,
)

Weights = Callable[[bytes], bytes]  # the SHA-256 of a weight file -> its bytes; raises KeyError where there is none
Dictionaries = Iterable[bytes]  # files whose ends may be dictionaries, or which may be originals


def decode(data: bytes, weights: Weights, dictionaries: Dictionaries = ()) -> bytes:
    """Return the content of all frames of a file; raises DamagedFile, UnsupportedFile."""
    content, at = bytearray(), 0
    while True:
        frame_content, at = decode_frame(data, at, weights, dictionaries)
        content += frame_content
        if not data[at:].strip(b"\0"):
            return bytes(content)


def decode_frame(data: bytes, at: int, weights: Weights, dictionaries: Dictionaries = ()) -> tuple[bytes, int]:
    """Return the content of the frame that starts at `at`, and where it ends."""
    header = read_header(data, at)
    at += len(header.packed)
    content, table, last = bytearray(), b"", False
    n_blocks = 0
    while not last:
        head = read_head(data, at, header)
        last = head.last
        n_blocks += 1
        if n_blocks > 65535 or (n_blocks == 65535 and not last):
            raise DamagedFile("too many blocks")
        if head.raw_size == 0 and not (n_blocks == 1 and last):
            raise DamagedFile("an empty block beside others")
        if head.reach > len(content):
            raise DamagedFile("a reach beyond the first byte of the frame")
        payload = take(data, at + head.size, head.payload_size)
        if n_blocks == 1:
            open_model(header, weights)
            open_dictionary(header, dictionaries)
        content += decode_payload(header, head, payload, bytes(content[len(content) - head.reach :]))
        at += head.size + head.payload_size
        table += struct.pack("<II", head.raw_size, head.size + head.payload_size)
    if header.is_short:
        return bytes(content), at
    trailer = take(data, at, len(table) + 14)
    if zlib.crc32(header.packed + trailer[:-4]) != int.from_bytes(trailer[-4:], "little"):
        raise DamagedFile("trailer_check")
    hash_ = hashlib.blake2b(content, digest_size=8).digest()
    if trailer[:-4] != table + hash_ + struct.pack("<H", n_blocks):
        raise DamagedFile("the trailer of other blocks")
    return bytes(content), at + len(trailer)


def open_model(header: Header, weights: Weights) -> None:
    """Step 7 of FORMAT 1.2: the frame's model is here."""
    if header.follows not in (REFERENCE, RECORD):
        return
    digest = header.packed[8:40]
    if header.follows == REFERENCE:
        digest = bytes.fromhex(REFERENCES.get(header.packed[6:10], ("", 0))[0])
    if header.kind not in (NET, TRANSFORMER) or not digest:
        raise UnsupportedFile("a model that is not here")
    try:
        header.weight_file = weights(digest)
    except KeyError:
        raise UnsupportedFile(f"the model {digest.hex()} is not here") from None
    if hashlib.sha256(header.weight_file).digest() != digest:
        raise UnsupportedFile("the weights are another file")
    from lmzip.reference.hybrid import has_tokens

    if has_tokens(header.weight_file) != (header.kind == TRANSFORMER):
        raise UnsupportedFile("the model is here as another kind")


def open_dictionary(header: Header, dictionaries: Dictionaries) -> None:
    """Step 7 of FORMAT 1.2: the frame's dictionary or original is here."""
    if not (record := header.dictionary_record):
        return
    for file in dictionaries:
        if record[0] >= 128:
            header.original = file
            if hashlib.sha256(file).digest() == record[1:]:
                return
            continue
        header.dictionary = file[-(1 << record[0]) :]
        if hashlib.sha256(header.dictionary).digest().startswith(record[1:]):
            return
    raise UnsupportedFile(f"the dictionary or original {record[1:].hex()} is not here")


def decode_payload(header: Header, head: Head, payload: bytes, before: bytes) -> bytes:
    """Steps 7 and 8 of FORMAT 1.2: return the raw bytes of a block; before: those that it may have copies of."""
    if head.payload_check not in (None, zlib.crc32(payload)):
        raise DamagedFile("payload_check")
    if head.list_size is not None:
        raw = decode_patched(header, head, payload)
        if zlib.crc32(raw + payload) != head.data_check:
            raise DamagedFile("data_check")
        return raw
    raw = body = payload if head.mode == STORED else decode_coded(header, head, payload, header.dictionary)
    if head.body_size is not None:
        raw = put_back_copies(body, head.raw_size, before, head.machine)
    checked = payload if raw is payload else raw + payload
    if zlib.crc32(checked) != head.data_check:
        raise DamagedFile("data_check")
    return raw


def decode_patched(header: Header, head: Head, payload: bytes) -> bytes:
    """Return the raw bytes of a block that has copies of the original (FORMAT 4.8)."""
    assert head.list_size is not None
    listed, payload = payload[: head.list_payload_size], payload[head.list_payload_size :]
    if len(listed) < head.list_size:
        of_list = Head(0, BASE, 1, True, head.list_size, len(listed), 0)
        listed = decode_coded(header, of_list, listed, b"", has_checks=False)
    copies = read_places(listed, len(header.original))
    gaps = [gap for gap, _, _ in copies]
    if sum(gaps) > head.coded_size:
        raise DamagedFile("a gap for which there is no rest")
    near = near_gaps(header.original, copies, [*gaps, head.coded_size - sum(gaps)])
    rest = payload if head.mode == STORED else decode_coded(header, head, payload, near)
    raw, at = b"", 0
    for gap, start, end in copies:
        raw += rest[at : at + gap] + header.original[start:end]
        at += gap
        if len(raw) > head.raw_size:
            raise DamagedFile("a body that makes more bytes")
    raw += rest[at:]
    if len(raw) != head.raw_size:
        raise DamagedFile("a body that makes another number of bytes")
    return raw


def decode_coded(header: Header, head: Head, payload: bytes, dictionary: bytes, *, has_checks: bool = True) -> bytes:
    """Return the body of a coded block, or its rest or list, the checks of its stripes compared, if it has such."""
    kind = header.kind if head.mode == WITH_MODEL else None
    if header.profile not in PROFILES[kind] or (kind == TRANSFORMER and head.n_lanes > 64):
        raise UnsupportedFile(f"profile {header.profile} or {head.n_lanes} lanes")
    with_checks = stripes(head)[:-1] if has_checks else []
    coded = payload[4 * len(with_checks) :]
    weight_file = header.weight_file if kind is not None else None
    context = header.context if kind is not None else 0
    if head.content and head.n_lanes > 1:
        raise UnsupportedFile("a content in lanes")
    try:
        raw = reference.decode_block(
            coded,
            head.coded_size,
            header.profile,
            head.n_lanes,
            weight_file,
            context=context,
            content=head.content,
            dictionary=b"" if head.content else dictionary,
            machine=head.machine,
        )
    except ValueError as error:
        raise DamagedFile(str(error)) from None
    for k, places in enumerate(with_checks):
        stripe = b"".join(raw[start:end] for start, end in zip(places[::2], places[1::2], strict=True))
        if zlib.crc32(stripe) != int.from_bytes(payload[4 * k : 4 * k + 4], "little"):
            raise DamagedFile(f"stripe {k + 1}")
    return raw
