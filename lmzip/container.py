"""The bytes of a frame: header, block heads and trailer, packed and parsed (FORMAT 3 to 5).

Knows no model and no coder, and does no I/O: it turns bytes into checked records and records into bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cache

from lmzip.errors import DamagedError, NotLmzipError, UnsupportedError

MAGIC = b"\x89LMZ"
VERSION = 1
MODEL_FLAG = 0x80  # bit 7 of the version byte: a model record follows
REGISTERED_FLAG = 0x40  # bit 6: the number of a registered model and the start of its digest follow
SHORT_FLAG = 0x20  # bit 5: one small block with a short head, and no trailer
PLAIN_HEADER_SIZE = 5
HEADER_START_SIZE = 6  # what tells a header's size: the plain header, and a number where one follows
REGISTERED_HEADER_SIZE = 10
MODEL_HEADER_SIZE = 128
BLOCK_HEAD_SIZE = 17
SHORT_HEAD_SIZE = 11
MAX_SHORT_SIZE = 65535  # raw bytes of a short frame
TRAILER_END_SIZE = 14  # the trailer without its table
CONTENT_HASH_SIZE = 8
DIGEST_SIZE = 32
FINGERPRINT_SIZE = 16
MAX_RAW_SIZE = 1 << 30
MAX_BLOCKS = 65535
MAX_LANES = 128
STORED = 0
RESERVED_NUMBER = 255
NET_KIND, LANGUAGE_MODEL_KIND, BOUND_KIND = 1, 2, 3
MODEL_KINDS = {NET_KIND: "net", LANGUAGE_MODEL_KIND: "exact language model", BOUND_KIND: "bound to numerics"}

# The models that have a number in the format (FORMAT 3.3): name and SHA-256 of the weight file.  Entries never change.
# Numbers are 1 to 254: 0 is not used, and RESERVED_NUMBER starts a header that a later version may define.
REGISTERED: dict[int, tuple[str, str]] = {
    3: ("bytelm3", "257aed457ef3fd589a2f79fbbbdd057529bc12a182d9a0436f7a5bd0c9b088bc"),
}

_RECORD = struct.Struct("<BB32s16s32s41s")
_BLOCK_HEAD = struct.Struct("<BIII")
_SHORT_HEAD = struct.Struct("<BHHI")
_TRAILER_END = struct.Struct("<8sH")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")


def content_hash():
    """Return a new hash object whose 8-byte digest is a frame's content hash (FORMAT 5)."""
    return _blake2b()(digest_size=CONTENT_HASH_SIZE)


@cache
def _blake2b():
    # Here, since listing a file needs none; once, since files are finished even when nothing can be imported any more.
    from hashlib import blake2b

    return blake2b


@dataclass(frozen=True)
class ModelRecord:
    """Which model and which arithmetic a frame needs (FORMAT 3.2)."""

    kind: int
    digest: bytes  # SHA-256 of the weight file, 32 bytes; its first 4 under a number that is not known here
    fingerprint: bytes  # of the arithmetic, 16 bytes; zero for models whose arithmetic is exact
    name: str  # at most 32 bytes of UTF-8
    numerics: str  # at most 41 bytes of UTF-8

    @property
    def is_known(self) -> bool:
        """Whether this says which model it is: a number that only later versions know does not."""
        return len(self.digest) == DIGEST_SIZE

    def pack(self) -> bytes:
        """Return the 123 bytes of the record; raises ValueError if a field does not fit."""
        name, numerics = self.name.encode(), self.numerics.encode()
        fits = self.is_known and len(self.fingerprint) == FINGERPRINT_SIZE
        if not fits or self.kind not in MODEL_KINDS or not _is_text(name, 32) or not _is_text(numerics, 41):
            raise ValueError("a field of the model record does not fit")
        return _RECORD.pack(self.kind, 0, self.digest, self.fingerprint, name, numerics)


def _is_text(text: bytes, size: int) -> bool:
    return len(text) <= size and b"\0" not in text


def _parse_text(field: bytes, what: str) -> str:
    """Return the text of a NUL-padded field; raises DamagedError if it is not padded UTF-8."""
    text = field.rstrip(b"\0")
    try:
        if b"\0" in text:
            raise ValueError
        return text.decode()
    except ValueError:
        raise DamagedError(f"damaged model record: {what}") from None


@dataclass(frozen=True)
class FrameHeader:
    """The start of a frame (FORMAT 3). `packed` is its exact bytes, which every check of the frame begins with."""

    packed: bytes

    @property
    def is_short(self) -> bool:
        """Whether the frame is one small block with a short head and without a trailer (FORMAT 4.4)."""
        return bool(self.packed[4] & SHORT_FLAG)

    @property
    def block_head_size(self) -> int:
        return SHORT_HEAD_SIZE if self.is_short else BLOCK_HEAD_SIZE

    def model(self) -> ModelRecord | None:
        """Return the model record, None for the built-in predictor.

        To be called after a check that covers the header has passed.  Raises UnsupportedError for kinds and flags of
        later versions, DamagedError for names that are not text.
        """
        size = len(self.packed)
        if size == REGISTERED_HEADER_SIZE:
            return _parse_registered(self.packed[PLAIN_HEADER_SIZE], self.packed[PLAIN_HEADER_SIZE + 1 :])
        if size != MODEL_HEADER_SIZE:
            return None
        kind, flags, digest, fingerprint, name, numerics = _RECORD.unpack(self.packed[PLAIN_HEADER_SIZE:])
        if kind not in MODEL_KINDS or flags:
            raise UnsupportedError(f"needs a newer lmzip: model kind {kind}, flags {flags:#04x}")
        return ModelRecord(kind, digest, fingerprint, _parse_text(name, "name"), _parse_text(numerics, "numerics"))


def _parse_registered(number: int, prefix: bytes) -> ModelRecord:
    """Return the record of a registered model, not is_known where this version does not know the number.

    Raises UnsupportedError where the digest is not that of the number.
    """
    name, digest = REGISTERED.get(number, (f"number {number}", prefix.hex()))
    if not bytes.fromhex(digest).startswith(prefix):
        raise UnsupportedError(f"model number {number} of sha256 {prefix.hex()}... is not the {name} known here")
    return ModelRecord(NET_KIND, bytes.fromhex(digest), bytes(FINGERPRINT_SIZE), name, "")


def registered_number(digest: bytes) -> int | None:
    """Return the number of the registered model with this SHA-256, None if there is none."""
    return next((number for number, (_, known) in REGISTERED.items() if known == digest.hex()), None)


def pack_header(model: ModelRecord | None = None, *, short: bool = False) -> FrameHeader:
    """Return the header of a frame; None means the built-in predictor.  short: for a frame of one small block."""
    version = VERSION | (SHORT_FLAG if short else 0)
    if model is None:
        return FrameHeader(MAGIC + bytes([version]))
    number = registered_number(model.digest)
    if number is not None:
        return FrameHeader(MAGIC + bytes([version | REGISTERED_FLAG, number]) + model.digest[:4])
    return FrameHeader(MAGIC + bytes([version | MODEL_FLAG]) + model.pack())


def header_size(start: bytes) -> int:
    """Return the size of a header from its first HEADER_START_SIZE bytes, or from five where no more are there.

    Raises NotLmzipError for another magic, UnsupportedError for another version and for the reserved number.
    """
    if start[:4] != MAGIC:
        raise NotLmzipError("not in lmzip format")
    flags, version = start[4] & (MODEL_FLAG | REGISTERED_FLAG), start[4] & 0x1F
    if version != VERSION or flags == MODEL_FLAG | REGISTERED_FLAG:
        raise UnsupportedError(f"needs a newer lmzip: format version {version}, flags {flags:#04x}")
    if flags == REGISTERED_FLAG and start[PLAIN_HEADER_SIZE:HEADER_START_SIZE] == bytes([RESERVED_NUMBER]):
        raise UnsupportedError(f"needs a newer lmzip: model number {RESERVED_NUMBER}")
    return {0: PLAIN_HEADER_SIZE, REGISTERED_FLAG: REGISTERED_HEADER_SIZE, MODEL_FLAG: MODEL_HEADER_SIZE}[flags]


@dataclass(frozen=True)
class BlockHead:
    """The head of a block (FORMAT 4): what its payload is and what must come out of it."""

    last: bool
    method: int  # STORED or a row of the table of predictors
    n_lanes: int
    raw_size: int
    payload_size: int
    data_check: int  # see data_check()

    def pack(self, header: FrameHeader) -> bytes:
        """Return the 17 bytes, or 11 in a short frame, of the head of a block in a frame that starts with `header`."""
        kind = self.last << 7 | (self.n_lanes.bit_length() - 1) << 4 | self.method
        if header.is_short:
            packed = _SHORT_HEAD.pack(kind, self.raw_size, self.payload_size, self.data_check)
            return packed + _U16.pack(zlib.crc32(header.packed + packed) & 0xFFFF)
        packed = _BLOCK_HEAD.pack(kind, self.raw_size, self.payload_size, self.data_check)
        return packed + _U32.pack(zlib.crc32(header.packed + packed))


def data_check(method: int, raw, payload) -> int:
    """Return the check of a block's bytes: CRC-32 of the raw bytes, for coded blocks followed by the payload.

    A coder leaves its last byte some freedom: without the payload a turned bit there would go unnoticed.
    """
    check = zlib.crc32(raw)
    return check if method == STORED else zlib.crc32(payload, check)


def is_block_head(header: FrameHeader, packed: bytes) -> bool:
    """Return whether 17 bytes, or 11, carry the check of a block head; says nothing of their fields."""
    if header.is_short:
        return zlib.crc32(header.packed + packed[:9]) & 0xFFFF == _U16.unpack_from(packed, 9)[0]
    return zlib.crc32(header.packed + packed[:13]) == _U32.unpack_from(packed, 13)[0]


def parse_block_head(header: FrameHeader, packed: bytes) -> BlockHead:
    """Return the head in 17 or 11 bytes, its check and fields verified as far as the head alone allows.

    Raises DamagedError, and UnsupportedError for a stored block with lanes, which a later version may define.
    """
    if not is_block_head(header, packed):
        raise DamagedError("damaged block head")
    kind, raw_size, payload_size, data_check = (_SHORT_HEAD if header.is_short else _BLOCK_HEAD).unpack_from(packed)
    head = BlockHead(bool(kind >> 7), kind & 15, 1 << (kind >> 4 & 7), raw_size, payload_size, data_check)
    if head.method == STORED:
        if head.n_lanes != 1:
            raise UnsupportedError("needs a newer lmzip: a stored block with lanes")
        sound = payload_size == raw_size
    else:
        sound = 0 < payload_size < raw_size
    if header.is_short and not head.last:
        raise DamagedError("a short frame of several blocks")
    if not sound or raw_size > MAX_RAW_SIZE:
        raise DamagedError(f"impossible block: {raw_size} bytes in a payload of {payload_size}")
    return head


def check_sequence(head: BlockHead, index: int, block_size: int) -> None:
    """Check a head against its place: block `index` of a frame whose first block has `block_size` raw bytes.

    Raises DamagedError where FORMAT 4.3 is broken.
    """
    if not head.raw_size:
        if index or not head.last:
            raise DamagedError("an empty block in a frame that is not empty")
    elif head.raw_size > block_size or (head.raw_size < block_size and not head.last):
        raise DamagedError(f"block {index + 1} has {head.raw_size} bytes, the frame's block size is {block_size}")
    if index >= MAX_BLOCKS or (index == MAX_BLOCKS - 1 and not head.last):
        raise DamagedError(f"more than {MAX_BLOCKS} blocks in a frame")


@dataclass(frozen=True)
class Trailer:
    """The end of a frame (FORMAT 5): the table of payload sizes and the hash of the whole content."""

    payload_sizes: tuple[int, ...]
    content_hash: bytes  # b"" for a short frame, which has no trailer

    def pack(self, header: FrameHeader) -> bytes:
        """Return the bytes of the trailer of a frame that starts with `header`; none for a short one."""
        if header.is_short:
            return b""
        n_blocks = len(self.payload_sizes)
        packed = struct.pack(f"<{n_blocks}I", *self.payload_sizes) + _TRAILER_END.pack(self.content_hash, n_blocks)
        return packed + _U32.pack(zlib.crc32(header.packed + packed))


def trailer_size(header: FrameHeader, n_blocks: int) -> int:
    """Return the size of the trailer of a frame of n_blocks blocks."""
    if header.is_short:
        return 0
    return 4 * n_blocks + TRAILER_END_SIZE


def is_trailer(header: FrameHeader, packed: bytes) -> bool:
    """Return whether the bytes carry the check of a trailer; says nothing of their fields."""
    if header.is_short:
        return not packed
    return len(packed) > 4 and zlib.crc32(header.packed + packed[:-4]) == _U32.unpack_from(packed, len(packed) - 4)[0]


def parse_trailer(header: FrameHeader, packed: bytes, payload_sizes: list[int]) -> Trailer:
    """Return the trailer in `packed`, which has the size for len(payload_sizes) blocks.

    Raises DamagedError if its check fails or its table is not that of the blocks before it.
    """
    if not is_trailer(header, packed):
        raise DamagedError("damaged trailer")
    if header.is_short:
        return Trailer(tuple(payload_sizes), b"")
    n_blocks = len(payload_sizes)
    hash_, count = _TRAILER_END.unpack_from(packed, 4 * n_blocks)
    if count != n_blocks or struct.unpack_from(f"<{n_blocks}I", packed) != tuple(payload_sizes):
        raise DamagedError("the table does not agree with the blocks")
    return Trailer(tuple(payload_sizes), hash_)
