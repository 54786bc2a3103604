"""-l: what compressed files hold, from their heads and tables alone; loads no model.  Also --list-models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lmzip.cli.inputs import STDIN
from lmzip.cli.messages import Reporter, printable
from lmzip.cli.options import MODELS, Options
from lmzip.cli.results import put_json, put_result
from lmzip.errors import LmzipError
from lmzip.fileio import open_source

if TYPE_CHECKING:
    from lmzip.codec import FrameInfo

_HEADINGS = ("raw", "compressed", "bits/byte", "frames", "blocks", "name")


def _bits_per_byte(raw_size: int, compressed_size: int) -> float:
    return 8 * compressed_size / raw_size if raw_size else 0.0


def _hash_text(frame: FrameInfo) -> str:
    return frame.content_hash.hex()


def _model_text(frame: FrameInfo) -> str:
    """Return the model of a frame in words: its name, and where it has weights their hash and arithmetic."""
    model = frame.model
    if model is None:
        return f"model {MODELS[0]} (built in)"
    parts = [f"model {printable(model.name)}, sha256 {model.digest.hex()}"]
    if any(model.fingerprint):
        parts.append(f"fingerprint {model.fingerprint.hex()}")
    if model.numerics:
        parts.append(f"numerics {printable(model.numerics)}")
    return ", ".join(parts)


def _frame_record(frame: FrameInfo) -> dict[str, object]:
    model = frame.model
    return {
        "offset": frame.offset,
        "raw_size": frame.raw_size,
        "compressed_size": frame.compressed_size,
        "format_version": frame.version,
        "model": MODELS[0] if model is None else model.name,
        "model_sha256": None if model is None else model.digest.hex(),
        "fingerprint": None if model is None else model.fingerprint.hex(),
        "numerics": None if model is None else model.numerics,
        "blocks": len(frame.blocks),
        "stored_blocks": frame.n_stored,
        "block_size": frame.block_size,
        "methods": sorted({block.head.method for block in frame.blocks}),
        "lanes": sorted({block.head.n_lanes for block in frame.blocks}),
        "content_hash": frame.content_hash.hex(),
    }


class Listing:
    """Prints a row for each file and, for several files, one for all."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self.options = options
        self.reporter = reporter
        self._totals = [0, 0, 0, 0]  # raw size, compressed size, frames, blocks
        self._n_files = 0

    def run(self, name: str, shown: str) -> None:
        """List one file; raises LmzipError for what is no whole compressed file, OSError, OutputError."""
        from lmzip.codec import list_frames

        if name == STDIN:
            raise LmzipError("cannot be listed: -l needs a file")
        with open_source(name, in_place=False) as source:
            if not source.is_regular:
                raise LmzipError("cannot be listed: it is a pipe")
            with open(source.fd, "rb", closefd=False) as file:
                frames = list_frames(file)
                end = file.seek(0, os.SEEK_END)
        if self.options.json:
            self._put_json(shown, frames, end)
            return
        if not self._n_files:
            self._row(_HEADINGS)
        raw_size = sum(frame.raw_size for frame in frames)
        n_blocks = sum(len(frame.blocks) for frame in frames)
        figures = (raw_size, end, len(frames), n_blocks)
        self._put_figures(figures, printable(shown))
        self._totals = [total + figure for total, figure in zip(self._totals, figures, strict=True)]
        self._n_files += 1
        if self.options.verbose:
            self._put_frames(frames)

    def finish(self) -> None:
        """Print the sums; raises OutputError."""
        if self._n_files > 1:
            self._put_figures(tuple(self._totals), f"({self._n_files} files)")

    def _put_figures(self, figures: tuple[int, ...], name: str) -> None:
        raw_size, compressed_size, n_frames, n_blocks = figures
        bits = f"{_bits_per_byte(raw_size, compressed_size):.3f}"
        self._row((str(raw_size), str(compressed_size), bits, str(n_frames), str(n_blocks), name))

    def _row(self, cells: tuple[str, ...]) -> None:
        raw, compressed, bits, n_frames, n_blocks, name = cells
        put_result(f"{raw:>14} {compressed:>14} {bits:>9} {n_frames:>6} {n_blocks:>6}  {name}\n")

    def _put_frames(self, frames: list[FrameInfo]) -> None:
        for number, frame in enumerate(frames, 1):
            lines = [
                f"frame {number} at byte {frame.offset}: format version {frame.version}, {_model_text(frame)}",
                f"  {frame.raw_size} -> {frame.compressed_size} bytes, "
                f"{_bits_per_byte(frame.raw_size, frame.compressed_size):.3f} bits/byte, "
                f"content hash {_hash_text(frame)}",
                f"  blocks: {len(frame.blocks)} of {frame.block_size} bytes, {frame.n_stored} of them stored",
            ]
            put_result("".join(f"    {line}\n" for line in lines))
            if self.options.verbose > 1:
                self._put_blocks(frame)

    def _put_blocks(self, frame: FrameInfo) -> None:
        for number, block in enumerate(frame.blocks, 1):
            head = block.head
            kind = f"method {head.method}, lanes {head.n_lanes}" if head.method else "stored"
            put_result(
                f"      block {number} at byte {block.offset}: {head.raw_size} -> {head.payload_size} bytes, {kind}, "
                f"crc32 {head.data_check:08x}\n"
            )

    def _put_json(self, shown: str, frames: list[FrameInfo], compressed_size: int) -> None:
        raw_size = sum(frame.raw_size for frame in frames)
        put_json(
            {
                "name": shown,
                "raw_size": raw_size,
                "compressed_size": compressed_size,
                "bits_per_byte": round(_bits_per_byte(raw_size, compressed_size), 6),
                "frames": [_frame_record(frame) for frame in frames],
            }
        )


def models_text(as_json: bool) -> str:
    """Return what --list-models prints; raises no error since a built-in model is always here."""
    from lmzip import codec, levels

    rows = []
    for level in (1, levels.DEFAULT_LEVEL, 9):
        need = codec.compress_memory(level, threads=1)
        rows.append({"model": MODELS[0], "level": level, "sha256": None, "size": 0, "memory_per_thread": need})
    if as_json:
        import json

        return "".join(json.dumps(row) + "\n" for row in rows)
    lines = [f"{'model':<10} {'level':>5} {'weights':>9} {'memory a thread':>16}  sha256"]
    lines += [f"{row['model']:<10} {row['level']:>5} {'none':>9} {row['memory_per_thread']!s:>16}  -" for row in rows]
    return "\n".join(lines) + "\n"
