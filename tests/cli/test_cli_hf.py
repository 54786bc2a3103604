"""Models of Hugging Face on the command line: round trips, what lmunzip refuses, what is always verified."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cli_tools
import pytest
import tiny_hf
import tiny_llama
from cli_tools import environment, run, run_python
from conftest import ROOT

from lmzip.format.block import SHORT_HEAD_SIZE
from lmzip.format.header import header_size
from lmzip.models.registry import Registry

pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")

# In a frame of one block the model is named only where it pays: here it always does.
ALWAYS = """
sys.path.insert(0, os.environ["TESTS"])
import codec_tools, lmzip.codec.encode
lmzip.codec.encode.code_block = codec_tools.code_as_the_level_says
"""
SECONDS = 600  # every process loads torch, which takes its time on a busy machine
pytestmark = pytest.mark.timeout(5 * SECONDS)
TEXT = b"the thin thing in the inn " * 8


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_tools, "TIMEOUT", SECONDS)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.save(tmp_path_factory.mktemp("models") / "tiny", "gpt2")


def compress(*arguments, code: str = "", **changes: str):
    """Run lmzip with a model that is used for every block; return status and standard error."""
    tests = str(ROOT / "tests")
    process = run_python(ALWAYS + code, "-T1", *arguments, env=environment(TESTS=tests, **changes))
    _, stderr = process.communicate(timeout=SECONDS)
    assert b"Traceback" not in stderr, stderr.decode()
    return process.returncode, stderr.decode()


def test_round_trip_and_what_lmunzip_needs(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    status, said = compress("-v", "--model", f"hf:{folder}", file)
    packed = tmp_path / "a.lmz"
    assert status == 2 and "lmunzip will not find the model" in said and file.exists(), "it was only this call's"
    assert "verified" in said
    listed = run("lmzip", "-lv", packed, env=environment(PATH="/nonexistent"))
    assert (
        listed.returncode == 0
        and b"numerics cpu/" in listed.stdout
        and b"profile large, blocks 1 (1 model)" in listed.stdout
    )
    done = run("lmunzip", "-c", packed)
    assert done.returncode == 3 and done.stdout == b"" and b"hf:PATH" in done.stderr and done.stderr.count(b"\n") == 1
    done = run("lmunzip", "-c", "--dtype=bfloat16", f"--model=hf:{folder}", packed)
    assert done.returncode == 3 and done.stdout == b"" and b"different: --dtype" in done.stderr
    assert done.stderr.count(b"\n") == 1
    file.unlink()
    done = run("lmunzip", "-T3", packed, env=environment(LMZIP_MODEL_PATH=str(folder)))
    assert done.returncode == 0 and file.read_bytes() == TEXT and not packed.exists(), done.stderr


@pytest.mark.parametrize("kind", ["mamba", "jamba", "gguf"])
def test_the_libraries_say_nothing(tmp_path: Path, kind: str) -> None:
    """Not of kernels that are missing, nor of what is deprecated, nor how far they are."""
    if kind == "gguf":
        place = tiny_llama.save_gguf(tmp_path / "tiny.gguf", *tiny_llama.tiny_llama())
    else:
        place = tiny_hf.save(tmp_path / "tiny", kind)
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    for part in ({}, {"PYTHONWARNINGS": "default::FutureWarning"}):
        status, said = compress("-f", "--model", f"hf:{place}", file, LMZIP_MODEL_PATH=str(place), **part)
        assert (status, said) == (0, "")
        done = run("lmunzip", tmp_path / "a.lmz", env=environment(LMZIP_MODEL_PATH=str(place), **part))
        assert (done.returncode, done.stderr) == (0, b"") and file.read_bytes() == TEXT


def test_a_version_that_was_not_tried_is_one_line(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    other = """
import importlib.metadata
importlib.metadata.version = lambda name: "4.57.6" if name == "transformers" else "2.13.0"
sys.modules["torch"] = None
"""
    status, said = compress("--model", f"hf:{folder}", file, code=other)
    assert status == 3 and said.count("\n") == 1 and sorted(os.listdir(tmp_path)) == ["a"]
    assert "need another version of transformers than 4.57.6: pip install 'transformers>=5.0,<6'" in said


def test_bytes_in_no_token_are_told(tmp_path: Path) -> None:
    tokenizer = tiny_llama.tokenizer_json()
    del tokenizer["model"]["vocab"]["z"]
    folder = tiny_hf.save(tmp_path / "without", "gpt2", tokenizer=tokenizer)
    file, packed = tmp_path / "a", tmp_path / "a.lmz"
    for text, expected in (
        (b"zz the thin thing in a zoo " * 8, "24 bytes outside the model's vocabulary"),
        (TEXT, None),
    ):
        file.write_bytes(text)
        status, said = compress("-fv", "--model", f"hf:{folder}", file, LMZIP_MODEL_PATH=str(folder))
        assert status == 0 and (expected in said if expected else "outside" not in said), said
        listed = run_python("sys.modules['torch'] = None", "-lvv", packed).communicate(timeout=SECONDS)[0].decode()
        assert "(1 model)" in listed, listed
        assert listed.count(expected or "outside") == (2 if expected else 0), listed
        done = run("lmunzip", packed, env=environment(LMZIP_MODEL_PATH=str(folder)))
        assert done.returncode == 0 and file.read_bytes() == text, done.stderr


def test_a_damaged_number_of_them(tmp_path: Path, folder: Path) -> None:
    file, packed = tmp_path / "a", tmp_path / "a.lmz"
    file.write_bytes(TEXT)
    status, said = compress("--model", f"hf:{folder}", file, LMZIP_MODEL_PATH=str(folder))
    assert status == 0, said
    data = packed.read_bytes()
    at = header_size(data) + SHORT_HEAD_SIZE
    assert data[at] == 0
    for changed, message in ((b"\1", "damaged data"), (b"\xff\xff", "impossible number"), (b"\x80" * 5, "impossible")):
        packed.write_bytes(data[:at] + changed + data[at + len(changed) :])
        done = run("lmunzip", packed, env=environment(LMZIP_MODEL_PATH=str(folder)))
        assert done.returncode == 1 and message in done.stderr.decode() and not file.exists(), done.stderr


def test_models_are_listed_without_torch(tmp_path: Path, folder: Path) -> None:
    """Without torch being loaded; gigabytes are not read."""
    large = tmp_path / "models" / "large"
    shutil.copytree(folder, large)
    os.truncate(large / "model.safetensors", 65 << 20)
    code = "\nsys.modules['torch'] = None"
    places = os.pathsep.join([str(folder), str(large.parent), "/nonexistent"])
    for options in ([], ["--json"]):
        process = run_python(code, "list", *options, main="models_main", env=environment(LMZIP_MODEL_PATH=places))
        stdout, stderr = process.communicate(timeout=SECONDS)
        assert process.returncode == 0 and not stderr, stderr.decode()
        shown = stdout.decode().splitlines()
        rows = [line for line in shown if "hf:" in line]
        assert len(rows) == 2 and str(folder) in rows[0] and str(large) in rows[1]
        digest = Registry().model(f"hf:{folder}").digest.hex()
        assert (digest if options else digest[:12]) in rows[0]
        assert ('"sha256": null' if options else " - ") in rows[1]


def test_no_verify_does_not_remove_on_trust(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    status, said = compress("-v", "--no-verify", "--model", f"hf:{folder}", file, LMZIP_MODEL_PATH=str(folder))
    assert status == 0 and "verified" in said and not file.exists()


def test_a_decoder_that_computes_otherwise_keeps_the_input(tmp_path: Path, folder: Path) -> None:
    """Noise that comes up after the probe: the file does not decode, so it is never published."""
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    noise = """
import torch
from lmzip.models.hf.stepping import Runner
forward, steps = Runner.forward, iter(range(10**9))
def noisy(self, tokens, cache):
    logits, kept = forward(self, tokens, cache)
    return logits + (next(steps) > 60) * torch.randn(logits.shape), kept
Runner.forward = noisy
"""
    status, said = compress("--no-verify", "--model", f"hf:{folder}", file, code=noise)
    assert status == 1 and "does not decode" in said
    assert sorted(os.listdir(tmp_path)) == ["a"] and file.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--model=hf:/nonexistent"], 3, "there is no /nonexistent"),
        (["--model=hf:nobody/nothing"], 3, "--allow-download"),
        (["--model=hf:"], 3, "directory"),
        (["--dtype=float32"], 1, "--dtype is for"),
        (["--allow-download"], 1, "--allow-download is for"),
        (["--device=cuda:x", "--model=hf:x"], 1, "no device cuda:x"),
        (["--dtype=float64", "--model=hf:x"], 1, "float64"),
    ],
)
def test_bad_calls_are_refused_in_a_line(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    file = tmp_path / "a"
    file.write_bytes(TEXT)
    done = run("lmzip", *arguments, file)
    assert done.returncode == status and message in done.stderr.decode() and done.stderr.count(b"\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_estimate_counts_verification_in(folder: Path) -> None:
    from lmzip.cli.options import parse

    assert parse("lmzip", ["--no-verify", "--model=hf:x", "a"]).verifies
    assert not parse("lmzip", ["--no-verify", "-k", "--model=hf:x", "a"]).verifies
    assert not parse("lmzip", ["--no-verify", "a"]).verifies
