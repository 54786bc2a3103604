"""Models of others become weight files: the right numbers, and the same bytes each time."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_llama
from safetensors import safe_open
from tiny_llama import save_directory, save_gguf, save_shards, save_tensors
from tiny_llama import tiny_llama as make

from lmzip.convert import DEFAULT_INT15, import_model, llama
from lmzip.convert.quantize import inv_freq_of, quantize_norm, quantize_rows
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.kept import read_kept, write_kept
from lmzip.tokenizers.vocabulary import vocabulary_of
from lmzip.weights.temporary import published

LAYER = "model.layers.0."
MATRICES = {
    "layers.0.qkv": [LAYER + f"self_attn.{name}_proj" for name in "qkv"],
    "layers.0.o": [LAYER + "self_attn.o_proj"],
    "layers.0.gate_up": [LAYER + "mlp.gate_proj", LAYER + "mlp.up_proj"],
    "layers.0.down": [LAYER + "mlp.down_proj"],
}


def imported(path: Path, **options: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Import a model beside it: tensors and metadata."""
    out = path.parent / "out.safetensors"
    digest = import_model(path, out, **{"name": "tiny"} | options)
    assert digest == hashlib.sha256(out.read_bytes()).digest()
    with safe_open(out, "np") as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["lmzip"])


def restored(tensors: dict[str, np.ndarray], matrix: str) -> np.ndarray:
    """Return what a matrix of a weight file stands for."""
    scale = tensors[f"{matrix}.multiplier"].astype(np.float64) * 127 / 2**40
    return tensors[f"{matrix}.weight"] * scale[:, None]


def strings(tensors: dict[str, np.ndarray]) -> list[bytes]:
    """Return the vocabulary."""
    ends = np.cumsum(tensors["vocabulary.size"].astype(int))
    data = tensors["vocabulary"].tobytes()
    return [data[end - size : end] for end, size in zip(ends, tensors["vocabulary.size"].tolist(), strict=True)]


def assert_equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert set(a) == set(b)
    for name, values in a.items():
        assert values.dtype == b[name].dtype and np.array_equal(values, b[name]), name


@pytest.fixture
def model() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return make()


@pytest.fixture
def folder(tmp_path, model) -> Path:
    """A model directory."""
    return save_directory(tmp_path / "tiny", *model)


def test_numbers_are_those_of_the_source(folder, model):
    weights, _ = model
    tensors, metadata = imported(folder, window=256, int15=("lm_head", "down"))
    shape = {"n_embd": 64, "n_hidden": 96, "n_layer": 2, "n_head": 2, "n_kv_head": 1, "head_dim": 32, "n_vocab": 260}
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    others = {"format": "transformer-1", "name": "tiny", "licence": "unknown", "source": {"model.safetensors": digest}}
    numbers = {"window": 256, "epsilon": round(64 * 1e-5 * 2**24), "int15": ["down", "lm_head"]}
    assert metadata == shape | others | numbers
    for matrix, parts in MATRICES.items():
        real = np.concatenate([weights[f"{part}.weight"] for part in parts]).astype(np.float64)
        assert np.abs(restored(tensors, matrix) - real).max() <= np.abs(real).max() / 254 * 1.001
        assert tensors[f"{matrix}.weight"].min() >= -127
    units = tensors["gain_shifts"]
    norms = {1: ("layers.0.gate_up", LAYER + "post_attention_layernorm"), 4: ("lm_head", "model.norm")}
    for place, (norm, real) in norms.items():
        integers, unit = tensors[f"{norm}.norm"], int(units[place])
        assert integers.dtype == np.int16 and units.dtype == np.uint8 and units.shape == (5,)
        assert np.abs(integers / 2**unit - weights[f"{real}.weight"]).max() <= 2.0 ** -(unit + 1)
    angles = [10000 ** (-2 * i / 32) for i in range(16)]
    assert np.abs(tensors["inv_freq"] - np.array(angles) * 2**32 / (2 * math.pi)).max() < 1


def test_vocabulary_is_sorted_and_rows_follow_it(folder, model):
    weights, _ = model
    tensors, _ = imported(folder)
    vocabulary = strings(tensors)
    assert vocabulary == sorted({bytes([byte]) for byte in range(256)} | {b"th", b"the", b" the", b"in"})
    tokens = tiny_llama.byte_tokens()
    characters = tiny_llama.byte_characters()
    names = ["".join(characters[byte] for byte in string) for string in vocabulary]
    rows = [tokens.index(name) for name in names]
    for matrix, real, places in [("embed", "model.embed_tokens", [*rows, 0]), ("lm_head", "lm_head", rows)]:
        assert np.abs(restored(tensors, matrix) - weights[f"{real}.weight"][places]).max() <= 1 / 254


def test_tokenizer_gives_numbers_of_the_vocabulary(folder):
    tokenizers = pytest.importorskip("tokenizers")
    tensors, _ = imported(folder)
    vocabulary = strings(tensors)
    tokenizer = tokenizers.Tokenizer.from_str(tensors["tokenizer"].tobytes().decode())
    text = "in the thin <s> \u00e9\r\n\u2581"
    cut = [vocabulary[i] for i in tokenizer.encode(text).ids]
    assert b"".join(cut) == text.encode() and cut[:2] == [b"in", b" the"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_floats_give_the_same_file(folder, model, dtype):
    expected, _ = imported(folder)
    save_tensors(folder / "model.safetensors", model[0], dtype)
    assert_equal(imported(folder)[0], expected)


def starts_behind(tensors: dict[str, np.ndarray], model: Any, number: int) -> bool:
    """Return whether the start's embedding is that of the source's token of that number."""
    row = model[0]["model.embed_tokens.weight"][number]
    return bool(np.abs(restored(tensors, "embed")[-1] - row).max() <= 1 / 254)


@pytest.mark.parametrize(
    ("added", "changes", "number"),
    [
        ({}, {}, 0),
        ({}, {"bos_token_id": None}, 1),
        ({}, {"bos_token_id": None, "eos_token_id": [262, 1]}, 262),
        ({"<|endoftext|>": 262}, {}, 262),
        ({"<|endoftext|>": 262}, {"bos_token_id": None, "eos_token_id": None}, 262),
        ({"<|end_of_text|>": 263, "<|endoftext|>": 262}, {}, 262),
        ({"<|end_of_text|>": 263, "<|begin_of_text|>": 262}, {}, 262),
        ({"<|end_of_text|>": 263}, {}, 263),
        ({"<|endoftext|>": 264}, {}, 0),
        ({"<|endoftext|>": -1}, {}, 0),
        ({"<|endoftext|>": "262"}, {}, 0),
    ],
)
def test_a_lane_begins_behind_what_separates_documents(tmp_path, added, changes, number):
    model = make(**changes)
    folder = save_directory(tmp_path / "tiny", *model)
    tokenizer = tiny_llama.tokenizer_json()
    tokenizer["added_tokens"] += [{"id": i, "content": text, "special": True} for text, i in added.items()]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert starts_behind(imported(folder)[0], model, number)


def test_the_start_of_gguf_and_of_a_text_that_is_no_control_token(tmp_path, model, monkeypatch):
    pytest.importorskip("gguf")
    tokens = tiny_llama.byte_tokens()
    monkeypatch.setattr(tiny_llama, "byte_tokens", lambda: [*tokens[:-1], "<|endoftext|>"])
    assert starts_behind(imported(save_gguf(tmp_path / "tiny.gguf", *model))[0], model, 263)
    monkeypatch.setattr(tiny_llama, "byte_tokens", lambda: [*tokens[:-3], "<|endoftext|>", *tokens[-2:]])
    assert starts_behind(imported(save_gguf(tmp_path / "tiny.gguf", *model))[0], model, 0)


def test_shards_give_the_same_file(folder, model):
    expected, _ = imported(folder)
    save_shards(folder, model[0])
    tensors, metadata = imported(folder)
    assert_equal(tensors, expected)
    assert len(metadata["source"]) == 2


def test_a_tied_head_is_left_out(tmp_path):
    weights, config = make(tie_word_embeddings=True)
    tensors, _ = imported(save_directory(tmp_path / "tied", weights, config))
    assert not [name for name in tensors if name.startswith("lm_head.") and name != "lm_head.norm"]
    left_over = {"lm_head.weight": np.zeros((1, 1), np.float32)}
    assert_equal(imported(save_directory(tmp_path / "tied", weights | left_over, config))[0], tensors)


def test_biases_are_taken_over(tmp_path):
    weights, config = make(model_type="qwen2")
    tensors, _ = imported(save_directory(tmp_path / "biased", weights, config))
    biases = np.concatenate([weights[f"{part}.bias"] for part in MATRICES["layers.0.qkv"]])
    assert np.array_equal(tensors["layers.0.qkv.bias"], biases * 4096)


def test_the_same_files_give_the_same_bytes(folder, tmp_path, model):
    digest = import_model(folder, tmp_path / "one")
    other = tmp_path / "elsewhere"
    other.mkdir()
    weights, config = model
    backwards = dict(reversed(list(config.items())))
    second = save_directory(other / "tiny", weights, backwards)
    tokenizer = tiny_llama.tokenizer_json()
    tokenizer["model"]["vocab"] = dict(reversed(list(tokenizer["model"]["vocab"].items())))
    (second / "tokenizer.json").write_text(json.dumps(tokenizer, indent=1))
    assert import_model(second, tmp_path / "two") == digest
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_window_is_not_beyond_the_context(tmp_path):
    _, metadata = imported(save_directory(tmp_path / "tiny", *make(max_position_embeddings=400)))
    assert metadata["window"] == 384


def test_new_form_of_rotary_parameters(tmp_path, folder, model):
    weights, config = model
    expected, _ = imported(folder)
    parameters = {"rope_type": "default", "rope_theta": config.pop("rope_theta")}
    tensors, _ = imported(save_directory(tmp_path / "new", weights, config | {"rope_parameters": parameters}))
    assert_equal(tensors, expected)


def test_progress_ends_at_all_weights(folder, tmp_path):
    seen: list[tuple[int, int]] = []
    import_model(folder, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]


def test_integers_are_the_same_on_every_machine():
    """Numbers that depend on no library's exp, pow or rounding: pinned, so that another machine must agree."""
    assert inv_freq_of(100000.0, 64).tolist()[::8] == [683565276, 38439700, 2161623, 121557]
    integers, multipliers = quantize_rows(np.array([[0.5, -0.25, 0.1], [0, 0, 0], [1e-30, 0, 0]], np.float32), "m")
    assert integers.tolist() == [[127, -64, 25], [0, 0, 0], [0, 0, 0]] and multipliers.tolist() == [34084929, 0, 0]
    norm, unit = quantize_norm(np.array([1.5, -0.3], np.float32), "n")
    assert (norm.tolist(), unit) == ([24576, -4915], 14)


@pytest.mark.parametrize("model_type", ["llama", "qwen2"])
def test_gguf_equals_the_directory(tmp_path, model_type):
    pytest.importorskip("gguf")
    weights, config = make(model_type=model_type)
    expected, metadata = imported(save_directory(tmp_path / "tiny", weights, config))
    tensors, other = imported(save_gguf(tmp_path / "tiny.gguf", weights, config))
    assert_equal(tensors, expected)
    assert metadata | {"source": 0} == other | {"source": 0}


def test_a_quantised_gguf_comes_near_its_floats(tmp_path, model):
    pytest.importorskip("gguf")
    weights, config = model
    tensors, _ = imported(save_gguf(tmp_path / "tiny.gguf", weights, config, kind="Q8_0"))
    for matrix, parts in MATRICES.items():
        real = np.concatenate([weights[f"{part}.weight"] for part in parts])
        assert np.abs(restored(tensors, matrix) - real).max() <= 2.2 / 254
    assert import_model(tmp_path / "tiny.gguf", tmp_path / "x")  # its own name
    assert b'\\"name\\": \\"tiny\\"' in (tmp_path / "x").read_bytes()[:20000]


def test_byte_fallback_tokens_are_bytes(tmp_path):
    tokens = tiny_llama.fallback_tokens()
    weights, config = make(vocab_size=len(tokens), bos_token_id=1)
    folder = save_directory(tmp_path / "tiny", weights, config)
    (folder / "tokenizer.json").write_text(json.dumps(tiny_llama.fallback_json()))
    tensors, _ = imported(folder)
    vocabulary = strings(tensors)
    more = {b" t", b" th", b"th", "\u00e9".encode()}
    assert vocabulary == sorted({bytes([byte]) for byte in range(256)} | more)
    real = weights["lm_head.weight"]
    for string, token in [(b" ", "\u2581"), (b"t", "t"), (b"A", "<0x41>"), (b" th", "\u2581th")]:
        row = restored(tensors, "lm_head")[vocabulary.index(string)]
        assert np.abs(row - real[tokens.index(token)]).max() <= 1 / 254
    pytest.importorskip("gguf")
    assert_equal(imported(save_gguf(tmp_path / "tiny.gguf", weights, config, tokenizer="llama"))[0], tensors)
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_str(tensors["tokenizer"].tobytes().decode())
    cut = [vocabulary[i] for i in tokenizer.encode("th th\u00e9\u00e8A").ids]
    assert cut == [b"th", b" th", "\u00e9".encode(), b"\xc3", b"\xa8", b"A"]


def test_a_byte_that_text_never_has_may_be_missing(folder, model):
    tokenizer = tiny_llama.tokenizer_json()
    missing = tiny_llama.byte_characters()[0xFF]
    number = tokenizer["model"]["vocab"].pop(missing)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    tensors, _ = imported(folder)
    assert b"\xff" in strings(tensors) and number == 2
    row = restored(tensors, "embed")[strings(tensors).index(b"\xff")]
    assert np.abs(row - model[0]["model.embed_tokens.weight"][263]).max() <= 1 / 254


def test_long_tokens_are_dropped():
    characters = tiny_llama.byte_characters()
    tokens: list[str | None] = [*characters, "a" * 255, "a" * 256, None, "\u4e00"]
    assert len(vocabulary_of(tokens, is_byte_level=True).token_bytes) == 257


def test_default_wide_is_sound():
    assert set(DEFAULT_INT15) <= {"qkv", "o", "gate_up", "down", "lm_head"}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EIO, errno.ENOSPC])
def test_fsync_that_is_unknown_or_fails(tmp_path, monkeypatch, number):
    def fsync(fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if number in (errno.EIO, errno.ENOSPC):
        with pytest.raises(OSError, match=os.strerror(number)), published(tmp_path / "out"):
            pass
        assert os.listdir(tmp_path) == []
        return
    with published(tmp_path / "out") as descriptor:
        os.write(descriptor, b"data")
    assert (tmp_path / "out").read_bytes() == b"data" and os.listdir(tmp_path) == ["out"]


# --- vocabularies cut down


def test_a_list_of_tokens_is_read_back(tmp_path):
    write_kept(tmp_path / "list", [7, 3, 500, 3])
    assert read_kept(tmp_path / "list") == [3, 7, 500]
    (tmp_path / "plain").write_text("3\n4\n493\n")
    assert read_kept(tmp_path / "plain") == [3, 7, 500]
    whole = (tmp_path / "list").read_bytes()
    for bad in (b"", b"x", b"1\n0\n", b"-1\n", b"1\n-5\n", whole[:12], whole[:2] + b"?" + whole[3:]):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(UnsupportedError, match="is no list of tokens"):
            read_kept(tmp_path / "bad")


def test_a_vocabulary_is_cut_down_to_what_is_kept(folder, tmp_path, model):
    """`the` stays with `th`, which it is merged from, and with all bytes; what is left out is spelt."""
    tokenizers = pytest.importorskip("tokenizers")
    tokens = tiny_llama.byte_tokens()
    tensors, metadata = imported(folder, kept=[tokens.index("the"), 100_000])
    vocabulary = strings(tensors)
    assert vocabulary == sorted({bytes([byte]) for byte in range(256)} | {b"th", b"the"})
    assert metadata["n_vocab"] == 258 and len(tensors["embed.weight"]) == 259
    whole, _ = imported(folder)
    rows = [strings(whole).index(string) for string in vocabulary]
    assert np.array_equal(tensors["lm_head.weight"], whole["lm_head.weight"][rows])
    assert np.array_equal(tensors["embed.multiplier"], whole["embed.multiplier"][[*rows, -1]])
    tokenizer = tokenizers.Tokenizer.from_str(tensors["tokenizer"].tobytes().decode())
    cut = [vocabulary[i] for i in tokenizer.encode("in the thin").ids]
    assert cut == [b"i", b"n", b" ", b"the", b" ", b"th", b"i", b"n"]


def test_tokens_that_are_found_first(tmp_path):
    """Gemma's line ends and runs of blanks are taken out of the text before anything is merged."""
    tokenizers = pytest.importorskip("tokenizers")
    first = ["\n", "\n\n", "\u2581\u2581"]
    tokens = [*tiny_llama.fallback_tokens(), *first]
    weights, config = make(vocab_size=len(tokens), bos_token_id=1)
    folder = save_directory(tmp_path / "tiny", weights, config)
    data = tiny_llama.fallback_json()
    data["model"]["vocab"] = {token: i for i, token in enumerate(tokens)}
    data["model"]["merges"] += ["\n \n", "\u2581 \u2581"]
    data["added_tokens"] += [{"id": tokens.index(text), "content": text, "special": False} for text in first]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    tensors, _ = imported(folder)
    vocabulary = strings(tensors)
    assert {b"\n\n", b"  "} < set(vocabulary) and len(vocabulary) == 256 + 4 + 2
    tokenizer = tokenizers.Tokenizer.from_str(tensors["tokenizer"].tobytes().decode())
    cut = [vocabulary[i] for i in tokenizer.encode("\n\n\n   th th").ids]
    assert cut == [b"\n\n", b"\n", b"  ", b" th", b" th"]
    row = restored(tensors, "lm_head")[vocabulary.index(b"\n")]
    assert np.abs(row - weights["lm_head.weight"][tokens.index("\n")]).max() <= 1 / 254, "not that of <0x0A>"


def test_pieces_of_the_matrix_of_tokens_change_nothing(folder, tmp_path, monkeypatch):
    digest = import_model(folder, tmp_path / "whole", name="tiny")
    monkeypatch.setattr(llama, "_PIECE_SIZE", 64 * 50)
    assert import_model(folder, tmp_path / "pieces", name="tiny") == digest
