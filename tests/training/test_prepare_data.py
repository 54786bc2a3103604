"""The data that training reads: documents parted into splits, and endless streams of their pieces.  Without torch."""

from __future__ import annotations

import io
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT

MINIMUM, MAXIMUM = 400, 1600  # bytes of a kind for validation, in these tests
RESET, SKIP = 1, 2

Documents = dict[str, bytes]  # by name
SplitOf = dict[str, list[bytes]]  # documents by kind


@pytest.fixture
def prepare_data(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import prepare_data

    monkeypatch.setattr(prepare_data, "MIN_VALIDATION_BYTES", MINIMUM)
    monkeypatch.setattr(prepare_data, "MAX_VALIDATION_BYTES", MAXIMUM)
    return prepare_data


def text_of(name: str, size: int) -> bytes:
    """Return bytes that no other document holds."""
    return (f"[{name}]".encode() * (size // len(name) + 1))[:size]


def names_between(prepare_data: ModuleType, kind: str, n: int, low: float, high: float) -> list[str]:
    """Return n names of documents whose rank is in low .. high, in units of the share that validation takes."""
    names = (f"{kind}/document{i}.txt" for i in count())
    share = prepare_data.VALIDATION_SHARE
    return list(islice((name for name in names if low <= prepare_data.rank(name) / share < high), n))


def written_folder(path: Path, documents: Documents) -> Path:
    for name, data in documents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def written_archive(path: Path, documents: Documents, mode: str = "w", before: str = "") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in documents.items():
            member = tarfile.TarInfo(before + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def prepared(prepare_data: ModuleType, out: Path, *arguments: str | Path) -> tuple[SplitOf, SplitOf]:
    """Return the documents for training and for validation, after a check that the files of each agree."""
    done = CliRunner().invoke(prepare_data.main, ["--out", str(out), *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    splits = []
    for name in ("train", "val"):
        data, table = (out / f"{name}.bin").read_bytes(), np.load(out / f"{name}.npz")
        start, kinds = table["start"].tolist(), table["kinds"].tolist()
        assert start[0] == 0 and start[-1] == len(data) and len(start) == len(table["kind"]) + 1
        assert f"{name}.bin: {len(data):,} bytes, {len(start) - 1:,} documents" in done.output
        split: SplitOf = defaultdict(list)
        for kind, begin, end in zip(table["kind"].tolist(), start, start[1:], strict=False):
            split[kinds[kind]].append(data[begin:end])
        splits.append(split)
    return splits[0], splits[1]


def total(split: SplitOf) -> int:
    return sum(len(data) for group in split.values() for data in group)


@pytest.fixture
def mixture(prepare_data: ModuleType) -> Documents:
    """Documents of one to five windows of every rank, and two of more than validation wants; in the order of names."""
    result: Documents = {}
    for kind, size in (("gutenberg", 450), ("code/python", 150), ("data/csv", 30)):
        names = [
            *names_between(prepare_data, kind, 4, 0, 1),
            *names_between(prepare_data, kind, 8, 1, 5),
            *names_between(prepare_data, kind, 10, 5, 1e9),
        ]
        for i, name in enumerate(names):
            for window in range(1 + i % 5):
                result[f"{name}.{window}"] = text_of(f"{name}.{window}", size + i)
    for kind, low in (("above the maximum", 0), ("above the minimum", 1)):
        (name,) = names_between(prepare_data, kind, 1, low, low + 1)
        result |= {f"{name}.{window}": text_of(f"{name}.{window}", 170) for window in range(20)}
    return dict(sorted(result.items()))


# --- prepare_data.py --------------------------------------------------------------------------------------------------


def test_archives_and_folders_are_the_same(prepare_data: ModuleType, mixture: Documents, tmp_path: Path) -> None:
    mixture["gutenberg/Mark_Twain___In_Defense_of_Harriet_Shelley.txt.0"] = b"unseen"
    sources = [
        written_folder(tmp_path / "folder", mixture),
        written_archive(tmp_path / "plain.tar", mixture),
        written_archive(tmp_path / "packed.tar.xz", mixture, "w:xz"),
        written_archive(tmp_path / "dotted.tar.gz", mixture, "w:gz", "./"),
    ]
    first = prepared(prepare_data, tmp_path / "out0", sources[0])
    assert total(first[0]) and total(first[1])
    for i, source in enumerate(sources[1:], 1):
        train, validation = prepared(prepare_data, tmp_path / f"out{i}", source)
        assert validation == first[1], source
        assert {k: sorted(x) for k, x in train.items()} == {k: sorted(x) for k, x in first[0].items()}, source


def test_a_document_is_on_one_side_whatever_the_order(
    prepare_data: ModuleType, mixture: Documents, tmp_path: Path
) -> None:
    """Every byte is in one split, but for the ends of documents that validation has enough of."""
    items = list(mixture.items())
    sources = [written_archive(tmp_path / f"{i}.tar", dict(items[i::3])) for i in range(3)]
    train, validation = prepared(prepare_data, tmp_path / "out", *sources)
    for i, order in enumerate(([2, 0, 1], [1, 2, 0])):
        again = prepared(prepare_data, tmp_path / f"out{i}", *(sources[j] for j in order))
        assert again[1] == validation
        assert {k: sorted(x) for k, x in again[0].items()} == {k: sorted(x) for k, x in train.items()}

    sides, n_lost = defaultdict(set), 0
    for name, data in mixture.items():
        kind = prepare_data.kind_of(name)
        seen = sum(data.startswith(part) for part in validation[kind]), train[kind].count(data)
        assert seen in [(1, 0), (0, 1), (0, 0)], name
        sides[prepare_data.document_of(name)] |= {side for side, n in zip(("val", "train"), seen, strict=True) if n}
        n_lost += len(data) if seen == (0, 0) else 0
        n_lost += sum(len(data) - len(part) for part in validation[kind] if data.startswith(part))
    assert all(len(side) == 1 for side in sides.values())
    assert sorted(map(len, validation["gutenberg"]))[0] < 450, "no document is cut: the test tests less than it says"
    assert n_lost and total(train) + total(validation) == total({"": list(mixture.values())}) - n_lost


def test_minimum_and_maximum_of_a_kind(prepare_data: ModuleType, tmp_path: Path) -> None:
    """By rank: below the share all up to the maximum, then others up to the minimum, if they are not too far above."""
    ranks = {"enough": (0.0, 1.0), "lacking": (1.0, 5.0), "without": (5.0, 1e9)}
    documents = {
        name: text_of(name, 150)
        for kind, (low, high) in ranks.items()
        for name in names_between(prepare_data, kind, 20, low, high)
    }
    train, validation = prepared(prepare_data, tmp_path / "out", written_archive(tmp_path / "a.tar", documents))
    assert sum(map(len, validation["enough"])) == MAXIMUM
    assert len(train["enough"]) == 20 - 11, "that of which some is read is not for training"
    lacking = sorted((n for n in documents if n.startswith("lacking")), key=prepare_data.rank)
    assert validation["lacking"] == [documents[name] for name in lacking[:3]], "450 bytes are the first above 400"
    assert sorted(train["lacking"]) == sorted(documents[name] for name in lacking[3:])
    assert not validation["without"] and len(train["without"]) == 20


def test_the_sample_stays_unseen(prepare_data: ModuleType, tmp_path: Path) -> None:
    unseen = "gutenberg/Mark_Twain___In_Defense_of_Harriet_Shelley.txt"
    others = ["gutenberg/Mark_Twain___Roughing_It.txt.0", "docs/Mark_Twain___In_Defense_of_Harriet_Shelley.txt"]
    documents = {name: text_of(name, 300) for name in [f"{unseen}.0", f"{unseen}.1", *others]}
    train, validation = prepared(prepare_data, tmp_path / "out", written_folder(tmp_path / "in", documents))
    kept = [data for split in (train, validation) for group in split.values() for data in group]
    assert sorted(kept) == sorted(documents[name] for name in others)


def test_documents_are_of_the_kind_that_their_place_tells(prepare_data: ModuleType, tmp_path: Path) -> None:
    expected = {
        "gutenberg/Emma.txt.17": "gutenberg",
        "code/python/deep/in/it.py.3": "code/python",
        "data/csv/a.csv": "data/csv",
        "docs/txt/a.txt.0": "docs",
        "code/loose.py": "code",
        "loose.txt.0": "other",
        "loose.txt.1": "other",
    }
    assert {name: prepare_data.kind_of(name) for name in expected} == expected
    source = written_folder(tmp_path / "in", {name: text_of(name, 40) for name in expected})
    splits = prepared(prepare_data, tmp_path / "out", source)
    found = {data: kind for split in splits for kind, group in split.items() for data in group}
    assert found == {text_of(name, 40): kind for name, kind in expected.items()}
    assert np.load(tmp_path / "out" / "val.npz")["kinds"].tolist() == sorted(set(expected.values()))


def test_ranks_are_uniform_and_of_documents(prepare_data: ModuleType) -> None:
    ranks = np.array([prepare_data.rank(f"a/{i}.txt") for i in range(4000)])
    assert np.max(np.abs(np.sort(ranks) - np.linspace(0, 1, 4000))) < 0.03
    assert prepare_data.rank("a/b.txt.0") == prepare_data.rank("a/b.txt.123") == prepare_data.rank("a/b.txt")


def test_max_bytes_of_each_source(prepare_data: ModuleType, tmp_path: Path) -> None:
    for source in ("a", "b"):
        names = [f"{source}/{i}" for i in range(9)]
        written_archive(tmp_path / f"{source}.tar", {name: text_of(name, 100) for name in names})
    splits = prepared(prepare_data, tmp_path / "out", tmp_path / "a.tar", tmp_path / "b.tar", "--max-bytes", "250")
    assert {kind: sum(len(split[kind]) for split in splits) for kind in ("a", "b")} == {"a": 3, "b": 3}


def test_what_is_mapped_stays_as_it_is(prepare_data: ModuleType, mixture: Documents, tmp_path: Path) -> None:
    """Data made anew under a training that reads them: it goes on with the old ones."""
    source = written_archive(tmp_path / "a.tar", mixture)
    prepared(prepare_data, tmp_path / "out", source)
    mapped = np.memmap(tmp_path / "out" / "train.bin", np.uint8, "r")
    before = mapped.tobytes()
    train, _ = prepared(prepare_data, tmp_path / "out", source, "--max-bytes", "9000")
    assert mapped.tobytes() == before and total(train) < len(before)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.bin", "train.npz", "val.bin", "val.npz"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives_that_are_damaged(prepare_data: ModuleType, mixture: Documents, tmp_path: Path, mode: str) -> None:
    whole = written_archive(tmp_path / "a.tar", mixture, mode).read_bytes()
    for data in (whole[: 700 if mode == "w" else len(whole) // 2], b"some text\n" * 100, whole[:10]):
        (tmp_path / "a.tar").write_bytes(data)
        done = CliRunner().invoke(prepare_data.main, ["--out", str(tmp_path / "out"), str(tmp_path / "a.tar")])
        assert done.exit_code == 1 and f"Error: {tmp_path / 'a.tar'}: not a tar archive, or damaged" in done.output


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def corpus_of(prepare_data: ModuleType, tmp_path: Path) -> Callable:
    """A function: kind -> its documents; to a corpus of them."""
    from lmzip.training.net.data import Corpus

    def make(documents: dict[str, list[bytes]]) -> Corpus:
        split = prepare_data.Split(tmp_path, "train")
        for kind, group in documents.items():
            for data in group:
                split.add(kind, data)
        split.finish(sorted(documents))
        return Corpus.mapped(tmp_path, "train")

    return make


def stream_of(corpus, seed: int = 5, weights: dict[str, float] | None = None, **augmentation: float):
    """Return a stream of whole documents, without augmentation but for what is given."""
    from lmzip.training.net.data import Augmentation, Stream

    a = Augmentation(**({"crlf": 0.0, "cut": 0.0, "reset": 0.0, "piece": 1 << 30} | augmentation))
    return Stream(corpus, corpus.sampling(weights or {}, a.piece), a, seed)


def read(stream, n_windows: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    """Return bytes and marks of the next windows, after a check that each knows the eight bytes before it."""
    before, data, marks = stream.history, [], []
    for _ in range(n_windows):
        seen, mark = stream.window(T)
        assert np.array_equal(seen[:8], before) and len(seen) == 8 + T and len(mark) == T
        before = seen[-8:]
        data.append(seen[8:])
        marks.append(mark)
    return np.concatenate(data), np.concatenate(marks)


LETTERS = [bytes([0x80 + i]) + b"some text\n" * (i % 7) + b"an end\r\n\rx\r\r\ny" for i in range(20)]  # 0x80 ..: starts


def test_documents_give_back_what_was_added(corpus_of: Callable) -> None:
    corpus = corpus_of({"b": LETTERS[:2], "a": [LETTERS[2], b"", LETTERS[3]]})
    assert [corpus.document(i).tobytes() for i in range(5)] == [*LETTERS[:3], b"", LETTERS[3]]
    assert corpus.kinds == ["a", "b"] and corpus.kind.tolist() == [1, 1, 0, 0, 0]


def test_streams_depend_on_their_seed_alone(corpus_of: Callable) -> None:
    corpus, augmentation = corpus_of({"a": LETTERS}), {"crlf": 0.5, "cut": 0.5, "reset": 0.5}
    expected = read(stream_of(corpus, 5, **augmentation), 30, 64)
    for n_windows, T in ((30, 64), (64, 30), (1, 1920)):
        again = read(stream_of(corpus, 5, **augmentation), n_windows, T)
        assert all(np.array_equal(x, y) for x, y in zip(again, expected, strict=True))
    assert not np.array_equal(read(stream_of(corpus, 6, **augmentation), 30, 64)[0], expected[0])


def test_streams_go_on_from_their_state(corpus_of: Callable) -> None:
    corpus, augmentation = corpus_of({"a": LETTERS}), {"crlf": 0.5, "cut": 0.5, "reset": 0.5}
    for T in (7, 100):
        stream = stream_of(corpus, 5, **augmentation)
        assert not stream.history.any()
        read(stream, 9, T)
        state = stream.state_dict()
        expected = [stream.window(T) for _ in range(20)]  # which must not change the state that was taken
        other = stream_of(corpus, 77, **augmentation)
        read(other, 2, T)
        other.load_state_dict(state)
        for seen, marks in expected:
            again = other.window(T)
            assert np.array_equal(again[0], seen) and np.array_equal(again[1], marks)


@pytest.mark.parametrize("reset", [0.0, 0.5, 1.0])
def test_marks_stand_where_a_state_is_zero(corpus_of: Callable, reset: float) -> None:
    """A piece from a zero state follows eight zeros that are not predicted; any other stands right behind the last."""
    stream = stream_of(corpus_of({"a": LETTERS}), reset=reset)
    data, marks = read(stream, 80, 37)
    at, n_pieces, n_reset = 0, 0, 0
    while at < len(data) - 200:
        if data[at] == 0:
            assert not data[at : at + 8].any() and (marks[at : at + 8] == SKIP).all()
            at += 8
            assert marks[at] == RESET
            n_reset += 1
        else:
            assert marks[at] == 0
        document = LETTERS[data[at] - 0x80]
        assert data[at : at + len(document)].tobytes() == document
        assert not marks[at + 1 : at + len(document)].any()
        at += len(document)
        n_pieces += 1
    assert n_pieces > 40 and abs(n_reset / n_pieces - reset) < 0.2


def test_line_ends_become_crlf(corpus_of: Callable) -> None:
    corpus = corpus_of({"a": LETTERS})
    found = {}
    for crlf in (0.0, 0.5, 1.0):
        data = read(stream_of(corpus, crlf=crlf), 100, 64)[0].tobytes()
        pieces = re.findall(rb"[\x80-\xff][^\x80-\xff]*", data)[:-1]
        plain = sum(piece in LETTERS for piece in pieces)
        changed = sum(piece in [re.sub(rb"(?<!\r)\n", b"\r\n", x) for x in LETTERS] for piece in pieces)
        both = sum(piece.count(b"\n") == 2 for piece in pieces)  # those without a line end of their own
        assert plain + changed == len(pieces) + both > 50
        found[crlf] = (plain - both) / (len(pieces) - both)
    assert found[0.0] == 1 and found[1.0] == 0 and abs(found[0.5] - 0.5) < 0.2


def test_pieces_of_long_documents(corpus_of: Callable) -> None:
    """They begin anywhere but in the last 500 bytes, and have a piece's length at most; a short document is whole."""
    long = b"".join(b"%05d " % i for i in range(500))
    stream = stream_of(corpus_of({"a": [long, b"\x80" * 400]}), piece=1000, cut=0.0, reset=1.0)
    data = read(stream, 150, 1000)[0].tobytes()
    pieces = [piece for piece in data.split(bytes(8)) if piece][:-1]
    starts = [long.find(piece) for piece in pieces if piece != b"\x80" * 400]
    lengths = [len(piece) for piece in pieces if piece != b"\x80" * 400]
    assert lengths == [min(1000, len(long) - start) for start in starts]
    assert max(starts) < len(long) - 500 and len(set(starts)) > 40 and min(starts) == 0, "not found: -1"
    short = len(pieces) - len(starts)
    assert short / len(pieces) == pytest.approx(1 / 4, abs=0.1), "three pieces of the one for one of the other"

    stream = stream_of(corpus_of({"a": [long]}), cut=1.0, reset=1.0)
    assert all(piece == long[-len(piece) :] for piece in read(stream, 50, 1000)[0].tobytes().split(bytes(8))[1:-1])


@pytest.mark.parametrize("weights", [{}, {"b": 3.0}, {"a": 0.0}, {"a": 0.5, "c": 2.0}], ids=str)
def test_weights_of_kinds(corpus_of: Callable, weights: dict[str, float]) -> None:
    documents = {kind: [kind.encode() * 20 + b"\n"] * n for kind, n in (("a", 40), ("b", 10), ("c", 20))}
    pieces = read(stream_of(corpus_of(documents), weights=weights), 1, 21 * 2000)[0].tobytes().split()
    mass = {kind: len(group) * weights.get(kind, 1.0) for kind, group in documents.items()}
    for kind in documents:
        share = mass[kind] / sum(mass.values())
        error = 4 * (share * (1 - share) / 2000) ** 0.5
        assert sum(piece[0] == ord(kind) for piece in pieces) / 2000 == pytest.approx(share, abs=error)


def test_documents_are_visited_by_their_size(corpus_of: Callable) -> None:
    corpus = corpus_of({"a": [bytes(50), bytes(1000), bytes(100)], "b": [bytes(300)]})
    shares = np.diff(corpus.sampling({"b": 2.0}, 100), prepend=0)
    assert shares.tolist() == pytest.approx([1 / 18, 10 / 18, 1 / 18, 6 / 18])


def test_weights_of_unknown_kinds_are_refused(corpus_of: Callable) -> None:
    with pytest.raises(ValueError, match="books, poems"):
        corpus_of({"a": LETTERS}).sampling({"a": 1.0, "poems": 2.0, "books": 1.0}, 1000)
