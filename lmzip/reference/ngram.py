"""The n-gram predictor (ARITHMETIC 6 to 9): contexts to bit histories to probabilities to one mixed probability.

An expert, where a block has one, comes in as trees of what it predicts (hybrid.py, tokens.py): inputs and selectors of
the mixer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from lmzip.reference import tables
from lmzip.reference.contexts import DIFFERENT, DIGIT, MAX_FIELDS, SAME, Lane, Shared
from lmzip.reference.first_weights import FirstWeights
from lmzip.reference.hashing import M32, hash2
from lmzip.reference.instructions import X86, X86_64
from lmzip.reference.mixing import (
    APM_ROW,
    SQUASH,
    STRETCH_LIMIT,
    Cell,
    bounded,
    clamp,
    mix_dot,
    mix_gradient,
    mix_train,
    power_above,
    squash,
)
from lmzip.reference.profiles import ALONE, CODE_CONTEXTS, KIND_NUMBERS, OF_BYTES, OF_RECORDS, OF_TOKENS, PROFILES
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

MAX_MATCH = 65535
MATCH_MINIMUM = (12, 5)
SURE_MATCH = 16  # length from which on no other match is looked for
MOST_MISSES = 12  # of the last 16 bytes, with which a match goes on

STATES, SUCCESSORS = tables.build_states()
STATE_P = [tables.initial_probability(state) for state in STATES]


def length_bucket(length: int) -> int:
    if length < 16:
        return length
    if length < 32:
        return 16 + (length - 16) // 4
    return min(20 + (length - 32) // 16, 31)


def match_bucket(length: int, misses: int) -> int:
    """Return the cell of a match; misses: of the last 16 bytes, those that it missed, a bit each."""
    if not misses:
        return length_bucket(length)
    n = misses.bit_count()
    few = 0 if n < 2 else 1 if n < 4 else 2 if n < 6 else 3
    return 32 + 8 * few + (length if length < 5 else 5 if length < 8 else 6 if length < 16 else 7)


def peers_row(lane: Lane, c0: int, i: int) -> int:
    """Return what the peers say of bit i, from 1 on; 0 if the first one says nothing."""
    bits = [1 + (b >> (7 - i) & 1) if b >> (8 - i) == c0 else 0 for b in lane.peer_byte]
    if not bits[0]:
        return 0
    relation = 0 if lane.relation[0] == SAME else 1 if lane.relation[0] == DIFFERENT else 2
    return ((relation * 3 + bits[0]) * 3 + bits[1]) * 8 + (lane.class_history & 7)


class ByteTree(Protocol):
    """What an expert predicts of a byte (ARITHMETIC 8.3)."""

    top: int  # the byte it expects most

    def stretch(self, c0: int) -> int:
        """Return the stretch of the next bit behind the known bits c0."""

    def confidence(self, c0: int) -> int:
        """Return how far that bit's probability is from one half."""

    def forced_bit(self, c0: int) -> int | None:
        """Return that bit where no other can follow, so that it is not coded."""


class Listener:
    """Stands in for a coder where bits are known and none is written."""

    def code_bit(self, bit: int | None, p1: int) -> int:
        assert bit is not None
        return bit


class Ngram:
    """All state of one block.  Tables are dicts with the initial value as default: they are mostly untouched.

    dictionary: what the block begins behind, at the start of raw.  byte_tree: lane index and history to what the expert
    predicts of the lane's next byte; None for the base alone.  machine: whose code the block has (FORMAT 4.9), or 0.
    """

    def __init__(
        self,
        raw_size: int,
        profile: int,
        n_lanes: int,
        byte_tree: Callable[[int, int], ByteTree] | None = None,
        *,
        has_tokens: bool = False,
        dictionary: bytes = b"",
        machine: int = 0,
    ) -> None:
        alone, beside_bytes, beside_tokens = PROFILES[profile]
        shape = alone if byte_tree is None else beside_tokens if has_tokens else beside_bytes
        if shape is None:
            raise ValueError(f"profile {profile} takes no such model")
        one_lane, several_lanes, self.n_own_lines, self.n_sets, self.n_apms, slots_per_byte, lines_bits = shape
        self.byte_tree = byte_tree
        self.prior = ALONE if byte_tree is None else OF_TOKENS if has_tokens else OF_BYTES
        self.kinds = (several_lanes if n_lanes > 1 else one_lane).split()
        self.has_fields = "PEER_PREFIX" in self.kinds
        self.is_code = machine in (X86, X86_64) and self.has_fields and byte_tree is None and not dictionary
        unit = 0 if byte_tree is None else 2 if has_tokens else 1
        self.first_weights = FirstWeights(profile, unit, self.is_code)
        if self.is_code:
            self.kinds = CODE_CONTEXTS.split()
        self.n_before = len(dictionary)
        self.raw = bytearray(dictionary + bytes(raw_size))
        self.chunk_size = -(-raw_size // n_lanes)
        starts = [self.n_before + min(i * self.chunk_size, raw_size) for i in range(n_lanes + 1)]
        self.lanes = [
            Lane(self.raw, start, end, self.n_before, number, machine if self.is_code else 0)
            for number, (start, end) in enumerate(zip(starts, starts[1:], strict=False))
        ]
        size = raw_size
        if dictionary:
            size = len(dictionary) + (1 << 16 if raw_size <= 1 << 16 else 1 << 30)
        self.size = size
        self.n_lines = min(size * slots_per_byte // 4 + 64, 1 << lines_bits) & ~1
        self.match_mask = power_above(size + 64, 1 << 22) - 1
        self.shared = Shared(power_above(size + 64, 1 << 16) - 1)
        self.apm_mask = power_above(2 * size + 256, 1 << 16) - 1
        self.lines: dict[int, list[list[int]]] = {}
        # Each context has two maps: the second behind a digit.
        self.maps = [[[Cell(p, self.prior.map_count) for p in STATE_P] for _ in range(2)] for _ in self.kinds]
        self.direct: list[dict[int, Cell]] = [{}, {}]
        self.match_table: list[dict[int, int]] = [{}, {}]
        self.match_map = [[Cell(65536 - 65536 // (i % 32 + 3)) for i in range(64)] for _ in range(2)]
        self.weights: list[dict[int, list[int]]] = [{} for _ in range(self.n_sets)]
        self.final_weights: dict[int, list[int]] = {}
        self.apms: list[dict[int, list[int]]] = [{} for _ in range(self.n_apms)]
        self.next_contexts = [self.contexts_of(lane) for lane in self.lanes]
        if dictionary and not has_tokens:  # where there are tokens, who knows them learns it
            with self.learning():
                for position in self.positions():
                    self.code_byte(Listener(), dictionary[position])

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Within: the block is the dictionary, in one lane.  After it the block's lanes begin behind that."""
        lanes, chunk_size, n_before = self.lanes, self.chunk_size, self.n_before
        self.lanes, self.chunk_size, self.n_before = [Lane(self.raw, 0, n_before)], n_before, 0
        self.next_contexts = [self.contexts_of(self.lanes[0])]
        yield
        for lane in lanes:
            lane.begin_behind(self.lanes[0])
        self.lanes, self.chunk_size, self.n_before = lanes, chunk_size, n_before
        self.next_contexts = [self.contexts_of(lane) for lane in self.lanes]

    def positions(self) -> Iterator[int]:
        """Yield the position of each byte in the order of coding; code_byte must be called once for each."""
        for _ in range(self.chunk_size):
            self.start_step()
            for lane_index, lane in enumerate(self.lanes):
                if lane.position < lane.end:
                    self.enter(lane_index)
                    yield lane.position

    def start_step(self) -> None:
        """Begin a step of all lanes: the learning rate falls with the bytes that are coded."""
        n_coded = self.n_before + sum(lane.position - lane.start for lane in self.lanes)
        self.first_rate = 64 + self.prior.rate_extra // (n_coded + 4000)

    def enter(self, lane_index: int) -> None:
        """Turn to a lane."""
        self.lane_index, self.lane = lane_index, self.lanes[lane_index]

    def contexts_of(self, lane: Lane) -> dict[str, int]:
        return lane.set_contexts(self.shared, self.is_known)

    # --- matches, ARITHMETIC 6.3

    def is_known(self, at: int) -> bool:
        return at < self.n_before or (at < self.lanes[-1].end and at < self.lane_of(at).position)

    def lane_of(self, at: int) -> Lane:
        """Return the lane of a place behind the dictionary."""
        return self.lanes[(at - self.n_before) // self.chunk_size]

    def seen_before(self, at: int) -> bytes:
        """Return the bytes before a place in the dictionary, or in its chunk and the dictionary before that."""
        if at < self.n_before:
            return bytes(self.raw[max(0, at - MAX_MATCH) : at])
        return self.seen_in_chunk(self.lane_of(at).start, at)

    def seen_in_chunk(self, start: int, at: int) -> bytes:
        own = self.raw[max(start, at - MAX_MATCH) : at]
        return bytes((self.raw[max(0, self.n_before - MAX_MATCH) : self.n_before] + own)[-MAX_MATCH:])

    def common_length(self, p: int) -> int:
        n, here, there = 0, self.seen_in_chunk(self.lane.start, self.lane.position), self.seen_before(p)
        while n < min(len(here), len(there)) and there[-1 - n] == here[-1 - n]:
            n += 1
        return n

    def find_matches(self) -> list[int]:
        """Return the two expected bytes behind a leading one, 0 where there is no match."""
        lane, at = self.lane, self.lane.position
        expected = [0, 0]
        for k in range(2):
            if at - lane.start + self.n_before < MATCH_MINIMUM[k]:
                continue
            value = lane.history << 24 & 0xFFFFFFFFFFFFFFFF if k else lane.history
            h = (value * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 32
            if k == 0:
                oldest = bytes(lane.byte(at - m) for m in (12, 11, 10, 9))
                h = (h ^ int.from_bytes(oldest, "little")) * 0x2F0B4C47 & M32
            entry = h >> 10 & self.match_mask
            if not self.is_known(lane.match_pointer[k]):
                lane.match_pointer[k] = lane.match_length[k] = lane.match_misses[k] = 0
            if lane.match_length[k] < SURE_MATCH:
                p = self.match_table[k].get(entry, 0)
                n = self.common_length(p) if p and p != lane.match_pointer[k] and self.is_known(p) else 0
                if n >= MATCH_MINIMUM[k] and n > lane.match_length[k]:
                    lane.match_pointer[k], lane.match_length[k], lane.match_misses[k] = p, n, 0
            self.match_table[k][entry] = at
            if lane.match_pointer[k]:
                expected[k] = self.raw[lane.match_pointer[k]] | 256
        return expected

    # --- slots, ARITHMETIC 6.2

    def find_slot(self, line: int, check: int) -> list[int]:
        slots = self.lines.setdefault(line, [[0] * 16 for _ in range(4)])
        check = check or 1
        for slot in slots:
            if slot[0] == check:
                return slot
        oldest = min(slots, key=lambda slot: slot[1])
        oldest[:] = [check] + [0] * 15
        return oldest

    def place(self, context: int) -> tuple[int, int]:
        h = context * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        return (h >> 32) * self.n_lines >> 32, h >> 24 & 255

    # --- one byte, ARITHMETIC 2 and 9

    def code_byte(self, coder: RangeEncoder | RangeDecoder | Listener, byte: int | None) -> None:
        lane = self.lane
        values = self.next_contexts[self.lane_index]
        is_in_records = lane.in_records()
        kinds = [OF_RECORDS.get(kind, kind) if is_in_records else kind for kind in self.kinds]
        hashes = [hash2(values[kind], KIND_NUMBERS[kind]) for kind in kinds]
        places = [self.place(h) for h in hashes]
        slots = [self.find_slot(line, check) for line, check in places]
        expected = self.find_matches()
        tree = self.byte_tree(self.lane_index, lane.history) if self.byte_tree else None
        c0 = 1
        for i in range(8):
            if i == 4:
                for j, (line, check) in enumerate(places):
                    if j < self.n_own_lines:
                        line, check = self.place((hashes[j] + c0 * 0x2F0B4C47) & M32)
                    else:
                        line, check = line ^ 1, (check + c0 * 0x9D) & 255
                    slots[j] = self.find_slot(line, check)
            bit = None if byte is None else byte >> (7 - i) & 1
            c0 = c0 << 1 | self.code_bit(coder, bit, c0, i, slots, expected, tree)
        byte = c0 & 255
        self.raw[lane.position] = byte
        for k in range(2):
            if lane.match_pointer[k]:
                is_missed = self.raw[lane.match_pointer[k]] != byte
                lane.match_misses[k] = (lane.match_misses[k] << 1 | is_missed) & 0xFFFF
                lane.match_length[k] = 0 if is_missed else min(lane.match_length[k] + 1, MAX_MATCH)
                lane.match_pointer[k] += 1
                if lane.match_misses[k].bit_count() > MOST_MISSES:
                    lane.match_pointer[k] = lane.match_misses[k] = 0
        lane.update_history(self.shared, byte)
        self.next_contexts[self.lane_index] = self.contexts_of(lane)

    def code_bit(
        self,
        coder: RangeEncoder | RangeDecoder | Listener,
        bit: int | None,
        c0: int,
        i: int,
        slots: list[list[int]],
        expected: list[int],
        tree: ByteTree | None,
    ) -> int:
        lane, history = self.lane, self.lane.history
        node = c0 & ((1 << (i & 3)) - 1) | 1 << (i & 3)
        apm_expected = expected[0] or expected[1]

        states = [slot[node] for slot in slots]
        is_behind_digit = lane.class_history & 7 == DIGIT
        cells = [maps[is_behind_digit][state] for maps, state in zip(self.maps, states, strict=True)]
        inputs = [cell.stretch() if state else 0 for cell, state in zip(cells, states, strict=True)]
        inputs += [cell.confidence() if state else 0 for cell, state in zip(cells, states, strict=True)]
        if tree:
            inputs += [tree.stretch(c0), tree.confidence(c0)]
        direct = [
            self.direct[0].setdefault(c0, Cell(1 << 15)),
            self.direct[1].setdefault((history & 255) << 8 | c0, Cell(1 << 15)),
        ]
        inputs += [cell.stretch() for cell in direct]
        matches: list[tuple[int, Cell, int]] = []
        for k in range(2):
            if expected[k] and expected[k] >> (8 - i) == c0:
                cell = self.match_map[k][match_bucket(lane.match_length[k], lane.match_misses[k])]
                expected_bit = expected[k] >> (7 - i) & 1
                sign = 1 if expected_bit else -1
                inputs += [sign * cell.stretch(), sign * cell.confidence()]
                matches.append((k, cell, expected_bit))
            else:
                expected[k] = 0
                inputs += [0, 0]
        inputs.append(512)

        length = lane.match_length[matches[0][0]] if matches else 0
        match_class = 0 if length < 1 else 1 if length < 16 else 2 if length < 32 else 3
        n_shared = sum(state != 0 for state in states[:7])
        select = [c0, history & 255, history >> 8 & 255, lane.class_history, (n_shared * 4 + match_class) * 8 + i]
        if tree:
            select = [*select[: self.n_sets - 1], tree.top]
        like = lane.class_history & 63
        if lane.instruction:
            like = lane.instruction.place()
            select[2] = like * 4 + match_class
        elif self.has_fields:
            said = peers_row(lane, c0, i)
            if said and not lane.in_records():
                select[1] = 255 + said
            select[2] = min(lane.field, MAX_FIELDS - 1) * 4 + match_class
        chosen = []
        for s, number in enumerate(select[: self.n_sets]):
            if number not in self.weights[s]:
                self.weights[s][number] = self.first_weights.of_set(s, number, len(inputs))
            chosen.append(self.weights[s][number])
        layer = [clamp(mix_dot(inputs, weights), STRETCH_LIMIT) for weights in chosen]
        finals = []
        for number in (c0, 256 + like * 4 + match_class):
            if number not in self.final_weights:
                self.final_weights[number] = self.first_weights.of_final(number)
            finals.append(self.final_weights[number])
        mean = [(first + second) >> 1 for first, second in zip(*finals, strict=True)]
        mixed = clamp(mix_dot(layer, mean), STRETCH_LIMIT)
        p_mixed = squash(mixed)

        salt = (c0 * 0x2F0B4C47 & M32) >> 3
        rows = [
            c0 | (history & 255) << 8,
            ((history & 0xFFFF) * 0x9E3779B1 & M32) >> 8 ^ salt,
            (apm_expected * 0x85EBCA6B & M32) >> 7 ^ salt,
        ]
        if tree and self.n_apms:
            rows[self.n_apms - 1 :] = [((tree.top | (history & 255) << 8) * 0xC2B2AE35 & M32) >> 8 ^ salt]
        place = mixed + 12288
        low, weight = place // 768, place % 768 // 3
        apm_rows = [self.apms[a].setdefault(rows[a] & self.apm_mask, list(APM_ROW)) for a in range(self.n_apms)]
        refined = sum(row[low] * (256 - weight) + row[low + 1] * weight for row in apm_rows)
        p = {0: p_mixed, 3: (p_mixed + refined) >> 2, 4: (4 * p_mixed + 3 * refined) >> 4}[self.n_apms]

        forced_bit = tree.forced_bit(c0) if tree else None
        bit = coder.code_bit(bit, bounded(p) << 8) if forced_bit is None else forced_bit

        for row in apm_rows:
            cell_index = low + (weight >> 7)
            row[cell_index] += ((65535 if bit else 0) - row[cell_index] + 16) >> 5
        for weights in finals:
            mix_train(layer, weights, mix_gradient(bit, p_mixed, self.prior.final_rate))
        for stretch, weights in zip(layer, chosen, strict=True):
            mix_train(inputs, weights, mix_gradient(bit, SQUASH[(stretch + 12292) >> 3], self.first_rate))
        for slot, state, cell in zip(slots, states, cells, strict=True):
            cell.update(bit)
            slot[node] = SUCCESSORS[state][bit]
        for cell in direct:
            cell.update(bit)
        for k, cell, expected_bit in matches:
            cell.update(int(bit == expected_bit))
            if bit != expected_bit:
                expected[k] = 0
        return bit
