"""Learn the weights that the mixer of bytes starts from (ARITHMETIC 8.4), and write them to where they stand.

    scripts/train_mixer.py --data work/data --binaries work/binaries [--shapes max,max_bytes]
    scripts/train_mixer.py --write | --check

The kernel codes many small pieces of the training text and of binary files (collect_documents.py --binary), one after
the other, and after each the first weights go some of the way to what the piece's weights came to (Reptile, Nichol and
others 2018, arXiv 1803.02999), in large steps at first.  A row that no piece has chosen gets the mean of its set's.
Pieces are drawn by a seed, so the same files give the same weights.  They go to
lmzip/reference/first_weights.safetensors; --write makes the kernel's copy and the digest in ARITHMETIC of that, as
training does in the end; --check tells whether all agree.  Make the vectors anew then.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load, save

from lmzip.block import X86, X86_64, BlockSpec
from lmzip.codec.programs import machine_of
from lmzip.models.registry import Registry
from lmzip.native.addresses import body_without_copies
from lmzip.native.mixer import learn_weights
from lmzip.training.net.data import Corpus

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "lmzip" / "reference" / "first_weights.safetensors"
KERNEL = ROOT / "lmzip" / "native" / "src" / "first_weights.inc"
DOCUMENT = ROOT / "docs" / "ARITHMETIC.md"

UNIT = 1 << 22  # of what is written, in units of weights, 1.0 being 2^28
STEPS = ((600, 0.3), (2000, 0.1), (4000, 0.03), (3000, 0.01))
LEAST, MOST = 10, 14.8  # binary logarithms of the bytes of a piece; code is coded as such in large blocks alone
LEAST_CODE, MOST_CODE = 13, 17
SOME = 500  # bytes that a piece has at least
WEIGHTS = {  # of kinds of documents, for 1: how often they are drawn
    "gutenberg": 3, "enwiki2015_clean": 3, "enwiki2015_early": 2, "wikixml": 2, "debian": 5, "docs": 5, "logs": 2,
    "logs_elastic": 2, "po": 2, "multilingual_wesnoth": 6, "code/python": 3, "code/c": 3, "code/html": 3,
    "code/javascript": 2, "data/json": 3,
}  # fmt: skip
BINARY_SHARE = 0.12  # of pieces that are of binary files


class Shape(NamedTuple):
    """A shape of the base as blocks have it, and the equal weights that learning begins with."""

    profile: int
    model: str  # of its expert; "": none
    n_contexts: int
    base: float  # of each input of the base but confidences and the bias
    expert: tuple[float, ...] = ()  # of its stretch and confidence

    def row(self, n_inputs: int) -> np.ndarray:
        """Return the weights of a row, in units of 2^-28."""
        weights = [self.base] * self.n_contexts + [0.0] * self.n_contexts + [*self.expert] + [self.base] * 6
        return np.rint(np.array(weights + [0.0] * (n_inputs - len(weights))) * 2.0**28)


ALONE, OF_BYTES, OF_TOKENS = (0.124,), (0.06, (0.4, 0.06)), (0.02, (0.9, -0.06))
CODE, TRANSFORMER = "code", "max_tokens"
FEWER = {CODE: 8, TRANSFORMER: 40}  # pieces: they are longer, or take longer
SHAPES = {
    "fast": Shape(1, "", 4, *ALONE),
    "quick": Shape(2, "", 8, *ALONE),
    "full": Shape(3, "", 12, *ALONE),
    "max": Shape(4, "", 19, *ALONE),
    CODE: Shape(4, "", 19, *ALONE),
    "light_bytes": Shape(5, "bytelm-s", 11, *OF_BYTES),
    "max_bytes": Shape(6, "bytelm3", 19, *OF_BYTES),
    TRANSFORMER: Shape(6, "smollm2", 19, *OF_TOKENS),
}


class Pieces:
    """Pieces of the training text and of binary files, drawn at random."""

    def __init__(self, folder: Path, binaries: Path, seed: int) -> None:
        """Raises OSError, ValueError as Corpus.mapped does; ValueError for no binary files."""
        self.corpus = Corpus.mapped(folder, "train")
        packages: dict[str, list[np.ndarray]] = {}
        for file in sorted(file for file in binaries.rglob("*") if file.is_file()):
            packages.setdefault(file.name.split("__")[0], []).append(np.fromfile(file, np.uint8))
        self.packages = list(packages.values())
        if not packages:
            raise ValueError(f"{binaries}: no files")
        self.random = np.random.default_rng(seed)
        kinds = self.corpus.kinds
        self.documents = [np.flatnonzero(self.corpus.kind == i) for i in range(len(kinds))]
        pairs = zip(kinds, self.documents, strict=True)
        weights = np.array([WEIGHTS.get(kind, 1.0) * (len(documents) > 0) for kind, documents in pairs])
        self.shares = weights / weights.sum()

    def draw(self) -> tuple[bytes, int]:
        """Return a piece, half of the time the beginning of a document, and no machine."""
        while True:
            if self.random.random() < BINARY_SHARE:
                document = self._binary()
            else:
                kind = self.random.choice(len(self.shares), p=self.shares)
                document = self.corpus.document(int(self.random.choice(self.documents[kind])))
            size = int(2 ** self.random.uniform(LEAST, MOST))
            at = 0 if self.random.random() < 0.5 else int(self.random.integers(max(1, len(document) - size + 1)))
            if len(piece := document[at : at + size].tobytes()) >= SOME:
                return piece, 0

    def draw_code(self) -> tuple[bytes, int]:
        """Return a piece of a program, converted, and whose code it is (lmzip.block.X86 ...)."""
        while (machine := machine_of(binary := self._binary())) not in (X86, X86_64):
            pass
        size = int(2 ** self.random.uniform(LEAST_CODE, MOST_CODE))
        at = int(self.random.integers(max(1, len(binary) - size + 1)))
        return bytes(body_without_copies(binary[at : at + size], machine).coded), machine

    def _binary(self) -> np.ndarray:
        package = self.packages[self.random.integers(len(self.packages))]
        return package[self.random.integers(len(package))]


def fill(rows: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Return rows of weights, with the mean of the others in the place of those that are still equal."""
    has_learned = (rows != equal).any(axis=1)
    return np.where(has_learned[:, None], rows, rows[has_learned].mean(axis=0))


def quantised(weights: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(weights / UNIT), -127, 127).astype(np.int8)


def learn(name: str, data: Path, binaries: Path) -> dict[str, np.ndarray]:
    """Return the first weights of a shape: `name.sets`, (rows, n_inputs) int8, and `name.finals`, (512, n_sets)."""
    shape = SHAPES[name]
    model: Any = Registry().model(shape.model) if shape.model else None
    expert = model.expert() if model else None
    pieces = Pieces(data, binaries, seed=1)

    def code(first: list[np.ndarray]) -> tuple[int, int, list[np.ndarray]]:
        raw, machine = pieces.draw_code() if name == CODE else pieces.draw()
        spec = BlockSpec(len(raw), shape.profile, uses_model=model is not None, n_lanes=1, machine=machine)
        sizes = model.token_sizes(raw, spec) if name == TRANSFORMER else b""
        start = [w.astype(np.int32).tobytes() for w in first]
        size, parts = learn_weights(raw, spec, start, expert, token_sizes=sizes)
        return len(raw), size, [np.frombuffer(part, np.int32).astype(np.float64) for part in parts]

    *sets, finals = code([])[2]
    row = shape.row(len(sets[0]) // 256)
    first = [np.tile(row, len(w) // len(row)) for w in sets] + [np.full(len(finals), 2.0**28 // len(sets))]
    for n_pieces, step in STEPS:
        total = [0, 0]
        for _ in range(n_pieces // FEWER.get(name, 1)):
            raw_size, size, came_to = code(first)
            for w, to in zip(first, came_to, strict=True):
                w += step * (to - w)
            total = [total[0] + raw_size, total[1] + size]
        print(f"{name}: step {step}, {total[1]} of {total[0]} bytes", flush=True)
    rows = [fill(w.reshape(-1, len(row)), row) for w in first[:-1]]
    last = first[-1].reshape(2, 256, -1)[..., : len(sets)]
    equal = np.full(len(sets), 2.0**28 // len(sets))
    filled = [fill(half, equal) for half in last]
    return {f"{name}.sets": quantised(np.concatenate(rows)), f"{name}.finals": quantised(np.concatenate(filled))}


def kernel_text(tensors: dict[str, np.ndarray]) -> str:
    """Return the kernel's copy."""
    parts = ["/* Made by scripts/train_mixer.py; ARITHMETIC 8.4.  Do not edit. */\n"]
    for name in SHAPES:
        for part in ("sets", "finals"):
            values = tensors[f"{name}.{part}"].ravel().tolist()
            lines = textwrap.fill(" ".join(f"{v}," for v in values), 120).replace(", ", ",")
            parts.append(f"static const int8_t {name}_{part}[{len(values)}] = {{\n{lines}}};\n")
    return "\n".join(parts)


def document_text(digest: str) -> str:
    """Return ARITHMETIC with the digest of the file."""
    return re.sub(r"(?<=whose SHA-256 is\n`)[0-9a-f]{64}", digest, DOCUMENT.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder that prepare_data.py made")
    parser.add_argument("--binaries", type=Path, help="a folder that collect_documents.py --binary made")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="which of %(default)s; others stay as they are")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="only write the kernel's copy and the digest")
    parser.add_argument("--check", action="store_true", help="only compare these with the file")
    options = parser.parse_args()
    if bool(options.data) != bool(options.binaries):
        parser.error("--data and --binaries belong together")
    if options.data:
        with ProcessPoolExecutor(options.jobs) as pool:
            learned = [pool.submit(learn, name, options.data, options.binaries) for name in options.shapes.split(",")]
            for of_shape in as_completed(learned):
                FILE.write_bytes(save(load(FILE.read_bytes()) | of_shape.result()))
    packed = FILE.read_bytes()
    made = {KERNEL: kernel_text(load(packed)), DOCUMENT: document_text(hashlib.sha256(packed).hexdigest())}
    if options.check:
        return int(any(path.read_text() != text for path, text in made.items()))
    for path, text in made.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
