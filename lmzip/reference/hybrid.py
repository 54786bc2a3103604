"""Methods with a net (ARITHMETIC 8.10): the net predicts each byte, and the n-gram predictor's mixer takes it in."""

from __future__ import annotations

import numpy as np

from lmzip.reference import net as net_
from lmzip.reference.ngram import Ngram


class View:
    """What the sums of a tree say of a byte."""

    def __init__(self, tree: np.ndarray) -> None:
        self.tree = tree
        self.top = net_.top(tree)

    def stretch(self, c0: int) -> int:
        return net_.stretch(self.tree, c0)

    def confidence(self, c0: int) -> int:
        return net_.confidence(self.stretch(c0))

    def forced_bit(self, c0: int) -> None:
        return None


def hybrid(raw_size: int, method: int, n_lanes: int, weight_file: bytes) -> Ngram:
    """Return the predictor of a block whose method has a net; weight_file: the bytes of a safetensors file."""
    net = net_.Net.from_bytes(weight_file)
    states = [net.initial_state() for _ in range(n_lanes)]
    return Ngram(raw_size, method, n_lanes, lambda lane, history: View(net.step(history, states[lane])))
