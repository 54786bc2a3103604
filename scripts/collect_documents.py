"""Collect HTML, JSON, CSV and logs from packages for prepare_data.py, leaving out what evaluation texts share.

    python scripts/collect_documents.py --out work/extra --unseen EVALUATION npm/*.tgz deb/*.deb
    python scripts/collect_documents.py --out work/binaries --binary --unseen EVALUATION deb/*.deb

A package is an archive that tarfile reads, or a .deb (unpacked by dpkg-deb).  Documents go to OUT/KIND/PACKAGE__NAME,
KIND by the end of their name.  Of each package at most --max-bytes of a kind are kept, from regular places in the
sorted list of its files, so that no package rules its kind.  With --binary it is files with a zero byte near their
beginning that are kept, for train_mixer.py, if zlib makes them shorter: OUT/binary.  What shares a 64-byte string (at
a multiple of 16 in the evaluation text) with a file under --unseen is left out.
"""

from __future__ import annotations

import io
import lzma
import re
import subprocess
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

KINDS = {
    "code/html": re.compile(r"\.x?html?(\.gz)?$", re.IGNORECASE),
    "data/json": re.compile(r"\.(json|geojson|har)$", re.IGNORECASE),
    "data/csv": re.compile(r"\.[ct]sv$", re.IGNORECASE),
    "logs": re.compile(r"(\.log(\.\d)?$)|(/logs?/[^/.]+$)|(test.*/messages$)", re.IGNORECASE),
}
SHINGLE, STRIDE = 64, 16
WINDOW = 250_000  # bytes of a document, as in the shards
MIN_SIZE = 200
BINARY = "binary"


def documents(package: Path, is_binary: bool = False) -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of those files of a package that are documents, or binary ones in their place.

    Raises OSError, tarfile.TarError, CalledProcessError.
    """
    data = package.read_bytes()
    if package.suffix == ".deb":
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None or member.size < MIN_SIZE:
                continue
            name = member.name.lstrip("./")
            if is_binary:
                data = file.read()
                if 0 in data[:4096] and len(zlib.compress(data[:WINDOW])) < 0.9 * len(data[:WINDOW]):
                    yield BINARY, name, data
            elif kind := next((kind for kind, pattern in KINDS.items() if pattern.search(name)), None):
                yield kind, name, file.read()


def shingles(data: bytes, stride: int) -> np.ndarray:
    """Return hashes (n,) uint64 of the 64-byte strings at every multiple of `stride`."""
    n = max(0, len(data) - SHINGLE + 1)
    bytes_ = np.frombuffer(data, np.uint8).astype(np.uint64)
    total = np.zeros(len(range(0, n, stride)), np.uint64)
    for i in range(SHINGLE):
        total = total * np.uint64(0x9E3779B97F4A7C15) + bytes_[i : i + n : stride] + np.uint64(1)
    return total


def of_evaluation(folder: Path) -> np.ndarray:
    """Return the sorted hashes of all files under a folder, unpacking .xz."""
    parts = [np.zeros(0, np.uint64)]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        text = shingles(data, STRIDE)
        blank = shingles(b"\0" * SHINGLE, 1), shingles(b" " * SHINGLE, 1), shingles(b"-" * SHINGLE, 1)
        parts.append(text[~np.isin(text, np.concatenate(blank))])
    return np.unique(np.concatenate(parts))


def shares(data: bytes, known: np.ndarray) -> bool:
    """Return whether any 64-byte string of the data has its hash among the sorted ones of `known`."""
    text = shingles(data, 1)
    places = np.minimum(np.searchsorted(known, text), len(known) - 1)
    return bool(len(known)) and bool((known[places] == text).any())


def is_text(data: bytes) -> bool:
    """Return whether the data are UTF-8, but for a character cut at the end."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 4
    return True


@click.command()
@click.argument("packages", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--unseen", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Evaluation texts.")
@click.option("--binary", "is_binary", is_flag=True, help="Collect binary files, not documents.")
@click.option("--max-bytes", type=float, default=1.5e6, show_default=True, help="Of each kind in a package.")
def main(packages: tuple[Path, ...], out: Path, unseen: Path | None, is_binary: bool, max_bytes: float) -> None:
    """Collect documents of PACKAGES in OUT, in a folder for each kind."""
    known = of_evaluation(unseen) if unseen else np.zeros(0, np.uint64)
    sizes: Counter[str] = Counter()
    left_out = 0
    for package in tqdm(packages, mininterval=5):
        groups: dict[str, list[tuple[str, bytes]]] = {}
        try:
            for kind, name, data in documents(package, is_binary):
                groups.setdefault(kind, []).append((name, data[:WINDOW]))
        except (OSError, tarfile.TarError, subprocess.CalledProcessError) as error:
            raise click.ClickException(f"{package}: not a package, or damaged ({error})") from None
        for kind, group in groups.items():
            stride = max(1, round(sum(len(data) for _, data in group) / max_bytes))
            for name, data in sorted(group)[::stride]:
                if not is_binary and not is_text(data):
                    continue
                if shares(data, known):
                    left_out += 1
                    continue
                path = out / kind / f"{package.name.split('_')[0]}__{name.replace('/', '__')}"[-200:]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                sizes[kind] += len(data)
    for kind, size in sorted(sizes.items()):
        click.echo(f"{kind}: {size:,} bytes")
    click.echo(f"left out, since they share text with the evaluation: {left_out}")


if __name__ == "__main__":
    main()
