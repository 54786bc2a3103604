"""Directories that are damaged, hostile or of another kind: one line, nothing executed, nothing made up."""

from __future__ import annotations

import json
import pickle
import sys
from importlib import metadata
from pathlib import Path

import pytest
import tiny_hf
from codec_tools import LARGE
from kernel_tools import alone, beside

from lmzip.errors import LmzipError, MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.models.hf.numerics import Settings
from lmzip.models.registry import Registry

torch = pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")

RAW = b"the thin thing " * 9
BLOCK = beside(len(RAW), LARGE)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.save(tmp_path_factory.mktemp("hf") / "tiny", "gpt2")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in whole.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


ONE_THREAD = Settings(device="cpu", threads=1)


def refusal(path: Path | str, settings: Settings = ONE_THREAD) -> str:
    """Return what is said of a model that cannot be used; its files are read anew."""
    registry = Registry(settings)
    with pytest.raises(LmzipError) as caught:
        model = registry.model(f"hf:{path}")
        model.encode(RAW, BLOCK)
    assert caught.value.exit_status in (1, 3) and "\n" not in str(caught.value)
    assert isinstance(caught.value, (ModelMissingError, UnsupportedError))
    return str(caught.value)


class Evil:
    """What a pickle can do."""

    def __reduce__(self):
        return (sys.exit, ("a pickle was loaded",))


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "no config.json" in refusal(tmp_path)
    assert "no config.json" in refusal(tmp_path / "file")
    assert "--allow-download gets" in refusal("nobody/nothing-of-the-kind")
    assert "there is no" in refusal("/nonexistent/../x y")
    assert "directory or a GGUF file" in refusal("")


def test_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    assert "pickles" in refusal(folder)


def test_a_pickle_beside_safetensors_is_left_alone(folder: Path) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "vocab.pkl"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    model = Registry(ONE_THREAD).model(f"hf:{folder}")
    assert len(model.fingerprint) == 16


def test_code_of_a_directory_is_not_run(folder: Path) -> None:
    """A type that transformers knows is its own, one that it does not is refused, whatever auto_map says."""
    (folder / "modeling_evil.py").write_text("raise SystemExit('code was run')\n")
    mapped = {"AutoConfig": "modeling_evil.Config", "AutoModelForCausalLM": "modeling_evil.Model"}
    tiny_hf.change_config(folder, auto_map=mapped)
    assert len(Registry(ONE_THREAD).model(f"hf:{folder}").fingerprint) == 16
    tiny_hf.change_config(folder, model_type="evil", architectures=["Evil"])
    assert "transformers cannot load it" in refusal(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["modeling_evil.T", None]}})
    )
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text("{}")
    tiny_hf.change_config(folder, model_type="gpt2", architectures=["GPT2LMHeadModel"])
    assert "tokenizer" in refusal(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"_attn_implementation": "evil/attention"},
        {"attn_implementation": {"": "evil/attention"}},
        {"text_config": {"_experts_implementation": "evil/experts:run"}},
        {"kernel_config": {"RMSNorm": "evil/norm"}},
    ],
)
def test_a_program_from_the_hub_is_not_fetched(folder: Path, changes: dict) -> None:
    tiny_hf.change_config(folder, **changes)
    assert "names a program" in refusal(folder)


def test_attention_that_a_configuration_wants_is_not_followed(folder: Path) -> None:
    tiny_hf.change_config(folder, _attn_implementation="flash_attention_2")
    model = Registry(ONE_THREAD).model(f"hf:{folder}")
    assert len(model.fingerprint) == 16
    assert model._load().runner.module.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization_config": {"quant_method": "evil"}}, "quantised"),
        ({"is_encoder_decoder": True}, "encoder with a decoder"),
        ({"model_type": None}, "no model_type"),
        ({"model_type": 7}, "no model_type"),
        ({"model_type": "bert_that_nobody_knows"}, "cannot load"),
        ({"model_type": "t5"}, "cannot load"),
        ({"n_layer": 10**7}, "n_layer is 10000000"),
        ({"num_labels": 10**9}, "num_labels"),
        ({"n_embd": 1 << 40}, "n_embd"),
        ({"n_embd": 1 << 20}, "cannot load|weights"),
        ({"n_embd": -3}, "cannot load"),
        ({"n_embd": "wide"}, "cannot load"),
        ({"n_layer": 3}, "its configuration asks for"),
        ({"n_layer": 1}, ""),
        ({"vocab_size": 100_000}, "its configuration asks for"),
        ({"n_head": 5}, "cannot load"),
        ({"transformers_weights": "/elsewhere/model.safetensors"}, "names other files of weights"),
        ({"n_layer": 1000}, "many more layers"),
        ({"model_type": "xglm", "num_layers": 10**9}, "num_layers"),
        ({"model_type": "gpt_neo", "num_layers": 2, "attention_types": [[["global"], 10**9]]}, "attention_types"),
        ({"model_type": "codegen", "n_positions": 1 << 24, "vocab_size": 64, "rotary_dim": 8}, "far more memory"),
    ],
)
def test_bad_configurations_are_refused(folder: Path, changes: dict, message: str) -> None:
    import re

    tiny_hf.change_config(folder, **changes)
    if changes == {"n_layer": 1}:  # weights of no use are passed over
        assert len(Registry(ONE_THREAD).model(f"hf:{folder}").fingerprint) == 16
    else:
        assert re.search(message, refusal(folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "gone", "list"])
def test_damaged_files_are_refused(folder: Path, name: str, damage: str) -> None:
    """One that is gone leaves a sound directory if it is the tokenizer, as the next test shows."""
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage == "list":
        path.write_bytes(b"[1]")
    elif damage != "gone":
        path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "noise": b"\xff" * len(data)}[damage])
    if (name, damage) != ("tokenizer.json", "gone"):
        refusal(folder)


def test_renamed_tensors_are_not_made_up(folder: Path) -> None:
    """As many numbers as there should be, but under other names: transformers would start from random ones."""
    import tiny_llama
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    name = sorted(tensors)[-1]
    tensors["other"] = tensors.pop(name)
    tiny_llama.save_tensors(folder / "model.safetensors", tensors)
    assert "missing_keys" in refusal(folder)


def test_other_files_beside_a_model_change_nothing(folder: Path) -> None:
    """transformers would take the first for one of several files of weights, with their neighbours."""
    model = Registry(ONE_THREAD).model(f"hf:{folder}")
    known = model.digest, model.fingerprint
    for name in ("shard-00001-model-00001-of-00001.safetensors", "other.safetensors"):
        (folder / name).write_bytes(b"noise")
    (folder / "generation_config.json").write_text('{"max_new_tokens": "many"}')
    model = Registry(ONE_THREAD).model(f"hf:{folder}")
    assert (model.digest, model.fingerprint) == known


def test_what_transformers_sees_of_a_model_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    from lmzip.models.hf import loading
    from lmzip.weights import temporary

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    links = {"config.json": Path(__file__), "gone": tmp_path / "nothing"}
    with loading.staged(links) as place:
        assert sorted(path.name for path in Path(place).iterdir()) == sorted(links)
        assert (Path(place) / "config.json").read_bytes() == Path(__file__).read_bytes()
        told = loading.failure(ValueError(f"no {place}/gone in {place}\nand more"), "it", place)
        assert str(told) == "it (no gone in the model)"
    assert not list(tmp_path.iterdir()) and Path(__file__).exists()
    with loading.staged(links):
        temporary.discard_pending()
        assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(OSError), loading.staged(links):
        pass
    assert not temporary._pending


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"intermediate_size": 16_000_000}, "its configuration asks for"),
        ({"num_hidden_layers": 10**9}, "block_count"),
        ({"num_hidden_layers": 900}, "many more layers"),
    ],
)
def test_gguf_files_that_ask_for_more_than_they_hold(tmp_path: Path, changes: dict, message: str) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    import tiny_llama

    tensors, config = tiny_llama.tiny_llama()
    assert message in refusal(tiny_llama.save_gguf(tmp_path / "tiny.gguf", tensors, config | changes))


def test_devices_that_there_are_not(whole: Path) -> None:
    for device in ("gpu", "cpu:1:2", "cuda:x", "cpux"):
        assert refusal(whole, Settings(device=device)) == f"there is no device {device}"


def test_an_adapter_is_not_half_a_model(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert "adapter" in refusal(folder)


def test_without_a_tokenizer_few_tokens_are_bytes(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    tiny_hf.change_config(folder, vocab_size=264)
    # 264 tokens may be bytes and eight others, so this one is taken for a vocabulary of bytes.
    assert len(Registry(ONE_THREAD).model(f"hf:{folder}").fingerprint) == 16
    (folder / "tokenizer.json").write_text('{"model": {"type": "Gibberish"}}')
    assert "no kind" in refusal(folder)


def test_the_files_change(folder: Path) -> None:
    model = Registry(ONE_THREAD).model(f"hf:{folder}")
    assert len(model.digest) == 32
    (folder / "config.json").write_bytes((folder / "config.json").read_bytes() + b"\n")
    with pytest.raises(ModelMissingError, match="changed meanwhile"):
        model.encode(RAW, BLOCK)
    (folder / "model.safetensors").unlink()
    with pytest.raises((ModelMissingError, UnsupportedError)):
        model.encode(RAW, BLOCK)
    assert model.encode(RAW, alone(len(RAW), LARGE)) is not None, "what needs no weights goes on"


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_missing_packages_are_told_with_what_installs_them(
    whole: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    found = refusal(whole)
    assert found.startswith(f"models of Hugging Face need the package {package}: pip install '{package}>=")


def test_a_version_of_transformers_that_was_not_tried(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "4.57.6" if name == "transformers" else version(name))
    assert refusal(whole) == (
        "models of Hugging Face need another version of transformers than 4.57.6: pip install 'transformers>=5.0,<6'"
    )


def test_without_cuda_its_devices_are_refused(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = Settings(device="cuda:1", threads=1)
    assert "no CUDA device" in refusal(whole, settings)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "no CUDA device 1" in refusal(whole, settings)


def test_too_little_memory(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codec_tools import pack

    with pytest.raises(MemoryLimitError):
        pack(b"the thin " * 90, model=f"hf:{whole}", memory_limit=1 << 20)
    model = Registry(ONE_THREAD).model(f"hf:{whole}")
    assert model.memory_size(beside(1000, LARGE, 8)) > model.memory_size(beside(1000, LARGE))
    assert 0 < model.weights_size() < 1 << 20
    assert model.takes(beside(1000, LARGE, 64)) and not model.takes(beside(1000, LARGE, 128))

    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(type(model._load().runner), "forward", fail)
    with pytest.raises(MemoryLimitError):
        pack(b"the thin " * 90, model=f"hf:{whole}")


def test_a_fault_of_torch_is_one_line(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Registry(ONE_THREAD).model(f"hf:{whole}")

    def fail(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nand so on")

    monkeypatch.setattr(type(model._load().runner), "forward", fail)
    with pytest.raises(UnsupportedError, match="cannot be run .mat1 and mat2 shapes cannot be multiplied.$"):
        model.encode(RAW, BLOCK)


def test_downloads_only_when_allowed(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def snapshot_download(name: str, **options) -> str:
        asked.append((name, options["allow_patterns"]))
        return str(whole)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert "--allow-download" in refusal("some/model") and not asked
    settings = Settings(device="cpu", threads=1, allow_download=True)
    assert Registry(settings).model("hf:some/model").path == whole
    ((name, patterns),) = asked
    assert name == "some/model" and not any(p.endswith((".bin", ".pt", ".py", ".pkl")) or p == "*" for p in patterns)

    def offline(name: str, **options) -> str:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    assert "some/model cannot be downloaded (no route)" in refusal("some/model", settings)
