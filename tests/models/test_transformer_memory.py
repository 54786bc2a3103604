"""Too little memory for a transformer: one line and status 1, before its weights are loaded and anything is written."""

from __future__ import annotations

import resource
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import codec_tools
import pytest
from cli_tools import environment, names_in, run, run_python
from conftest import ROOT, SAMPLE
from tiny_llama import save_directory, tiny_llama

from lmzip import codec
from lmzip.codec import memory
from lmzip.convert import import_model
from lmzip.convert import llama as convert
from lmzip.errors import MemoryLimitError
from lmzip.format.block import WITH_MODEL
from lmzip.levels import DEFAULT_LEVEL, get_level
from lmzip.models import transformer_file
from lmzip.stream import shared

TEXT = SAMPLE.read_bytes()[:3000]
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the model directory `m` and its weight file `w.safetensors` of 13 MB."""
    folder = tmp_path_factory.mktemp("model")
    tensors, config = tiny_llama(0, hidden_size=512, intermediate_size=8192, num_hidden_layers=1)
    quiet = {name: values / 64 if values.ndim == 2 else values for name, values in tensors.items()}
    import_model(save_directory(folder / "m", quiet, config, "bfloat16"), folder / "w.safetensors", name="middling")
    return folder


@pytest.fixture(scope="module")
def packed(folder) -> bytes:
    """TEXT coded with the transformer, whatever samples say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmzip.codec.encode.code_block", codec_tools.code_as_the_level_says)
        output = BytesIO()
        codec.compress_stream(
            BytesIO(TEXT).read, output.write, model=shared.registry.model(str(folder / "w.safetensors"))
        )
    assert {block.head.mode for block in codec.list_frames(BytesIO(output.getvalue()))[0].blocks} == {WITH_MODEL}
    return output.getvalue()


@pytest.fixture
def model(folder, packed, monkeypatch):
    """The model, its weights not loaded, and not to be."""
    model = shared.registry.model(str(folder / "w.safetensors"))
    monkeypatch.setattr(model, "_loaded", None)
    for part in ("load", "tokenizer"):
        monkeypatch.setattr(transformer_file, part, lambda *_: pytest.fail("it is read"))
    return model


def refuse_all(model, packed: bytes, memory_limit: int | None) -> str:
    """Expect each direction to be refused and to write nothing; return a message."""
    output, given = BytesIO(), {"registry": shared.registry, "memory_limit": memory_limit}
    for work in (
        lambda: codec.compress_stream(BytesIO(TEXT).read, output.write, model=model, memory_limit=memory_limit),
        lambda: codec.decompress_stream(BytesIO(packed).read, output.write, **given),
        lambda: list(codec.read_range(BytesIO(packed), 5, 10, **given)),
        lambda: codec.compress_memory(model=model, memory_limit=memory_limit),
    ):
        with pytest.raises(MemoryLimitError, match="middling") as caught:
            work()
    assert output.getvalue() == b""
    return str(caught.value)


def test_weights_beyond_the_limit_are_not_loaded(model, packed):
    assert "the limit is 10 MiB" in refuse_all(model, packed, 10 * MIB)
    refuse_all(model, packed, model.weights_size() - 1)


def test_weights_beyond_what_is_free_are_not_loaded(model, packed, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: model.loading_size() - 1)
    assert "MiB are free" in refuse_all(model, packed, None)
    with pytest.raises(MemoryLimitError):
        list(codec.decoded_blocks(BytesIO(packed).read, registry=shared.registry))


def test_where_nothing_is_known_or_needed_nothing_is_refused(folder, packed, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    output = BytesIO()
    codec.decompress_stream(BytesIO(packed).read, output.write, registry=shared.registry)
    assert output.getvalue() == TEXT
    model = shared.registry.model(str(folder / "w.safetensors"))
    assert model.loading_size() == 0, "weights are there by now"
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    codec.decompress_stream(BytesIO(packed).read, output.write, registry=shared.registry)
    settings = get_level(DEFAULT_LEVEL, uses_model=True, has_tokens=True)
    need = model.weights_size() + model.memory_size(settings.spec(len(TEXT), uses_model=True))
    with pytest.raises(MemoryLimitError, match="--memlimit="):
        codec.decompress_stream(BytesIO(packed).read, output.write, registry=shared.registry, memory_limit=need)


def test_importing_counts_the_largest_tensor(folder, tmp_path, monkeypatch):
    for limit, free in ((90 * MIB, None), (None, 90 * MIB), (10**12, 90 * MIB)):
        monkeypatch.setattr(convert, "free_memory", lambda free=free: free)
        with pytest.raises(MemoryLimitError, match="97 MiB.* 90 MiB"):
            import_model(folder / "m", tmp_path / "x", memory_limit=limit)
    assert names_in(tmp_path) == []
    monkeypatch.setattr(convert, "free_memory", lambda: 97 * MIB)
    import_model(folder / "m", tmp_path / "x", memory_limit=97 * MIB, name="middling")
    assert (tmp_path / "x").read_bytes() == (folder / "w.safetensors").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads cannot be counted")
def test_what_comes_with_the_weights_starts_no_threads(folder, packed, tmp_path):
    """NumPy's OpenBLAS has one a core, and dies where it cannot start them."""
    (tmp_path / "a").write_bytes(TEXT)
    count = "import atexit; atexit.register(lambda: os.write(2, b'%d' % len(os.listdir('/proc/self/task'))))"
    model = folder / "w.safetensors"
    for arguments in (["--model", model, tmp_path / "a"], ["-d"]):
        process = run_python(count, *arguments, "-cT1", stdin=-1, env=environment(LMZIP_MODEL_PATH=str(model)))
        _, stderr = process.communicate(packed, timeout=60)
        assert (process.returncode, stderr) == (0, b"1")


@pytest.mark.parametrize("way", ["option", "address space"])
def test_on_the_command_line(way, folder, packed, tmp_path):
    weights = folder / "w.safetensors"
    (tmp_path / "a").write_bytes(TEXT)
    (tmp_path / "b.lmz").write_bytes(packed)
    limit = ["-M", "10MiB"] if way == "option" else []

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (100 * MIB, 100 * MIB))

    env = environment(LMZIP_MODEL_PATH=str(weights))
    for arguments in (
        ["--model", weights, "a"],
        ["--model", "middling", "-c", "a"],
        ["--ultra", "-k", "a"],
        ["--ultra", "--estimate", "a"],
        ["--ultra", "--bench", "a"],
        ["-d", "b.lmz"],
        ["-dc", "b.lmz"],
        ["-t", "b.lmz"],
        ["-d", "--salvage", "b.lmz"],
        ["--range=3,4", "b.lmz"],
        ["import", folder / "m", "-o", "x"],
    ):
        preparing = {} if way == "option" else {"preexec_fn": limited}
        program = "lmzip-models" if "import" in arguments else "lmzip"
        done = run(program, *arguments, *limit, cwd=tmp_path, env=env, **preparing)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1), done
        assert b" MiB" in done.stderr and names_in(tmp_path) == ["a", "b.lmz"]


def test_the_kernel_says_that_there_is_no_memory():
    code = """
import resource
from array import array
from lmzip.native.llama import Transformer, TransformerShape
shape = TransformerShape(8192, 8192, 128, 64, 64, 128, 262143, 8192, (), True, 0, 128)
numbers = {"norms": array("h", bytes(257 * 8192 * 2)), "gain_shifts": bytes(257), "inv_freq": bytes(256)}
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for s in (shape, shape._replace(n_layer=129)):
    try:
        Transformer(s, **numbers | ({} if s is shape else {"norms": bytes(259 * 16384), "gain_shifts": bytes(259)}))
    except (MemoryError, ValueError) as error:
        print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["MemoryError", "ValueError"], done.stderr
