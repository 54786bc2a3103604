"""Choose the tokens that a large vocabulary is cut down to, by what the training shards use.

    python scripts/keep_tokens.py gemma-3-270m-q4_k_m.gguf work/data -o lmzip/convert/data/gemma3.tokens.gz

Reads the tokenizer of a GGUF file and what prepare_data.py wrote.  Of each kind of documents some are taken at regular
places, --kind-bytes of them, and cut into tokens; a kind counts by the root of its size, so that English does not drown
other languages and programs.  The tokens met most often stay, each with those that it is merged from, until the
vocabulary has --size byte strings, all single bytes among them.  Writes the list that lmzip/tokenizers/kept.py reads.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from lmzip.tokenizers.bpe import Bpe, from_gguf, to_json
from lmzip.tokenizers.kept import Closure, cut_down, write_kept
from lmzip.tokenizers.vocabulary import byte_string, vocabulary_of
from lmzip.weights.gguf import GgufFile


def sampled(sizes: np.ndarray, limit: int) -> list[int]:
    """Return which documents of these sizes to take, at regular places, for about `limit` bytes.

    >>> sampled(np.array([10, 10, 10, 10]), 20)
    [1, 3]
    """
    share, due, taken = min(1.0, limit / max(1, int(sizes.sum()))), 0.0, []
    for i in range(len(sizes)):
        due += share
        if due >= 1 or share == 1:
            due -= 1
            taken.append(i)
    return taken


def count(bpe: Bpe, data: np.ndarray, start: np.ndarray, kind: np.ndarray, limit: int) -> np.ndarray:
    """Return how often each token is met in a sample of each kind of documents, (n_kinds, n_tokens)."""
    from tokenizers import Tokenizer

    vocabulary = vocabulary_of(bpe.tokens, bpe.is_byte_level)
    tokenizer = Tokenizer.from_str(to_json(bpe, vocabulary).decode())
    n_tokens = len(bpe.tokens)
    numbers = np.array([n_tokens if source is None else source for source in vocabulary.sources])
    counts = np.zeros((int(kind.max()) + 1, n_tokens), np.int64)
    for k in tqdm(range(len(counts)), unit="kind"):
        documents = np.flatnonzero(kind == k)
        for i in sampled(start[documents + 1] - start[documents], limit):
            text = data[start[documents[i]] : start[documents[i] + 1]].tobytes().decode("utf-8", "replace")
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            counts[k] += np.bincount(numbers[ids], minlength=n_tokens + 1)[:n_tokens]
    return counts


def choose(bpe: Bpe, counts: np.ndarray, sizes: np.ndarray, n_strings: int) -> set[int]:
    """Return the tokens to keep, of n_strings byte strings; sizes: bytes of each kind, (n_kinds,)."""
    weights = np.sqrt(sizes) / np.maximum(counts.sum(1), 1)
    scores = weights @ counts
    closure = Closure(bpe)
    strings = {token: byte_string(token, bpe.is_byte_level) for token in bpe.tokens if token is not None}

    def strings_of(numbers: set[int]) -> set[bytes]:
        found = (strings[str(bpe.tokens[i])] for i in numbers if bpe.tokens[i] is not None)
        return {string for string in found if string}

    kept = set(closure.bytes)
    there = strings_of(kept)
    for number in np.argsort(-scores, kind="stable"):
        if scores[number] == 0 or len(there) == n_strings:
            break
        wanted = closure.of(int(number))
        more = strings_of(wanted - kept) - there
        if len(there) + len(more) <= n_strings:
            kept |= wanted
            there |= more
    return kept


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option("--size", default=128_000, show_default=True, help="Byte strings in the vocabulary.")
@click.option("--kind-bytes", default=6_000_000, show_default=True, help="Bytes to read of each kind.")
def main(model: Path, data: Path, output: Path, size: int, kind_bytes: int) -> None:
    with GgufFile(model) as file:
        bpe = from_gguf(file.fields)
    table = np.load(data / "train.npz")
    start, kind = table["start"], table["kind"]
    counts = count(bpe, np.memmap(data / "train.bin", np.uint8, "r"), start, kind, kind_bytes)
    sizes = np.bincount(kind, weights=np.diff(start), minlength=len(counts))
    kept = choose(bpe, counts, sizes, size)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_kept(output, kept)
    n = len(vocabulary_of(cut_down(bpe, kept).tokens, bpe.is_byte_level).token_bytes)
    click.echo(f"{output}: {n} byte strings, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
