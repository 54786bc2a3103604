"""Models that lmzip cannot run, damaged and hostile files: one line on why not, and the output as it was."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_llama
from tiny_llama import save_directory, save_gguf, save_tensors
from tiny_llama import tiny_llama as make

from lmzip.convert import import_model
from lmzip.errors import LmzipError, ModelMissingError, UnsupportedError

LAYER = "model.layers.0."


@pytest.fixture
def model() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return make()


@pytest.fixture
def folder(tmp_path, model) -> Path:
    """A model directory."""
    return save_directory(tmp_path / "tiny", *model)


# What makes a model directory unfit: a change of it, the error, words of its message.


def _config(**changes: Any):
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def _tokenizer(**changes: Any):
    def change(folder: Path) -> None:
        data = tiny_llama.tokenizer_json()
        model = data["model"] | changes.pop("model", {})
        (folder / "tokenizer.json").write_text(json.dumps(data | {"model": model} | changes))

    return change


def _tensor(name: str, values: Any):
    def change(folder: Path) -> None:
        tensors, _ = make()
        tensors[name] = values(tensors.get(name))
        save_tensors(folder / "model.safetensors", {n: v for n, v in tensors.items() if v is not None})

    return change


def _write(name: str, data: bytes):
    return lambda folder: (folder / name).write_bytes(data)


def _remove(name: str):
    return lambda folder: (folder / name).unlink()


def _rename(old: str, new: str):
    return lambda folder: (folder / old).rename(folder / new)


def _truncate(n: int):
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[: n if n >= 0 else path.stat().st_size + n])

    return change


def _header(**entry: Any):
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | entry}).encode()
    return _write("model.safetensors", len(header).to_bytes(8, "little") + header + bytes(8))


def _set(index: Any, value: float):
    def values(tensor: np.ndarray) -> np.ndarray:
        tensor[index] = value
        return tensor

    return values


def _index(weight_map: Any):
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return change


_DOWN = LAYER + "mlp.down_proj.weight"
_NESTED = b"[" * 200000
_BYTES = {character: i for i, character in enumerate(tiny_llama.byte_characters())}
REFUSALS = {
    "architecture": (_config(model_type="gpt2"), UnsupportedError, "'gpt2'"),
    "no architecture": (_config(model_type=None), UnsupportedError, "model type None"),
    "long architecture": (_config(model_type="x\n" * 99), UnsupportedError, "model type"),
    "rope scaling": (_config(rope_scaling={"rope_type": "llama3"}), UnsupportedError, "rope scaling.*'llama3'"),
    "old rope scaling": (_config(rope_scaling={"type": "linear"}), UnsupportedError, "rope scaling.*'linear'"),
    "rope scaling as text": (_config(rope_scaling="default"), UnsupportedError, "rope scaling"),
    "rope parameters": (_config(rope_parameters={"rope_type": "yarn"}), UnsupportedError, "rope scaling.*'yarn'"),
    "rope base": (_config(rope_theta=0), UnsupportedError, "rotary"),
    "infinite rope base": (_config(rope_theta=math.inf), UnsupportedError, "JSON"),
    "part rotary": (_config(partial_rotary_factor=0.5), UnsupportedError, "partial_rotary_factor"),
    "sliding window": (_config(model_type="qwen2", use_sliding_window=True), UnsupportedError, "sliding"),
    "sliding layers": (_config(layer_types=["sliding_attention"]), UnsupportedError, "sliding"),
    "activation": (_config(hidden_act="gelu"), UnsupportedError, "'gelu'"),
    "quantised": (_config(quantization_config={"bits": 4}), UnsupportedError, "quantization_config"),
    "bias of mlp": (_config(mlp_bias=True), UnsupportedError, "mlp_bias"),
    "width": (_config(hidden_size=72), UnsupportedError, "n_embd is 72"),
    "width as text": (_config(hidden_size="64"), UnsupportedError, "hidden_size is '64'"),
    "no heads": (_config(num_attention_heads=0), UnsupportedError, "num_attention_heads is 0"),
    "key heads": (_config(num_attention_heads=3, num_key_value_heads=2), UnsupportedError, "do not divide"),
    "head dim": (_config(head_dim=48), UnsupportedError, "head_dim is 48"),
    "layers": (_config(num_hidden_layers=129), UnsupportedError, "n_layer is 129"),
    "a billion layers": (_config(num_hidden_layers=10**9), UnsupportedError, "n_layer is 1000000000"),
    "fewer layers than none": (_config(num_hidden_layers=-1), UnsupportedError, "n_layer is -1"),
    "layers as text": (_config(num_hidden_layers="2"), UnsupportedError, "n_layer is '2'"),
    "a billion wide": (_config(intermediate_size=10**9), UnsupportedError, "n_hidden is 1000000000"),
    "no width": (_config(hidden_size=None), UnsupportedError, "no hidden_size"),
    "epsilon": (_config(rms_norm_eps=-1), UnsupportedError, "epsilon"),
    "large epsilon": (_config(rms_norm_eps=4.1), UnsupportedError, "epsilon"),
    "context": (_config(max_position_embeddings=127), UnsupportedError, "context size is 127"),
    "no start": (_config(bos_token_id=None, eos_token_id=None), UnsupportedError, "starts behind"),
    "start as text": (_config(bos_token_id="0"), UnsupportedError, "start token is '0'"),
    "negative start": (_config(bos_token_id=-1), UnsupportedError, "start token is -1"),
    "start beyond": (_config(bos_token_id=264), UnsupportedError, "more tokens"),
    "missing layer": (_config(num_hidden_layers=3), UnsupportedError, r"layers\.2\.q is missing"),
    "layer too many": (_config(num_hidden_layers=1), UnsupportedError, "does not know.*layers.1"),
    "no biases": (_config(model_type="qwen2"), UnsupportedError, r"q\.bias is missing"),
    "missing head": (_tensor("lm_head.weight", lambda _: None), UnsupportedError, "tensor lm_head is missing"),
    "missing embeddings": (_tensor("model.embed_tokens.weight", lambda _: None), UnsupportedError, "has the number"),
    "shape": (_tensor(_DOWN, lambda t: t[1:]), UnsupportedError, r"down has the shape \(63, 96\)"),
    "transposed": (_tensor(_DOWN, lambda t: t.T), UnsupportedError, "down has the shape"),
    "bias of out": (
        _tensor(LAYER + "self_attn.o_proj.bias", lambda _: np.zeros(64, np.float32)),
        UnsupportedError,
        "does not know.*o_proj.bias",
    ),
    "NaN": (_tensor(_DOWN, _set((3, 5), math.nan)), UnsupportedError, "down holds numbers that are not finite"),
    "infinity": (_tensor("model.embed_tokens.weight", _set((9, 1), -math.inf)), UnsupportedError, "not finite"),
    "NaN in a norm": (_tensor("model.norm.weight", _set(0, math.nan)), UnsupportedError, "not finite"),
    "large norm": (_tensor("model.norm.weight", _set(0, 1e5)), UnsupportedError, "too large"),
    "large weight": (_tensor(_DOWN, _set((3, 5), 40)), UnsupportedError, "too large"),
    "large row": (_tensor(_DOWN, _set(3, 20)), UnsupportedError, "products would be too large"),
    "no tokenizer": (_remove("tokenizer.json"), UnsupportedError, "tokenizer.json"),
    "missing byte": (
        _tokenizer(model={"vocab": {c: i for c, i in _BYTES.items() if c != "A"}, "merges": []}),
        UnsupportedError,
        "lacks 1 of the 256",
    ),
    "many missing bytes": (
        _tokenizer(model={"vocab": dict(list(_BYTES.items())[:190]), "merges": []}),
        UnsupportedError,
        "lacks 66 of",
    ),
    "token beyond": (_tokenizer(model={"vocab": {"a": 264}}), UnsupportedError, "number 264"),
    "unigram": (_tokenizer(model={"type": "Unigram", "vocab": []}), UnsupportedError, "no BPE"),
    "no fallback": (_tokenizer(pre_tokenizer=None, decoder=None), UnsupportedError, "level of bytes"),
    "lower case": (_tokenizer(normalizer={"type": "Lowercase"}), UnsupportedError, "'Lowercase'"),
    "whitespace": (_tokenizer(pre_tokenizer={"type": "Whitespace"}), UnsupportedError, "'Whitespace'"),
    "pre-tokenizer as text": (_tokenizer(pre_tokenizer="x"), UnsupportedError, "'x'"),
    "merge": (_tokenizer(model={"merges": [["a"]]}), UnsupportedError, "no merge"),
    "ends of words": (_tokenizer(model={"end_of_word_suffix": "</w>"}), UnsupportedError, "ends of words"),
    "nested tokenizer": (_write("tokenizer.json", _NESTED), UnsupportedError, "JSON"),
    "nested config": (_write("config.json", _NESTED), UnsupportedError, "JSON"),
    "config of numbers": (_write("config.json", b"[1]"), UnsupportedError, "JSON object"),
    "binary config": (_write("config.json", b"\xff\xfe\x00"), UnsupportedError, "JSON"),
    "no config": (_remove("config.json"), ModelMissingError, "config.json"),
    "no weights": (_remove("model.safetensors"), ModelMissingError, "no weights"),
    "pickles": (_rename("model.safetensors", "pytorch_model.bin"), UnsupportedError, "pickles"),
    "empty": (_truncate(0), UnsupportedError, "truncated"),
    "cut in the size": (_truncate(7), UnsupportedError, "truncated"),
    "cut in the header": (_truncate(100), UnsupportedError, "truncated"),
    "cut at the end": (_truncate(-1), UnsupportedError, "truncated"),
    "large header": (_write("model.safetensors", b"\xff" * 7 + b"\x00" + b"{}"), UnsupportedError, "truncated"),
    "nested header": (
        _write("model.safetensors", len(_NESTED).to_bytes(8, "little") + _NESTED),
        UnsupportedError,
        "JSON",
    ),
    "size and shape": (_header(shape=[3]), UnsupportedError, "contradicts its shape"),
    "huge shape": (_header(shape=[1 << 47, 1 << 47]), UnsupportedError, "contradicts its shape"),
    "huger shape": (_header(shape=[1 << 48]), UnsupportedError, "damaged header"),
    "negative shape": (_header(shape=[-2]), UnsupportedError, "damaged header"),
    "offsets": (_header(data_offsets=[8, 0]), UnsupportedError, "truncated"),
    "dtype": (_header(dtype=[]), UnsupportedError, "damaged header"),
    "integers": (_header(dtype="I64", shape=[1]), UnsupportedError, "embeddings are missing|has the number"),
    "no offsets": (_header(data_offsets=None), UnsupportedError, "damaged header"),
    "index without files": (_index({"a": "model-1.safetensors"}), ModelMissingError, "model-1"),
    "index to elsewhere": (_index({"a": "../model.safetensors"}), UnsupportedError, "index.json is damaged"),
    "index of pickles": (_index({"a": "model.bin"}), UnsupportedError, "index.json is damaged"),
    "index of numbers": (_index([1]), UnsupportedError, "index.json is damaged"),
}


def refused(path: Path, out: Path, error: type[LmzipError], words: str, **options: Any) -> None:
    """Assert that a model is refused in one line, and that the output is as it was."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(LmzipError, match=words) as caught:
        import_model(path, out, **options)
    assert type(caught.value) is error
    message = str(caught.value)
    assert "\n" not in message and message.isprintable() and len(message) < 250
    assert sorted(out.parent.iterdir()) == before


@pytest.mark.parametrize(("change", "error", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_imported_leaves_no_file(folder, tmp_path, change, error, words):
    change(folder)
    refused(folder, tmp_path / "out", error, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 33}, "name"),
        ({"window": 0}, "window"),
        ({"window": 1000}, "window"),
        ({"window": 8320}, "window"),
        ({"int15": ("sideways",)}, "int15"),
    ],
)
def test_bad_options_leave_no_file(folder, tmp_path, options, words):
    refused(folder, tmp_path / "out", UnsupportedError, words, **options)


def test_not_a_model(tmp_path):
    refused(tmp_path / "nothing", tmp_path / "out", ModelMissingError, "no model at")
    (tmp_path / "text").write_bytes(b"hello, world")
    refused(tmp_path / "text", tmp_path / "out", UnsupportedError, "not a GGUF file")
    (tmp_path / "short").write_bytes(b"GGU")
    refused(tmp_path / "short", tmp_path / "out", UnsupportedError, "short")


def test_a_failure_leaves_the_old_output(folder, tmp_path):
    out = tmp_path / "out"
    out.write_bytes(b"old")
    _tensor("model.layers.1.mlp.down_proj.weight", _set((0, 0), math.nan))(folder)
    refused(folder, out, UnsupportedError, "not finite")
    assert out.read_bytes() == b"old"

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StopError

    save_tensors(folder / "model.safetensors", make()[0])
    with pytest.raises(StopError):
        import_model(folder, out, progress=stop)
    assert out.read_bytes() == b"old" and sorted(p.name for p in tmp_path.iterdir()) == ["out", "tiny"]


def test_the_model_itself_is_not_replaced(folder, tmp_path):
    (tmp_path / "out").symlink_to(folder / "model.safetensors")
    refused(folder, tmp_path / "out", UnsupportedError, "own weights")


def test_no_place_for_the_output(folder, tmp_path):
    with pytest.raises(OSError):
        import_model(folder, tmp_path / "missing" / "out")


GGUF_REFUSALS = {
    "rope scaling": ({"llama__rope__scaling__type": "linear"}, "rope scaling.*'linear'"),
    "experts": ({"llama__expert_count": 8}, "expert_count"),
    "sliding window": ({"llama__attention__sliding_window": 8}, "sliding_window"),
    "split": ({"split__count": 2}, "split"),
    "size of values": ({"llama__attention__value_length": 64}, "value_length is 64"),
    "alignment": ({"general__alignment": "x"}, "damaged header"),
}


@pytest.mark.parametrize(("fields", "words"), GGUF_REFUSALS.values(), ids=GGUF_REFUSALS.keys())
def test_bad_fields_of_a_gguf_are_refused(tmp_path, model, fields, words):
    pytest.importorskip("gguf")
    path = save_gguf(tmp_path / "tiny.gguf", *model, **fields)
    refused(path, tmp_path / "out", UnsupportedError, words)


def test_gguf_of_another_architecture(tmp_path, model):
    pytest.importorskip("gguf")
    weights, config = model
    path = save_gguf(tmp_path / "tiny.gguf", weights, config | {"model_type": "gemma"})
    refused(path, tmp_path / "out", UnsupportedError, "'gemma'")


def test_gguf_tensors_that_are_not_known(tmp_path, model):
    pytest.importorskip("gguf")
    weights, config = model
    path = save_gguf(tmp_path / "tiny.gguf", weights | {"rope_freqs.weight": np.ones(16, np.float32)}, config)
    refused(path, tmp_path / "out", UnsupportedError, "does not know.*rope_freqs")


def test_a_damaged_gguf_is_refused_or_imported(tmp_path, model):
    """Any cut, and flipped bits in the header, give an error of ours or a model: nothing else, and no huge memory."""
    pytest.importorskip("gguf")
    data = save_gguf(tmp_path / "tiny.gguf", *model).read_bytes()
    damaged = tmp_path / "damaged.gguf"
    for size in [*range(0, 400, 7), 4000, 9000, len(data) // 2, len(data) - 1]:
        damaged.write_bytes(data[:size])
        refused(damaged, tmp_path / "out", UnsupportedError, "truncated")
    random = np.random.default_rng(1)
    for place in random.integers(4, 12000, 150).tolist():
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 1 << int(random.integers(8))]) + data[place + 1 :])
        try:
            import_model(damaged, tmp_path / "out")
        except LmzipError as error:
            assert str(error).isprintable()


def test_without_the_package_gguf(tmp_path, model, monkeypatch):
    pytest.importorskip("gguf")
    path = save_gguf(tmp_path / "tiny.gguf", *model)
    monkeypatch.setitem(sys.modules, "gguf", None)
    refused(path, tmp_path / "out", UnsupportedError, "a GGUF file needs the package gguf: pip install 'gguf>=")
