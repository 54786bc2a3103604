"""A transformer by itself, without what lmzip mixes it with: its exact weights of bytes and a range coder, both ways.

As in the paper the code of a chunk is all there is: no header, no length.  Chunks are lanes of the engine: each begins
behind the start alone, whatever the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lmzip.models import transformer_file, weights
from lmzip.native.llama import Transformer
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

MAX_LANES = 64
_LEAST = 1 << 8  # of a probability in units of 2^-32


def load(path: Path) -> Transformer:
    """Return the transformer of a weight file over the 256 bytes; raises ValueError for another vocabulary."""
    config, _ = weights.inspect(path)
    if config["n_vocab"] != 256:
        raise ValueError(f"{path}: not a model of bytes")
    return transformer_file.load(path, config)


def trees(e: np.ndarray) -> np.ndarray:
    """Return (n, 512): of weights e (n, 256), the sum of those below each node; the leaf of a byte is 256 + byte."""
    tree = np.zeros((len(e), 512), np.int64)
    tree[:, 256:] = e
    for level in (128, 64, 32, 16, 8, 4, 2, 1):
        below = tree[:, 2 * level : 4 * level]
        tree[:, level : 2 * level] = below[:, ::2] + below[:, 1::2]
    return tree


def code_byte(coder: RangeEncoder | RangeDecoder, tree: list[int], byte: int) -> int:
    """Code a byte as eight decisions; a decoder does not look at `byte`."""
    node = 1
    for i in range(7, -1, -1):
        p1 = (tree[2 * node + 1] << 32) // tree[node]
        node = 2 * node + coder.code_bit(byte >> i & 1, min(max(p1, _LEAST), (1 << 32) - _LEAST))
    return node & 255


def _code(model: Transformer, coders: list, chunks: list[bytes] | None, size: int) -> list[bytes]:
    """Code chunks of one size beside each other; return them."""
    walk, out = model.walk(len(coders)), [bytearray() for _ in coders]
    for at in range(size):
        for i, tree in enumerate(trees(np.asarray(walk.predict()).reshape(len(coders), 256)).tolist()):
            out[i].append(code_byte(coders[i], tree, chunks[i][at] if chunks else 0))
        walk.learn([data[-1] for data in out])
    return [bytes(data) for data in out]


def encode(model: Transformer, chunks: list[bytes]) -> list[bytes]:
    """Return the code of each of up to 64 chunks of one size."""
    coders = [RangeEncoder() for _ in chunks]
    _code(model, coders, chunks, len(chunks[0]))
    return [coder.finish() for coder in coders]


def decode(model: Transformer, codes: list[bytes], size: int) -> list[bytes]:
    """Return the chunks, of `size` bytes each, that codes stand for; raises ValueError for a damaged one."""
    coders = [RangeDecoder(code) for code in codes]
    chunks = _code(model, coders, None, size)
    for coder in coders:
        coder.check_end()
    return chunks


def coded_size(model: Transformer, chunks: list[bytes], report: Callable[[int], None] = lambda n: None) -> int:
    """Return the bytes of the codes of chunks of one size, each decoded and compared; raises ValueError otherwise."""
    total = 0
    for first in range(0, len(chunks), MAX_LANES):
        group = chunks[first : first + MAX_LANES]
        codes = encode(model, group)
        if decode(model, codes, len(group[0])) != group:
            raise ValueError("the transformer does not give its input back")
        total += sum(map(len, codes))
        report(len(group))
    return total


def code_length(model: Transformer, chunks: list[bytes]) -> float:
    """Return -sum log2 p of chunks of one size, in bits, p being e / sum of e."""
    symbols = np.frombuffer(b"".join(chunks), np.uint8).reshape(len(chunks), -1).T
    total = 0.0
    walk = model.walk(len(chunks))
    for row in symbols:
        e = np.asarray(walk.predict()).reshape(len(chunks), 256).astype(np.float64)
        total -= float(np.log2(e[np.arange(len(chunks)), row] / e.sum(1)).sum())
        walk.learn(row.tolist())
    return total
