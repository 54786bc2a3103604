"""Tokenizers reduced to what cuts text: from what models bring to the JSON of a weight file (TRANSFORMER 11).

What would change text is left out (Unicode forms, a space put before it), as are tokens that stand for no text: a text
that looks like a control token is data.  Numbers of tokens are those of the weight file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lmzip.errors import UnsupportedError
from lmzip.tokenizers.vocabulary import SPACE, Vocabulary, token_of_byte
from lmzip.weights.values import shown

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_BEHAVIOURS = ("Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")  # without "Removed", which loses text
_LEFT_OUT = ("NFC", "NFD", "NFKC", "NFKD", "Prepend")
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # types of tokens of GGUF with a text; others: unknown, control, unused ones
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}

Json = dict[str, Any]


def _byte_level(use_regex: bool) -> Json:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _sequence(*parts: Json) -> Json:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def _split(pattern: str, way: str = "Regex", behaviour: str = "Isolated", is_inverted: bool = False) -> Json:
    return {"type": "Split", "pattern": {way: pattern}, "behavior": behaviour, "invert": is_inverted}


# What `tokenizer.ggml.pre` names.
_PRE_TOKENIZERS = {
    "gpt-2": _byte_level(True),
    "smollm": _sequence({"type": "Digits", "individual_digits": True}, _byte_level(True)),
    "qwen2": _sequence(_split(_QWEN2), _byte_level(False)),
    "llama-bpe": _sequence(_split(_LLAMA3), _byte_level(False)),
}


@dataclass(frozen=True)
class Bpe:
    """A byte-pair tokenizer, in the words of Hugging Face's `tokenizers`."""

    is_byte_level: bool  # tokens are in GPT-2's alphabet for bytes; otherwise text with U+2581 for a space and <0x0A>
    tokens: list[str | None]  # by number; None for what stands for no text
    merges: list[tuple[str, str]]
    normalizer: dict[str, Any] | None
    pre_tokenizer: dict[str, Any] | None
    ignores_merges: bool = False  # a word that is a token is taken as it is
    controls: dict[str, int] = field(default_factory=dict)  # numbers of those tokens that have a name, but no text
    isolated: frozenset[int] = frozenset()  # numbers of tokens that are found before merges, and are in none


def _merges_of(value: Any) -> list[tuple[str, str]]:
    """Return merges, each a pair or two tokens with a space between; raises UnsupportedError."""
    if not isinstance(value, list):
        raise UnsupportedError("the merges of the tokenizer are missing")
    result = []
    for merge in value:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UnsupportedError(f"{shown(merge)} is no merge of two tokens")
        result.append((pair[0], pair[1]))
    return result


def _merges_of_scores(tokens: list[str | None], scores: list[float]) -> list[tuple[str, str]]:
    """Return merges rebuilt from scores as transformers does: the best first."""
    numbers = {token: i for i, token in enumerate(tokens) if token is not None}
    merges = []
    for token, number in numbers.items():
        pairs = [(token[:i], token[i:]) for i in range(1, len(token))]
        pairs = [(left, right) for left, right in pairs if left in numbers and right in numbers]
        pairs.sort(key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        merges += [(scores[number], left, right) for left, right in pairs]
    merges.sort(key=lambda merge: (merge[0], len(merge[1]), len(merge[2])), reverse=True)
    return [(left, right) for _, left, right in merges]


def from_hugging_face(data: Json, n_vocab: int) -> Bpe:
    """Return the tokenizer of a tokenizer.json for embeddings of n_vocab tokens; raises UnsupportedError."""
    model = data.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise UnsupportedError("the tokenizer is no BPE")
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise UnsupportedError("a tokenizer that marks the ends of words is not supported")
    tokens: list[str | None] = [None] * n_vocab
    added = [t for t in as_list(data.get("added_tokens")) if isinstance(t, dict)]
    # Gemma finds line ends, runs of blanks and HTML tags first; they are tokens of its vocabulary like others.
    found_first = [t for t in added if t.get("special") is False and t.get("content") in model["vocab"]]
    added = [t for t in added if t not in found_first]
    no_text = {text for text in [*(t.get("content") for t in added), model.get("unk_token")] if isinstance(text, str)}
    numbers = [(t.get("content"), t.get("id", model["vocab"].get(str(t.get("content"))))) for t in added]
    controls = {text: n for text, n in numbers if isinstance(text, str) and type(n) is int and 0 <= n < n_vocab}
    for token, number in model["vocab"].items():
        if type(number) is not int or not 0 <= number < n_vocab:
            raise UnsupportedError(f"the token {shown(token)} has the number {shown(number)}, not one of {n_vocab}")
        if token not in no_text:
            tokens[number] = token
    pre_tokenizer = _pre_tokenizer(data.get("pre_tokenizer"))
    is_byte_level = '"ByteLevel"' in json.dumps([pre_tokenizer, data.get("decoder")])
    if not is_byte_level and not model.get("byte_fallback"):
        raise UnsupportedError("the tokenizer is neither at the level of bytes nor falls back to them")
    return Bpe(
        is_byte_level,
        tokens,
        _merges_of(model.get("merges")),
        _normalizer(data.get("normalizer")),
        pre_tokenizer,
        ignores_merges=model.get("ignore_merges") is True,
        controls=controls,
        isolated=frozenset(model["vocab"][t["content"]] for t in found_first),
    )


def from_gguf(fields: dict[str, Any]) -> Bpe:
    """Return the tokenizer in the fields of a GGUF file; raises UnsupportedError."""
    model, tokens = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.tokens")
    types = fields.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not isinstance(types, list) or len(types) != len(tokens):
        raise UnsupportedError("the vocabulary is missing")
    if not all(isinstance(token, str) for token in tokens):
        raise UnsupportedError("the vocabulary is no list of texts")
    usable = {_NORMAL} if model == "gpt2" else {_NORMAL, _BYTE}
    if str(fields.get("general.architecture")).startswith("gemma"):  # as in from_hugging_face()
        usable.add(_USER_DEFINED)
    texts = [token if kind in usable else None for token, kind in zip(tokens, types, strict=True)]
    controls = {token: number for number, token in enumerate(tokens) if types[number] not in usable}
    if model == "gpt2":
        merges = _merges_of(fields.get("tokenizer.ggml.merges"))
        pre = fields.get("tokenizer.ggml.pre", "default")
        if str(pre) not in _PRE_TOKENIZERS:
            known = ", ".join(_PRE_TOKENIZERS)
            raise UnsupportedError(f"the pre-tokenizer {shown(pre)} is not supported, only {known}")
        return Bpe(True, texts, merges, None, _PRE_TOKENIZERS[str(pre)], pre == "llama-bpe", controls)
    if model == "llama":
        scores = fields.get("tokenizer.ggml.scores")
        if not isinstance(scores, list) or len(scores) != len(tokens):
            raise UnsupportedError("the scores of tokens are missing")
        isolated = frozenset(i for i, text in enumerate(texts) if text is not None and types[i] == _USER_DEFINED)
        merged = [None if i in isolated else text for i, text in enumerate(texts)]
        merges = _merges_of_scores(merged, scores)
        return Bpe(False, texts, merges, SPACES, None, controls=controls, isolated=isolated)
    raise UnsupportedError(f"the tokenizer {shown(model)} is not supported, only gpt2 and llama are")


def as_list(value: Any) -> list:
    """Return a value that is to be a list, nothing in the place of others."""
    return value if isinstance(value, list) else []


def _normalizer(value: Any) -> Json | None:
    if value is None:
        return None
    is_sequence = isinstance(value, dict) and isinstance(value.get("normalizers"), list)
    parts = value["normalizers"] if is_sequence else [value]
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else part
        if kind not in _LEFT_OUT and part != SPACES:
            raise UnsupportedError(f"the normalizer {shown(kind)} is not supported")
    return SPACES if SPACES in parts else None


def _pre_tokenizer(value: Any) -> Json | None:
    """Return a pre-tokenizer that loses no text and puts none before it."""
    if value is None:
        return None
    kind = value.get("type") if isinstance(value, dict) else value
    if kind == "Sequence" and isinstance(value.get("pretokenizers"), list):
        parts = [_pre_tokenizer(part) for part in value["pretokenizers"]]
        return _sequence(*[part for part in parts if part is not None])
    if kind == "ByteLevel":
        return _byte_level(value.get("use_regex", True) is True)
    if kind == "Digits":
        return {"type": kind, "individual_digits": value.get("individual_digits") is True}
    if kind == "Split" and value.get("behavior") in _BEHAVIOURS:
        pattern = value.get("pattern")
        way, text = next(iter(pattern.items()), ("", "")) if isinstance(pattern, dict) else ("", "")
        if way in ("Regex", "String") and isinstance(text, str):
            return _split(text, way, value["behavior"], value.get("invert") is True)
    if kind == "Metaspace" and value.get("replacement") == SPACE:
        is_split = value.get("split", True) is True
        return {"type": kind, "replacement": SPACE, "prepend_scheme": "never", "split": is_split}
    raise UnsupportedError(f"the pre-tokenizer {shown(kind)} is not supported")


def bpe_model(bpe: Bpe, numbers: dict[str, int]) -> Json:
    """Return the model of a tokenizer's JSON for tokens with these numbers, without merges that make none of them."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": not bpe.is_byte_level,
        "ignore_merges": bpe.ignores_merges,
        "vocab": numbers,
        "merges": [[a, b] for a, b in bpe.merges if a in numbers and b in numbers and a + b in numbers],
    }


def tokenizer_json(model: Json, normalizer: Json | None, pre_tokenizer: Json | None, added: list[Json]) -> Json:
    """Return the JSON of a tokenizer that gives back what it is given; added: tokens as texts."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def to_json(bpe: Bpe, vocabulary: Vocabulary) -> bytes:
    """Return the JSON of a tokenizer whose numbers are those of a sorted vocabulary; raises UnsupportedError."""
    numbers: dict[str, int] = {}
    added: list[Json] = []
    for number, (string, source) in enumerate(zip(vocabulary.token_bytes, vocabulary.sources, strict=True)):
        token = token_of_byte(string[0], bpe.is_byte_level) if source is None else bpe.tokens[source]
        assert token is not None
        if source in bpe.isolated:
            token = string.decode()  # found in the text as it is, before spaces are replaced
            flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
            added.append({"id": number, "content": token} | flags)
        numbers[token] = number
    data = tokenizer_json(bpe_model(bpe, numbers), bpe.normalizer, bpe.pre_tokenizer, added)
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise UnsupportedError("the tokenizer has a text that is not Unicode") from None
