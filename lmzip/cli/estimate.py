"""--estimate and --max-time: what compressing a file would come to, from samples of it.

Long repeats show where they lie within a block; those that --long finds across blocks do not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmzip.block import BYTES
from lmzip.cli.actions import Action
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.inputs import STDIN, open_input
from lmzip.cli.messages import printable
from lmzip.cli.options import Options
from lmzip.cli.pieces import pieces_of_bytes, pieces_of_lines, samples_in
from lmzip.cli.progress import duration
from lmzip.cli.results import put_json, put_result
from lmzip.errors import LmzipError
from lmzip.fileio import Source

if TYPE_CHECKING:
    from lmzip.codec.trial import Trial
    from lmzip.models.base import Model

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


def _try_whole(data: bytes, options: Options, model: Model) -> Trial:
    """Compress the whole of a small file as it will be."""
    from io import BytesIO

    from lmzip import codec
    from lmzip.codec.trial import Trial

    start = time.monotonic()
    summary = codec.compress_stream(
        BytesIO(data).read,
        len,
        level=options.level,
        model=model.plain,
        dictionary=model.dictionary,
        block_size=options.block_size,
        content=options.content,
        long=options.long,
        threads=options.threads or None,
    )
    seconds = time.monotonic() - start
    return Trial(summary.compressed_size, 0.0, seconds, seconds)


def _xz_size(data: bytes) -> int:
    """Return the size that xz -9 makes of data; with memory for these only, where a preset takes 700 MB."""
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": max(4096, len(data))}]
    return len(lzma.compress(data, filters=filters))


def estimate(source: Source, options: Options, chosen: ChosenModel) -> Estimate:
    """Return what compressing an input of known size with these options would come to; raises OSError, LmzipError."""
    from lmzip.codec.memory import Threads, check_model, encode_need
    from lmzip.codec.settings import settings_for, window_log
    from lmzip.codec.trial import try_sample
    from lmzip.system import available_threads

    start = time.monotonic()
    dictionary = chosen.dictionary.to_compress() if chosen.dictionary else None
    settings, model = settings_for(options.level, chosen.model, chosen.registry, dictionary)
    raw_size = source.whole_size or 0
    content, content_start = samples_in(source, options)
    most = settings.block_size if content == BYTES else settings.samples_size
    block_size = min(options.block_size or most, max(1, raw_size))
    check_model(model, settings, options.memory_limit)
    n_blocks = -(-raw_size // block_size)
    window = 1 << window_log(options.long) if options.long and n_blocks > 1 else 0
    need = encode_need(model, settings, block_size, window=window)  # unpacks the net
    loading = time.monotonic() - start
    allowed = Threads(options.threads if n_blocks > 1 else 1, options.memory_limit, model.blocks_at_once)
    threads = allowed.that_fit(need)
    threads = max(1, min(threads, n_blocks))
    if content != BYTES:
        pieces = pieces_of_lines(source, raw_size, content_start, content.line_size)
    else:
        pieces = pieces_of_bytes(source, raw_size, block_size, model, settings)
    data, share = pieces.data, pieces.share
    exact = len(data) == raw_size
    if exact:
        trial, n_choices, at_once = _try_whole(data, options, model), 0, 1
    else:
        # A single block may be worked on by two.
        n_threads = min(2, options.threads or available_threads()) if n_blocks == 1 else 1
        trial = try_sample(model, settings, data, block_size, n_threads, content)
        n_choices, at_once = n_blocks, threads
    working = n_choices * trial.choosing + share * (trial.coding + (trial.decoding if options.verifies else 0.0))
    working += pieces.searching
    compressed_size = round(trial.compressed_size * share)
    return Estimate(
        model.name,
        raw_size,
        compressed_size,
        8 * compressed_size / raw_size if raw_size else 0.0,
        loading + working / at_once,
        need.of_threads(threads),
        threads,
        round(_xz_size(data) * share),
        exact,
    )


class Estimating(Action):
    """Prints a line for each file."""

    def run(self, name: str, shown: str) -> None:
        """Estimate one file; raises LmzipError, OSError, OutputError."""
        if name == STDIN:
            raise LmzipError("cannot be estimated: --estimate needs a file")
        with open_input(name) as source:
            if source.whole_size is None:
                raise LmzipError("cannot be estimated: its size is not known, as of a pipe")
            self.chosen.find()
            expected = estimate(source, self.options, self.chosen)
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
