"""Lanes and their contexts (ARITHMETIC 7)."""

from __future__ import annotations

from collections.abc import Callable

from lmzip.reference.hashing import M32, hash2, hash3
from lmzip.reference.instructions import Instruction

MAX_FIELDS = 64
MAX_STRIDE = 2047
ZEROS_APART = 4096  # bytes behind a zero byte that are taken for records, not lines

SAME, ONE_MORE, MORE, ONE_LESS, LESS, DIFFERENT = range(6)
WITH_DIGITS = 1  # the hash of every token that has a digit

SPACE, LOWER, UPPER, DIGIT, NEWLINE, OTHER, MARKUP, HIGH = range(8)


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


def relation_with(relation: int, byte: int, above: int) -> int:
    """Return how a field that was `relation` to its peer is to it with a byte more, the peer's being `above`."""
    are_digits = 48 <= byte <= 57 and 48 <= above <= 57
    more = byte - above
    if relation == SAME:
        if more == 0 or not are_digits:
            return SAME if more == 0 else DIFFERENT
        if more > 0:
            return ONE_MORE if more == 1 else MORE
        return ONE_LESS if more == -1 else LESS
    if relation == ONE_MORE:
        return ONE_MORE if are_digits and more == -9 else MORE
    if relation == ONE_LESS:
        return ONE_LESS if are_digits and more == 9 else LESS
    return relation


class Shared:
    """What the lanes of a block learn together about followers of bytes, the length of records and fields."""

    def __init__(self, peer_mask: int) -> None:
        self.indirect1 = [0] * 256
        self.indirect2 = [0] * 65536
        self.stride = 0
        self.stride_score = [0] * (MAX_STRIDE + 1)
        self.peer_mask = peer_mask
        self.peer_table: list[dict[int, int]] = [{}, {}]


class Lane:
    """The place of one chunk: raw[start:end], decoded up to position.

    n_before: bytes of a dictionary that raw begins with, and that stand as if right before the chunk.
    number: among the lanes of the block.  machine: whose code it has if its instructions are contexts, else 0.
    """

    def __init__(self, raw: bytearray, start: int, end: int, n_before: int = 0, number: int = 0, machine=0) -> None:
        self.raw = raw
        self.number = number
        self.n_before = n_before
        self.instruction = Instruction(machine) if machine else None
        self.start = self.position = start
        self.end = end
        self.history = 0
        self.words = [0, 0]
        self.class_history = 0
        self.line_start = self.above_start = start
        self.first_byte = 0
        self.field = self.field_hash = 0
        self.field_start = start
        self.token = self.shape = self.last_shape = 0
        self.name = self.key = 0
        self.peer = [0, 0]
        self.peer_byte, self.peer_next = [0, 0], [0, 0]
        self.relation, self.last_relation = [SAME, SAME], [SAME, SAME]
        self.last_seen = [0] * 256
        self.last_gap = [0] * 256
        self.match_length = [0, 0]
        self.match_pointer = [0, 0]
        self.match_misses = [0, 0]

    def begin_behind(self, other: Lane) -> None:
        """Begin as the lane of the dictionary ended, moved so that it ends where this one begins."""
        moved = self.start - other.position
        self.history, self.class_history, self.words = other.history, other.class_history, list(other.words)
        self.line_start, self.above_start = other.line_start + moved, other.above_start + moved
        self.first_byte, self.field, self.field_hash = other.first_byte, other.field, other.field_hash
        self.field_start = other.field_start + moved
        self.token, self.shape, self.last_shape = other.token, other.shape, other.last_shape
        self.name, self.key = other.name, other.key
        self.peer = list(other.peer)
        self.relation, self.last_relation = list(other.relation), list(other.last_relation)
        self.last_seen, self.last_gap = [at + moved for at in other.last_seen], list(other.last_gap)
        self.match_length, self.match_pointer = list(other.match_length), list(other.match_pointer)
        self.match_misses = list(other.match_misses)

    def byte(self, at: int) -> int:
        """Return the byte at a place of the lane, which may be in the dictionary before it."""
        return self.raw[at if at >= self.start else at - self.start + self.n_before]

    def byte_before(self, at: int, end: int, otherwise: int) -> int:
        return self.byte(at) if at < end else otherwise

    def set_contexts(self, shared: Shared, is_known: Callable[[int], bool]) -> dict[str, int]:
        """Return the value of every kind of context for the byte at self.position."""
        self.set_peer_bytes(is_known)
        at, history = self.position, self.history
        last, older, c1 = history & M32, history >> 32, history & 255
        column = at - self.line_start
        above = self.byte_before(self.above_start + column, self.line_start, 10)
        field = min(self.field, MAX_FIELDS - 1)
        peer_bytes = [here | after << 16 for here, after in zip(self.peer_byte, self.peer_next, strict=True)]
        relations = [r * 8 + last for r, last in zip(self.relation, self.last_relation, strict=True)]
        match = self.match_pointer[0]
        matched = self.raw[match] | 256 if match and is_known(match) else 0
        stride = shared.stride or 4
        seen = at - self.start + self.n_before
        record_above = self.byte(at - stride) if seen >= stride else 0
        record_above2 = self.byte(at - 2 * stride) if seen >= 2 * stride else 0
        record_above_left = self.byte(at - stride - 1) if seen > stride else 0
        word0, word1 = self.words
        of_code = self.instruction.contexts(last & 0xFFFF) if self.instruction else {}
        return of_code | {
            "ORDER_1": c1,
            "ORDER_2": last & 0xFFFF,
            "ORDER_3": last & 0xFFFFFF,
            "ORDER_4": last,
            "ORDER_6": hash2(last, older & 0xFFFF),
            "ORDER_8": hash2(last, older),
            "WORD": hash2(word0, c1),
            "WORD_1": hash3(word0, word1, c1),
            "SPARSE_2": last & 0xFF00,
            "SPARSE_23": last & 0xFFFF00,
            "COLUMN": hash2(column, above),
            "PEER": hash3(field, peer_bytes[0], relations[0]),
            "PEER_PREFIX": hash3(self.peer_byte[0], self.field_hash, self.first_byte),
            "RECORD": hash3(record_above | record_above2 << 8, seen % stride, stride),
            "RECORD_LEFT": hash3(record_above | record_above_left << 8, c1, stride),
            "INDIRECT_1": hash2(shared.indirect1[c1], c1),
            "INDIRECT_2": hash2(shared.indirect2[last & 0xFFFF], c1),
            "LANE_ORDER_3": hash2(self.start, last & 0xFFFFFF),
            "LINE_ORDER_2": hash2(self.line_start, last & 0xFFFF),
            "FIELD": hash2(self.field_hash, field),
            "ABOVE_PEER": hash3(peer_bytes[1], relations[1], 1),
            "MATCHED": hash3(matched, c1, min(self.match_length[0], 15)),
            "KEY": hash3(self.key, c1 if self.field else 0, at - self.field_start),
            "SHAPE": hash3(self.shape, c1, at - self.field_start),
            "SHAPES": hash3(self.last_shape, self.shape, peer_bytes[0]),
        }

    def in_records(self) -> bool:
        """Return whether the next byte is taken for one of a record of numbers: text has no zeros."""
        return self.last_seen[0] > 0 and (self.position - self.last_seen[0]) & M32 <= ZEROS_APART

    def set_peer_bytes(self, is_known: Callable[[int], bool]) -> None:
        for k in range(2):
            p = (self.peer[k] + self.position - self.field_start) & M32
            is_there = self.peer[k] > 0 and is_known(p)
            self.peer_byte[k] = self.raw[p] | 256 if is_there else 0
            self.peer_next[k] = self.raw[p + 1] if is_there and is_known(p + 1) else 0

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
            self.words = [0, self.words[0]]

    def update_line(self, shared: Shared, byte: int, kind: int) -> None:
        if self.position - self.line_start == 1:
            self.first_byte = byte
        if kind in (SPACE, NEWLINE, OTHER, MARKUP):
            self.update_key(byte)
            self.update_shape(byte)
        if kind == NEWLINE:
            self.above_start = self.line_start
            self.line_start = self.position
            self.field = self.field_hash = 0
        elif kind in (SPACE, OTHER, MARKUP):
            self.field += 1
            self.field_hash = hash2(byte, 1)
        else:
            self.field_hash = hash2(self.field_hash, byte)
            if kind == DIGIT:
                self.token = WITH_DIGITS
            elif self.token != WITH_DIGITS:
                self.token = hash2(self.token, byte)
            return
        self.field_start = self.position
        self.update_peers(shared)

    def update_key(self, byte: int) -> None:
        if self.position - self.field_start > 1:
            self.name = self.field_hash
        if byte == 10:
            self.key = 0
        elif chr(byte) in ":=>([":
            self.key = self.name

    def update_shape(self, byte: int) -> None:
        self.shape = hash3(self.shape, self.token, byte)
        self.token = 0
        if byte == 10:
            self.last_shape, self.shape = self.shape, 0

    def update_peers(self, shared: Shared) -> None:
        """Find what the next field is like, behind the byte that ended one."""
        for k, value in enumerate((self.shape, self.field)):
            entry = (hash2(value, self.number) * 0x9E3779B1 & M32) >> 16 & shared.peer_mask
            self.peer[k] = shared.peer_table[k].get(entry, 0)
            shared.peer_table[k][entry] = self.position
        self.last_relation, self.relation = self.relation, [SAME, SAME]

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
        self.relation = [relation_with(self.relation[k], byte, self.peer_byte[k] & 255) for k in range(2)]
        self.update_line(shared, byte, kind)
        if self.instruction:
            self.instruction.update(byte)
