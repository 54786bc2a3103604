"""Training in torch: the trainer, weight files, and the commands around them."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, SAMPLE

from lmzip.models import weights

TINY = {"n_embd": 32, "n_layer": 1, "n_hidden": 32, "n_state": 32, "byte_dim": 32, "table_dim": 32, "orders": [2]}
TEXT = SAMPLE.read_bytes()[9000:11000]


def equal(a, b) -> bool:
    """Return whether two nested structures hold the same numbers, tensors included."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return np.array_equal(a, b)


def error_of(output: str) -> str:
    """Return what stands in the one line behind how the program is called."""
    usage, _, error = output.partition("\nError: ")
    assert usage.startswith("Usage: ") and error.endswith("\n") and error.count("\n") == 1
    return error.rstrip()


# --- the trainer ------------------------------------------------------------------------------------------------------


def write_split(folder: Path, name: str, documents: dict[str, bytes]) -> None:
    """Write a split of one document a kind, as prepare_data.py does."""
    from prepare_data import Split

    split = Split(folder, name)
    for kind, data in documents.items():
        split.add(kind, data)
    split.finish(sorted(documents))


@pytest.fixture
def data(torch: ModuleType, tmp_path: Path) -> Path:
    """A folder with one document to train on and two kinds to validate with."""
    write_split(tmp_path, "train", {"a": TEXT})
    write_split(tmp_path, "val", {"a": TEXT[:700], "b": bytes(range(251))})
    return tmp_path


@pytest.fixture
def trainer_of(torch: ModuleType, data: Path) -> Callable:
    """A function that makes a fresh tiny trainer: the net's, the training's and the augmentation's changes."""
    from lmzip.training.net.data import Augmentation, Corpus
    from lmzip.training.net.model import NetConfig
    from lmzip.training.net.trainer import TrainConfig, Trainer

    def make(net: dict | None = None, train: dict | None = None, augmentation: dict | None = None) -> Trainer:
        return Trainer(
            NetConfig(**(TINY | (net or {}))),
            TrainConfig(**({"batch_size": 2, "window": 32} | (train or {}))),
            Augmentation(**(augmentation or {})),
            Corpus.mapped(data, "train"),
            "cpu",
        )

    return make


@pytest.mark.parametrize("optimiser", ["muon", "adam"])
def test_the_loss_falls(torch: ModuleType, trainer_of: Callable, optimiser: str) -> None:
    trainer = trainer_of(train={"optimiser": optimiser}, augmentation={"crlf": 0.0})
    before = {name: x.clone() for name, x in trainer.net.state_dict().items()}
    losses = [float(trainer.step(1.0)) for _ in range(100)]
    assert losses[0] == pytest.approx(math.log(256), abs=0.5)
    assert sum(losses[-10:]) / 10 < 3.5
    assert all((x != before[name]).any() for name, x in trainer.net.state_dict().items()), "everything is trained"
    assert len(trainer.muon.state) == (5 if optimiser == "muon" else 0), "all matrices but the head"
    assert trainer.n_steps == 100 and trainer.step_size == 64


def test_a_scale_of_zero_changes_nothing(torch: ModuleType, trainer_of: Callable) -> None:
    trainer = trainer_of()
    before = {name: x.clone() for name, x in trainer.net.state_dict().items()}
    trainer.step(0.0)
    assert equal(trainer.net.state_dict(), before)
    trainer.step(0.01)
    assert not equal(trainer.net.state_dict(), before)


@pytest.mark.parametrize("optimiser", ["muon", "adam"])
def test_restored_training_goes_on_exactly(torch: ModuleType, trainer_of: Callable, data: Path, optimiser: str) -> None:
    """Neither the stop nor a validation before it leaves a trace, whatever seed the fresh trainer began with."""
    from lmzip.training.net.data import Corpus

    config = {"optimiser": optimiser}
    straight = trainer_of(train=config)
    expected = [float(straight.step(1.0)) for _ in range(12)]

    stopped = trainer_of(train=config)
    losses = [float(stopped.step(1.0)) for _ in range(7)]
    stopped.validate(Corpus.mapped(data, "val"))
    file = io.BytesIO()
    torch.save(stopped.state_dict(), file)

    fresh = trainer_of(train={**config, "seed": 99})
    fresh.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=False))
    losses += [float(fresh.step(1.0)) for _ in range(5)]
    assert losses == expected
    assert equal(fresh.state_dict(), straight.state_dict())
    assert fresh.n_steps == 12


def test_checkpoints_of_other_architectures_are_refused(torch: ModuleType, trainer_of: Callable) -> None:
    state = trainer_of().state_dict()
    for other in ({"orders": [3]}, {"n_layer": 2}, {"gate": "silu"}):
        with pytest.raises(ValueError, match="architecture"):
            trainer_of(net=other).load_state_dict(state)


def test_checkpoints_of_other_trainings_are_refused(
    torch: ModuleType, trainer_of: Callable, data: Path, tmp_path: Path
) -> None:
    """Before anything of them is taken over; learning rates, seeds and weights of kinds may differ."""
    trainer = trainer_of()
    trainer.step(1.0)
    state = trainer.state_dict()
    others = {
        "batch size": trainer_of(train={"batch_size": 3}),
        "window": trainer_of(train={"window": 16}),
        "optimiser": trainer_of(train={"optimiser": "adam"}),
        "architecture and another batch size": trainer_of(net={"n_layer": 2}, train={"batch_size": 1}),
    }
    write_split(data, "train", {"a": TEXT + b"more"})
    others["corpus"] = trainer_of()
    for name, other in others.items():
        before = copy.deepcopy(other.state_dict())
        with pytest.raises(ValueError, match=f"^the checkpoint is of another {name}$"):
            other.load_state_dict(state)
        assert equal(other.state_dict(), before)

    write_split(data, "train", {"a": TEXT})
    trainer_of(train={"muon_lr": 0.1, "warmup_steps": 3, "weights": {"a": 2.0}}).load_state_dict(state)
    old = {key: value for key, value in state.items() if key not in ("window", "corpus")}
    trainer_of().load_state_dict(old)


def test_what_is_skipped_is_not_predicted(torch: ModuleType, trainer_of: Callable) -> None:
    seen = np.arange(100, 100 + 2 * 14, dtype=np.uint8).reshape(2, 14)
    marks = np.zeros((2, 6), np.uint8)
    marks[0, 1:3], marks[1, 0] = 2, 1
    last, index, reset, target = trainer_of().tensors(seen, marks)
    assert last.tolist() == seen[:, 7:-1].tolist()
    assert reset.tolist() == [[0] * 6, [1, *[0] * 5]]
    assert target.tolist() == [[108, -100, -100, 111, 112, 113], list(range(122, 128))]
    assert index.tolist() == [(seen[:, 6:-2].astype(int) * 256 + seen[:, 7:-1]).tolist()], "order 2: the pair itself"


def test_validation_is_bits_per_byte(torch: ModuleType, trainer_of: Callable, data: Path) -> None:
    from lmzip.training.net.data import Corpus

    trainer, validation = trainer_of(), Corpus.mapped(data, "val")
    for _ in range(20):
        trainer.step(1.0)
    bits = trainer.validate(validation, window=3, n_rows=1)
    assert list(bits) == ["a", "b", "all"]
    assert bits["a"] < 7 < bits["b"], "it knows one of them"
    assert bits["all"] == pytest.approx((700 * bits["a"] + 251 * bits["b"]) / 951)
    longer = trainer.validate(validation, window=701, n_rows=1)
    assert longer == pytest.approx(bits, rel=1e-3), "states and histories go on from window to window"

    with torch.no_grad():
        trainer.net.w_head.weight.zero_()
    for window, n_rows in ((64, 1), (100, 3), (1024, 4)):
        assert trainer.validate(validation, window, n_rows) == pytest.approx({"a": 8, "b": 8, "all": 8}, rel=1e-5)


# --- weight files and commands ----------------------------------------------------------------------------------------


def test_weight_files_can_be_trained_on(torch: ModuleType, trainer_of: Callable) -> None:
    from lmzip.training.net import weight_file as written

    trainer, other = trainer_of(net={"orders": [2, 0]}), trainer_of(net={"orders": [2, 0]}, train={"seed": 8})
    for _ in range(3):
        trainer.step(1.0)
    file = written.weight_file(trainer.net, "tiny")
    written.restore(other.net, file)
    stored, again = written.tensors(trainer.net), written.tensors(other.net)
    assert stored.keys() == again.keys()
    for name, array in stored.items():
        off = 1 if name.endswith(".multiplier") else 0
        assert array.dtype == again[name].dtype and np.max(np.abs(array.astype(int) - again[name])) <= off, name
    other.step(1.0)
    assert not equal(written.tensors(other.net), again)


def test_weight_files_of_other_architectures_are_refused(torch: ModuleType, trainer_of: Callable) -> None:
    from lmzip.training.net import weight_file as written

    net = trainer_of(net={"n_layer": 2}).net
    before = {name: x.clone() for name, x in net.state_dict().items()}
    for key, value in (("n_layer", 3), ("n_layer", 1), ("orders", [3]), ("n_state", 64)):
        other = trainer_of(net={"n_layer": 2, key: value}).net
        with pytest.raises(ValueError, match=f"architecture: {key}$"):
            written.restore(net, written.weight_file(other, "tiny"))
    assert equal(net.state_dict(), before)


def test_export_refuses_what_makes_no_weight_file(torch: ModuleType, trainer_of: Callable, tmp_path: Path) -> None:
    import export

    def error(state: dict | list, name: str = "tiny") -> str:
        torch.save(state, tmp_path / "c.pt")
        arguments = [str(tmp_path / "c.pt"), str(tmp_path / "w"), "--name", name]
        done = CliRunner().invoke(export.main, arguments)
        assert done.exit_code == 2 and not (tmp_path / "w").exists()
        return error_of(done.output)

    sound = trainer_of().state_dict()
    for name in ("", "n" * 33, "é" * 17):
        assert "1 to 32 bytes" in error(sound, name)
    for state in ([1], {}):
        assert error(state) == f"{tmp_path / 'c.pt'}: not a checkpoint, or damaged"
    assert "experiments only" in error(trainer_of(net={"gate": "silu"}).state_dict())
    assert "not a net that this lmzip runs" in error(trainer_of(net={"n_hidden": 33}).state_dict())
    with torch.no_grad():
        sound["net"]["w_head.weight"][3, 4] = 1e4
    assert error(sound).endswith("head: weights are too large")


CONFIG = (
    "[net]\n" + "".join(f"{key} = {value}\n" for key, value in TINY.items()) + "[train]\nbatch_size = 2\nwindow = 32\n"
)
STEP = 64  # bytes


@pytest.fixture
def train(torch: ModuleType, data: Path) -> Callable:
    """A function: arguments of train.py, to what it prints."""
    pytest.importorskip("tomllib")  # of Python 3.11
    from train import main

    (data / "tiny.toml").write_text(CONFIG)

    def run(*arguments: str | int | Path, exit_code: int = 0) -> str:
        command = [data / "tiny.toml", "--data", data, "--device", "cpu", "--threads", 1, *arguments]
        done = CliRunner().invoke(main, list(map(str, command)))
        assert done.exit_code == exit_code, done.output
        return done.output

    return run


def weights_in(torch: ModuleType, path: Path) -> dict:
    return torch.load(path, weights_only=False)["net"]


def test_train_goes_on_from_its_checkpoint(torch: ModuleType, train: Callable, tmp_path: Path) -> None:
    assert "step 0" in train("--out", tmp_path / "a", "--max-bytes", 9 * STEP)
    train("--out", tmp_path / "b", "--max-bytes", 4 * STEP)
    assert "step 4" in train("--out", tmp_path / "b", "--max-bytes", 9 * STEP - 1)
    a, b = (weights_in(torch, tmp_path / name / "checkpoint.pt") for name in "ab")
    assert equal(a, b)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "b" / "val.csv").read_text())))
    assert [list(row) for row in rows] == 2 * [["megabytes", "a", "b", "all"]]
    assert all(7 < float(row["all"]) < 9 for row in rows)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "b" / "log.csv").read_text())))
    assert len(rows) == 2 and all(5 < float(row["bits_per_byte"]) < 9 for row in rows)
    assert "another architecture" in train("--out", tmp_path / "a", "--set", "net.n_layer=2", exit_code=2)


def test_train_keeps_the_checkpoint_before_a_decay(torch: ModuleType, train: Callable, tmp_path: Path) -> None:
    train("--out", tmp_path / "a", "--max-bytes", 4 * STEP)
    train("--out", tmp_path / "b", "--max-bytes", 8 * STEP, "--decay-bytes", 4 * STEP + 1)
    assert torch.load(tmp_path / "b" / "decayed.pt", weights_only=False)["n_steps"] == 8
    before = weights_in(torch, tmp_path / "b" / "checkpoint.pt")
    assert equal(before, weights_in(torch, tmp_path / "a" / "checkpoint.pt"))
    assert not equal(before, weights_in(torch, tmp_path / "b" / "decayed.pt"))


def test_learning_rates_rise_and_fall(torch: ModuleType, train: Callable, tmp_path: Path, monkeypatch) -> None:
    from lmzip.training.net.trainer import Trainer

    scales, step = [], Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda trainer, scale: scales.append(scale) or step(trainer, scale))
    train("--out", tmp_path, "--max-bytes", 8 * STEP, "--decay-bytes", 4 * STEP, "--set", "train.warmup_steps=3")
    assert scales == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 3 / 4, 2 / 4, 1 / 4])


def test_train_goes_on_with_nothing_else(torch: ModuleType, train: Callable, data: Path, tmp_path: Path) -> None:
    """One line for another batch or other data, for a checkpoint that is none, and no change of what is there."""
    train("--out", tmp_path / "a", "--max-bytes", 2 * STEP)
    checkpoint = tmp_path / "a" / "checkpoint.pt"
    (tmp_path / "other").mkdir()
    write_split(tmp_path / "other", "train", {"a": TEXT[:-1]})
    write_split(tmp_path / "other", "val", {"a": TEXT[:700]})
    before = {path.name: path.read_bytes() for path in checkpoint.parent.iterdir()}
    for options, name in (
        (["--set", "train.batch_size=3"], "batch size"),
        (["--data", tmp_path / "other"], "corpus"),
        (["--data", tmp_path / "other", "--set", "train.window=64"], "window and another corpus"),
    ):
        output = train("--out", tmp_path / "a", "--max-bytes", 9 * STEP, *options, exit_code=2)
        assert error_of(output) == f"{checkpoint}: the checkpoint is of another {name}"
    assert {path.name: path.read_bytes() for path in checkpoint.parent.iterdir()} == before

    whole = checkpoint.read_bytes()
    for damaged in (b"", b"hello", b"\x80\x02]q\0.", whole[: len(whole) // 2]):
        checkpoint.write_bytes(damaged)
        output = train("--out", tmp_path / "a", "--max-bytes", 9 * STEP, exit_code=2)
        assert error_of(output) == f"{checkpoint}: not a checkpoint, or damaged"


def test_data_that_are_none(train: Callable, data: Path, tmp_path: Path) -> None:
    def error(*options: str | Path) -> str:
        return error_of(train("--out", tmp_path / "out", "--max-bytes", 0, *options, exit_code=2))

    assert "no such kinds of documents: verse" in error("--set", "train.weights.verse=2")
    assert "at least zero" in error("--set", "train.weights.a=-1")
    assert "above it somewhere" in error("--set", "train.weights.a=0")
    (data / "val.bin").write_bytes(b"abc")
    assert "val.bin: 3 bytes of documents, not 951" in error()
    write_split(data, "val", {"a": b""})
    assert "val.bin: no text" in error()
    (data / "train.npz").unlink()
    assert "train.npz" in error()
    assert not (tmp_path / "out").exists()


def test_a_decay_needs_an_end(train: Callable, tmp_path: Path) -> None:
    for options in (["--decay-minutes", 1, "--max-bytes", 0], ["--decay-bytes", 64, "--minutes", 0]):
        assert "needs" in error_of(train("--out", tmp_path / "out", *options, exit_code=2))


def test_settings_that_are_none(train: Callable, tmp_path: Path) -> None:
    for setting, message in (("nets.n_layer=2", "nets"), ("net.layers=2", "layers"), ("net", "TABLE.KEY=VALUE")):
        output = train("--out", tmp_path / "a", "--max-bytes", 0, "--set", setting, exit_code=2)
        assert error_of(output).startswith(f"--set {setting}: ") and message in error_of(output)


def test_a_setting_of_one_weight_leaves_the_others(train: Callable, data: Path, tmp_path: Path, monkeypatch) -> None:
    from lmzip.training.net.data import Corpus

    weights, sampling = [], Corpus.sampling
    monkeypatch.setattr(Corpus, "sampling", lambda self, w, piece: weights.append(w) or sampling(self, w, piece))
    write_split(data, "train", {"a": TEXT, "b": TEXT})
    (data / "tiny.toml").write_text(CONFIG + "[train.weights]\na = 2.0\nb = 3.0\n")
    train("--out", tmp_path / "out", "--max-bytes", 0, "--set", "train.weights.b=0.5")
    assert weights == [{"a": 2.0, "b": 0.5}]


def test_commands_from_data_to_a_weight_file(
    torch: ModuleType, train: Callable, data: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    """train.py and export.py as they are called; the file is a model, and training can begin with it."""
    environment = clean_environment | {"TORCHDYNAMO_DISABLE": "1"}  # compiling takes half a minute

    def script(name: str, *arguments: str | int | Path) -> str:
        command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=200)
        return done.stdout

    options = ["--threads", 1, "--device", "cpu", "--max-bytes", 3 * STEP]
    script("train.py", data / "tiny.toml", "--data", data, "--out", tmp_path / "out", *options)
    path = tmp_path / "models" / "tiny.safetensors"
    printed = script("export.py", tmp_path / "out" / "checkpoint.pt", path, "--name", "tiny")

    file = path.read_bytes()
    assert hashlib.sha256(file).hexdigest() in printed
    assert weights.metadata(file, path)["name"] == "tiny"
    tree = np.array(weights.load_net(file, path).run(b"a", 1), np.uint32)
    assert tree[1] == tree[256:].sum() > 0

    train("--out", tmp_path / "begun", "--init", path, "--max-bytes", 0)
    begun = weights_in(torch, tmp_path / "begun" / "checkpoint.pt")["byte_embedding"]
    trained = weights_in(torch, tmp_path / "out" / "checkpoint.pt")["byte_embedding"]
    assert torch.equal(begun, (trained * 32).round().clamp(-127, 127) / 32)
    other = ["--out", tmp_path / "other", "--set", "net.n_layer=2", "--max-bytes", 0]
    assert "n_layer" in train("--init", path, *other, exit_code=2)
    assert "not an lmzip weight file" in train("--init", data / "tiny.toml", "--out", tmp_path / "new", exit_code=2)
