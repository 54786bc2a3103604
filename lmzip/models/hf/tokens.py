"""A model's tokens as byte strings, from whatever tokenizer it has; and how its tokenizer cuts text.

Tokens that no text can give (special ones) stand for nothing: a text that looks like one is data.  Where a tokenizer
cannot be followed, text is cut into the longest tokens: that costs ratio, nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lmzip.errors import UnsupportedError
from lmzip.models.hf.directory import TOKENIZER_FILES, ModelFiles
from lmzip.models.hf.loading import failure, quiet_transformers, staged
from lmzip.packages import needed
from lmzip.tokenizers.bpe import SPACES, Bpe, as_list, bpe_model, from_gguf, from_hugging_face, tokenizer_json
from lmzip.tokenizers.tokenizer import Tokenizer
from lmzip.tokenizers.vocabulary import byte_string, numbers_of, strings_of, token_of_byte
from lmzip.weights.files import read_json
from lmzip.weights.gguf import GgufFile

_BYTES = [bytes([byte]) for byte in range(256)]
_MAX_SPECIAL = 256  # of a vocabulary of bytes
_BYT5_SPECIAL = 3
_NO_CUTTING = b'{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"?":0},"unk_token":"?"}}'

Json = dict[str, Any]


@dataclass(frozen=True)
class Tokens:
    """Byte strings by a model's own numbers, and its tokenizer without what changes text."""

    token_bytes: list[bytes | None]  # None: stands for no text, twice there, or too long
    tokenizer_json: bytes  # JSON of the package `tokenizers` with these numbers

    @cached_property
    def missing(self) -> list[bytes]:
        """The single bytes that the model has no token for."""
        return _missing(self.token_bytes)

    @cached_property
    def vocabulary(self) -> list[tuple[bytes, int | None]]:
        """The strings, sorted, with the number of each; None for a single byte that the model has no token for."""
        found = [(string, number) for number, string in enumerate(self.token_bytes) if string is not None]
        return sorted([*found, *((byte, None) for byte in self.missing)], key=lambda item: item[0])

    def tokenizer(self) -> Tokenizer:
        """Return what cuts text; raises UnsupportedError without the package `tokenizers`."""
        return Tokenizer([string or b"" for string in self.token_bytes] + self.missing, self.tokenizer_json)


def read_tokens(files: ModelFiles, n_vocab: int) -> Tokens:
    """Return the tokens of a model that predicts n_vocab of them; raises OSError, UnsupportedError."""
    if files.is_gguf:
        with GgufFile(files.path) as gguf:
            bpe = from_gguf(gguf.fields)
        texts = [{"id": i, "content": bpe.tokens[i]} for i in sorted(bpe.isolated) if i < n_vocab]
        return _of_bpe(bpe, bpe.tokens[:n_vocab], texts)
    if files.has("tokenizer_config.json"):
        name = read_json(files.path / "tokenizer_config.json").get("tokenizer_class")
        if name == "ByT5Tokenizer":
            return _of_bytes(_BYT5_SPECIAL, n_vocab)
    if files.has("tokenizer.json"):
        return _of_json(read_json(files.path / "tokenizer.json"), n_vocab)
    if any(files.has(name) for name in set(TOKENIZER_FILES) - {"tokenizer_config.json", "special_tokens_map.json"}):
        return _of_json(_converted(files), n_vocab)
    if 256 <= n_vocab <= 256 + _MAX_SPECIAL:
        return _of_bytes(0, n_vocab)
    raise UnsupportedError(f"{files.path} has no tokenizer, and {n_vocab} tokens are no vocabulary of bytes")


def _of_bytes(first: int, n_vocab: int) -> Tokens:
    """Return a vocabulary in which byte b is token first + b, and what is around them stands for nothing."""
    if n_vocab < first + 256:
        raise UnsupportedError(f"a vocabulary of {n_vocab} tokens does not hold every byte")
    strings = [None] * first + _BYTES + [None] * (n_vocab - first - 256)
    return Tokens(list(strings), _NO_CUTTING)


def _converted(files: ModelFiles) -> Json:
    """Return the JSON that transformers makes of older tokenizers' files; raises UnsupportedError."""
    transformers = quiet_transformers()
    if any(file.suffix == ".model" for file in files.others):
        _check_sentencepiece(files)
    with staged(files.links) as folder:
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, use_fast=True, local_files_only=True, trust_remote_code=False
            )
            return json.loads(tokenizer.backend_tokenizer.to_str())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever transformers raises for what it does not take
            raise failure(error, f"{files.path}: its tokenizer cannot be used", folder) from None


def _check_sentencepiece(files: ModelFiles) -> None:
    """Raise UnsupportedError without what transformers reads such files with, of which it says other things."""
    with needed(f"{files.path}: its tokenizer needs", "sentencepiece", "protobuf"):
        import google.protobuf  # noqa: F401
        import sentencepiece  # noqa: F401


def _of_json(data: Json, n_vocab: int) -> Tokens:
    """Return the tokens of a tokenizer.json."""
    model = data.get("model")
    kind = model.get("type", "BPE") if isinstance(model, dict) else None
    added = [token for token in as_list(data.get("added_tokens")) if isinstance(token, dict)]
    texts = [token for token in added if token.get("special") is not True and _is_text(token, n_vocab)]
    special = {str(token.get("content")) for token in added if token.get("special") is True}
    if not isinstance(model, dict) or kind not in ("BPE", "Unigram", "WordPiece", "WordLevel"):
        raise UnsupportedError("the tokenizer is of no kind that lmzip knows")
    if kind == "BPE":
        try:
            # Numbers beyond those that the model predicts are of no use, but no fault here.
            vocab = {t: i for t, i in model["vocab"].items() if type(i) is not int or not i >= n_vocab}
            kept = [token for token in added if token not in texts]
            bpe = from_hugging_face(data | {"model": model | {"vocab": vocab}, "added_tokens": kept}, n_vocab)
            return _of_bpe(bpe, bpe.tokens, texts)
        except (KeyError, AttributeError):
            raise UnsupportedError("the tokenizer has no vocabulary") from None
        except UnsupportedError:
            pass  # it cannot be followed, but its strings may be known
    names = _names(model, kind, n_vocab)
    is_byte_level = '"ByteLevel"' in json.dumps([data.get("pre_tokenizer"), data.get("decoder")])
    unknown = model.get("unk_token")
    unknown_number = model.get("unk_id")
    texts_of = [
        None if name in special or name == unknown or number == unknown_number else name
        for number, name in enumerate(names)
    ]
    if kind == "WordPiece":
        found = [name if name is None else name.removeprefix("##").encode("utf-8", "ignore") for name in texts_of]
    else:
        found = strings_of(texts_of, is_byte_level)
    strings = _distinct(found, names, texts, is_byte_level)
    # Only Unigram is followed.
    return Tokens(strings, _cutting(model, SPACES, None, texts) if kind == "Unigram" else _NO_CUTTING)


def _of_bpe(bpe: Bpe, tokens: list[str | None], texts: list[Json]) -> Tokens:
    strings = _distinct(strings_of(tokens, bpe.is_byte_level), tokens, texts, bpe.is_byte_level)
    vocab = {token: number for number, token in enumerate(tokens) if token is not None}
    for number, byte in enumerate(_missing(strings), len(strings)):
        vocab.setdefault(token_of_byte(byte[0], bpe.is_byte_level), number)
    return Tokens(strings, _cutting(bpe_model(bpe, vocab), bpe.normalizer, bpe.pre_tokenizer, texts))


def _cutting(model: Json, normalizer: Json | None, pre_tokenizer: Json | None, texts: list[Json]) -> bytes:
    ways = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    added = [{"id": token["id"], "content": token["content"]} | ways for token in texts]
    return json.dumps(tokenizer_json(model, normalizer, pre_tokenizer, added)).encode()


def _names(model: Json, kind: str, n_vocab: int) -> list[str | None]:
    """Return the tokens by number, as the tokenizer spells them; raises UnsupportedError."""
    vocab, names = model.get("vocab"), [None] * n_vocab  # type: Any, list[str | None]
    if kind == "Unigram" and isinstance(vocab, list):
        pairs = [(item[0], i) for i, item in enumerate(vocab) if isinstance(item, list) and item]
    elif isinstance(vocab, dict):
        pairs = list(vocab.items())
    else:
        raise UnsupportedError("the tokenizer has no vocabulary")
    for name, number in pairs:
        if isinstance(name, str) and type(number) is int and 0 <= number < n_vocab:
            names[number] = name
    return names


def _is_text(token: Json, n_vocab: int) -> bool:
    content, number = token.get("content"), token.get("id")
    return (
        isinstance(content, str)
        and content.isprintable() | content.isspace()
        and type(number) is int
        and (0 <= number < n_vocab)
    )


def _distinct(
    strings: list[bytes | None], names: list[str | None], texts: list[Json], is_byte_level: bool
) -> list[bytes | None]:
    """Return strings, each of them once, with those of tokens that were added as texts, such as runs of spaces.

    Their bytes stand for themselves in byte-level tokenizers; others list pieces of their vocabulary there.
    """
    for token in texts:
        text = token["content"]
        strings[token["id"]] = text.encode("utf-8", "replace") if is_byte_level else byte_string(text, False)
    numbers = numbers_of(strings, names)
    return [string if string and numbers.get(string) == i else None for i, string in enumerate(strings)]


def _missing(strings: list[bytes | None]) -> list[bytes]:
    """Return the single bytes that are no token; their numbers follow those of the model's own."""
    there = set(strings)
    return [byte for byte in _BYTES if byte not in there]
