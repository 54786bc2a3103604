"""Blocks with a model of tokens (TRANSFORMER 12): a transformer predicts each token, coded as a path of bytes.

Works with byte strings themselves, not with a tree of them: what begins with a prefix is looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, islice

import numpy as np
from safetensors.numpy import load

from lmzip.reference import net as net_
from lmzip.reference.contexts import M32, Lane, hash2, hash3
from lmzip.reference.mixing import (
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
from lmzip.reference.ngram import Listener, Ngram, length_bucket
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder
from lmzip.reference.transformer import Transformer

MAX_LANES = 64
LEAST_P = 256  # in units of 2^-32, of stopping and of going on
MAX_STOP_CELLS = 1 << 20
BOUNDARY_WEIGHT = 5368709  # first weight of an input but the expert


class Vocabulary:
    """The tokens of a weight file by number, and by prefix."""

    def __init__(self, tokens: list[bytes]) -> None:
        assert tokens == sorted(set(tokens)) and {bytes([byte]) for byte in range(256)} <= set(tokens)
        self.tokens = tokens
        self.numbers = {token: number for number, token in enumerate(tokens)}
        prefixes = {token[:size] for token in tokens for size in range(len(token) + 1)}
        self.prefixes = {p: n for n, p in enumerate(sorted(prefixes, key=lambda p: (len(p), p)))}
        self.longer: dict[bytes, list[int]] = defaultdict(list)  # the tokens that a prefix begins and is not
        for number, token in enumerate(tokens):
            for size in range(len(token)):
                self.longer[token[:size]].append(number)

    @classmethod
    def from_bytes(cls, weight_file: bytes) -> Vocabulary:
        tensors = load(weight_file)
        data, ends = tensors["vocabulary"].tobytes(), np.cumsum(tensors["vocabulary.size"].astype(int)).tolist()
        return cls([data[start:end] for start, end in zip([0, *ends], ends, strict=False)])

    def longest_tokens(self, data: bytes) -> list[bytes]:
        """Return data cut from its first byte on into the longest token each time."""
        tokens, at = [], 0
        while at < len(data):
            size = 1
            longest = data[at : at + 1]
            while at + size <= len(data) and data[at : at + size] in self.prefixes:
                if data[at : at + size] in self.numbers:
                    longest = data[at : at + size]
                size += 1
            tokens.append(longest)
            at += len(longest)
        return tokens


class NoTree:
    """What is said of a byte where nothing is known."""

    top = 0

    def forced_bit(self, c0: int) -> None:
        return None

    def stretch(self, c0: int) -> int:
        return 0

    def confidence(self, c0: int) -> int:
        return 0


class TokenTree:
    """What exponentials of tokens say of the byte behind a prefix."""

    def __init__(self, vocabulary: Vocabulary, prefix: bytes, e: list[int]) -> None:
        sums: dict[int, int] = defaultdict(int)
        for number in vocabulary.longer[prefix]:
            sums[vocabulary.tokens[number][len(prefix)]] += e[number]
        self.total = sum(sums.values())
        shift = max(0, self.total.bit_length() - 30)
        tree = [0] * 512
        for byte, exponentials in sums.items():
            tree[256 + byte] = max(1, exponentials >> shift)
        for node in range(255, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        assert tree[1] < 1 << 31
        self.tree = np.array(tree, np.int64)
        self.top = int(np.argmax(self.tree[256:]))  # the first of these

    def forced_bit(self, c0: int) -> int | None:
        """Return the next bit where no token has the other."""
        if self.tree[2 * c0] and self.tree[2 * c0 + 1]:
            return None
        assert self.tree[c0]
        return int(not self.tree[2 * c0])

    def stretch(self, c0: int) -> int:
        bit = self.forced_bit(c0)
        if bit is not None:
            return STRETCH_LIMIT if bit else -STRETCH_LIMIT
        return net_.tree_stretch(self.tree, c0)

    def confidence(self, c0: int) -> int:
        return net_.stretch_confidence(self.stretch(c0))


def end_probability(e: int, others: int) -> int:
    """Return 2^32 times the probability of a token with the exponential e beside longer ones with the sum `others`."""
    shift = max(0, (e + others).bit_length() - 31)
    p = (e << (32 - shift)) // (e + others >> shift)
    return max(LEAST_P, min((1 << 32) - LEAST_P, p))


class TokenBoundary:
    """What is learned of where tokens end: the transformer's view, mixed with how text was cut before."""

    def __init__(self, ngram: Ngram) -> None:
        self.ngram = ngram
        self.mask = power_above(2 * ngram.size + 1024, MAX_STOP_CELLS) - 1
        self.cells: dict[int, Cell] = {}
        self.match_map = [[Cell(65536 - 65536 // (i + 3)) for i in range(32)] for _ in range(2)]
        self.weights = [1 << 28] + [BOUNDARY_WEIGHT] * 7
        self.is_end = bytearray(len(ngram.raw) + 1)  # of each position: whether a token ended there

    def contexts(self, lane: Lane, start: int, number: int) -> list[int]:
        """Return four hashes for a token that began at start and a prefix by its number."""
        last, older = lane.history & M32, lane.history >> 32
        before = lane.byte(start - 1) if start > lane.start - lane.n_before else 0
        return [
            hash2(number, 0),
            hash3(number, before, 1),
            hash3(last, older & 0xFFFF, lane.position - start),
            hash3(number, lane.words[0], lane.words[1]),
        ]

    def code_token_end(
        self,
        coder: RangeEncoder | RangeDecoder | Listener,
        lane: Lane,
        start: int,
        number: int,
        p: int,
        stops: int | None,
    ) -> int:
        """Code whether a token from start on ends with the prefix of that number; p: what the transformer says."""
        hashes = [hash2(context, i) & self.mask for i, context in enumerate(self.contexts(lane, start, number))]
        cells = [self.cells.setdefault(h, Cell(1 << 15)) for h in hashes]
        inputs = [clamp((net_.natural_log(p) - net_.natural_log(M32 - p) + 512) >> 10, STRETCH_LIMIT)]
        inputs += [cell.stretch() if cell.n else 0 for cell in cells]
        matches: list[tuple[Cell, int]] = []
        for k in range(2):
            if lane.match_length[k]:
                cell, expected = (
                    self.match_map[k][length_bucket(lane.match_length[k])],
                    self.is_end[lane.match_pointer[k]],
                )
                inputs.append(cell.stretch() if expected else -cell.stretch())
                matches.append((cell, expected))
            else:
                inputs.append(0)
        inputs.append(512)
        p_mixed = squash(clamp(mix_dot(inputs, self.weights), STRETCH_LIMIT))
        bit = coder.code_bit(stops, bounded(p_mixed) << 8)
        mix_train(inputs, self.weights, mix_gradient(bit, p_mixed, self.ngram.first_rate))
        for cell in cells:
            cell.update(bit)
        for cell, expected in matches:
            cell.update(int(bit == expected))
        return bit


class TokenCoder:
    """One block: the n-gram predictor with a view of each byte, and a lane's last token and its transformer's state."""

    def __init__(
        self, raw_size: int, profile: int, n_lanes: int, context: int, weight_file: bytes, dictionary: bytes = b""
    ) -> None:
        assert 1 <= n_lanes <= MAX_LANES
        self.vocabulary = Vocabulary.from_bytes(weight_file)
        self.transformer = Transformer.from_bytes(weight_file)
        self.ngram = Ngram(
            raw_size, profile, n_lanes, lambda lane, history: self.tree, has_tokens=True, dictionary=dictionary
        )
        self.boundary = TokenBoundary(self.ngram)
        self.last = [self.transformer.n_vocab] * n_lanes
        self.states = [self.transformer.initial_state(context) for _ in range(n_lanes)]
        if dictionary:
            self.learn(dictionary)
            self.last = self.last[:1] * n_lanes
            self.states = [self.states[0].copy() for _ in range(n_lanes)]

    def learn(self, dictionary: bytes) -> None:
        """Let the base learn the dictionary alone up to the last tokens that the window holds, and these with all."""
        ngram, tokens = self.ngram, self.vocabulary.longest_tokens(dictionary)
        for end in accumulate(map(len, tokens)):
            self.boundary.is_end[end] = 1
        tail = tokens[-(self.states[0].window - 1) :]
        n_alone = len(dictionary) - sum(map(len, tail))
        with ngram.learning():
            self.tree: TokenTree | NoTree = NoTree()
            for position in islice(ngram.positions(), n_alone):
                ngram.code_byte(Listener(), dictionary[position])
            for token in tail:
                ngram.start_step()
                ngram.enter(0)
                self.code_token(Listener(), 0, token)

    def code_block(self, coder: RangeEncoder | RangeDecoder, raw: bytes | None, token_sizes: bytes = b"") -> bytes:
        """Code all steps; raw and the sizes of its tokens, lane by lane, for an encoder."""
        ngram = self.ngram
        tokens = None if raw is None else self.cut(raw, token_sizes)
        for _ in range(ngram.chunk_size):
            ngram.start_step()
            for lane_index, lane in enumerate(ngram.lanes):
                if lane.position < lane.end:
                    ngram.enter(lane_index)
                    self.code_token(coder, lane_index, next(tokens[lane_index]) if tokens else None)
        return bytes(ngram.raw[ngram.n_before :])

    def cut(self, raw: bytes, token_sizes: bytes) -> list[Iterator[bytes]]:
        """Return each lane's tokens; raises ValueError where a piece of a chunk is none."""
        sizes = iter(token_sizes)
        lanes = []
        for lane in self.ngram.lanes:
            tokens, at, end = [], lane.start - lane.n_before, lane.end - lane.n_before
            while at < end:
                size = next(sizes, 0)
                token = raw[at : min(at + size, end)]
                if len(token) != size or token not in self.vocabulary.numbers:
                    raise ValueError("these are not the sizes of tokens")
                tokens.append(token)
                at += size
            lanes.append(iter(tokens))
        if next(sizes, None) is not None:
            raise ValueError("these are not the sizes of tokens")
        return lanes

    def code_token(self, coder: RangeEncoder | RangeDecoder | Listener, lane_index: int, token: bytes | None) -> None:
        """Code the next token of a lane, None for a decoder."""
        vocabulary, lane = self.vocabulary, self.ngram.lane
        e = [int(x) for x in self.transformer.step(self.last[lane_index], self.states[lane_index])]
        prefix, start = b"", lane.position
        while True:
            self.tree = tree = TokenTree(vocabulary, prefix, e)
            number = vocabulary.numbers.get(prefix)
            if number is not None:
                if not vocabulary.longer[prefix] or lane.position == lane.end:
                    break
                stops = None if token is None else int(token == prefix)
                p = end_probability(e[number], tree.total)
                if self.boundary.code_token_end(coder, lane, start, vocabulary.prefixes[prefix], p, stops):
                    break
            if lane.position == lane.end:
                raise ValueError("damaged payload: no token ends with the chunk")
            self.ngram.code_byte(coder, None if token is None else token[len(prefix)])
            prefix += bytes([lane.history & 255])
        self.boundary.is_end[lane.position] = 1
        self.last[lane_index] = number
