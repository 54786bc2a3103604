"""The kernel with other starting values: compiled once, then linked anew with each prior."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from media_training import sources
from media_training.pieces import Piece
from media_training.sources import Place, Prior

_FLAGS = ["-std=c99", "-D_GNU_SOURCE", "-fno-wrapv", "-pthread", f"-I{sources.ROOT / 'lmzip/native/src'}"]


@dataclass(frozen=True)
class Observed:
    """What coding pieces came to."""

    sizes: list[int]  # of the payloads, in the order of the pieces
    means: dict[tuple[str, int], list[float]]  # of what was learned, by name and number of the list (driver.c)


class Kernel:
    """Codes pieces with any prior of a base, in several processes."""

    def __init__(self, folder: Path, optimise: str = "-O3", n_jobs: int | None = None) -> None:
        """Compile everything but the priors into a folder; raises OSError, CalledProcessError."""
        self.folder = folder
        self.n_jobs = n_jobs or os.cpu_count() or 1
        self.compiler = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), "cc")
        self.flags = [optimise, *_FLAGS]
        priors = [sources.ROOT / place.kernel for place in sources.PLACES]
        files = [path for path in sorted(priors[0].parent.glob("*.c")) if path not in priors]
        files.append(Path(__file__).with_name("driver.c"))
        self.objects = [folder / f"{path.stem}.o" for path in files]
        with ThreadPoolExecutor(self.n_jobs) as pool:
            list(pool.map(self._compile, files, self.objects))

    def _link(self, priors: dict[Place, Prior]) -> Path:
        program, objects = self.folder / "driver.program", [*self.objects]
        for place, prior in priors.items():
            source = self.folder / f"{place.name}.c"
            source.write_text(sources.c_text(place, prior))
            objects.append(source.with_suffix(".o"))
            self._compile(source, objects[-1])
        subprocess.run([self.compiler, *self.flags, "-o", program, *objects], check=True)
        return program

    def _compile(self, source: Path, target: Path) -> None:
        subprocess.run([self.compiler, *self.flags, "-c", "-o", target, source], check=True)

    def observe(self, place: Place, prior: Prior, pieces: list[Piece]) -> Observed:
        """Code pieces of a base with a prior of it; raises OSError, CalledProcessError."""
        program = self._link({other: sources.read(other) for other in sources.PLACES} | {place: prior})

        def code(part: list[Piece]) -> str:
            packed = b"".join(struct.pack("=8i", *piece[:-1], len(piece.raw)) + piece.raw for piece in part)
            return subprocess.run([program], input=packed, stdout=subprocess.PIPE, check=True).stdout.decode()

        parts = [pieces[i :: self.n_jobs] for i in range(self.n_jobs)]
        with ThreadPoolExecutor(self.n_jobs) as pool:
            outputs = [text.splitlines() for text in pool.map(code, parts)]
        return Observed(_sizes(outputs, len(pieces)), _means(outputs))


def _sizes(outputs: list[list[str]], n: int) -> list[int]:
    sizes = [0] * n
    for i, lines in enumerate(outputs):
        sizes[i :: len(outputs)] = [int(line.split()[1]) for line in lines if line.startswith("size ")]
    return sizes


def _means(outputs: list[list[str]]) -> dict[tuple[str, int], list[float]]:
    """Return sums over parts, divided by counts: each number stands as sum:count."""
    sums: dict[tuple[str, int], list[list[float]]] = {}
    for lines in outputs:
        for line in lines:
            name, number, *columns = line.split()
            if name != "size":
                pairs = [[float(v) for v in column.split(":")] for column in columns]
                known = sums.setdefault((name, int(number)), [[0.0, 0.0] for _ in pairs])
                for total, pair in zip(known, pairs, strict=True):
                    total[0] += pair[0]
                    total[1] += pair[1]
    return {key: [total / n if n else 0.0 for total, n in pairs] for key, pairs in sums.items()}
