"""Compare lmzip and zstd on small messages of one kind, each by itself, with and without a trained dictionary.

    scripts/bench_dictionaries.py --size 64k --size 256k [--logs FOLDER] [--update-docs]

Messages are made by seeded generators (message_samples.py); of each file in --logs some lines are one.  Dictionaries
are trained by each program on seven eighths of the messages, and measured on the other eighth, 200 of them at most:
every message is compressed and decompressed by itself.  zstd is `zstd --train`, `zstd -19 -D`, without checksum or
number of the dictionary; lmzip is `lmzip-models train-dictionary` in Python.  Wants zstd and numpy.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import bench_report
import click
import message_samples

import lmzip
from lmzip.cli.option_types import SizeType
from lmzip.training.dictionary import HELD_OUT_OF, train

ROOT = Path(__file__).resolve().parent.parent
MOST = 200  # messages that are measured
LEVELS = (3, 6)
COLUMNS = ("messages", "dictionary_size", "n_messages", "raw_size", "zstd_without", "zstd_with") + tuple(
    f"lmzip{level}_{way}" for level in LEVELS for way in ("without", "with")
)
Row = dict[str, str | int]


def with_zstd(messages: list[bytes], training: list[bytes], size: int) -> tuple[int, int]:
    """Return the bytes of messages with zstd -19, without and with a dictionary; raises ValueError as with_lmzip()."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder)

        def zstd(*words: str) -> None:
            subprocess.run(["zstd", "-q", "-f", *words], cwd=inside, check=True, stderr=subprocess.DEVNULL)

        def named(prefix: str, parts: list[bytes]) -> list[str]:
            for i, part in enumerate(parts):
                (inside / f"{prefix}{i:05}").write_bytes(part)
            return [f"{prefix}{i:05}" for i in range(len(parts))]

        (inside / "list").write_text("\n".join(named("t", training)))
        zstd("--train", "--filelist=list", f"--maxdict={size}", "-o", "dictionary")
        names = named("m", messages)
        sizes = []
        for options in ((), ("-D", "dictionary")):
            zstd("-19", "--no-check", "--no-dictID", *options, *names)
            sizes.append(sum((inside / f"{name}.zst").stat().st_size for name in names))
            for name in names:
                (inside / name).unlink()
            zstd("-d", *options, *(f"{name}.zst" for name in names))
            if any((inside / name).read_bytes() != message for name, message in zip(names, messages, strict=True)):
                raise ValueError("zstd gave other bytes back")
        return sizes[0], sizes[1]


def with_lmzip(messages: list[bytes], level: int, dictionary: lmzip.Dictionary | None) -> int:
    """Return the bytes of messages; raises ValueError if other bytes come back."""
    packed = [lmzip.compress(message, level, dictionary=dictionary, threads=1) for message in messages]
    if [lmzip.decompress(data, dictionary=dictionary, threads=1) for data in packed] != messages:
        raise ValueError("lmzip gave other bytes back")
    return sum(map(len, packed))


def measure(name: str, messages: list[bytes], size: int) -> Row:
    """Return the row of a kind of messages."""
    measured = messages[HELD_OUT_OF - 1 :: HELD_OUT_OF]
    measured = [measured[i * len(measured) // MOST] for i in range(MOST)] if len(measured) > MOST else measured
    training = [message for i, message in enumerate(messages) if i % HELD_OUT_OF != HELD_OUT_OF - 1]
    row: Row = {
        "messages": name,
        "dictionary_size": size,
        "n_messages": len(measured),
        "raw_size": sum(map(len, measured)),
    }
    row["zstd_without"], row["zstd_with"] = with_zstd(measured, training, size)
    dictionary = train(training, size, LEVELS[0]).dictionary
    for level in LEVELS:
        row[f"lmzip{level}_without"] = with_lmzip(measured, level, None)
        row[f"lmzip{level}_with"] = with_lmzip(measured, level, dictionary)
    return row


def messages_per_second(messages: list[bytes], level: int, dictionary: lmzip.Dictionary) -> float:
    """Return how many messages a second are compressed behind a dictionary that is learned."""
    lmzip.compress(messages[0], level, dictionary=dictionary, threads=1)
    began = time.perf_counter()
    for message in messages:
        lmzip.compress(message, level, dictionary=dictionary, threads=1)
    return len(messages) / (time.perf_counter() - began)


def table(rows: list[Row]) -> list[str]:
    """Return the rows as Markdown."""
    head = ["messages", "dictionary", "bytes a message", "zstd -19", "zstd -19 -D"]
    head += [f"lmzip -{level}{option}" for level in LEVELS for option in ("", " -D")] + ["-6 -D / zstd -D"]
    body = []
    for row in rows:
        n = int(row["n_messages"])
        sizes = [int(row[column]) for column in COLUMNS[3:]]
        cells = [
            str(row["messages"]),
            f"{int(row['dictionary_size']) >> 10} KiB",
            *(f"{size / n:.0f}" for size in sizes),
        ]
        body.append([*cells, f"{int(row['lmzip6_with']) / int(row['zstd_with']):.2f}"])
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(line)} |" for line in [head, ruler, *body]]


@click.command()
@click.option(
    "--size", "sizes", multiple=True, type=SizeType(), default=("64k",), show_default=True, help="Of dictionaries."
)
@click.option("--messages", "n", type=int, default=1000, show_default=True, help="That are made of each kind.")
@click.option("--logs", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of logs.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("work/bench"), show_default=True)
@click.option("--update-docs", is_flag=True, help="Put the table into docs/RESULTS.md.")
def main(sizes: tuple[int, ...], n: int, logs: Path | None, out: Path, update_docs: bool) -> None:
    """Measure, print and keep the table."""
    if not shutil.which("zstd"):
        raise click.ClickException("zstd is not installed")
    text = (ROOT / "samples" / "harriet-shelley.txt").read_text(encoding="utf-8")
    kinds = {name: message_samples.generated(name, n, text) for name in message_samples.GENERATORS}
    kinds |= {path.name: message_samples.of_log(path) for path in sorted(logs.iterdir())} if logs else {}
    rows = []
    for name, messages in kinds.items():
        for size in sizes:
            rows.append(measure(name, messages, size))
            click.echo("  ".join(f"{key} {value}" for key, value in rows[-1].items()), err=True)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "dictionaries.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    lines = table(rows)
    click.echo("\n".join(lines))
    if update_docs:
        path = ROOT / "docs" / "RESULTS.md"
        path.write_text(bench_report.replace_between(path.read_text(), "dictionaries", lines))
    messages = next(iter(kinds.values()))
    dictionary = train(messages, sizes[0], LEVELS[0]).dictionary
    speeds = [messages_per_second(messages[:300], level, dictionary) for level in (1, 3)]
    mean = sum(map(len, messages[:300])) / 300
    click.echo(f"{mean:.0f} bytes a message: {speeds[0]:.0f} a second at -1, {speeds[1]:.0f} at -3")


if __name__ == "__main__":
    main()
