"""Turn shards of documents into the arrays that train.py reads: one file of bytes a split, and a table of documents.

    python scripts/prepare_data.py --out work/data SHARDS/*.tar.xz
    python scripts/prepare_data.py --out work/data my-folder more.tar.xz --max-bytes 20e6

A source is a tar archive (any compression that tarfile streams) or a folder.  A document's kind is the first folder of
its name (two folders under code/ and data/).  Documents go to the validation split by a hash of their name without the
window's number, so all windows of a document fall on one side, and the split never changes with the order of shards.
Windows of a document for validation that exceed what is read of its kind are left out of both.

Writes {train,val}.bin (the documents end to end) and {train,val}.npz: `start` (n + 1,) int64 offsets, `kind` (n,) int16
indices into `kinds`.  Augmentation is train.py's work: it differs at every visit of a document.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import click
import numpy as np
from tqdm import tqdm

VALIDATION_SHARE = 0.004  # of the documents
MAX_VALIDATION_BYTES = 160_000  # of one kind, so that a pass over the split stays short
MIN_VALIDATION_BYTES = 40_000  # of one kind: further documents follow until it has as much

# Left out: the bundled sample of `make demo` and of the pinned sizes must stay unseen.
EXCLUDED = re.compile(r"^gutenberg/Mark_Twain___In_Defense_of_Harriet_Shelley")


def kind_of(name: str) -> str:
    """Return the kind of a document: `gutenberg`, `code/python` ..., `other` for what lies in no folder."""
    parts = PurePosixPath(name).parent.parts or ("other",)
    return "/".join(parts[: 2 if parts[0] in ("code", "data") else 1])


def document_of(name: str) -> str:
    """Return the name of the document that a window `NAME.N` was cut from.

    >>> document_of("gutenberg/Emma.txt.17")
    'gutenberg/Emma.txt'
    """
    return re.sub(r"\.\d+$", "", name)


def rank(name: str) -> float:
    """Return a number in [0, 1) that depends on the document alone: below VALIDATION_SHARE it is for validation."""
    return int.from_bytes(hashlib.sha256(document_of(name).encode()).digest()[:6], "big") / 2**48


def documents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every regular file in an archive or under a folder.

    Raises OSError, and click.ClickException for what is no archive.
    """
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    try:
        with tarfile.open(source, "r|*") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file:
                    yield PurePosixPath(member.name).as_posix(), file.read()  # without the "./" of `tar -c .`
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise click.ClickException(f"{source}: not a tar archive, or damaged ({error})") from None


class Split:
    """One output: bytes as they come and the table of documents, under their names NAME.bin and NAME.npz at the end.

    So a training that has mapped what stood under these names goes on with it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self.bytes = open(f"{self.path}.bin.new", "wb")  # noqa: SIM115 - closed by finish()
        self.sizes: list[int] = []
        self.kinds: list[str] = []

    def add(self, kind: str, data: bytes) -> None:
        self.bytes.write(data)
        self.sizes.append(len(data))
        self.kinds.append(kind)

    def finish(self, kinds: list[str]) -> None:
        """Put the files in place; kinds: the names that the table's numbers stand for."""
        self.bytes.close()
        os.replace(f"{self.path}.bin.new", f"{self.path}.bin")
        start = np.concatenate([[0], np.cumsum(self.sizes, dtype=np.int64)])
        kind = np.array([kinds.index(k) for k in self.kinds], np.int16)
        np.savez(f"{self.path}.npz", start=start, kind=kind, kinds=np.array(kinds))


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--max-bytes", type=float, default=float("inf"), help="Stop after so many bytes of each source.")
def main(sources: tuple[Path, ...], out: Path, max_bytes: float) -> None:
    """Make train and validation splits of SOURCES, tar archives or folders."""
    out.mkdir(parents=True, exist_ok=True)
    train, validation = Split(out, "train"), Split(out, "val")
    candidates: dict[str, list[tuple[float, str, bytes]]] = {}
    n_excluded = 0
    for source in sources:
        read = 0
        with tqdm(unit="B", unit_scale=True, desc=source.name, mininterval=5) as bar:
            for name, data in documents(source):
                if EXCLUDED.match(name):
                    n_excluded += 1
                    continue
                kind = kind_of(name)
                if rank(name) < VALIDATION_SHARE * 5:  # kept back until it is known which kinds lack documents
                    candidates.setdefault(kind, []).append((rank(name), name, data))
                else:
                    train.add(kind, data)
                read += len(data)
                bar.update(len(data))
                if read >= max_bytes:
                    break
    for kind, group in sorted(candidates.items()):
        size, chosen = 0, ""
        for share, name, data in sorted(group):  # the windows of a document stand together
            wanted = share < VALIDATION_SHARE or size < MIN_VALIDATION_BYTES
            if wanted and size < MAX_VALIDATION_BYTES:
                chosen = document_of(name)
            if document_of(name) != chosen:
                train.add(kind, data)
            elif size < MAX_VALIDATION_BYTES:  # what is above the maximum is for neither split
                validation.add(kind, data[: MAX_VALIDATION_BYTES - size])
                size += len(data)
    kinds = sorted({*train.kinds, *validation.kinds})
    for split in (train, validation):
        split.finish(kinds)
        click.echo(f"{split.path}.bin: {sum(split.sizes):,} bytes, {len(split.sizes):,} documents")
    click.echo(f"left out by name: {n_excluded}")


if __name__ == "__main__":
    main()
