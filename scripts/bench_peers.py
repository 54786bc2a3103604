"""The programs that scripts/bench.py compares: how each compresses one file and gives it back.

Every program works on a file called `input` in a folder of its own, so that the length of a name is in nobody's size.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

UNPACKED = "unpacked"


@dataclass(frozen=True)
class Program:
    """One program with one setting, as the words of its two commands (no shell is used).

    ``compress`` turns `input` into the file ``packed``, ``decompress`` turns that into `unpacked`; a command that does
    not name its output writes it to standard output.
    """

    name: str
    compress: tuple[str, ...]
    decompress: tuple[str, ...]
    packed: str = "packed"
    ours: bool = False

    @property
    def executable(self) -> str | None:
        """The path of the installed program, None if it is missing."""
        return shutil.which(self.compress[0], path=search_path())


def search_path() -> str:
    """Return PATH with the folder of this interpreter in front: the console scripts of a virtual environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def lmzip(level: int, threads: int, model: str | None = None) -> Program:
    """Return lmzip at one level, with the level's own model or another."""
    chosen = ("--model", model) if model else ()
    common = ("-c", "-T", str(threads))
    compress, decompress = ("lmzip", *chosen, f"-{level}", *common, "input"), ("lmzip", "-d", *common, "packed")
    return Program(f"lmzip {model} -{level}" if model else f"lmzip -{level}", compress, decompress, ours=True)


def peers(threads: int) -> list[Program]:
    """Return every peer at its strongest usual setting; `threads` goes to zpaq, whose output does not depend on it."""
    return [
        Program("gzip -9", ("gzip", "-9", "-n", "-c", "input"), ("gzip", "-d", "-c", "packed")),
        Program("bzip2 -9", ("bzip2", "-9", "-c", "input"), ("bzip2", "-d", "-c", "packed")),
        Program("xz -9e", ("xz", "-9e", "-c", "input"), ("xz", "-d", "-c", "packed")),
        Program("zstd -22", ("zstd", "-q", "--ultra", "-22", "-c", "input"), ("zstd", "-q", "-d", "-c", "packed")),
        Program("brotli -q 11", ("brotli", "-q", "11", "--lgwin=24", "-c", "input"), ("brotli", "-d", "-c", "packed")),
        Program("bzip3", ("bzip3", "-e", "-c", "input"), ("bzip3", "-d", "-c", "packed")),
        Program(
            "7z ppmd",
            ("7z", "a", "-bd", "-m0=PPMd:o=16:mem=256m", "packed.7z", "input"),
            ("7z", "x", "-bd", "-so", "packed.7z"),
            packed="packed.7z",
        ),
        Program(
            "zpaq -m5",
            ("zpaq", "a", "packed.zpaq", "input", "-m5", f"-t{threads}"),
            ("zpaq", "x", "packed.zpaq", "input", "-to", UNPACKED, f"-t{threads}"),
            packed="packed.zpaq",
        ),
    ]


def select(
    levels: list[int], peer_names: list[str] | None, threads: int, model: str | None = None
) -> tuple[list[Program], list[str]]:
    """Return the installed programs to run, lmzip first, and the names of those that are missing.

    model: for lmzip besides each level's own.  peer_names: executables (`xz`) or full names (`xz -9e`); None means all.
    Raises ValueError for an unknown one.
    """
    known = peers(threads)
    names = {word for peer in known for word in (peer.name, peer.compress[0])}
    if unknown := set(peer_names or []) - names:
        raise ValueError(f"no such peer: {', '.join(sorted(unknown))}")
    if peer_names is not None:
        known = [peer for peer in known if {peer.name, peer.compress[0]} & set(peer_names)]
    ours = [lmzip(level, threads) for level in levels]
    if model:
        ours += [lmzip(level, threads, model) for level in levels]
    wanted = ours + known
    return [p for p in wanted if p.executable], [p.name for p in wanted if not p.executable]
