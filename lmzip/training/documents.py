"""One's own files as documents to train on, parted into those that are learned from and those that are held out.

By whole files, chosen by a hash of their names, where there are many, else by the ends of files, since what comes next
is what will be compressed.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import lmzip.stream
from lmzip.errors import LmzipError
from lmzip.training.samples import tail

MOST_READ = 256 << 20  # bytes of documents that are held in memory
LEAST = 64 << 10  # bytes of documents that are worth it
MANY = 64  # files from which on whole ones are held out
SHARE = 16  # one byte of so many is held out to be measured, and one to validate with
MOST_HELD_OUT = 512 << 10  # bytes of either: they are compressed twice
BINARY_PROBE = 8 << 10  # bytes in which a NUL tells that a file is no text

_OPENERS: dict[str, Callable] = {
    ".lmz": lmzip.stream.open,
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, LmzipError)


@dataclass(frozen=True)
class Document:
    """The content of a file: its name below the folder that was named, its kind, its bytes."""

    name: str
    kind: str
    data: bytes


@dataclass
class Split:
    """Documents that are trained on, those that tell when to stop, and those that nothing is known of until the end."""

    train: list[Document] = field(default_factory=list)
    validation: list[Document] = field(default_factory=list)
    held_out: list[Document] = field(default_factory=list)

    def sizes(self) -> tuple[int, int, int]:
        """Return the bytes of each."""
        return size_of(self.train), size_of(self.validation), size_of(self.held_out)

    def digest(self) -> str:
        """Return a hash of all that is in them, which tells one training from another."""
        found = hashlib.sha256()
        for part in (self.train, self.validation, self.held_out):
            for document in part:
                found.update(repr((document.name, document.kind, len(document.data))).encode())
                found.update(document.data)
            found.update(b"part")
        return found.hexdigest()


def size_of(documents: list[Document]) -> int:
    """Return the bytes of documents."""
    return sum(len(document.data) for document in documents)


def kind_of(name: str) -> str:
    """Return the kind of a file: its suffix without what compresses or counts it, ".log" for app.log.3.gz."""
    path = Path(name)
    if path.suffix.lower() in _OPENERS:
        path = path.with_suffix("")
    for suffix in reversed(path.suffixes):
        if found := re.match(r"\.([A-Za-z][A-Za-z0-9+]*)", suffix):
            return f".{found[1].lower()}"
    return "other"


def files_below(paths: list[Path]) -> list[tuple[str, Path]]:
    """Return names and paths of files, and in the place of each folder of the regular files below it.

    Passes over what is hidden below a folder.  Raises OSError for what is not there.
    """
    found: dict[Path, str] = {}
    for path in paths:
        if not path.is_dir():
            os.stat(path)
            found.setdefault(path, path.name)
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                file = Path(folder) / name
                if not name.startswith(".") and file.is_file() and not file.is_symlink():
                    found.setdefault(file, str(file.relative_to(path)))
    return [(name, path) for path, name in found.items()]


def read_documents(paths: list[Path], most: int = MOST_READ) -> tuple[list[Document], int]:
    """Return the documents in files and below folders, and how many files were no text or damaged.

    Compressed files (.lmz, .gz, .bz2, .xz) are read decompressed.  Of more than `most` bytes the ends of all files are
    taken, of each the same share.  Raises OSError.
    """
    files = files_below(paths)
    sizes = [os.stat(path).st_size for _, path in files]
    share = min(1.0, most / max(1, sum(sizes)))
    documents, n_passed_over = [], 0
    for (name, path), size in zip(files, sizes, strict=True):
        try:
            data = _read(path, max(1, int(size * share)), most)
        except _DAMAGED:
            data = b"\0"
        if not data or b"\0" in data[:BINARY_PROBE]:
            n_passed_over += bool(data)
            continue
        documents.append(Document(name, kind_of(name), data))
        most -= len(data)
    return documents, n_passed_over


def _read(path: Path, size: int, most: int) -> bytes:
    """Return the last `size` bytes of a file; of what it unpacks to the first `most` where it is compressed."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        return tail(path, size)
    with opener(path, "rb") as file:
        return file.read(max(1, most))


def split(documents: list[Document], most: int = MOST_HELD_OUT) -> Split:
    """Part documents: a sixteenth, and `most` bytes at most, is held out, as much is for validation.

    The same documents are parted in the same way, whatever their order.  Raises ValueError for too few bytes.
    """
    size = size_of(documents)
    if size < LEAST:
        raise ValueError(f"training takes {LEAST} bytes of text or more, here are {size}")
    wanted = min(most, size // SHARE)
    documents = sorted(documents, key=lambda document: (document.name, document.data))
    if len(documents) >= MANY:
        found = _by_files(documents, wanted)
        if 2 * min(found.sizes()) > wanted:  # whole ones are small enough
            return found
    return _by_ends(documents, wanted)


def _by_files(documents: list[Document], wanted: int) -> Split:
    """Hold out whole files in the order of the hashes of their names, those first that are no larger than wanted."""
    found = Split()
    by_hash = sorted(documents, key=lambda document: hashlib.sha256(document.name.encode()).digest())
    for document in by_hash:
        if len(document.data) <= wanted - size_of(found.held_out):
            found.held_out.append(document)
        elif len(document.data) <= wanted - size_of(found.validation):
            found.validation.append(document)
        else:
            found.train.append(document)
    return found


def _by_ends(documents: list[Document], wanted: int) -> Split:
    """Hold out the last bytes of each file, from the beginning of a line, and validate with those before them."""
    found, size = Split(), size_of(documents)
    for document in documents:
        n = max(1, len(document.data) * wanted // size)
        first = _line_start(document.data, len(document.data) - 2 * n)
        second = _line_start(document.data, len(document.data) - n)
        for part, data in (
            (found.train, document.data[:first]),
            (found.validation, document.data[first:second]),
            (found.held_out, document.data[second:]),
        ):
            if data:
                part.append(Document(document.name, document.kind, data))
    return found


def _line_start(data: bytes, at: int) -> int:
    """Return where the first line from `at` on begins, if that is near, else `at`."""
    at = max(0, at)
    end = data.find(b"\n", at, at + 4096)
    return at if end < 0 or end + 1 >= len(data) else end + 1
