"""The head of a block, and the checks of stripes that a coded payload begins with (FORMAT 4)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lmzip.block import BYTES, BlockSpec, Content
from lmzip.errors import DamagedError, UnsupportedError
from lmzip.format.content import CONTENT_SIZE, pack_content, parse_content
from lmzip.format.header import MAX_SHORT_LANES, FrameHeader

STORED, BASE, WITH_MODEL = 0, 1, 2  # modes
HEAD_SIZE = 17  # and what follows
BODY_SIZE_SIZE = 4
FAR_SIZE = 12
SHORT_HEAD_SIZE = 10
MAX_HEAD_SIZE = HEAD_SIZE + FAR_SIZE
MAX_RAW_SIZE = 1 << 30
MAX_SHORT_SIZE = 65535  # raw bytes of a short frame
MAX_BLOCKS = 65535
MAX_LANES = 128
STRIPE_SIZE = 1 << 18  # raw bytes of all lanes

# The byte `kind` of a long head.
_MODE_BITS, _LANES_SHIFT, _FOLLOWS_SHIFT, _LAST_FLAG = 3, 2, 5, 0x80
_NOTHING, _CONTENT, _BODY_SIZE, _FAR = range(4)  # what follows in the head
_FOLLOWING_SIZES = (0, CONTENT_SIZE, BODY_SIZE_SIZE, FAR_SIZE)

# The field `body_size`.
_MACHINE_SHIFT = 30
_MAX_BODY_SIZE = (1 << _MACHINE_SHIFT) - 1

_START = struct.Struct("<BIII")
_SHORT_START = struct.Struct("<HHI")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")
_FAR_FIELDS = struct.Struct("<III")


@dataclass(frozen=True)
class BlockHead:
    """The head of a block (FORMAT 4): what its payload is and what must come out of it."""

    last: bool
    mode: int  # STORED, BASE, WITH_MODEL
    n_lanes: int
    raw_size: int
    payload_size: int
    data_check: int  # see data_check()
    content: Content = BYTES
    body_size: int | None = None  # bytes of what the payload stands for where that is list of copies and rest
    reach: int = 0  # bytes before the block from which on it has copies
    payload_check: int | None = None  # CRC-32 of the payload; of a block that reaches back only
    list_size: int | None = (
        None  # bytes of the list that a body begins with, of a block that has copies of an original only
    )
    list_payload_size: int = 0  # bytes of the payload that stand for it
    machine: int = 0  # whose code the rest of a body is converted for (FORMAT 4.9): lmzip.block.X86 ...

    @property
    def has_copies(self) -> bool:
        """Whether the payload stands for a body, which the raw bytes are made of (FORMAT 4.6)."""
        return self.body_size is not None

    @property
    def is_far(self) -> bool:
        """Whether the raw bytes are made of those of blocks before, too."""
        return self.reach > 0

    @property
    def is_patched(self) -> bool:
        """Whether the raw bytes are made of those of an original, too (FORMAT 4.8)."""
        return self.list_size is not None

    @property
    def coded_size(self) -> int:
        """How many bytes are coded with the block's mode: body or raw bytes, without the list of a patched block."""
        return self.raw_size if self.body_size is None else self.body_size - (self.list_size or 0)

    @property
    def is_stored(self) -> bool:
        return self.mode == STORED

    @property
    def uses_model(self) -> bool:
        return self.mode == WITH_MODEL

    def spec(self, header: FrameHeader) -> BlockSpec:
        """Return what a coder needs to know of this block in a frame that starts with `header`."""
        start = self.coded_size, header.profile, self.uses_model, self.n_lanes
        return BlockSpec(*start, header.context if self.uses_model else 0, self.content, machine=self.machine)

    def pack(self, header: FrameHeader) -> bytes:
        """Return the bytes of the head of a block in a frame that starts with `header`.

        Raises ValueError or struct.error for what the head cannot say.
        """
        if header.is_short:
            return self._pack_short(header)
        follows, following = _NOTHING, b""
        if self.content != BYTES:
            follows, following = _CONTENT, pack_content(self.content)
        elif self.is_patched:
            follows, following = _FAR, _FAR_FIELDS.pack(self.body_size, self.list_size, self.list_payload_size)
        elif self.is_far:
            follows, following = _FAR, _FAR_FIELDS.pack(self._sized_body(), self.reach, self.payload_check)
        elif self.has_copies:
            follows, following = _BODY_SIZE, _U32.pack(self._sized_body())
        kind = self.mode | (self.n_lanes.bit_length() - 1) << _LANES_SHIFT | follows << _FOLLOWS_SHIFT
        packed = _START.pack(kind | _LAST_FLAG * self.last, self.raw_size, self.payload_size, self.data_check)
        packed += following
        return packed + _U32.pack(zlib.crc32(header.packed + packed))

    def _sized_body(self) -> int:
        """Return the field that says the size of a body, and of which machine it is."""
        size = self.body_size or 0
        if self.machine and size > _MAX_BODY_SIZE:
            raise ValueError(f"a body of {size} bytes cannot be one of machine code")
        return size | self.machine << _MACHINE_SHIFT

    def _pack_short(self, header: FrameHeader) -> bytes:
        implied = (True, _short_mode(header, self.raw_size, self.payload_size), header.n_lanes, header.content)
        if (self.last, self.mode, self.n_lanes, self.content) != implied or self.has_copies:
            raise ValueError("a short frame with this header cannot have such a block")
        packed = _SHORT_START.pack(self.raw_size, self.payload_size, self.data_check)
        return packed + _U16.pack(zlib.crc32(header.packed + packed) & 0xFFFF)


def _short_mode(header: FrameHeader, raw_size: int, payload_size: int) -> int:
    if payload_size == raw_size:
        return STORED
    return WITH_MODEL if header.names_model else BASE


def fits_short(head: BlockHead) -> bool:
    """Return whether a block may be the only one of a short frame, with the right header."""
    few = head.raw_size <= MAX_SHORT_SIZE and head.n_lanes <= MAX_SHORT_LANES
    return head.last and few and not head.has_copies and (head.content == BYTES or head.mode == BASE)


def data_check(mode: int, raw, payload, *, has_copies: bool = False) -> int:
    """Return the check of a block's bytes: CRC-32 of the raw bytes, followed by the payload where that is another.

    A coder leaves its last byte some freedom, and so do copies: without the payload turned bits could go unnoticed.
    """
    check = zlib.crc32(raw)
    return check if mode == STORED and not has_copies else zlib.crc32(payload, check)


def payload_check(payload) -> int:
    """Return the check of a payload alone, which says that it is sound where what it has copies of is lost."""
    return zlib.crc32(payload)


def head_size(header: FrameHeader, start: bytes) -> int:
    """Return the size of a head from its first byte."""
    if header.is_short:
        return SHORT_HEAD_SIZE
    return HEAD_SIZE + _FOLLOWING_SIZES[_follows(start[0])]


def _follows(kind: int) -> int:
    """Return what a long head has behind its first fields."""
    return kind >> _FOLLOWS_SHIFT & 3


def is_block_head(header: FrameHeader, packed: bytes) -> bool:
    """Return whether bytes of the size of a head carry its check; says nothing of their fields."""
    if header.is_short:
        return zlib.crc32(header.packed + packed[:-2]) & 0xFFFF == _U16.unpack_from(packed, len(packed) - 2)[0]
    return zlib.crc32(header.packed + packed[:-4]) == _U32.unpack_from(packed, len(packed) - 4)[0]


def parse_block_head(header: FrameHeader, packed: bytes) -> BlockHead:
    """Return the head in bytes of head_size(), checked with the header as far as the two alone allow (FORMAT 1.2).

    Raises DamagedError where its check fails, then UnsupportedError for what only a later version may know in header
    or head, then DamagedError for fields that contradict each other.
    """
    if not is_block_head(header, packed):
        raise DamagedError("damaged block head")
    header.check_known()
    head = _parse_short(header, packed) if header.is_short else _parse_long(header, packed)
    if head.is_stored and head.n_lanes != 1:
        raise UnsupportedError("needs a newer lmzip: a stored block with lanes")
    if head.content != BYTES and head.mode != BASE:
        raise UnsupportedError(f"needs a newer lmzip: a block of mode {head.mode} with content")
    header.model()  # raises for a record with names that are none
    if head.uses_model and not header.names_model:
        raise DamagedError("a block with a model in a frame that names none")
    sizes = f"{head.raw_size} bytes in a payload of {head.payload_size}"
    if head.raw_size > MAX_RAW_SIZE:
        raise DamagedError(f"impossible block: {sizes}")
    if head.body_size is not None and not 0 < head.body_size < head.raw_size + (2 if head.machine else 0):
        raise DamagedError(f"impossible block: {sizes}")
    if head.list_size is not None and not 0 < head.list_payload_size <= head.list_size <= (head.body_size or 0):
        raise DamagedError(f"impossible block: a list of {head.list_size} bytes in {head.list_payload_size}")
    size, payload_size = head.coded_size, head.payload_size - head.list_payload_size
    least = stripe_checks_size(size, head.n_lanes)  # and one byte more is coded
    sound = payload_size == size if head.is_stored else least < payload_size < size
    if not sound:
        raise DamagedError(f"impossible block: {sizes}")
    if head.payload_check is not None and not 0 < head.reach <= header.window:
        raise DamagedError(f"impossible block: copies from {head.reach} bytes before in a window of {header.window}")
    return head


def _parse_short(header: FrameHeader, packed: bytes) -> BlockHead:
    raw_size, payload_size, check = _SHORT_START.unpack_from(packed)
    mode = _short_mode(header, raw_size, payload_size)
    return BlockHead(True, mode, header.n_lanes, raw_size, payload_size, check, header.content)


def _parse_long(header: FrameHeader, packed: bytes) -> BlockHead:
    """Raises UnsupportedError for modes, flags and contents of later versions."""
    kind, raw_size, payload_size, check = _START.unpack_from(packed)
    mode = kind & _MODE_BITS
    if mode > WITH_MODEL:
        raise UnsupportedError(f"needs a newer lmzip: block of kind {kind:#04x}")
    follows, at = _follows(kind), _START.size
    content, body_size, reach, payload_check = BYTES, None, 0, None
    list_size, list_payload_size, machine = None, 0, 0
    if follows == _CONTENT:
        content = parse_content(packed[at : at + CONTENT_SIZE])
    elif follows == _BODY_SIZE:
        (body_size,) = _U32.unpack_from(packed, at)
    elif follows == _FAR and header.names_original:
        body_size, list_size, list_payload_size = _FAR_FIELDS.unpack_from(packed, at)
    elif follows == _FAR:
        body_size, reach, payload_check = _FAR_FIELDS.unpack_from(packed, at)
    if body_size is not None:
        machine, body_size = body_size >> _MACHINE_SHIFT, body_size & _MAX_BODY_SIZE
        if machine and list_size is not None:
            raise UnsupportedError(f"needs a newer lmzip: a patched block of machine {machine}")
    n_lanes = 1 << (kind >> _LANES_SHIFT & 7)
    last = bool(kind & _LAST_FLAG)
    start = (last, mode, n_lanes, raw_size, payload_size, check, content)
    return BlockHead(*start, body_size, reach, payload_check, list_size, list_payload_size, machine)


def check_sequence(head: BlockHead, index: int, n_before: int) -> None:
    """Check a head against its place, block `index` of a frame behind n_before raw bytes of it.

    Raises DamagedError where FORMAT 4.3 is broken.
    """
    if head.reach > n_before:
        raise DamagedError(f"copies from {head.reach} bytes before a block with {n_before} bytes before it")
    if not head.raw_size and (index or not head.last):
        raise DamagedError("an empty block in a frame that is not empty")
    if index >= MAX_BLOCKS or (index == MAX_BLOCKS - 1 and not head.last):
        raise DamagedError(f"more than {MAX_BLOCKS} blocks in a frame")


def stripe_width(n_lanes: int) -> int:
    """Return how many bytes of every lane's chunk a stripe has."""
    return STRIPE_SIZE // n_lanes


def n_stripe_checks(raw_size: int, n_lanes: int) -> int:
    """Return how many stripes of a coded block have a check: all but the last."""
    chunk_size = -(-raw_size // n_lanes)
    return max(0, (chunk_size - 1) // stripe_width(n_lanes))


def stripe_checks_size(raw_size: int, n_lanes: int) -> int:
    """Return the size of the checks that a coded payload begins with."""
    return _U32.size * n_stripe_checks(raw_size, n_lanes)


def stripe_parts(raw_size: int, n_lanes: int, stripe: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) in the raw bytes of what a stripe has of each lane, in their order; none that is empty."""
    chunk_size, width = -(-raw_size // n_lanes), stripe_width(n_lanes)
    for lane in range(n_lanes):
        chunk_start = lane * chunk_size
        chunk_end = min(chunk_start + chunk_size, raw_size)
        start = chunk_start + stripe * width
        end = min(start + width, chunk_end)
        if start < end:
            yield start, end


def stripe_check(raw, n_lanes: int, stripe: int) -> int:
    """Return the CRC-32 of a stripe of a block's raw bytes (bytes-like)."""
    view, check = memoryview(raw), 0
    for start, end in stripe_parts(len(view), n_lanes, stripe):
        check = zlib.crc32(view[start:end], check)
    return check


def pack_stripe_checks(checks: Iterable[int]) -> bytes:
    """Return the start of a coded payload."""
    return b"".join(map(_U32.pack, checks))


def parse_stripe_checks(payload, raw_size: int, n_lanes: int) -> tuple[int, ...]:
    """Return the checks that a coded payload begins with, which stripe_checks_size() tells the size of.

    Raises DamagedError where it is too short.
    """
    if len(payload) < stripe_checks_size(raw_size, n_lanes):
        raise DamagedError("damaged payload: no room for the checks of stripes")
    return struct.unpack_from(f"<{n_stripe_checks(raw_size, n_lanes)}I", payload)
