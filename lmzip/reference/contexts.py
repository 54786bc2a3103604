"""Lanes and their contexts (ARITHMETIC 7)."""

from __future__ import annotations

M32 = 0xFFFFFFFF
MAX_FIELDS = 64
MAX_STRIDE = 2047

SPACE, LOWER, UPPER, DIGIT, NEWLINE, OTHER, MARKUP, HIGH = range(8)


def hash2(a: int, b: int) -> int:
    h = (a * 0x9E3779B1 + b * 0x85EBCA6B + 0x2F0B4C47) & M32
    return h ^ h >> 15


def hash3(a: int, b: int, c: int) -> int:
    return hash2(hash2(a, b), c)


def byte_class(byte: int) -> int:
    char = chr(byte)
    if byte >= 128:
        return HIGH
    if "a" <= char <= "z":
        return LOWER
    if "A" <= char <= "Z":
        return UPPER
    if "0" <= char <= "9":
        return DIGIT
    if char == "\n":
        return NEWLINE
    if byte <= 32:
        return SPACE
    return MARKUP if char in '<>&=/"' else OTHER


class Shared:
    """What the lanes of a block learn together about followers of bytes and the length of records."""

    def __init__(self) -> None:
        self.indirect1 = [0] * 256
        self.indirect2 = [0] * 65536
        self.stride = 0
        self.stride_score = [0] * (MAX_STRIDE + 1)


class Lane:
    """The place of one chunk: raw[start:end], decoded up to position.

    n_before: bytes of a dictionary that raw begins with, and that stand as if right before the chunk.
    """

    def __init__(self, raw: bytearray, start: int, end: int, n_before: int = 0) -> None:
        self.raw = raw
        self.n_before = n_before
        self.start = self.position = start
        self.end = end
        self.history = 0
        self.words = [0, 0, 0]
        self.class_history = 0
        self.line_start = self.above_start = start
        self.first_byte = 0
        self.field = self.field_hash = 0
        self.field_start = start
        self.field_starts = [start]
        self.above_fields: list[int] = []
        self.last_seen = [0] * 256
        self.last_gap = [0] * 256
        self.match_length = [0, 0]
        self.match_pointer = [0, 0]

    def begin_behind(self, other: Lane) -> None:
        """Begin as the lane of the dictionary ended, moved so that it ends where this one begins."""
        moved = self.start - other.position
        self.history, self.class_history, self.words = other.history, other.class_history, list(other.words)
        self.line_start, self.above_start = other.line_start + moved, other.above_start + moved
        self.first_byte, self.field, self.field_hash = other.first_byte, other.field, other.field_hash
        self.field_start = other.field_start + moved
        self.field_starts = [at + moved for at in other.field_starts]
        self.above_fields = [at + moved for at in other.above_fields]
        self.last_seen, self.last_gap = [at + moved for at in other.last_seen], list(other.last_gap)
        self.match_length, self.match_pointer = list(other.match_length), list(other.match_pointer)

    def byte(self, at: int) -> int:
        """Return the byte at a place of the lane, which may be in the dictionary before it."""
        return self.raw[at if at >= self.start else at - self.start + self.n_before]

    def byte_before(self, at: int, end: int, otherwise: int) -> int:
        return self.byte(at) if at < end else otherwise

    def set_contexts(self, shared: Shared) -> dict[str, int]:
        """Return the value of every kind of context for the byte at self.position."""
        at, history = self.position, self.history
        last, older, c1 = history & M32, history >> 32, history & 255
        column = at - self.line_start
        above = self.byte_before(self.above_start + column, self.line_start, 10)
        field = min(self.field, MAX_FIELDS - 1)
        field_above = field_above_next = 0
        if field < len(self.above_fields):
            p = self.above_fields[field] + at - self.field_start
            field_above = self.byte_before(p, self.line_start, 0)
            field_above_next = self.byte_before(p + 1, self.line_start, 0)
        stride = shared.stride or 4
        seen = at - self.start + self.n_before
        record_above = self.byte(at - stride) if seen >= stride else 0
        record_above2 = self.byte(at - 2 * stride) if seen >= 2 * stride else 0
        record_above_left = self.byte(at - stride - 1) if seen > stride else 0
        word0, word1, word2 = self.words
        return {
            "ORDER_1": c1,
            "ORDER_2": last & 0xFFFF,
            "ORDER_3": last & 0xFFFFFF,
            "ORDER_4": last,
            "ORDER_6": hash2(last, older & 0xFFFF),
            "ORDER_8": hash2(last, older),
            "WORD": hash2(word0, c1),
            "WORD_1": hash3(word0, word1, c1),
            "WORD_2": hash2(word0, word2),
            "SPARSE_2": last & 0xFF00,
            "SPARSE_23": last & 0xFFFF00,
            "SPARSE_13": last & 0xFF00FF,
            "COLUMN": hash2(column, above),
            "FIELD_ABOVE": hash3(field, field_above | field_above_next << 8, c1),
            "FIELD_PREFIX": hash3(field_above, self.field_hash, self.first_byte),
            "RECORD": hash3(record_above | record_above2 << 8, seen % stride, stride),
            "RECORD_LEFT": hash3(record_above | record_above_left << 8, c1, stride),
            "INDIRECT_1": hash2(shared.indirect1[c1], c1),
            "INDIRECT_2": hash2(shared.indirect2[last & 0xFFFF], c1),
            "LANE_ORDER_3": hash2(self.start, last & 0xFFFFFF),
            "LANE_WORD": hash3(self.start, word0, c1),
            "FIELD": hash2(self.field_hash, field),
        }

    def update_stride(self, shared: Shared, byte: int) -> None:
        at = self.position
        gap = (at - self.last_seen[byte]) & M32
        score = shared.stride_score
        if gap == self.last_gap[byte] and 1 < gap <= MAX_STRIDE:
            unbounded = score[gap] + (32 if gap > 64 else 16)
            score[gap] = min(unbounded, 60000)
            if unbounded > 2048 and (shared.stride == 0 or unbounded > score[shared.stride]):
                shared.stride = gap
        self.last_gap[byte] = gap
        self.last_seen[byte] = at
        if at % 1024 == 0:
            shared.stride_score = [s - s // 8 for s in score]

    def update_word(self, byte: int, kind: int) -> None:
        if kind in (LOWER, UPPER, HIGH):
            letter = byte + 32 if kind == UPPER else byte
            h = (self.words[0] + letter) * 0x2F0B4C47 & M32
            self.words[0] = h ^ h >> 13
        elif self.words[0]:
            self.words = [0, self.words[0], self.words[1]]

    def update_line(self, byte: int, kind: int) -> None:
        if self.position - self.line_start == 1:
            self.first_byte = byte
        if kind == NEWLINE:
            self.above_start = self.line_start
            self.line_start = self.field_start = self.position
            self.above_fields = self.field_starts
            self.field = self.field_hash = 0
            self.field_starts = [self.position]
        elif kind in (SPACE, OTHER, MARKUP):
            self.field += 1
            self.field_hash = hash2(byte, 1)
            self.field_start = self.position
            if self.field < MAX_FIELDS:
                self.field_starts.append(self.position)
        else:
            self.field_hash = hash2(self.field_hash, byte)

    def update_history(self, shared: Shared, byte: int) -> None:
        """Take in the byte at self.position and move on."""
        kind = byte_class(byte)
        self.update_stride(shared, byte)
        one, two = self.history & 255, self.history & 0xFFFF
        shared.indirect1[one] = (shared.indirect1[one] << 8 | byte) & 0xFFFFFF
        shared.indirect2[two] = (shared.indirect2[two] << 8 | byte) & 0xFFFF
        self.history = (self.history << 8 | byte) & 0xFFFFFFFFFFFFFFFF
        self.class_history = (self.class_history << 3 | kind) & 511
        self.position += 1
        self.update_word(byte, kind)
        self.update_line(byte, kind)
