"""A decoder of whole files in plain Python, straight from docs/FORMAT.md: small, slow, and independent of the others.

Shares no code with lmzip.format and lmzip.codec.  What a coded payload stands for is lmzip.reference.decode_block's.
It has no model in floating point (FORMAT 9).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lmzip import reference

Weights = Callable[[bytes], bytes]  # the SHA-256 of a weight file -> its bytes; raises KeyError where there is none
Dictionaries = Iterable[bytes]  # files whose ends may be dictionaries, or which may be originals

MAGIC = bytes.fromhex("894C4D5A")
NO_MODEL, REFERENCE, RECORD, CONTENT = 0, 1, 2, 3  # bits 5 and 6 of byte 4
STORED, BASE, WITH_MODEL = 0, 1, 2
NET, TRANSFORMER, FLOAT = 1, 2, 3  # kinds of models
IMAGE, SOUND = 1, 2  # types of content
WINDOWS = (0, 2**24, 2**27, 2**30)  # by bits 6 and 7 of the settings of a long frame
NOTHING_MORE, HAS_CONTENT, HAS_BODY, HAS_REACH = 0, 1, 2, 3  # bits 5 and 6 of a head's first byte
REFERENCES = {  # the table of FORMAT 3.3: SHA-256, kind
    bytes.fromhex("257aed45"): ("257aed457ef3fd589a2f79fbbbdd057529bc12a182d9a0436f7a5bd0c9b088bc", NET),
}
# The table of ARITHMETIC 8.1: the profiles that a block may have, by the kind of the model that it is coded with.
PROFILES = {None: (1, 2, 3, 4, 5, 6), NET: (4, 5, 6), TRANSFORMER: (6,)}


class DamagedFile(Exception):  # noqa: N818 - what it is, not what went wrong here
    """The file breaks a rule of the format, or is in none of its versions."""


class UnsupportedFile(Exception):  # noqa: N818
    """The file may be sound, but needs a later version or a model that is not here."""


@dataclass
class Header:
    """The start of a frame."""

    packed: bytes
    follows: int
    is_short: bool
    kind: int | None = None  # of the model, None where there is none
    weight_file: bytes | None = None
    dictionary: bytes = b""
    original: bytes = b""

    @property
    def names_original(self) -> bool:
        record = self.dictionary_record
        return bool(record) and record[0] >= 128

    @property
    def dictionary_record(self) -> bytes:
        """What names dictionary or original: the size's logarithm, and the digest or its beginning; empty for none."""
        return self.packed[-5 if self.is_short else -33 :] if self.packed[4] & 128 else b""

    @property
    def settings(self) -> int:
        return self.packed[5]

    @property
    def profile(self) -> int:
        return self.settings & 15

    @property
    def context(self) -> int:
        return self.settings >> 4 & 3

    @property
    def window(self) -> int:
        return 0 if self.is_short else WINDOWS[self.settings >> 6]


@dataclass
class Head:
    """The start of a block."""

    size: int  # of itself
    mode: int
    n_lanes: int
    last: bool
    raw_size: int
    payload_size: int
    data_check: int
    content: reference.Content | None = None
    body_size: int | None = None  # None where the body is the raw bytes
    reach: int = 0  # bytes before the block that it may have copies of
    payload_check: int | None = None  # None where the block has no reach
    list_size: int | None = None  # None where the block is not patched
    list_payload_size: int = 0

    @property
    def coded_size(self) -> int:
        return self.raw_size if self.body_size is None else self.body_size - (self.list_size or 0)


def decode(data: bytes, weights: Weights, dictionaries: Dictionaries = ()) -> bytes:
    """Return the content of all frames of a file; raises DamagedFile, UnsupportedFile."""
    content, at = bytearray(), 0
    while True:
        frame_content, at = decode_frame(data, at, weights, dictionaries)
        content += frame_content
        if not data[at:].strip(b"\0"):
            return bytes(content)


def take(data: bytes, at: int, size: int) -> bytes:
    """Return size bytes from `at` on."""
    if at + size > len(data):
        raise DamagedFile(f"the file ends before byte {at + size}")
    return data[at : at + size]


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


def read_header(data: bytes, at: int) -> Header:
    """Steps 1 and 2 of FORMAT 1.2, and the size that byte 4 tells."""
    if take(data, at, 4) != MAGIC:
        raise DamagedFile(f"no frame at byte {at}")
    flags = take(data, at + 4, 1)[0]
    follows = flags >> 5 & 3
    if flags & 15 != 1:
        raise UnsupportedFile(f"version {flags & 15}")
    is_short = bool(flags & 16)
    size = 6 + {NO_MODEL: 0, REFERENCE: 4, RECORD: 123, CONTENT: 10}[follows]
    if flags & 128:
        size += 5 if is_short else 33
    return Header(take(data, at, size), follows, is_short)


def read_head(data: bytes, at: int, header: Header) -> Head:
    """Steps 3 to 5 of FORMAT 1.2."""
    if header.is_short:
        packed = take(data, at, 10)
        check = zlib.crc32(header.packed + packed[:8]) & 0xFFFF
        sound = check == int.from_bytes(packed[8:], "little")
    else:
        kind = take(data, at, 1)[0]
        more = {NOTHING_MORE: 0, HAS_CONTENT: 10, HAS_BODY: 4, HAS_REACH: 12}[kind >> 5 & 3]
        packed = take(data, at, 17 + more)
        sound = zlib.crc32(header.packed + packed[:-4]) == int.from_bytes(packed[-4:], "little")
    if not sound:
        raise DamagedFile("head_check")
    check_header_is_known(header)
    if header.is_short:
        head = Head(10, BASE, 1 << (header.settings >> 6), True, *struct.unpack_from("<HHI", packed))
        if head.payload_size == head.raw_size:
            head.mode = STORED
        elif header.follows in (REFERENCE, RECORD):
            head.mode = WITH_MODEL
        if header.follows == CONTENT:
            head.content = read_content(header.packed[6:16])
    else:
        if kind & 3 == 3:
            raise UnsupportedFile("a block of a mode of later versions")
        head = Head(len(packed), kind & 3, 1 << (kind >> 2 & 7), kind >= 128, *struct.unpack_from("<III", packed, 1))
        if kind >> 5 & 3 == HAS_CONTENT:
            head.content = read_content(packed[13:23])
        elif kind >> 5 & 3 == HAS_BODY:
            head.body_size = int.from_bytes(packed[13:17], "little")
        elif kind >> 5 & 3 == HAS_REACH and header.names_original:
            head.body_size, head.list_size, head.list_payload_size = struct.unpack_from("<III", packed, 13)
        elif kind >> 5 & 3 == HAS_REACH:
            head.body_size, head.reach, head.payload_check = struct.unpack_from("<III", packed, 13)
    if head.mode == STORED and head.n_lanes > 1:
        raise UnsupportedFile("a stored block with lanes")
    if head.content and head.mode != BASE:
        raise UnsupportedFile("a content in another mode")
    check_sizes(header, head)
    return head


def read_content(packed: bytes) -> reference.Content:
    """The content's part of step 4 (FORMAT 4.5)."""
    type_, channels, depth, flags, offset, width = struct.unpack("<BBBBHI", packed)
    is_image = type_ == IMAGE and channels in (1, 2, 3, 4) and depth in (8, 16) and width > 0 and flags & 0xC4 == 0
    is_sound = type_ == SOUND and 1 <= channels <= 8 and depth in (8, 16, 24, 32) and width == 0 and flags < 8
    if not (is_image or is_sound) or (flags & 8 and (channels, depth) != (1, 8)):
        raise UnsupportedFile("a content of later versions")
    return reference.Content(type_, channels, depth, flags, offset, width)


def check_header_is_known(header: Header) -> None:
    """The header's part of step 4, and what it says of the model."""
    if header.profile == 0:
        raise UnsupportedFile(f"settings {header.settings}")
    if header.follows == CONTENT and not header.is_short:
        raise UnsupportedFile("a content in the header of a long frame")
    if header.follows == RECORD:
        header.kind, fingerprint = header.packed[6], header.packed[40:56]
        if header.kind not in (NET, TRANSFORMER, FLOAT) or header.packed[7]:
            raise UnsupportedFile("a kind of model or flags of later versions")
        if (header.kind == FLOAT) != any(fingerprint):
            raise UnsupportedFile("a fingerprint of later versions")
    elif header.follows == REFERENCE:
        header.kind = REFERENCES.get(header.packed[6:10], ("", 0))[1]
    if header.context and header.kind in (None, NET):
        raise UnsupportedFile("a context without a model of tokens")
    if record := header.dictionary_record:
        if not (10 <= record[0] <= 27 or 128 <= record[0] <= 128 + 30):
            raise UnsupportedFile("a dictionary or original of a size of later versions")
        if header.kind in (TRANSFORMER, FLOAT):
            raise UnsupportedFile("a dictionary or original with a model of tokens")
        if record[0] >= 128 and (header.is_short or header.window):
            raise UnsupportedFile("an original in a short frame, or with a window")


def check_sizes(header: Header, head: Head) -> None:
    """Step 5 of FORMAT 1.2, the sequence of blocks apart; texts of a record too."""
    if header.follows == RECORD:
        for field in (header.packed[56:88], header.packed[88:129]):
            try:
                if "\0" in field.rstrip(b"\0").decode():
                    raise DamagedFile("NUL in a text")
            except UnicodeDecodeError:
                raise DamagedFile("a text that is not UTF-8") from None
    if head.mode == WITH_MODEL and header.follows not in (REFERENCE, RECORD):
        raise DamagedFile("a block with a model that is not named")
    if head.raw_size > 2**30:
        raise DamagedFile("raw_size")
    if head.body_size is not None and not 0 < head.body_size < head.raw_size:
        raise DamagedFile("body_size")
    if head.payload_check is not None and not 0 < head.reach <= header.window:
        raise DamagedFile("reach")
    if head.list_size is not None:
        assert head.body_size is not None
        if not 0 < head.list_payload_size <= head.list_size <= head.body_size:
            raise DamagedFile("list_size")
    payload_size = head.payload_size - head.list_payload_size
    if head.mode == STORED:
        fits = payload_size == head.coded_size
    else:
        fits = 4 * (len(stripes(head)) - 1) < payload_size < head.coded_size if head.coded_size else False
    if not fits:
        raise DamagedFile("payload_size")


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


def stripes(head: Head) -> list[list[int]]:
    """Return of each stripe the positions that it has in the body, as ranges (start, end, start, end ...)."""
    chunk_size = -(-head.coded_size // head.n_lanes)
    width = 2**18 // head.n_lanes
    chunks = range(0, head.coded_size, chunk_size)
    found = []
    for begin in range(0, chunk_size, width):
        places: list[int] = []
        for chunk in chunks:
            end = min(chunk + begin + width, chunk + chunk_size, head.coded_size)
            places += (chunk + begin, max(chunk + begin, end))
        found.append(places)
    return found


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
        raw = put_back_copies(body, head.raw_size, before)
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


def put_back_copies(body: bytes, raw_size: int, before: bytes = b"") -> bytes:
    """Return the raw bytes that a body makes (FORMAT 4.6), of bytes that stand before the block too (4.7)."""
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
        raw += take(body, at, gap)
        at += gap
        distance = said or last_distance
        if not 0 < distance <= len(raw) or not 0 < size <= raw_size - len(raw):
            raise DamagedFile("a copy of bytes that there are not")
        for _ in range(size):
            raw.append(raw[-distance])
        last_distance = distance
    raw += body[at:]
    if len(raw) != raw_size:
        raise DamagedFile("a body that makes another number of bytes")
    return bytes(raw[len(before) :])


def read_number(body: bytes, at: int, most: int = 2**30) -> tuple[int, int]:
    """Return the number at a place of a body, and where it ends."""
    number = 0
    for i in range(5):
        byte = take(body, at + i, 1)[0]
        number |= (byte & 127) << 7 * i
        if byte < 128 and number <= most:
            return number, at + i + 1
    raise DamagedFile("a number that is none")


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
        )
    except ValueError as error:
        raise DamagedFile(str(error)) from None
    for k, places in enumerate(with_checks):
        stripe = b"".join(raw[start:end] for start, end in zip(places[::2], places[1::2], strict=True))
        if zlib.crc32(stripe) != int.from_bytes(payload[4 * k : 4 * k + 4], "little"):
            raise DamagedFile(f"stripe {k + 1}")
    return raw
