"""Headers of frames and heads of blocks: read, and checked in the order of FORMAT 1.2, steps 1 to 5 (FORMAT 3, 4)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from lmzip import reference
from lmzip.reference.faults import DamagedFile, UnsupportedFile, take

MAGIC = bytes.fromhex("894C4D5A")
NO_MODEL, REFERENCE, RECORD, CONTENT = 0, 1, 2, 3  # bits 5 and 6 of byte 4
STORED, BASE, WITH_MODEL = 0, 1, 2
NET, TRANSFORMER, FLOAT = 1, 2, 3  # kinds of models
IMAGE, SOUND = 1, 2  # types of content
WINDOWS = (0, 2**24, 2**27, 2**30)  # by bits 6 and 7 of the settings of a long frame
NOTHING_MORE, HAS_CONTENT, HAS_BODY, HAS_REACH = 0, 1, 2, 3  # bits 5 and 6 of a head's first byte
REFERENCES = {  # the table of FORMAT 3.3: SHA-256, kind
    bytes.fromhex("257aed45"): ("257aed457ef3fd589a2f79fbbbdd057529bc12a182d9a0436f7a5bd0c9b088bc", NET),
    bytes.fromhex("f62fc71b"): ("f62fc71ba3d5c22ee714f392ab194515100ad628e750f94da2523d2a994057b3", NET),
}
# The table of ARITHMETIC 8.1: the profiles that a block may have, by the kind of the model that it is coded with.
PROFILES = {None: (1, 2, 3, 4, 5, 6), NET: (4, 5, 6), TRANSFORMER: (6,)}


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
    machine: int = 0

    @property
    def coded_size(self) -> int:
        return self.raw_size if self.body_size is None else self.body_size - (self.list_size or 0)


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
    if head.body_size is not None:
        head.machine, head.body_size = head.body_size >> 30, head.body_size % 2**30
    if head.machine and head.list_size is not None:
        raise UnsupportedFile("a patched block of machine code")
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
        if header.kind == FLOAT or (header.kind == TRANSFORMER and record[0] >= 128):
            raise UnsupportedFile("a dictionary or original with such a model")
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
    if head.body_size is not None and not 0 < head.body_size < head.raw_size + (2 if head.machine else 0):
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
