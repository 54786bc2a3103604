"""--device for exact models: the programs write and read the same files with it; what is not here is told in a line."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiny_net
from conftest import SAMPLE, TINY, find_program

TEXT = SAMPLE.read_bytes()[4000:5500]
has_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")


@pytest.fixture
def run(clean_environment: dict[str, str]):
    def call(program: str, *arguments: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess:
        command, environment = [str(find_program(program)), *arguments], clean_environment | variables
        return subprocess.run(command, input=given, capture_output=True, timeout=200, env=environment, check=False)

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "tiny.safetensors"
    path.write_bytes(tiny_net.tiny_weights(3, **TINY))
    return path


@has_torch
def test_the_same_files_both_ways(run, model: Path) -> None:
    options = ["-6", f"--model={model}", "-c"]
    expected = run("lmzip", *options, given=TEXT)
    found = run("lmzip", *options, "--device=torch-cpu", given=TEXT)
    assert (found.returncode, found.stderr) == (0, b"") and found.stdout == expected.stdout
    back = run("lmunzip", "-c", "--device=torch-cpu", f"--model={model}", given=expected.stdout)
    assert (back.returncode, back.stderr) == (0, b"") and back.stdout == TEXT


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="there is a GPU")
def test_a_device_that_is_not_here(run) -> None:
    found = run("lmzip", "-6", "-c", "--device=cuda", given=TEXT)
    assert found.returncode == 3 and found.stdout == b"" and found.stderr.count(b"\n") == 1
    missing = b"no CUDA device that torch can use is here; --device cpu does without"
    assert (missing if find_spec("torch") else b"the package torch") in found.stderr
    found = run("lmzip", "-6", "-c", given=TEXT, LMZIP_DEVICE="cuda")
    assert found.returncode == 0 and b"LMZIP_DEVICE=cuda ignored: " in found.stderr
    assert found.stdout == run("lmzip", "-6", "-c", given=TEXT).stdout
    assert run("lmzip", "-6", "-c", "--device=auto", given=TEXT).stdout == found.stdout
