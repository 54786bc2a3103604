"""A transformer by itself, without what lmzip mixes it with: its exact weights of bytes and a range coder, both ways.

As in the paper the code of a chunk is all there is: no header, no length.  Chunks are lanes of the engine: each begins
behind the start alone, whatever the others are.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from lmzip.models import transformer_file, weights
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder
from lmzip.weights.safetensors import SafetensorsFile

MAX_LANES = 64
_LEAST = 1 << 8  # of a probability in units of 2^-32


class Alone:
    """The transformer of a weight file with its tokens, which are the 256 bytes or longer strings."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, UnsupportedError."""
        config, _ = weights.inspect(path)
        self.model = transformer_file.load(path, config)
        with SafetensorsFile(path) as file:
            self.strings = transformer_file.read_token_bytes(file)
        self.numbers = {string: number for number, string in enumerate(self.strings)}
        self.is_bytes = len(self.strings) == 256
        self.tokenizer = None if self.is_bytes else transformer_file.tokenizer(path, config)
        self.n_levels = (len(self.strings) - 1).bit_length()

    def cut(self, chunk: bytes) -> list[int]:
        """Return the tokens of a chunk."""
        if self.tokenizer is None:
            return list(chunk)
        ends = list(accumulate(self.tokenizer.sizes(chunk), initial=0))
        return [self.numbers[chunk[start:end]] for start, end in pairwise(ends)]

    def trees(self, e: np.ndarray) -> np.ndarray:
        """Return (n, 2^(levels + 1)): of weights e (n, n_vocab), the sum of those below each node."""
        n_leaves = 1 << self.n_levels
        tree = np.zeros((len(e), 2 * n_leaves), np.int64)
        tree[:, n_leaves : n_leaves + e.shape[1]] = e
        for level in reversed(range(self.n_levels)):
            first = 1 << level
            below = tree[:, 2 * first : 4 * first]
            tree[:, first : 2 * first] = below[:, ::2] + below[:, 1::2]
        return tree

    def code_token(self, coder: RangeEncoder | RangeDecoder, tree: np.ndarray, token: int) -> int:
        """Code a token as decisions down a tree; a decoder does not look at `token`."""
        node = 1
        for i in reversed(range(self.n_levels)):
            p1 = (int(tree[2 * node + 1]) << 32) // int(tree[node])
            node = 2 * node + coder.code_bit(token >> i & 1, min(max(p1, _LEAST), (1 << 32) - _LEAST))
        return node - (1 << self.n_levels)

    def _code(self, coders: list, cuts: list[list[int]] | None, size: int) -> list[bytes]:
        """Code chunks of one size beside each other; return them."""
        walk, out = self.model.walk(len(coders)), [bytearray() for _ in coders]
        at = 0
        while any(len(data) < size for data in out):
            trees = self.trees(np.asarray(walk.predict()).reshape(len(coders), -1))
            last = [0] * len(coders)  # of those that have ended, whatever it is
            for i, data in enumerate(out):
                if len(data) < size:
                    last[i] = self.code_token(coders[i], trees[i], cuts[i][at] if cuts else 0)
                    if last[i] >= len(self.strings):
                        raise ValueError("damaged: no such token")
                    data += self.strings[last[i]]
            walk.learn(last)
            at += 1
        return [bytes(data) for data in out]

    def encode(self, chunks: list[bytes]) -> list[bytes]:
        """Return the code of each of up to 64 chunks of one size."""
        coders = [RangeEncoder() for _ in chunks]
        self._code(coders, [self.cut(chunk) for chunk in chunks], len(chunks[0]))
        return [coder.finish() for coder in coders]

    def decode(self, codes: list[bytes], size: int) -> list[bytes]:
        """Return the chunks, of `size` bytes each, that codes stand for; raises ValueError for a damaged one."""
        coders = [RangeDecoder(code) for code in codes]
        chunks = self._code(coders, None, size)
        for coder in coders:
            coder.check_end()
        return chunks

    def coded_size(self, chunks: list[bytes]) -> int:
        """Return the bytes of the codes of chunks of one size, each decoded and compared; raises ValueError."""
        total = 0
        for first in range(0, len(chunks), MAX_LANES):
            group = chunks[first : first + MAX_LANES]
            codes = self.encode(group)
            if self.decode(codes, len(group[0])) != group:
                raise ValueError("the transformer does not give its input back")
            total += sum(map(len, codes))
        return total

    def code_length(self, chunk: bytes) -> float:
        """Return -sum log2 p of a chunk, in bits, p being e / sum of e."""
        tokens = self.cut(chunk)
        e = np.asarray(self.model.run(tokens)).reshape(len(tokens), -1).astype(np.float64)
        return -float(np.log2(e[np.arange(len(tokens)), tokens] / e.sum(1)).sum())
