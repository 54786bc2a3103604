"""Byte strings of tokens from every kind of tokenizer, and how text is cut; needs `tokenizers`, but no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_llama

from lmzip.errors import UnsupportedError
from lmzip.models.hf.directory import ModelFiles, find_files
from lmzip.models.hf.numerics import Numerics, parse, plain_version
from lmzip.models.hf.tokens import Tokens, read_tokens

pytest.importorskip("tokenizers")


@pytest.fixture
def read(tmp_path: Path):
    """A function from a tokenizer.json and a number of tokens to what is read of it."""

    def read(tokenizer: dict[str, Any], n_vocab: int) -> Tokens:
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
        return read_tokens(ModelFiles(tmp_path, {}, (tmp_path / "tokenizer.json",), ()), n_vocab)

    return read


def cut(tokens: Tokens, data: bytes) -> list[bytes]:
    sizes = tokens.tokenizer().sizes(data)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def check(tokens: Tokens) -> dict[bytes, int | None]:
    """Return the vocabulary, which the kernel is to take."""
    strings = [string for string, _ in tokens.vocabulary]
    assert strings == sorted(set(strings)) and {bytes([byte]) for byte in range(256)} <= set(strings)
    return dict(tokens.vocabulary)


def added(number: int, content: str, *, special: bool) -> dict[str, Any]:
    return {"id": number, "content": content, "special": special, "normalized": False}


def test_byte_level_tokens_are_read_and_cut(read) -> None:
    tokens = read(tiny_llama.tokenizer_json(), 264)
    vocabulary = check(tokens)
    assert vocabulary[b" the"] == 2 + 256 + 2 and vocabulary[b"A"] == 2 + 255 - 0x41
    assert b"<s>" not in vocabulary, "special tokens stand for nothing"
    assert cut(tokens, b"in the <s>") == [b"in", b" the", b" ", b"<", b"s", b">"]


def test_runs_of_spaces_that_were_added_are_text(read) -> None:
    """GPT-NeoX has them behind its vocabulary, Gemma lists its own among what was added."""
    data = tiny_llama.tokenizer_json()
    data["added_tokens"] += [added(262, "    ", special=False), added(263, "\n\n", special=False)]
    tokens = read(data, 264)
    vocabulary = check(tokens)
    assert vocabulary[b"    "] == 262 and vocabulary[b"\n\n"] == 263
    assert cut(tokens, b"in    in\n\n\nthe") == [b"in", b"    ", b"in", b"\n\n", b"\n", b"the"]


def test_fallback_to_bytes(read) -> None:
    data = tiny_llama.fallback_json()
    data["added_tokens"] = [t | {"special": True} for t in data["added_tokens"]]
    data["added_tokens"].append(added(260, "\u2581th", special=False))  # Gemma lists some of its pieces so
    tokens = read(data, 265)
    vocabulary = check(tokens)
    assert vocabulary[b" th"] == 260 and vocabulary[b"t"] == 261, "the token of a text goes before <0x74>"
    assert cut(tokens, b"th th\xc3\xa9\xff") == [b"th", b" th", b"\xc3\xa9", b"\xff"]


def test_missing_bytes_are_made_up(read) -> None:
    """A text with one of them is still cut as the tokenizer does."""
    data = tiny_llama.tokenizer_json()
    del data["model"]["vocab"]["z"]
    tokens = read(data, 264)
    vocabulary = check(tokens)
    assert vocabulary[b"z"] is None and sum(number is None for number in vocabulary.values()) == 1
    assert cut(tokens, b"in the zin") == [b"in", b" the", b" ", b"z", b"in"]


def test_numbers_that_the_model_does_not_predict_are_left_out(read) -> None:
    tokens = read(tiny_llama.tokenizer_json(), 259)
    vocabulary = check(tokens)
    assert b" the" not in vocabulary and vocabulary[b"th"] == 258
    assert cut(tokens, b" th") == [b" ", b"th"]


def test_a_tokenizer_that_cannot_be_followed_still_tells_its_strings(read) -> None:
    data = tiny_llama.tokenizer_json()
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, data["pre_tokenizer"]]}
    tokens = read(data, 264)
    assert check(tokens)[b" the"] == 260
    assert cut(tokens, b"in the") == [b"in", b" the"], "into the longest"


def test_unigram_tokens_are_read_and_cut(read) -> None:
    pieces = [
        ["<unk>", 0.0],
        ["<s>", 0.0],
        ["\u2581", -3.0],
        ["\u2581the", -1.0],
        ["i", -2.0],
        ["n", -2.0],
        ["in", -2.5],
    ]
    data = {
        "added_tokens": [added(0, "<unk>", special=True), added(1, "<s>", special=True)],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces},
    }
    tokens = read(data, 7)
    vocabulary = check(tokens)
    assert vocabulary[b" the"] == 3 and vocabulary[b" "] == 2 and vocabulary[b"<"] is None
    assert cut(tokens, b"in the in") == [b"in", b" the", b" ", b"in"]
    assert cut(tokens, b"in the < in") == [b"in", b" the", b" ", b"<", b" ", b"in"]


@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece"])
def test_word_vocabularies_are_read_but_not_followed(read, kind: str) -> None:
    words = {"[UNK]": 0, "the": 1, "##s" if kind == "WordPiece" else "s": 2}
    data = {"added_tokens": [], "model": {"type": kind, "unk_token": "[UNK]", "vocab": words}}
    tokens = read(data, 3)
    vocabulary = check(tokens)
    assert vocabulary[b"the"] == 1 and vocabulary[b"s"] == 2 and b"[UNK]" not in vocabulary
    assert cut(tokens, b"thes [UNK]")[:3] == [b"the", b"s", b" "]


@pytest.mark.parametrize(
    "data",
    [{}, {"model": 1}, {"model": {"type": "BPE"}}, {"model": {"type": "BPE", "vocab": []}}, {"model": {"type": "X"}}],
)
def test_what_is_no_tokenizer(read, data: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        read(data, 300)


def test_hostile_members_are_passed_over(read) -> None:
    data = tiny_llama.tokenizer_json()
    data["added_tokens"] += [
        7,
        {},
        {"id": "x", "content": "y"},
        added(-5, "q", special=False),
        added(9**9, "q", special=False),
    ]
    data["added_tokens"] += [
        {"id": 1, "content": [], "special": True},
        added(262, "x" * 300, special=False),
        added(263, "\ud800", special=False),
    ]
    tokens = read(data, 264)
    assert check(tokens)[b" the"] == 260
    assert b"".join(cut(tokens, b"x" * 600)) == b"x" * 600


def test_a_model_is_named_by_its_directory(tmp_path: Path) -> None:
    tensors, config = tiny_llama.tiny_llama()
    folder = tiny_llama.save_directory(tmp_path / ("n\u00e4me\n" * 9), tensors, config)
    name = find_files(folder).name
    assert name.startswith("n\u00e4men") and len(name.encode()) <= 32 and name.isprintable()


# --- the text that tells an arithmetic --------------------------------------------------------------------------------

HERE = Numerics("cpu/avx512", "float32", 2, "2.13.0", "5.23.0")


def test_numerics_are_written_and_read() -> None:
    assert HERE.text() == "cpu/avx512 f32 2t torch2.13.0 tf5.23.0" and parse(HERE.text()) == HERE
    longest = Numerics("cuda/sm120", "bfloat16", 999, "2.13.10", "5.23.10")
    assert len(longest.text()) <= 41 and parse(longest.text()) == Numerics(
        "cuda/sm120", "bfloat16", 999, "2.13", "5.23"
    )
    assert [plain_version(v) for v in ("2.13.0+cpu", "5.1.0.dev0", "2.4", "nightly")] == ["2.13.0", "5.1.0", "2.4", "0"]


def test_differences_are_named() -> None:
    assert HERE.differences(HERE) == []
    assert HERE.differences(Numerics("cpu/avx512", "float32", 2, "2.13", "5.23")) == [], "as far as both tell"
    other = Numerics("cpu/avx2", "bfloat16", 4, "2.1.0", "5.2.0")
    assert HERE.differences(other) == [
        "the processor",
        "--dtype",
        "the number of threads",
        "torch 2.1.0, not 2.13.0",
        "transformers 5.2.0, not 5.23.0",
    ]


def test_characters_that_a_tokenizer_gives_up_on_are_cut_all_the_same(read) -> None:
    """Unigram without an unknown token: the package raises an exception for them."""
    vocab = [[text, -1.0] for text in ("\u2581", "t", "h", "e", "the")]
    tokens = read({"added_tokens": [], "model": {"type": "Unigram", "unk_id": None, "vocab": vocab}}, 300)
    assert cut(tokens, b"the the") == [b"the", b" ", b"the"]
    assert b"".join(cut(tokens, "the \u00e9 thé".encode())) == "the \u00e9 thé".encode()


@pytest.mark.parametrize(
    ("kind", "name", "tokenizer_class"),
    [("bpe", "tokenizer.model", "LlamaTokenizer"), ("unigram", "spiece.model", "T5Tokenizer")],
)
def test_files_of_sentencepiece(tmp_path: Path, kind: str, name: str, tokenizer_class: str) -> None:
    """As older models have them alone."""
    pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")
    sentencepiece = pytest.importorskip("sentencepiece")
    with open(tmp_path / name, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the thin thing in the inn, then the thin inn"] * 50),
            model_writer=file,
            vocab_size=300,
            model_type=kind,
            byte_fallback=True,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class}))
    files = [tmp_path / name for name in ("config.json", name, "tokenizer_config.json")]
    tokens = read_tokens(ModelFiles(tmp_path, {}, tuple(files), ()), 320)
    text = b"the thin thing in the inn"
    pieces = cut(tokens, text)
    assert check(tokens) and b"".join(pieces) == text and len(pieces) < len(text), pieces


def test_tokenizer_model_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UnsupportedError, match="its tokenizer needs the package sentencepiece: pip install 'sent"):
        read_tokens(ModelFiles(tmp_path, {}, (tmp_path / "tokenizer.model",), ()), 320)


def test_a_model_of_the_hub_is_called_as_there(tmp_path: Path) -> None:
    path = tmp_path / "models--HuggingFaceTB--SmolLM2-135M" / "snapshots" / ("93efa2f0" * 5)
    assert ModelFiles(path, {}, (), ()).name == "SmolLM2-135M"
    assert ModelFiles(tmp_path / "models--gpt2" / "snapshots" / "607a", {}, (), ()).name == "gpt2"
    assert ModelFiles(tmp_path / "gpt2", {}, (), ()).name == "gpt2"
