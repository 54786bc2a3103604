"""--estimate and --max-time: what compressing a file would come to, from samples of it.

Repeats between the samples, or longer than they are, do not show: files made of such come out smaller and far sooner.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmzip.block import BYTES, Content
from lmzip.cli.actions import Action
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.inputs import STDIN, open_input
from lmzip.cli.messages import printable
from lmzip.cli.options import Options
from lmzip.cli.progress import duration
from lmzip.cli.results import put_json, put_result
from lmzip.errors import LmzipError
from lmzip.fileio import Source

if TYPE_CHECKING:
    from lmzip.codec.trial import Trial
    from lmzip.models.base import Model

# Pieces from all over a file, compressed as if they were one: the model learns from each for the others, as it will.
_N_PIECES = 16
_PIECE_SIZE = 1 << 15
_NET_PIECE_SIZE = 1 << 14  # a net needs several times as long
# Of a transformer, one for each lane, as its speed is that of its lanes; a lane's first kilobyte takes 10 to 20 % more
# bits than the rest of it.
_TOKEN_PIECE_SIZE = 1 << 10
_HEAD_SIZE = 1 << 16  # bytes of a file that tell whether it is an image or sound
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


def sample(source: Source, size: int, piece_size: int, n_pieces: int = _N_PIECES) -> bytes:
    """Return a file's content if it is small, else pieces spread evenly over it; raises OSError."""
    if size <= n_pieces * piece_size:
        return source.read_at(size, 0)
    step = (size - piece_size) // max(1, n_pieces - 1)
    return b"".join(source.read_at(piece_size, number * step) for number in range(n_pieces))


def _samples_in(source: Source, options: Options) -> tuple[Content, int]:
    """Return what fills most of a file, as its beginning tells, and where that begins; BYTES for other files."""
    from lmzip.contents import Splitter

    head = source.read_at(_HEAD_SIZE, 0)
    at = 0
    for stretch in Splitter(options.content).split(head, is_last=False):
        content = stretch.content
        if content != BYTES and 2 * (stretch.size - content.offset) > len(head):
            return replace(content, offset=0), at + content.offset
        at += stretch.size
    return BYTES, 0


def sample_of_lines(source: Source, size: int, start: int, line_size: int) -> bytes:
    """Return a small file, or pieces from all over the lines, or moments, that begin at a place; raises OSError."""
    piece = max(1, _PIECE_SIZE // line_size) * line_size
    if size <= _N_PIECES * piece + start:
        return source.read_at(size, 0)
    n_lines = (size - start - piece) // line_size
    places = (start + n_lines * number // (_N_PIECES - 1) * line_size for number in range(_N_PIECES))
    return b"".join(source.read_at(piece, place) for place in places)


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
    from lmzip import levels
    from lmzip.codec.memory import Threads, check_model, encode_need
    from lmzip.codec.settings import settings_for, window_log
    from lmzip.codec.trial import try_sample
    from lmzip.system import available_threads

    start = time.monotonic()
    dictionary = chosen.dictionary.to_compress() if chosen.dictionary else None
    settings, model = settings_for(options.level, chosen.model, chosen.registry, dictionary)
    raw_size = source.whole_size or 0
    content, content_start = _samples_in(source, options)
    most = settings.block_size if content == BYTES else settings.samples_size
    block_size = min(options.block_size or most, max(1, raw_size))
    check_model(model, settings, options.memory_limit)
    n_blocks = -(-raw_size // block_size)
    window = 1 << window_log(options.long) if options.long and n_blocks > 1 else 0
    need = encode_need(model, settings, block_size, window=window)  # unpacks the net
    loading = time.monotonic() - start
    threads = Threads(options.threads if n_blocks > 1 else 1, options.memory_limit).that_fit(need)
    threads = max(1, min(threads, n_blocks))
    if content != BYTES:
        data = sample_of_lines(source, raw_size, content_start, content.line_size)
    elif settings.uses_model and model.has_tokens:
        n_lanes = settings.n_lanes(block_size)
        data = sample(source, raw_size, _TOKEN_PIECE_SIZE, n_lanes)
        settings = replace(settings, lanes=((levels.MAX_BLOCK_SIZE, n_lanes),))
    else:
        data = sample(source, raw_size, _NET_PIECE_SIZE if settings.uses_model else _PIECE_SIZE)
    exact = len(data) == raw_size
    if exact:
        trial, n_choices, share, at_once = _try_whole(data, options, model), 0, 1.0, 1
    else:
        # A single block may be worked on by two.
        n_threads = min(2, options.threads or available_threads()) if n_blocks == 1 else 1
        trial = try_sample(model, settings, data, block_size, n_threads, content)
        n_choices, share, at_once = n_blocks, raw_size / len(data), threads
    working = n_choices * trial.choosing + share * (trial.coding + (trial.decoding if options.verifies else 0.0))
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
