"""Documents to train on: which files, their kinds, what is held out of them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from pathlib import Path

import pytest

import lmzip
from lmzip.training import documents
from lmzip.training.documents import Document, kind_of, read_documents, size_of, split


def made(n: int, size: int) -> list[Document]:
    """Return documents of numbered lines, no line of which stands twice."""
    return [
        Document(f"{i:04}.log", ".log", b"".join(b"%d line %d\n" % (i, j) for j in range(size))[:size])
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.log", ".log"),
        ("app.log.3", ".log"),
        ("app.LOG-20260101.gz", ".log"),
        ("a/b.c/file.py", ".py"),
        ("messages", "other"),
        ("messages.1.lmz", "other"),
        ("a.tar.xz", ".tar"),
    ],
)
def test_kinds_are_suffixes(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_files_below_folders_are_read_and_unpacked(tmp_path: Path) -> None:
    (tmp_path / "d" / ".git").mkdir(parents=True)
    text = b"some text\n" * 100
    for name, data in {
        "d/plain.txt": text,
        "d/a.log.gz": gzip.compress(text),
        "d/a.log.bz2": bz2.compress(text),
        "d/a.log.xz": lzma.compress(text),
        "d/a.log.lmz": lmzip.compress(text, 1),
        "d/binary": b"\0" + text,
        "d/cut.gz": gzip.compress(text)[:-20],
        "d/broken.lmz": lmzip.compress(text, 1)[:-3],
        "d/empty": b"",
        "d/.hidden": text,
        "d/.git/text": text,
        "alone.md": text,
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "d" / "link").symlink_to("plain.txt")
    found, n_passed_over = read_documents([tmp_path / "d", tmp_path / "alone.md", tmp_path / "d"])
    assert sorted(document.name for document in found) == [
        "a.log.bz2", "a.log.gz", "a.log.lmz", "a.log.xz", "alone.md", "plain.txt",
    ]  # fmt: skip
    assert {document.data for document in found} == {text} and n_passed_over == 3
    with pytest.raises(FileNotFoundError):
        read_documents([tmp_path / "missing"])


def test_of_too_much_the_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(bytes(range(1, 101)))
    (tmp_path / "b.log").write_bytes(bytes(range(101, 151)))
    found, _ = read_documents([tmp_path], most=15)
    assert [document.data for document in found] == [bytes(range(91, 101)), bytes(range(146, 151))]


@pytest.mark.parametrize("n", [1, 3, documents.MANY, 200])
def test_a_sixteenth_is_held_out(n: int) -> None:
    all_of = made(n, 400_000 // n)
    parts = split(all_of)
    sizes = parts.sizes()
    assert sum(sizes) == size_of(all_of)
    assert all(0.7 < size / (size_of(all_of) / documents.SHARE) <= 1.01 for size in sizes[1:])
    lines = [
        {line for document in part for line in document.data.splitlines(keepends=True) if line.endswith(b"\n")}
        for part in (parts.train, parts.validation, parts.held_out)
    ]
    assert not lines[0] & lines[1] and not lines[0] & lines[2] and not lines[1] & lines[2]
    if n < documents.MANY:  # what stands last is held out
        assert {d.name for d in parts.train} == {d.name for d in parts.held_out} == {d.name for d in all_of}
        for document in parts.held_out:
            assert next(d for d in all_of if d.name == document.name).data.endswith(document.data)
    else:
        assert not {d.name for d in parts.train} & {d.name for d in parts.held_out + parts.validation}


def test_documents_are_parted_alike_in_any_order() -> None:
    for n in (3, 100):
        one = made(n, 300_000 // n)
        other = random.Random(1).sample(one, n)
        assert split(one) == split(other) and split(one).digest() == split(other).digest()
        assert split(one).digest() != split(made(n, 300_001 // n + 1)).digest()


@pytest.mark.parametrize(("n", "size"), [(3, 100_000), (300, 1_000), (documents.MANY, 20_000)])
def test_no_more_is_held_out_than_is_worth_measuring(n: int, size: int) -> None:
    """Whole files where some are small enough, else the ends."""
    parts = split(made(n, size), most=10_000)
    assert all(5_000 < found < 10_000 + 20 * n for found in parts.sizes()[1:])
    assert (len(parts.held_out) == n) is (size > 10_000)


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 65536 bytes of text or more, here are 65535"):
        split(made(1, 65_535))
