"""-l: what compressed files hold, from all but what is to be decoded; loads no model and no kernel."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from operator import add
from typing import TYPE_CHECKING, Any

from lmzip.block import BYTES, Content
from lmzip.cli.actions import Action
from lmzip.cli.inputs import STDIN, open_input
from lmzip.cli.messages import printable
from lmzip.cli.results import put_json, put_result
from lmzip.errors import LmzipError
from lmzip.levels import PROFILE_NAMES
from lmzip.models.registry import BUILT_IN

if TYPE_CHECKING:
    from lmzip.codec import FrameInfo
    from lmzip.format.block import BlockHead

_ROW = "{:>14} {:>14} {:>9} {:>6} {:>6}  {:<9} {}\n"
_HEADINGS = ("raw", "compressed", "bits/byte", "frames", "blocks", "model", "name")
_SHA256_SIZE = 32
_MACHINE_NAMES = ("", "x86", "x86-64", "arm64")
_MODE_NAMES = ("stored", "base", "model")  # what codes a block, by its mode


def _bits_per_byte(raw_size: int, compressed_size: int) -> float:
    return 8 * compressed_size / raw_size if raw_size else 0.0


def _model_name(frame: FrameInfo) -> str:
    return BUILT_IN if frame.model is None else frame.model.name


def _modes(frame: FrameInfo) -> dict[str, int]:
    """Return how many blocks are stored, coded by the base alone, or with the model, most first."""
    counts = Counter(block.head.mode for block in frame.blocks)
    return {_MODE_NAMES[mode]: n for mode, n in counts.most_common()}


def _contents(frame: FrameInfo) -> dict[Content, list[int]]:
    """Return the images and sound of a frame, each kind once, with the raw sizes of its blocks."""
    found: dict[Content, list[int]] = {}
    for block in frame.blocks:
        if block.head.content != BYTES:
            found.setdefault(replace(block.head.content, offset=0), []).append(block.head.raw_size)
    return found


def _contents_record(frame: FrameInfo) -> list[dict[str, Any]]:
    contents = _contents(frame)
    if not contents:
        return []
    from lmzip.contents import as_json

    return [as_json(content) | {"blocks": len(sizes), "raw_size": sum(sizes)} for content, sizes in contents.items()]


def _content_text(content: Content) -> str:
    from lmzip.contents import describe

    return describe(content)


def _profile(frame: FrameInfo) -> str:
    return PROFILE_NAMES.get(frame.header.profile, str(frame.header.profile))


def _model_text(frame: FrameInfo) -> str:
    """Return the model of a frame in words: its name, and where it has weights their hash and arithmetic."""
    model = frame.model
    if model is None:
        return f"model {BUILT_IN} (built in)"
    cut = "..." if len(model.digest) < _SHA256_SIZE else ""  # of one that a reference names and is not known here
    parts = [f"model {printable(model.name)}, sha256 {model.digest.hex()}{cut}"]
    if any(model.fingerprint):
        parts.append(f"fingerprint {model.fingerprint.hex()}")
    if model.numerics:
        parts.append(f"numerics {printable(model.numerics)}")
    return ", ".join(parts)


def _dictionary_text(frame: FrameInfo) -> str:
    """Return what names the dictionary, in words; nothing where there is none."""
    dictionary = frame.header.dictionary
    if dictionary is None:
        return ""
    cut = "..." if len(dictionary.digest) < _SHA256_SIZE else ""
    return f"sha256 {dictionary.digest.hex()}{cut}, at most 2^{dictionary.size_log} bytes"


def _original_text(frame: FrameInfo) -> str:
    """Return what names the original, in words; nothing where there is none."""
    original = frame.header.original
    return f"sha256 {original.digest.hex()}, at most 2^{original.size_log} bytes" if original else ""


def _original_record(frame: FrameInfo) -> dict[str, object] | None:
    original = frame.header.original
    return None if original is None else {"sha256": original.digest.hex(), "size_log": original.size_log}


def _dictionary_record(frame: FrameInfo) -> dict[str, object] | None:
    dictionary = frame.header.dictionary
    return None if dictionary is None else {"sha256": dictionary.digest.hex(), "size_log": dictionary.size_log}


def _is_shorter(head: BlockHead) -> bool:
    """Return whether there are copies: machine code without has a body too, but no shorter one."""
    return head.body_size is not None and head.body_size < head.raw_size


def _copies(frame: FrameInfo) -> tuple[int, int, int]:
    """Return how many blocks had long repeats taken out, their raw bytes, and the bytes that were left to code."""
    heads = [block.head for block in frame.blocks if _is_shorter(block.head)]
    return len(heads), sum(head.raw_size for head in heads), sum(head.body_size or 0 for head in heads)


def _machines(frame: FrameInfo) -> dict[str, list[int]]:
    """Return the raw sizes of blocks that are converted as machine code, by the name of the machine."""
    sizes: dict[str, list[int]] = {}
    for block in frame.blocks:
        if block.head.machine:
            sizes.setdefault(_MACHINE_NAMES[block.head.machine], []).append(block.head.raw_size)
    return sizes


def _outside_text(n_outside: int) -> str:
    """Return what is said of bytes outside the vocabulary: nothing where there are none, as in most files."""
    return f", {n_outside} bytes outside the model's vocabulary" if n_outside else ""


def _frame_record(frame: FrameInfo) -> dict[str, object]:
    model = frame.model
    return {
        "offset": frame.offset,
        "raw_size": frame.raw_size,
        "compressed_size": frame.compressed_size,
        "format_version": frame.version,
        "model": _model_name(frame),
        "model_sha256": None if model is None else model.digest.hex(),
        "fingerprint": None if model is None else model.fingerprint.hex(),
        "numerics": None if model is None else model.numerics,
        "dictionary": _dictionary_record(frame),
        "patch_from": _original_record(frame),
        "blocks": len(frame.blocks),
        "stored_blocks": frame.n_stored,
        "bytes_outside_vocabulary": frame.n_outside,
        "block_size": frame.block_size,
        "profile": _profile(frame),
        "context": frame.header.context,
        "modes": _modes(frame),
        "lanes": sorted({block.head.n_lanes for block in frame.blocks}),
        "contents": _contents_record(frame),
        "programs": {name: {"blocks": len(of), "raw_size": sum(of)} for name, of in _machines(frame).items()},
        "window": frame.window,
        "far_blocks": frame.n_far,
        "copies": dict(zip(("blocks", "raw_size", "body_size"), _copies(frame), strict=True)),
        "content_hash": frame.content_hash.hex() or None,  # a short frame has none
    }


def _put_row(figures: tuple[int, ...], model: str, name: str) -> None:
    """Print a row of sizes, raw and compressed, and numbers, of frames and blocks; raises OutputError."""
    raw_size, compressed_size, *numbers = figures
    bits = f"{_bits_per_byte(raw_size, compressed_size):.3f}"
    put_result(_ROW.format(raw_size, compressed_size, bits, *numbers, model, name))


class Listing(Action):
    """Prints a row for each file and, for several files, one for all."""

    _totals: tuple[int, ...] = (0, 0, 0, 0)  # raw size, compressed size, frames, blocks
    _n_files = 0

    def run(self, name: str, shown: str) -> None:
        """List one file; raises LmzipError for what is no whole compressed file, OSError, OutputError."""
        from lmzip.codec import list_frames

        if name == STDIN:
            raise LmzipError("cannot be listed: -l needs a file")
        with open_input(name) as source:
            if source.whole_size is None:
                raise LmzipError("cannot be listed: its size is not known, as of a pipe")
            with source.file() as file:
                frames = list_frames(file)
                end = file.seek(0, os.SEEK_END)
        raw_size = sum(frame.raw_size for frame in frames)
        if self.options.json:
            put_json(
                {
                    "name": shown,
                    "raw_size": raw_size,
                    "compressed_size": end,
                    "bits_per_byte": round(_bits_per_byte(raw_size, end), 6),
                    "frames": [_frame_record(frame) for frame in frames],
                }
            )
            return
        if not self._n_files:
            put_result(_ROW.format(*_HEADINGS))
        figures = (raw_size, end, len(frames), sum(len(frame.blocks) for frame in frames))
        models = ",".join(dict.fromkeys(printable(_model_name(frame)) for frame in frames))
        _put_row(figures, models, printable(shown))
        self._totals = tuple(map(add, self._totals, figures))
        self._n_files += 1
        if self.options.verbose:
            self._put_frames(frames)

    def finish(self) -> None:
        """Print the sums; raises OutputError."""
        if self._n_files > 1:
            _put_row(self._totals, "-", f"({self._n_files} files)")

    def _put_frames(self, frames: list[FrameInfo]) -> None:
        for number, frame in enumerate(frames, 1):
            modes = ", ".join(f"{n} {name}" for name, n in _modes(frame).items())
            check = f"content hash {frame.content_hash.hex()}" if frame.content_hash else "short frame"
            lines = [
                f"frame {number} at byte {frame.offset}: format version {frame.version}, {_model_text(frame)}",
                f"  {frame.raw_size} -> {frame.compressed_size} bytes, "
                f"{_bits_per_byte(frame.raw_size, frame.compressed_size):.3f} bits/byte, {check}",
                f"  profile {_profile(frame)}, blocks {len(frame.blocks)} ({modes}) of {frame.block_size} bytes"
                f"{_outside_text(frame.n_outside)}",
            ]
            if dictionary := _dictionary_text(frame):
                lines.append(f"  dictionary {dictionary}")
            if original := _original_text(frame):
                n_patched = sum(block.head.is_patched for block in frame.blocks)
                lines.append(f"  a patch of the file with the {original}: {n_patched} blocks have copies of it")
            for content, sizes in _contents(frame).items():
                lines.append(f"  {_content_text(content)}: {sum(sizes)} bytes in {len(sizes)} blocks")
            for name, sizes in _machines(frame).items():
                lines.append(f"  {name} code: {sum(sizes)} bytes in {len(sizes)} blocks")
            if (copies := _copies(frame))[0]:
                lines.append(f"  long repeats: {copies[1]} bytes in {copies[0]} blocks, coded as {copies[2]}")
            if frame.window:
                lines.append(
                    f"  window of {frame.window >> 20} MiB: {frame.n_far} blocks have copies of blocks before them"
                )
            put_result("".join(f"    {line}\n" for line in lines))
            if self.options.verbose > 1:
                self._put_blocks(frame)

    def _put_blocks(self, frame: FrameInfo) -> None:
        for number, block in enumerate(frame.blocks, 1):
            head = block.head
            kind = _MODE_NAMES[head.mode] + ("" if head.is_stored else f", lanes {head.n_lanes}")
            kind += f", {_content_text(head.content)}" if head.content != BYTES else ""
            kind += f", {_MACHINE_NAMES[head.machine]} code" if head.machine else ""
            kind += f", copies and rest of {head.body_size}" if _is_shorter(head) else ""
            kind += " from the original" if head.is_patched else ""
            kind += f" from {head.reach} bytes before" if head.is_far else ""
            put_result(
                f"      block {number} at byte {block.offset}: {head.raw_size} -> {head.payload_size} bytes, {kind}, "
                f"crc32 {head.data_check:08x}{_outside_text(block.n_outside)}\n"
            )
