"""Measure what a level with a net gains in the sample of a block and in the whole, beside level 4: docs/RESULTS.md.

    python scripts/measure_choice.py [--level 6] [FILES]

Besides FILES (of more than 16 KiB) it takes tables, lists and archives made here, which `ngram` learns completely.
Prints a Markdown table; every file is compressed in memory, decompressed and compared.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import lmzip
from lmzip.codec.choice import sample_sizes, takes_sample
from lmzip.codec.settings import settings_for
from lmzip.levels import get_level
from lmzip.models.registry import Registry

REGISTRY = Registry()


def archive(files: Iterator[tuple[str, bytes]]) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def learned_kinds() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of files that follow a rule, more or less."""
    rng = random.Random(5)
    yield "count", b"".join(b"%d\n" % i for i in range(200_000))
    yield "count table", b"".join(b"%8d %14d %d\n" % (i, i * i, i % 7) for i in range(30_000))
    yield "rows", b"".join(b"row %d\t%d\t%d\n" % (i, i, i + 1) for i in range(40_000))
    yield "addresses", b"".join(b"10.%d.%d.%d\n" % (i >> 16, i >> 8 & 255, i & 255) for i in range(30_000))
    yield "hex dump", b"".join(b"%08x: %s\n" % (16 * i, b"0000 " * 8) for i in range(10_000))
    yield "sensors", b"".join(b"%d,%.1f,%d,%d\n" % (i, 20 + i % 10 / 10, i % 360, i * i % 97) for i in range(60_000))
    yield "wide csv", b"\n".join(b",".join(b"%d" % (i * j % 1000) for j in range(150)) for i in range(600))
    yield "wide csv, noise", b"\n".join(b",".join(b"%.4f" % rng.gauss(0, 1) for _ in range(120)) for _ in range(400))
    rows = ({"id": i, "user": rng.choice("abc"), "ok": i % 3 > 0, "v": rng.randrange(10**6)} for i in range(8000))
    yield "JSON lines", "".join(json.dumps(row) + "\n" for row in rows).encode()
    yield "markup", b"".join(b'<item id="%d"><name>item %d</name></item>\n' % (i, i) for i in range(12_000))
    yield "tiny files", archive((f"d/file{i:05d}.txt", b"file number %d\n" % i) for i in range(2000))
    yield "settings", archive((f"m{i}.cfg", b"port=%d\n" % rng.randrange(1000, 9999)) for i in range(1500))
    yield "records", b"".join(struct.pack("<IIHHd", i, i * 3, i % 11, 7, i * 0.5) for i in range(20_000))
    yield "Thue-Morse", bytes(97 + bin(i).count("1") % 2 for i in range(600_000))


def measure(name: str, raw: bytes, level: int) -> str:
    """Return a row of the table."""
    settings, model = settings_for(level, None, REGISTRY)
    sizes = sample_sizes(model, raw, settings)
    plain, mixed = (model.encode(raw, settings.spec(len(raw), uses_model=use)) for use in (False, True))
    plain_size, mixed_size = (len(raw) if payload is None else len(payload) for payload in (plain, mixed))
    packed = lmzip.compress(raw, level=level)
    if lmzip.decompress(packed) != raw:
        raise SystemExit(f"{name}: the round trip failed")
    least = len(lmzip.compress(raw, level=4))
    gains = f"{1 - sizes.mixed / sizes.plain:.1%} | {1 - mixed_size / plain_size:.1%}"
    return f"| {name} | {len(raw):,} | {gains} | {least:,} | {len(packed):,} | {len(packed) / least - 1:+.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--level", type=int, default=6)
    args = parser.parse_args()
    print(f"| file | bytes | gain in the sample | in the whole | -4 | -{args.level} | against -4 |")
    print("|---|---|---|---|---|---|---|")
    for name, raw in [*learned_kinds(), *((path.name, path.read_bytes()) for path in args.files)]:
        block_size = get_level(args.level).block_size
        if takes_sample(get_level(args.level), len(raw)) and len(raw) <= block_size:
            print(measure(name, raw, args.level))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
