"""Batches of training windows: streams of documents, augmented anew at every visit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmzip.training.net.contexts import WINDOW

RESET, SKIP = 1, 2  # marks: the state is zero before this byte; this byte is not to be predicted


@dataclass
class Augmentation:
    """How often a document is changed, and how: what a frozen net would otherwise be brittle to (docs/MODELS.md)."""

    crlf: float = 0.15  # documents whose line ends become CRLF
    cut: float = 0.4  # documents begun in the middle, however short; long ones are in any case
    reset: float = 0.6  # pieces that start from a zero state; the others follow the state of the piece before
    piece: int = 40_000  # bytes of a document at most, at a visit


class Corpus:
    """The documents of a split, each of a kind.

    data: (start[n],) uint8, all documents end to end; start: (n + 1,) int64, where each begins, in bytes; kind: (n,)
    integers, indices into kinds.  Raises ValueError for documents without text.
    """

    def __init__(self, data: np.ndarray, start: np.ndarray, kind: np.ndarray, kinds: list[str]) -> None:
        if start[-1] == 0:
            raise ValueError("no text")
        if len(data) != start[-1]:
            raise ValueError(f"{len(data)} bytes of documents, not {start[-1]}")
        self.bytes, self.start, self.kind, self.kinds = data, start, kind, kinds

    @classmethod
    def of(cls, documents: Sequence[tuple[str, bytes]]) -> Corpus:
        """Return the corpus of documents with their kinds, in the order given; raises ValueError without text."""
        kinds = sorted({kind for kind, _ in documents})
        start = np.cumsum([0, *(len(data) for _, data in documents)])
        data = np.frombuffer(b"".join(data for _, data in documents), np.uint8)
        return cls(data, start, np.array([kinds.index(kind) for kind, _ in documents], np.int16), kinds)

    @classmethod
    def mapped(cls, folder: Path, split: str) -> Corpus:
        """Return a split as prepare_data.py writes it, mapped into memory.

        Raises OSError, and ValueError for a split without text or of files that do not belong together.
        """
        with np.load(folder / f"{split}.npz") as table:
            start, kind, kinds = table["start"], table["kind"], [str(k) for k in table["kinds"]]
        path = folder / f"{split}.bin"
        try:
            return cls(np.memmap(path, np.uint8, "r") if start[-1] else np.zeros(0, np.uint8), start, kind, kinds)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def fingerprint(self) -> str:
        """Return a hash of the sizes and kinds of the documents, which tells corpora apart without reading them."""
        table = hashlib.sha256(self.start.tobytes())
        table.update(self.kind.tobytes())
        table.update("\0".join(self.kinds).encode())
        return table.hexdigest()

    def document(self, i: int) -> np.ndarray:
        """Return document i, (size,) uint8."""
        return self.bytes[self.start[i] : self.start[i + 1]]

    def sampling(self, weights: dict[str, float], piece: int) -> np.ndarray:
        """Return the cumulative probability of visiting each document: its pieces times the weight of its kind.

        So that each byte is read equally often but for the weight: a visit reads at most `piece` bytes.
        Raises ValueError for weights of kinds that are not there, below zero, or all zero.
        """
        unknown = set(weights) - set(self.kinds)
        if unknown:
            raise ValueError(f"no such kinds of documents: {', '.join(sorted(unknown))}")
        weight = np.array([weights.get(kind, 1.0) for kind in self.kinds])
        mass = np.maximum(1, np.diff(self.start) / piece) * weight[self.kind]
        if weight.min() < 0 or mass.sum() == 0:
            raise ValueError("weights of kinds of documents are to be at least zero, and above it somewhere")
        return np.cumsum(mass / mass.sum())


class Stream:
    """An endless sequence of pieces of documents, in windows of T bytes; its order depends on its seed alone."""

    def __init__(self, corpus: Corpus, sampling: np.ndarray, augmentation: Augmentation, seed: int) -> None:
        self.corpus, self.sampling, self.augmentation = corpus, sampling, augmentation
        self.random = np.random.default_rng(seed)
        self.pending = np.zeros(0, np.uint8)
        self.marks = np.zeros(0, np.uint8)  # of the pending bytes
        self.history = np.zeros(WINDOW, np.uint8)

    def _next_piece(self) -> None:
        a, random = self.augmentation, self.random
        i = int(np.searchsorted(self.sampling, random.random()))
        document = self.corpus.document(min(i, len(self.sampling) - 1))  # the last sum may be just below 1
        begin = 0
        if random.random() < a.cut or (len(document) > a.piece and random.random() < 1 - a.piece / len(document)):
            begin = int(random.integers(0, max(1, len(document) - 500)))
        piece = document[begin : begin + a.piece]
        if random.random() < a.crlf:
            piece = np.frombuffer(piece.tobytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), np.uint8)
        marks = np.zeros(len(piece), np.uint8)
        if random.random() < a.reset:
            # What a lane sees at its start: eight zeros before it, which are not to be predicted, and a zero state.
            piece = np.concatenate([np.zeros(WINDOW, np.uint8), piece])
            marks = np.concatenate([np.full(WINDOW, SKIP, np.uint8), marks])
            marks[WINDOW : WINDOW + 1] = RESET
        self.pending, self.marks = piece, marks

    def window(self, T: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (8 + T,) bytes, the first eight of which stood before the window, and (T,) marks of the others."""
        out, marks, filled = np.empty(T, np.uint8), np.empty(T, np.uint8), 0
        while filled < T:
            if not len(self.pending):
                self._next_piece()
            n = min(T - filled, len(self.pending))
            out[filled : filled + n], marks[filled : filled + n] = self.pending[:n], self.marks[:n]
            self.pending, self.marks = self.pending[n:], self.marks[n:]
            filled += n
        seen = np.concatenate([self.history, out])
        self.history = seen[-WINDOW:]
        return seen, marks

    def state_dict(self) -> dict:
        arrays = {"pending": self.pending.copy(), "marks": self.marks.copy(), "history": self.history.copy()}
        return {"random": self.random.bit_generator.state, **arrays}

    def load_state_dict(self, state: dict) -> None:
        self.random.bit_generator.state = state["random"]
        self.pending, self.marks, self.history = (np.asarray(state[x]) for x in ("pending", "marks", "history"))
