"""What coding needs of tokens' weights, made in plain Python by the reference's trees."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np

from lmzip.native.predicted import Entries
from lmzip.reference.tokens import TokenTree, Vocabulary, end_probability


def some_weights(n_columns: int, n_vocab: int, seed: int) -> np.ndarray:
    """Return (n_columns, n_vocab) uint32 weights, from even ones to the most uneven, least and largest among them."""
    rng = np.random.default_rng(seed)
    exponents = rng.uniform(0, 31, (n_columns, n_vocab)) * rng.uniform(0, 1, (n_columns, 1))
    weights = np.floor(2.0**exponents).clip(1, 1 << 31)
    weights[0], weights[1] = 1, 1 << 31
    weights[rng.random(weights.shape) < 0.01] = 1 << 31
    return weights.astype(np.uint32)


def behind(vocabulary: Vocabulary, prefix: bytes, weights: list[int]) -> tuple[int | None, list[int]]:
    """Return 2^32 times the probability that a token ends at a prefix, None where it is none, and the leaves of the
    bytes that go on.
    """
    tree, number = TokenTree(vocabulary, prefix, weights), vocabulary.numbers.get(prefix)
    end = None if number is None else end_probability(weights[number], tree.total)
    return end, [leaf for leaf in tree.tree[256:].tolist() if leaf]


def is_decided(vocabulary: Vocabulary, prefix: bytes) -> bool:
    """Return whether more than one thing can come behind a prefix."""
    following = {vocabulary.tokens[number][len(prefix)] for number in vocabulary.longer[prefix]}
    return len(following) > (prefix not in vocabulary.numbers)


def path_of(vocabulary: Vocabulary, token: bytes) -> list[bytes]:
    """Return the prefixes of a token behind which something is decided."""
    return [token[:size] for size in range(len(token) + 1) if is_decided(vocabulary, token[:size])]


def entries_of(vocabulary: Vocabulary, wanted: Iterable[list[bytes]], weights: np.ndarray) -> Entries:
    """Return entries for prefixes, shuffled; wanted: those of each column; weights: (n_columns, n_vocab)."""
    columns, prefixes, ends, leaves_at, leaves = [0], [], [], [], [7]
    for some, row in zip(wanted, weights.tolist(), strict=True):
        for prefix in random.Random(len(prefixes)).sample(some, len(some)):
            end, found = behind(vocabulary, prefix, row)
            prefixes.append(vocabulary.prefixes[prefix])
            ends.append(end or 0)
            leaves_at.append(len(leaves))
            leaves += found
        columns.append(len(prefixes))
    arrays = zip((columns, prefixes, ends, leaves_at, leaves), ("Q", "I", "I", "Q", "I"), strict=True)
    return Entries(*(np.array(values, kind) for values, kind in arrays))


def fetch_from(weights: np.ndarray):
    """Return what fetches weights (n_columns, n_vocab)."""

    def fetch(columns: np.ndarray, firsts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return np.concatenate([weights[c, a:b] for c, a, b in zip(columns, firsts, ends, strict=True)])

    return fetch
