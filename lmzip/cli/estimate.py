"""--estimate and --max-time: what compressing a file would come to, from samples of it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from lmzip.cli.inputs import STDIN
from lmzip.cli.messages import Reporter, printable
from lmzip.cli.options import Options
from lmzip.cli.progress import duration
from lmzip.cli.results import put_json, put_result
from lmzip.errors import LmzipError
from lmzip.fileio import Source, open_source

# Pieces from all over a file, compressed as if they were one: the model learns from each for the others, as it will.
_N_PIECES = 16
_PIECE_SIZE = 1 << 15
_NET_PIECE_SIZE = 1 << 14  # a net needs several times as long
_NEARLY = 1.05  # xz counts as nearly as good up to this many times the size


@dataclass(frozen=True)
class Estimate:
    """What to expect; sizes in bytes, times in seconds."""

    model: str
    raw_size: int
    compressed_size: int
    bits_per_byte: float
    seconds: float  # of compression, verification included where it is on
    memory: int
    threads: int
    xz_size: int
    exact: bool  # the sample was the whole file


def sample(fd: int, size: int, piece_size: int) -> bytes:
    """Return a file's content if it is small, else pieces spread evenly over it; raises OSError."""
    if size <= _N_PIECES * piece_size:
        return os.pread(fd, size, 0)
    step = (size - piece_size) // (_N_PIECES - 1)
    return b"".join(os.pread(fd, piece_size, number * step) for number in range(_N_PIECES))


def _reader(data: bytes):
    """Return a read(size) function over bytes."""
    from io import BytesIO

    return BytesIO(data).read


def estimate(source: Source, options: Options) -> Estimate:
    """Return what compressing a regular file with these options would come to; raises OSError, LmzipError."""
    import lzma

    from lmzip import codec, levels
    from lmzip.codec.choice import choose

    choice, model = choose(options.level, options.chosen_model)
    raw_size = source.status.st_size
    data = sample(source.fd, raw_size, _NET_PIECE_SIZE if choice.has_net else _PIECE_SIZE)
    exact = len(data) == raw_size
    block_size = min(options.block_size or choice.block_size, max(1, raw_size))
    n_blocks = -(-raw_size // block_size)
    threads = max(1, min(options.threads or codec.available_threads(), n_blocks))
    start = time.monotonic()
    summary = codec.compress_stream(
        _reader(data),
        len,
        level=options.level,
        model=options.chosen_model,
        block_size=options.block_size,
        n_lanes=None if exact else levels.n_lanes(choice, block_size),
        threads=(options.threads or None) if n_blocks == 1 else 1,  # a single block may be worked on by two
    )
    seconds = time.monotonic() - start
    share = raw_size / len(data) if data else 1.0
    passes = 2 if options.verifies else 1
    return Estimate(
        model.name,
        raw_size,
        round(summary.compressed_size * share),
        summary.bits_per_byte,
        seconds * share * passes / threads,
        codec.compress_memory(options.level, block_size, threads, options.chosen_model),
        threads,
        round(len(lzma.compress(data, preset=9)) * share),
        exact,
    )


class Estimating:
    """Prints a line for each file."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self.options = options
        self.reporter = reporter

    def run(self, name: str, shown: str) -> None:
        """Estimate one file; raises LmzipError, OSError, OutputError."""
        if name == STDIN:
            raise LmzipError("cannot be estimated: --estimate needs a file")
        with open_source(name, in_place=False) as source:
            if not source.is_regular:
                raise LmzipError("cannot be estimated: it is a pipe")
            expected = estimate(source, self.options)
        if self.options.json:
            put_json({"name": shown, **vars(expected), "level": self.options.level})
            return
        about = "" if expected.exact else "about "
        xz_bits = 8 * expected.xz_size / expected.raw_size if expected.raw_size else 0.0
        parts = [
            f"model {printable(expected.model)}",
            f"{expected.raw_size} -> {about}{expected.compressed_size} bytes",
            f"{expected.bits_per_byte:.3f} bits/byte",
            f"about {duration(expected.seconds)}",
            f"{expected.memory / 1e6:.0f} MB of memory on {expected.threads} thread{'s' * (expected.threads > 1)}",
        ]
        nearly = expected.xz_size <= expected.compressed_size * _NEARLY
        parts.append(f"xz -9 {xz_bits:.3f} bits/byte{', nearly as good' if nearly else ''}")
        put_result(f"{printable(shown)}: {', '.join(parts)}\n")

    def finish(self) -> None:
        """Nothing comes after the last file."""
