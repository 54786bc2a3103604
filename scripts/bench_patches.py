"""Compare lmzip and zstd with --patch-from: new versions of files, made smaller by the old ones.

    scripts/bench_patches.py [--pair OLD NEW]... [--level 3]... [--update-docs]

Pairs are of files, such as the tars of two releases of a program, uncompressed: `pip download --no-deps --no-binary
:all: NAME==VERSION` gets them, gunzip unpacks them.  Besides, a dump of a table and a text are made, each in two
versions, by seeded generators.  zstd is `zstd --patch-from=OLD -19 --long=31`.  Every round trip is checked; seconds
are of one run, of the whole program, with two threads.  Wants zstd.
"""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_report
import click
import message_samples

ROOT = Path(__file__).resolve().parent.parent
N_ROWS = 20000
Row = dict[str, str | int | float]


def dump(n: int, text: str) -> tuple[bytes, bytes]:
    """Return a table of events as lines of JSON, and that of the next day: of 100 rows 5 are changed, 1 is gone."""
    drawing, words = random.Random(20), text.split()
    rows = [message_samples.events(drawing, words, i) for i in range(n)]
    later = []
    for row in rows:
        draw = drawing.randrange(100)
        if draw < 5:
            row = row.replace('"note": "', f'"note": "{drawing.choice(words)} ')
        if draw != 99:
            later.append(row)
    later += [message_samples.events(drawing, words, n + i) for i in range(n // 50)]
    return "\n".join(rows).encode(), "\n".join(later).encode()


def text_versions(text: bytes) -> tuple[bytes, bytes]:
    """Return two thirds of a text, and all of it with every 50th line gone."""
    lines = text.splitlines(keepends=True)
    old = b"".join(lines[: len(lines) * 2 // 3])
    return old, b"".join(line for i, line in enumerate(lines) if i % 50)


def run(*command: str | Path) -> float:
    """Run a program and return its seconds; raises CalledProcessError."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def measured(name: str, pack: list[str | Path], unpack: list[str | Path], packed: Path, raw: bytes) -> Row:
    """Return size and seconds of a program that writes `packed`, and back; raises ValueError for other bytes."""
    back = packed.with_suffix(".back")
    to_packed = run(*pack, packed)
    to_raw = run(*unpack, back)
    if back.read_bytes() != raw:
        raise ValueError(f"{name} gave other bytes back")
    row: Row = {name: packed.stat().st_size, f"{name}_seconds": round(to_packed, 1), f"{name}_back": round(to_raw, 1)}
    packed.unlink()
    back.unlink()
    return row


def measure(name: str, old: bytes, new: bytes, levels: tuple[int, ...]) -> Row:
    """Return the row of two versions."""
    row: Row = {"pair": name, "old_size": len(old), "raw_size": len(new)}
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder)
        (inside / "old").write_bytes(old)
        (inside / "new").write_bytes(new)
        option, packed = f"--patch-from={inside / 'old'}", inside / "packed"
        zstd: list[str | Path] = ["zstd", "-q", "-f", option, "--long=31"]
        row |= measured("zstd", [*zstd, "-19", inside / "new", "-o"], [*zstd, "-d", packed, "-o"], packed, new)
        lmzip: list[str | Path] = [sys.executable, "-m", "lmzip", "-T2", "-f", option]
        for level in levels:
            there = [*lmzip, f"-{level}", "--no-verify", "-k", inside / "new", "-o"]
            row |= measured(f"lmzip{level}", there, [*lmzip, "-d", packed, "-o"], packed, new)
    return row


def table(rows: list[Row], levels: tuple[int, ...]) -> list[str]:
    """Return the rows as Markdown."""
    programs = ["zstd", *(f"lmzip{level}" for level in levels)]
    titles = ["zstd -19", *(f"lmzip -{level}" for level in levels)]
    head = ["new version", "raw", *titles, f"-{levels[-1]} / zstd", *(f"{title}, s" for title in titles)]
    body = []
    for row in rows:
        sizes = [f"{int(row[program]):,}" for program in programs]
        seconds = [f"{row[f'{program}_seconds']} + {row[f'{program}_back']}" for program in programs]
        share = float(row[programs[-1]]) / float(row["zstd"])
        body.append([str(row["pair"]), f"{int(row['raw_size']):,}", *sizes, f"{share:.2f}", *seconds])
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(line)} |" for line in [head, ruler, *body]]


@click.command()
@click.option("--pair", "pairs", multiple=True, nargs=2, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--level", "levels", multiple=True, type=click.IntRange(1, 9), default=(3, 6), show_default=True)
@click.option("--rows", type=int, default=N_ROWS, show_default=True, help="Of the dump.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("work/bench"), show_default=True)
@click.option("--update-docs", is_flag=True, help="Put the table into docs/RESULTS.md.")
def main(
    pairs: tuple[tuple[Path, Path], ...], levels: tuple[int, ...], rows: int, out: Path, update_docs: bool
) -> None:
    """Measure, print and keep the table."""
    if not shutil.which("zstd"):
        raise click.ClickException("zstd is not installed")
    text = (ROOT / "samples" / "harriet-shelley.txt").read_bytes()
    versions = {"a dump of a table, JSON": dump(rows, text.decode()), "a text, one third new": text_versions(text)}
    for old, new in pairs:
        versions[f"{new.name} from {old.name}"] = old.read_bytes(), new.read_bytes()
    measurements = []
    for name, (before, after) in versions.items():
        measurements.append(measure(name, before, after, levels))
        click.echo("  ".join(f"{key} {value}" for key, value in measurements[-1].items()), err=True)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "patches.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(measurements[0]))
        writer.writeheader()
        writer.writerows(measurements)
    lines = table(measurements, levels)
    click.echo("\n".join(lines))
    if update_docs:
        path = ROOT / "docs" / "RESULTS.md"
        path.write_text(bench_report.replace_between(path.read_text(), "patches", lines))


if __name__ == "__main__":
    main()
