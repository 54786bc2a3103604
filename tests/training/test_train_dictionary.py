"""Dictionaries made of samples: the pieces that are chosen, what is held out, and what samples are read."""

from __future__ import annotations

import json
import random

import pytest

import lmzip
from lmzip.training import samples
from lmzip.training.dictionary import choose, latest, pieces_of, some, train


def messages(n: int, seed: int = 1) -> list[bytes]:
    """Return JSON messages of one kind."""
    drawing = random.Random(seed)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
    return [
        json.dumps(
            {
                "id": drawing.getrandbits(40),
                "kind": drawing.choice(("created", "changed", "removed")),
                "user": {"name": drawing.choice(words), "email": f"{drawing.choice(words)}@example.org"},
                "note": " ".join(drawing.choices(words, k=drawing.randrange(12))),
            }
        ).encode()
        for _ in range(n)
    ]


def test_samples_are_cut_behind_lines_where_they_can_be() -> None:
    lines = b"".join(b"line %d of a long file\n" % i for i in range(1000))
    for data, ends in ((lines, b"\n"), (b"x" * 5000, b"x"), (b"short", b"t"), (b"", b"")):
        pieces = pieces_of([data])
        assert b"".join(pieces) == data
        assert all(len(piece) <= 2048 and piece.endswith(ends) for piece in pieces)


def test_some_are_from_all_places() -> None:
    pieces = [bytes([i]) * 10 for i in range(100)]
    assert some(pieces, 1000) == pieces
    assert some(pieces, 100) == pieces[::10]


def test_what_others_share_is_chosen_and_comes_last() -> None:
    drawing = random.Random(2)
    common = b"this is what most of them have in common, in the same words"
    alone = [drawing.randbytes(60) for _ in range(50)]
    pieces = [piece for i in range(50) for piece in (alone[i], common + b" %d" % (i % 2))]
    chosen = choose(pieces, 4096)
    assert chosen.endswith((common + b" 0", common + b" 1"))
    assert not any(piece in chosen for piece in alone), "what nobody else has is not worth its place"
    assert len(choose(pieces, 64)) == 64


def test_the_choice_is_the_same_each_time_and_keeps_to_its_size() -> None:
    made = messages(300)
    for size in (1, 1000, 4096):
        assert choose(made, size) == choose(list(made), size)
        assert len(choose(made, size)) == size
        assert latest(made, size) == b"".join(made)[-size:]
    assert choose([b"abc", b"def"], 100) == b""


def test_training_measures_on_what_is_held_out() -> None:
    made, seen = messages(400), []
    found = train(made, 4096, 3, seen.append)
    held_out = made[7::8]
    assert (found.n_samples, found.n_held_out, found.raw_size) == (350, 50, sum(map(len, held_out)))
    assert sum(seen) == 3 * found.raw_size
    assert found.size_without == sum(len(lmzip.compress(m, 3)) for m in held_out)
    assert found.size_with == sum(len(lmzip.compress(m, 3, dictionary=found.dictionary)) for m in held_out)
    assert found.size_with < found.size_without / 2
    assert not any(message in found.dictionary.data for message in held_out)
    assert train(made, 4096, 3).dictionary.digest == found.dictionary.digest


def test_samples_without_anything_in_common_are_taken_as_they_are() -> None:
    drawing = random.Random(3)
    found = train([drawing.randbytes(100) for _ in range(16)], 1024, 1)
    assert len(found.dictionary) == 1024


def test_few_samples_and_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 8 samples or more, here are 7"):
        train([*messages(7), b"", b""], 4096, 1)
    with pytest.raises(ValueError, match="power of two"):
        train(messages(20), 5000, 1)


def test_files_folders_and_lines_are_samples(tmp_path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_bytes(b"two\nlines")
    (tmp_path / "b" / "1").write_bytes(b"one\n")
    (tmp_path / "a").write_bytes(b"\nfirst\n")
    paths = [tmp_path / "a", tmp_path / "b"]
    assert samples.read_samples(paths, lines=False) == [b"\nfirst\n", b"one\n", b"two\nlines"]
    assert samples.read_samples(paths, lines=True) == [b"\n", b"first\n", b"one\n", b"two\n", b"lines"]
    with pytest.raises(OSError):
        samples.read_samples([tmp_path / "missing"], lines=False)


def test_of_too_much_a_part_is_read(tmp_path) -> None:
    for i in range(20):
        (tmp_path / f"{i:02}").write_bytes(b"%02d line one\nline two\nline three\n" % i)
    size = 33
    files = samples.read_samples([tmp_path], lines=False, most=5 * size)
    assert [data[:2] for data in files] == [b"00", b"04", b"08", b"12", b"16"]
    assert samples.read_samples([tmp_path], lines=True, most=20 * 20) == [b"line two\n", b"line three\n"] * 20
    (tmp_path / "large").write_bytes(b"0123456789" * 100)
    assert samples.read_samples([tmp_path / "large"], lines=False, most=15) == [b"567890123456789"[-15:]]
