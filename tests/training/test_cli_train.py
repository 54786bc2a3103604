"""lmzip-models train as it is called: a model that lmzip uses and lmunzip finds, or one line and nothing."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from pathlib import Path

import pytest
from cli_tools import environment, names_in, run, start
from conftest import SAMPLE

pytest.importorskip("torch")
pytest.importorskip("tomllib")  # of Python 3.11

CONFIG = """
[net]
n_embd = 32
n_layer = 1
n_hidden = 32
n_state = 32
byte_dim = 32
table_dim = 32
orders = [2, 4, 6]
[train]
batch_size = 4
window = 64
optimiser = "adam"
adam_lr = 0.01
table_lr = 0.03
warmup_steps = 5
"""
EVENTS = [line[:60] for line in SAMPLE.read_bytes()[9000:].splitlines() if len(line) > 30][:200]


def log(n_lines: int) -> bytes:
    """Return lines of a log that has many kinds of them: those held out hold most of them once or twice."""
    drawing = random.Random(1)
    return b"".join(b"12:%02d:%02d %s\n" % (i // 60 % 60, i % 60, drawing.choice(EVENTS)) for i in range(n_lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_bytes(log(5000))
    (tmp_path / "tiny.toml").write_text(CONFIG)
    return tmp_path


def train(folder: Path, *arguments: object, **settings):
    return run(
        "lmzip-models", "train", "logs", "--config=tiny.toml", "-T1", *map(str, arguments), cwd=folder, **settings
    )


def test_what_is_trained_is_used_and_found(folder: Path) -> None:
    done = train(folder, "-o", "m.safetensors", "--bytes=60k", "-v")
    assert done.returncode == 0, done.stderr
    table, lines = done.stdout.decode().split("m.safetensors: ", 1)
    weights = (folder / "m.safetensors").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    assert lines.startswith(f"m, {len(weights)} bytes, sha256 {digest}\n")
    assert "lmzip --model m.safetensors uses it" in lines
    kind, *_, raw, default, tuned, gain, _ = table.splitlines()[1].split()
    assert (kind, int(raw) > 10_000, int(tuned) < int(default), float(gain) > 0) == (".log", True, True, True)
    assert done.stderr.count(b"validation in bits/byte: .log ") >= 5
    assert names_in(folder) == ["logs", "m.safetensors", "tiny.toml"], "no checkpoint is left"

    data = log(5300)[-15000:]
    packed = run("lmzip", "-6", "--model", "m.safetensors", data=data, cwd=folder).stdout
    assert len(packed) < len(run("lmzip", "-6", data=data).stdout)
    assert run("lmunzip", data=packed).returncode == 3
    assert run("lmunzip", data=packed, env=environment(LMZIP_MODEL_PATH=str(folder))).stdout == data

    facts = json.loads(train(folder, "-f", "-o", "m.safetensors", "--bytes=60k", "--json", "--name=other").stdout)
    assert (facts["name"], facts["n_read"] <= 61_440, facts["threads"]) == ("other", True, 1)
    assert facts["held_out"]["all"]["tuned_size"] == int(tuned), "the same again, but for the name"
    assert facts["sha256"] != digest and facts["bits_after"]["all"] < facts["bits_before"]["all"]


def test_it_is_kept_among_the_user_s_models(folder: Path) -> None:
    home = environment(XDG_DATA_HOME=str(folder / "home"))
    done = train(folder, "--bytes=60k", env=home)
    assert done.returncode == 0, done.stderr
    assert names_in(folder / "home/lmzip/models") == ["logs.safetensors"]
    packed = run("lmzip", "-6", "--model", "logs", data=log(200), env=home).stdout
    assert run("lmunzip", data=packed, env=home).stdout == log(200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "tiny.toml"], "output tiny.toml: already exists; -f overwrites"),
        (["-o", "no/m"], "output no/m: No such file"),
        (["-o", "m", "missing"], "missing: No such file"),
        (["-o", "m", "--name", "n" * 33], "a model's name is printable text of 1 to 32 bytes"),
        (["-o", "m", "--bytes=1k"], "logs: training takes 65536 bytes of text or more, here are "),
        (["-o", "m", "--config=logs/app.log"], "logs/app.log: Expected "),
        (["-o", "m", "--config=silu.toml"], "m.training/checkpoint.pt: the kernel has neither"),
        (["-o", "m", "--config=odd.toml"], "odd.toml: not a net that this lmzip runs"),
        (["-o", "m", "--config=missing"], "missing: No such file"),
    ],
)
def test_refusals_are_one_line(folder: Path, arguments: list[str], message: str) -> None:
    if "--bytes=1k" in arguments:
        (folder / "logs" / "app.log").write_bytes(log(100))
    (folder / "silu.toml").write_text(CONFIG.replace("[net]", '[net]\ngate = "silu"'))
    (folder / "odd.toml").write_text(CONFIG.replace("n_hidden = 32", "n_hidden = 33"))
    before = names_in(folder)
    done = train(folder, *arguments)
    assert done.returncode in (1, 3) and done.stdout == b""
    assert done.stderr.decode().startswith(f"lmzip-models: {message}") and done.stderr.count(b"\n") == 1
    assert names_in(folder) == before


def test_where_nothing_is_gained_nothing_is_written(folder: Path) -> None:
    (folder / "logs" / "app.log").write_bytes(random.Random(1).randbytes(50_000).hex().encode())
    done = train(folder, "-o", "m", "--bytes=10k")
    assert done.returncode == 1 and done.stdout == b""
    assert b"lmzip-models: m: not written: of " in done.stderr and done.stderr.count(b"\n") == 1
    assert not (folder / "m").exists()


def test_no_cuda_is_told(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    done = train(folder, "-o", "m", "--device=cuda")
    assert done.returncode == 3 and b"torch finds no CUDA here" in done.stderr


def test_no_compiler_is_told(folder: Path) -> None:
    (folder / "new").mkdir()
    changes = {"TMPDIR": str(folder / "new"), "CC": "no-such-cc"}  # nothing is compiled there yet
    done = train(folder, "-o", "m", "--bytes=10k", env=environment(**changes))
    assert done.returncode == 3 and done.stderr.count(b"\n") == 1
    assert b"lmzip-models: training on a CPU takes a C compiler, and no-such-cc is none" in done.stderr


def test_what_is_interrupted_leaves_a_checkpoint_alone(folder: Path) -> None:
    """Ctrl-C ends by the signal; the next call goes on, and makes what an uninterrupted one makes."""
    process = start("lmzip-models", "train", "logs", "--config=tiny.toml", "-T1", "-o", "m", "--bytes=300k", cwd=folder)
    checkpoint = folder / "m.training" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and stderr == b""
    assert not (folder / "m").exists() and checkpoint.exists()
    resumed = train(folder, "-o", "m", "--bytes=300k", "-v")
    assert resumed.returncode == 0 and b"m: goes on from m.training/checkpoint.pt\n" in resumed.stderr
    whole = train(folder, "-o", "whole", "--name=m", "--bytes=300k")
    assert whole.returncode == 0
    assert (folder / "m").read_bytes() == (folder / "whole").read_bytes()
    assert not checkpoint.parent.exists()
