"""The header of a frame (FORMAT 3): which rules its blocks follow and which model they need."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lmzip.block import BYTES, Content
from lmzip.dictionary import MAX_SIZE_LOG, MIN_SIZE_LOG, Dictionary
from lmzip.errors import DamagedError, NotLmzipError, UnsupportedError
from lmzip.format.content import CONTENT_SIZE, pack_content, parse_content
from lmzip.original import MAX_SIZE_LOG as MAX_ORIGINAL_LOG
from lmzip.original import Original

MAGIC = b"\x89LMZ"
VERSION = 1

# Byte 4.
VERSION_BITS = 0x0F
SHORT_FLAG = 0x10  # one small block with a short head, and no trailer
MODEL_SHIFT, MODEL_BITS = 5, 0x60  # bits 5 and 6: what follows byte 5
NO_MODEL, REFERENCE, RECORD = 0, 1, 2  # nothing, or what names the model
CONTENT = 3  # of a short frame, whose block takes no model then
DICTIONARY_FLAG = 0x80
ORIGINAL_FLAG = 0x80  # of the first byte of what names a dictionary: it names an original

START_SIZE = 5  # what tells a header's size
REFERENCE_SIZE = 4
RECORD_SIZE = 123
SHORT_DIGEST_SIZE = 4  # as much of a dictionary's digest is in a short frame
DICTIONARY_SIZE, SHORT_DICTIONARY_SIZE = 1 + 32, 1 + SHORT_DIGEST_SIZE
MAX_HEADER_SIZE = 6 + RECORD_SIZE + DICTIONARY_SIZE
_SIZES = {NO_MODEL: 6, REFERENCE: 6 + REFERENCE_SIZE, RECORD: 6 + RECORD_SIZE, CONTENT: 6 + CONTENT_SIZE}

DIGEST_SIZE = 32
FINGERPRINT_SIZE = 16
NAME_SIZE = 32
NUMERICS_SIZE = 41
MIN_PROFILE, MAX_PROFILE = 1, 15
MAX_CONTEXT = 3
MAX_SHORT_LANES = 8
# Bits 6 and 7 of byte 5: lanes of a short frame; of others, how far blocks may refer back.
LANES_SHIFT = WINDOW_SHIFT = 6
WINDOW_LOGS = (0, 24, 27, 30)  # 2 to this power bytes; 0 none

UNKNOWN_KIND, NET_KIND, TRANSFORMER_KIND, FLOAT_KIND = 0, 1, 2, 3
MODEL_KINDS = {NET_KIND: "net", TRANSFORMER_KIND: "transformer", FLOAT_KIND: "model in floating point"}

# The models known by reference (FORMAT 3.3): SHA-256 of the weight file -> name and kind.  Rows never change, and the
# first four bytes of no two digests are equal.
REFERENCED: dict[str, tuple[str, int]] = {
    "257aed457ef3fd589a2f79fbbbdd057529bc12a182d9a0436f7a5bd0c9b088bc": ("bytelm3", NET_KIND),
    "f62fc71ba3d5c22ee714f392ab194515100ad628e750f94da2523d2a994057b3": ("bytelm-s", NET_KIND),
}

_RECORD = struct.Struct(f"<BB{DIGEST_SIZE}s{FINGERPRINT_SIZE}s{NAME_SIZE}s{NUMERICS_SIZE}s")


@dataclass(frozen=True)
class ModelRecord:
    """Which model and which arithmetic a frame needs (FORMAT 3.2)."""

    kind: int  # one of MODEL_KINDS; UNKNOWN_KIND under a reference that is not known here
    digest: bytes  # SHA-256 of the weights, 32 bytes; its first 4 under a reference that is not known here
    fingerprint: bytes = bytes(FINGERPRINT_SIZE)  # of the arithmetic; zero for models whose arithmetic is of integers
    name: str = ""  # at most 32 bytes of UTF-8
    numerics: str = ""  # at most 41 bytes of UTF-8

    @property
    def is_known(self) -> bool:
        """Whether this says which model it is: a reference that only later versions know does not."""
        return len(self.digest) == DIGEST_SIZE

    @property
    def is_referenced(self) -> bool:
        """Whether a header names this model by reference."""
        return self.digest.hex() in REFERENCED

    @property
    def is_of_tokens(self) -> bool:
        """Whether the model predicts tokens: the window of what it sees may be halved."""
        return self.kind in (TRANSFORMER_KIND, FLOAT_KIND)

    def pack(self) -> bytes:
        """Return the 123 bytes of the record; raises ValueError if a field does not fit."""
        name, numerics = self.name.encode(), self.numerics.encode()
        fits = self.is_known and _is_fingerprint_of(self.kind, self.fingerprint)
        if not fits or not _is_text(name, NAME_SIZE) or not _is_text(numerics, NUMERICS_SIZE):
            raise ValueError("a field of the model record does not fit")
        return _RECORD.pack(self.kind, 0, self.digest, self.fingerprint, name, numerics)


@dataclass(frozen=True)
class DictionaryRecord:
    """Which dictionary the blocks of a frame begin behind (FORMAT 3.1)."""

    size_log: int  # it is the last 2^size_log bytes, or all if there are fewer
    digest: bytes  # SHA-256 of these, 32 bytes; in a short frame its first 4

    def names(self, dictionary: Dictionary) -> bool:
        """Return whether it is this one."""
        return dictionary.digest.startswith(self.digest)

    def pack(self, *, short: bool) -> bytes:
        """Return the 33 bytes, or 5 of a short frame."""
        return bytes([self.size_log]) + (self.digest[:SHORT_DIGEST_SIZE] if short else self.digest)


@dataclass(frozen=True)
class OriginalRecord:
    """Which original the blocks of a frame have copies of (FORMAT 3.6)."""

    size_log: int  # it has at most 2^size_log bytes
    digest: bytes  # SHA-256 of all of them, 32 bytes

    def names(self, original: Original) -> bool:
        """Return whether it is this one."""
        return original.digest == self.digest

    def pack(self, *, short: bool) -> bytes:
        """Return the 33 bytes; raises ValueError for a short frame, which has none."""
        if short:
            raise ValueError("no short frame has an original")
        return bytes([ORIGINAL_FLAG | self.size_log]) + self.digest


def record_of_original(original: Original) -> OriginalRecord:
    """Return the record that names an original."""
    return OriginalRecord(original.size_log, original.digest)


def record_of_dictionary(dictionary: Dictionary) -> DictionaryRecord:
    """Return the record that names a dictionary."""
    return DictionaryRecord(dictionary.size_log, dictionary.digest)


def _is_fingerprint_of(kind: int, fingerprint: bytes) -> bool:
    """Return whether models of this kind have such a fingerprint: not zero in floating point, zero otherwise."""
    return kind in MODEL_KINDS and len(fingerprint) == FINGERPRINT_SIZE and any(fingerprint) == (kind == FLOAT_KIND)


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


def _parse_reference(start: bytes) -> ModelRecord:
    """Return the record of the model whose digest begins so, not is_known where this version does not know it."""
    for digest, (name, kind) in REFERENCED.items():
        if bytes.fromhex(digest).startswith(start):
            return ModelRecord(kind, bytes.fromhex(digest), name=name)
    return ModelRecord(UNKNOWN_KIND, start, name=f"reference {start.hex()}")


@dataclass(frozen=True)
class FrameHeader:
    """The start of a frame (FORMAT 3). `packed` is its exact bytes, which every check of the frame begins with.

    What it says counts only once a check that covers it has passed, and check_known() after that.
    """

    packed: bytes

    @property
    def is_short(self) -> bool:
        """Whether the frame is one small block with a short head and without a trailer (FORMAT 4.4)."""
        return bool(self.packed[4] & SHORT_FLAG)

    @property
    def names_model(self) -> bool:
        """Whether blocks may be coded with a model, which the header names then."""
        return self._named_by in (REFERENCE, RECORD)

    @property
    def content(self) -> Content:
        """What the block of a short frame is; asked for after check_known()."""
        return parse_content(self.packed[6 : 6 + CONTENT_SIZE]) if self._named_by == CONTENT else BYTES

    @property
    def profile(self) -> int:
        """Row of the table of profiles (ARITHMETIC 8.1), of all coded blocks."""
        return self.packed[5] & 0x0F

    @property
    def context(self) -> int:
        """How often the window of a model of tokens is halved."""
        return self.packed[5] >> 4 & 3

    @property
    def n_lanes(self) -> int:
        """Lanes of the block of a short frame."""
        return 1 << (self.packed[5] >> LANES_SHIFT)

    @property
    def window(self) -> int:
        """How many bytes of the content before a block its copies may refer back to; 0: blocks stand alone."""
        log = 0 if self.is_short else WINDOW_LOGS[self.packed[5] >> WINDOW_SHIFT]
        return 1 << log if log else 0

    @property
    def dictionary(self) -> DictionaryRecord | None:
        """What names the dictionary, None where there is none."""
        packed = self._behind_model
        return None if not packed or packed[0] & ORIGINAL_FLAG else DictionaryRecord(packed[0], packed[1:])

    @property
    def original(self) -> OriginalRecord | None:
        """What names the original, None where there is none."""
        packed = self._behind_model
        return OriginalRecord(packed[0] ^ ORIGINAL_FLAG, packed[1:]) if self.names_original else None

    @property
    def names_original(self) -> bool:
        """Whether blocks may have copies of an original."""
        packed = self._behind_model
        return bool(packed) and bool(packed[0] & ORIGINAL_FLAG)

    @property
    def _behind_model(self) -> bytes:
        """What names dictionary or original."""
        if not self.packed[4] & DICTIONARY_FLAG:
            return b""
        return self.packed[-(SHORT_DICTIONARY_SIZE if self.is_short else DICTIONARY_SIZE) :]

    def check_known(self) -> None:
        """Raise UnsupportedError for what only a later version may know.  A reference that is not known here passes."""
        if self.profile < MIN_PROFILE:
            raise UnsupportedError(f"needs a newer lmzip: profile {self.profile}")
        if not self.is_short and self._named_by == CONTENT:
            raise UnsupportedError(f"needs a newer lmzip: a long frame that starts {self.packed[:6].hex()}")
        if self._named_by == RECORD:
            self._check_record_known()
        _ = self.content  # raises for what is not known
        if self.context and self._kind() in (None, NET_KIND):
            raise UnsupportedError(f"needs a newer lmzip: context {self.context} without a model of tokens")
        dictionary = self.dictionary
        if dictionary and not MIN_SIZE_LOG <= dictionary.size_log <= MAX_SIZE_LOG:
            raise UnsupportedError(f"needs a newer lmzip: a dictionary of 2^{dictionary.size_log} bytes")
        if dictionary and self._kind() == FLOAT_KIND:
            raise UnsupportedError("needs a newer lmzip: a dictionary with a model in floating point")
        original = self.original
        if original and self._kind() in (TRANSFORMER_KIND, FLOAT_KIND):
            raise UnsupportedError("needs a newer lmzip: an original with a model of tokens")
        if original and (self.is_short or self.window or original.size_log > MAX_ORIGINAL_LOG):
            raise UnsupportedError(f"needs a newer lmzip: an original in a frame that starts {self.packed[:6].hex()}")

    def _check_record_known(self) -> None:
        kind, flags, _, fingerprint, _, _ = _RECORD.unpack_from(self.packed, 6)
        if kind not in MODEL_KINDS or flags:
            raise UnsupportedError(f"needs a newer lmzip: model kind {kind}, flags {flags:#04x}")
        if not _is_fingerprint_of(kind, fingerprint):
            raise UnsupportedError(f"needs a newer lmzip: {MODEL_KINDS[kind]} with fingerprint {fingerprint.hex()}")

    def _kind(self) -> int | None:
        """Return the kind of the frame's model, None where it has none."""
        if self._named_by == RECORD:
            return self.packed[6]
        model = self.model()
        return model.kind if model else None

    @property
    def _named_by(self) -> int:
        return (self.packed[4] & MODEL_BITS) >> MODEL_SHIFT

    def model(self) -> ModelRecord | None:
        """The model's record, None where the base codes alone; asked for after check_known().

        Raises DamagedError for names that are not text.
        """
        if self._named_by == REFERENCE:
            return _parse_reference(self.packed[6 : 6 + REFERENCE_SIZE])
        if self._named_by != RECORD:
            return None
        kind, _, digest, fingerprint, name, numerics = _RECORD.unpack_from(self.packed, 6)
        return ModelRecord(kind, digest, fingerprint, _parse_text(name, "name"), _parse_text(numerics, "numerics"))


def pack_header(
    profile: int,
    model: ModelRecord | None = None,
    *,
    context: int = 0,
    short: bool = False,
    n_lanes: int = 1,
    content: Content = BYTES,
    window_log: int = 0,
    dictionary: DictionaryRecord | OriginalRecord | None = None,
) -> FrameHeader:
    """Return the header of a frame; without a model the base codes alone.

    short: for a frame of one small block; n_lanes and content: of that block, 1 and bytes for one that is stored.
    window_log: one of WINDOW_LOGS, for a frame of several.  dictionary: what blocks of bytes begin behind, or the
    original that they have copies of.  Raises ValueError for what a header cannot say.
    """
    is_of_tokens = model is not None and model.is_of_tokens
    if not MIN_PROFILE <= profile <= MAX_PROFILE or not 0 <= context <= MAX_CONTEXT * is_of_tokens:
        raise ValueError(f"no header has profile {profile} and context {context}")
    if n_lanes not in ((1, 2, 4, MAX_SHORT_LANES) if short else (1,)):
        raise ValueError(f"no header has {n_lanes} lanes")
    if window_log not in WINDOW_LOGS[: 1 if short else None]:
        raise ValueError(f"no header has a window of 2^{window_log} bytes")
    last_bits = n_lanes.bit_length() - 1 if short else WINDOW_LOGS.index(window_log)
    settings = profile | context << 4 | last_bits << LANES_SHIFT
    named_by, packed = NO_MODEL, b""
    if model is not None:
        named_by = REFERENCE if model.is_referenced else RECORD
        packed = model.digest[:REFERENCE_SIZE] if model.is_referenced else model.pack()
    if content != BYTES:
        if not short or model is not None:
            raise ValueError("only a short frame without a model has a content in its header")
        named_by, packed = CONTENT, pack_content(content)
    flags = VERSION | SHORT_FLAG * short | named_by << MODEL_SHIFT
    if dictionary is not None:
        is_original = isinstance(dictionary, OriginalRecord)
        if model is not None and model.is_of_tokens and (is_original or model.kind == FLOAT_KIND):
            raise ValueError("no header has an original with a model of tokens, or a dictionary with one that floats")
        if window_log and is_original:
            raise ValueError("no header has an original and a window")
        flags |= DICTIONARY_FLAG
        packed += dictionary.pack(short=short)
    return FrameHeader(MAGIC + bytes([flags, settings]) + packed)


def header_size(start: bytes) -> int:
    """Return the size of a header from its first START_SIZE bytes.

    Raises NotLmzipError for another magic, UnsupportedError for another version and for flags of later ones.
    """
    if start[:4] != MAGIC:
        raise NotLmzipError("not in lmzip format")
    version, named_by = start[4] & VERSION_BITS, (start[4] & MODEL_BITS) >> MODEL_SHIFT
    if version != VERSION or named_by not in _SIZES:
        raise UnsupportedError(f"needs a newer lmzip: format version {version}, flags {start[4] & ~VERSION_BITS:#04x}")
    of_dictionary = SHORT_DICTIONARY_SIZE if start[4] & SHORT_FLAG else DICTIONARY_SIZE
    return _SIZES[named_by] + of_dictionary * bool(start[4] & DICTIONARY_FLAG)
