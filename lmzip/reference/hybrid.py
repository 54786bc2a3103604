"""Blocks with a net (ARITHMETIC 8.3): the net predicts each byte, and the n-gram predictor's mixer takes it in."""

from __future__ import annotations

import json

import numpy as np

from lmzip.reference import net as net_
from lmzip.reference.ngram import Ngram


class NetTree:
    """What the sums of a tree say of a byte."""

    def __init__(self, tree: np.ndarray) -> None:
        self.tree = tree
        self.top = net_.tree_top(tree)

    def stretch(self, c0: int) -> int:
        return net_.tree_stretch(self.tree, c0)

    def confidence(self, c0: int) -> int:
        return net_.stretch_confidence(self.stretch(c0))

    def forced_bit(self, c0: int) -> None:
        return None


def hybrid(raw_size: int, profile: int, n_lanes: int, weight_file: bytes, dictionary: bytes = b"") -> Ngram:
    """Return the predictor of a block with a net; weight_file: the bytes of a safetensors file."""
    net = net_.Net.from_bytes(weight_file)
    states = [net.initial_state()]

    def byte_tree(lane: int, history: int) -> NetTree:
        return NetTree(net.step(history, states[lane]))

    ngram = Ngram(raw_size, profile, n_lanes, byte_tree, dictionary=dictionary)  # which learns the dictionary
    states += [[layer.copy() for layer in states[0]] for _ in range(n_lanes - 1)]
    return ngram


def has_tokens(weight_file: bytes) -> bool:
    """Return whether a weight file holds a model of tokens (TRANSFORMER 11), not a net."""
    header = json.loads(weight_file[8 : 8 + int.from_bytes(weight_file[:8], "little")])
    return json.loads(header["__metadata__"]["lmzip"])["format"].startswith("transformer-")
