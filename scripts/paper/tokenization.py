"""Table 2 of the paper: what a tokenizer is worth to models of three sizes, in bits per byte of decoded codes.

    PYTHONPATH=scripts python -m paper.tokenization TEXT --held-out FILE --vocabulary 256 --vocabulary 1000 --size 200K

A byte-pair tokenizer of each size of vocabulary is trained on the text by the library `tokenizers`; 256 is bytes.  (In
ASCII, as the paper has it, English text is bytes.)  The models have the layers of a size, so a larger vocabulary has
more parameters.  Every model reads the same bytes of text.  Needs `tokenizers`.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np

from lmzip.tokenizers.vocabulary import token_of_byte
from paper.alone import Alone
from paper.data import CHUNK
from paper.data import text as text_of
from paper.llama import SIZES, byte_tokenizer
from paper.options import of_kinds, to_out
from paper.store import Store
from paper.train_transformer import import_exact, load_text, train
from paper.training_run import Schedule, TrainingRun

COLUMNS = (("vocabulary", "size"), ("parameters", "bytes_read", "n_chunks", "raw_size", "compressed_size"))
_PIECE = 100_000  # bytes that are cut at a time


def train_tokenizer(text: bytes, n_vocab: int) -> dict:
    """Return the JSON of a byte-level BPE of n_vocab tokens, and a start behind them."""
    if n_vocab == 256:
        return byte_tokenizer(256)
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = [token_of_byte(byte, True) for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, initial_alphabet=alphabet, show_progress=False)
    pieces = (text[at : at + _PIECE].decode("utf-8", "ignore") for at in range(0, len(text), _PIECE))
    tokenizer.train_from_iterator(pieces, trainer)
    data = json.loads(tokenizer.to_str())
    found = len(data["model"]["vocab"])
    data["added_tokens"] = [{"id": found, "content": "<start>", "special": True}]
    data["decoder"] = byte_tokenizer(found)["decoder"]
    return data


def tokens_of(text: bytes, data: dict) -> np.ndarray:
    """Return the tokens of a text, int32."""
    vocabulary = data["model"]["vocab"]
    if len(vocabulary) == 256:
        return np.frombuffer(text, np.uint8)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(data | {"added_tokens": []}))
    parts = [
        tokenizer.encode(text[at : at + _PIECE].decode("utf-8", "ignore")).ids for at in range(0, len(text), _PIECE)
    ]
    return np.concatenate([np.array(part, np.int32) for part in parts])


def measure(
    text: bytes, held_out: list[bytes], n_vocab: int, size: str, folder: Path, epochs: float
) -> tuple[int, ...]:
    """Train a model behind a tokenizer on a text, and code chunks that it has not seen."""
    data = train_tokenizer(text, n_vocab)
    tokens = tokens_of(text, data)
    config = replace(SIZES[size], n_vocab=len(data["model"]["vocab"]))
    run = TrainingRun(config, Schedule(), tokens)
    if (folder / "checkpoint.pt").exists():
        run.load(folder / "checkpoint.pt")
    folder.mkdir(parents=True, exist_ok=True)
    train(run, folder, f"{size} {n_vocab}", epochs * len(tokens), math.inf, 60, data)
    weights = import_exact(folder, f"paper-{size.lower()}-{n_vocab}")
    n_read = round(run.n_tokens * len(text) / len(tokens))
    coded = Alone(weights).coded_size(held_out)
    return run.model.n_parameters, n_read, len(held_out), len(held_out) * CHUNK, coded


@click.command()
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--held-out", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_kinds
@click.option("--first-bytes", type=float, default=100e6, show_default=True, help="Train on so many bytes of TEXT.")
@click.option("--vocabulary", "vocabularies", multiple=True, type=int, default=(256, 1000, 2000, 5000, 10000, 20000))
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), default=("200K", "800K", "3.2M"))
@click.option("--epochs", type=float, default=1, show_default=True, help="How often the text is read.")
@click.option("--chunks", type=int, default=64, show_default=True, help="Chunks of --held-out.")
@to_out
@click.option("--quick", is_flag=True, help="Two tiny models on some kB, to try it out.")
def main(
    text: Path,
    held_out: Path,
    kinds: tuple[str, ...],
    first_bytes: float,
    vocabularies: tuple[int, ...],
    sizes: tuple[str, ...],
    epochs: float,
    chunks: int,
    out: Path,
    quick: bool,
) -> None:
    """Train and measure; OUT/tokenization.csv gets the rows."""
    import torch

    torch.set_num_threads(1)
    if quick:
        first_bytes, vocabularies, sizes, epochs, chunks = 20e3, (256, 300), ("20K",), 0.2, 1
    data = load_text(text, kinds, "train")[: int(first_bytes)].tobytes()
    unseen = text_of((held_out,), 1 << 20).some(chunks)
    store = Store(out / "tokenization.csv", *COLUMNS)
    for size in sizes:
        for n_vocab in vocabularies:
            folder = out / "tokenization" / f"{n_vocab}-{size}"
            store.measure((n_vocab, size), partial(measure, data, unseen, n_vocab, size, folder, epochs))
    for row in store.rows.values():
        rate = 8 * int(row["compressed_size"]) / int(row["raw_size"])
        click.echo(f"{row['vocabulary']:>6} {row['size']:>5} {int(row['parameters']):>9,} {rate:.3f} bits per byte")


if __name__ == "__main__":
    main()
