"""Tuning a net: the same each time, resumed exactly, ended where nothing is gained, the best weights kept."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tiny_net
from safetensors.numpy import load

from lmzip.models import weights
from lmzip.training.documents import Document, Split, split

SIZES = {"n_embd": 32, "n_layer": 1, "n_hidden": 32, "n_state": 32, "byte_dim": 32, "table_dim": 32, "orders": [2, 3]}
STEP = 128  # bytes


def log(n_lines: int, seed: int = 1) -> bytes:
    """Return lines of a log."""
    drawing = random.Random(seed)
    return b"".join(
        b"12:%02d:%02d worker %d: %s\n"
        % (i // 60 % 60, i % 60, drawing.randrange(4), drawing.choice([b"began", b"ended", b"failed, tries again"]))
        for i in range(n_lines)
    )


@pytest.fixture
def parts() -> Split:
    return split([Document("a.log", ".log", log(4000))])


@pytest.fixture
def tuner_of(torch: ModuleType, tmp_path: Path, parts: Split) -> Callable:
    """A function that makes a tuner of a tiny net: limits, the name of its checkpoint, and changes of the plan."""
    from lmzip.training.net.data import Augmentation
    from lmzip.training.net.model import NetConfig
    from lmzip.training.net.trainer import TrainConfig
    from lmzip.training.tuning import Plan, Tuner

    def make(name: str = "a.pt", documents: Split = parts, begin: bytes | None = None, seed: int = 1, **limits):
        train = TrainConfig(
            batch_size=2, window=64, optimiser="adam", adam_lr=0.01, table_lr=0.03, warmup_steps=3, seed=seed
        )
        plan = Plan(NetConfig(**SIZES), train, Augmentation(crlf=0.0), begin, **limits)
        return Tuner(plan, documents, tmp_path / name)

    return make


def digest(tuner) -> str:
    return hashlib.sha256(tuner.weights("tiny")).hexdigest()


def test_the_same_comes_each_time(tuner_of: Callable) -> None:
    tuners = [tuner_of(name, n_bytes=60 * STEP, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    for tuner in tuners:
        tuner.run()
        assert tuner.course.finished
    assert digest(tuners[0]) == digest(tuners[1]) != digest(tuners[2])


def test_it_learns_and_keeps_the_best(torch: ModuleType, tuner_of: Callable) -> None:
    tuner = tuner_of(n_bytes=200 * STEP)
    tuner.run()
    losses = [found["all"] for found in tuner.course.losses]
    assert len(losses) >= 10 and losses[0] > 7 and min(losses) < 3
    assert losses[tuner.course.best] == min(losses)
    tuner.trainer.net.load_state_dict(tuner._best)
    assert tuner.trainer.validate(tuner._validation)["all"] == pytest.approx(min(losses))
    file = tuner.weights("tiny")
    assert weights.metadata(file, Path("a"))["name"] == "tiny"
    weights.load_net(file, Path("a"))


class Stopped(Exception):
    """What stands for the end of the process."""


@pytest.mark.parametrize("at", [0, 31, 49])
def test_what_is_interrupted_goes_on_exactly(tuner_of: Callable, at: int) -> None:
    whole = tuner_of("whole", n_bytes=50 * STEP)
    whole.run()

    def stop(tuner) -> None:
        if tuner.trainer.n_steps >= at:
            raise Stopped

    first = tuner_of("parts", n_bytes=50 * STEP)
    with pytest.raises(Stopped):
        first.run(stop)
    second = tuner_of("parts", n_bytes=50 * STEP)
    assert second.resumed and second.trainer.n_steps <= at and second.course.seconds > 0
    second.run()
    assert digest(second) == digest(whole)
    assert second.course.losses == whole.course.losses and second.course.decay == whole.course.decay
    again = tuner_of("parts", n_bytes=50 * STEP)
    again.run()
    assert again.n_bytes == 50 * STEP and digest(again) == digest(whole), "there is nothing left to do"


def test_more_goes_on_from_the_end(tuner_of: Callable) -> None:
    tuner_of(n_bytes=20 * STEP).run()
    more = tuner_of(n_bytes=40 * STEP)
    assert more.n_bytes == 20 * STEP
    more.run()
    assert more.n_bytes == 40 * STEP and more.course.losses[-1]["all"] < 8


def course_of(tuner, losses: list[float]) -> tuple[list[float], float]:
    """Return the rates of each step, and the share of the budget used, of a training whose validations are these."""
    scales, step = [], tuner.trainer.step
    left = iter([*losses, *[losses[-1]] * 99])
    tuner.trainer.validate = lambda corpus: {"all": next(left)}
    tuner.trainer.step = lambda scale: scales.append(scale) or step(scale)
    tuner.run()
    return scales, tuner.share()


def test_it_ends_where_validation_stops_falling(tuner_of: Callable) -> None:
    """At first the rates fall, from there to twice what was used; then it ends."""
    scales, share = course_of(tuner_of(n_bytes=100 * STEP), [4.0, 3.0, 3.0, 3.1, 3.2, 3.3])
    assert scales[3:40] == [1.0] * 37 and scales[40] == 1.0 > scales[41] > scales[60] > scales[69]
    assert share == pytest.approx(0.7), "three more without a gain"


@pytest.mark.parametrize("losses", [[4.0, 3.0, 2.0, 1.0, 0.9, 0.8, 0.7], [2.0, 3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4]])
def test_it_goes_on_while_validation_falls(tuner_of: Callable, losses: list[float]) -> None:
    """Also behind a rise at first, when high rates lose what the weights knew."""
    scales, share = course_of(tuner_of(n_bytes=100 * STEP), losses)
    assert scales[3:50] == [1.0] * 47 and share >= 0.9


def test_what_became_worse_is_not_kept(tuner_of: Callable) -> None:
    tuner = tuner_of(n_bytes=60 * STEP)
    before = tuner.weights("tiny")
    course_of(tuner, [2.0, 3.0])
    assert tuner.course.best == 0 and tuner.weights("tiny") == before


@pytest.mark.parametrize(("cost", "n_validations"), [(0.5, 11), (5.0, 3)])
def test_the_budget_is_one_of_time(
    tuner_of: Callable, monkeypatch: pytest.MonkeyPatch, cost: float, n_validations: int
) -> None:
    """The rates follow the clock, and what validation takes is left at the end."""
    from lmzip.training import tuning

    now, scales = [0.0], []
    monkeypatch.setattr(tuning, "PATIENCE", 99)
    monkeypatch.setattr(tuning.time, "monotonic", lambda: now[0])
    tuner = tuner_of(seconds=100.0)
    step, validate = tuner.trainer.step, tuner.trainer.validate

    def slow_step(scale: float):
        now[0] += 1.0
        scales.append(scale)
        return step(scale)

    def slow_validation(corpus):
        now[0] += cost
        return validate(corpus)

    monkeypatch.setattr(tuner.trainer, "step", slow_step)
    monkeypatch.setattr(tuner.trainer, "validate", slow_validation)
    tuner.run()
    assert 98 <= now[0] <= 101 and tuner.course.seconds == now[0]
    assert len(tuner.course.losses) == n_validations, "no more than a tenth of the time goes to them"
    assert scales[:3] == pytest.approx([1 / 3, 2 / 3, 1]) and max(scales) == 1
    assert scales[-1] < 0.05 and scales[-20] < scales[-30] < 1


def test_a_weight_file_is_gone_on_with(tuner_of: Callable) -> None:
    from lmzip.training.tuning import Plan

    begin = tiny_net.tiny_weights(**SIZES, name="t")
    assert Plan.of_weights(begin).net == tuner_of().plan.net
    tuner = tuner_of("b.pt", begin=begin, n_bytes=40 * STEP)
    assert largest_change(tuner.weights("t"), begin) <= 1, "but for rounding of multipliers"
    tuner.run()
    assert tuner.course.best > 0 and largest_change(tuner.weights("t"), begin) > 1


def largest_change(one: bytes, other: bytes) -> int:
    """Return by how much any number in two weight files differs at most."""
    tensors, others = load(one), load(other)
    assert tensors.keys() == others.keys()
    return max(int(np.abs(x.astype(np.int64) - others[name]).max()) for name, x in tensors.items())


def test_checkpoints_of_others_are_refused(tuner_of: Callable, tmp_path: Path) -> None:
    tuner_of(n_bytes=3 * STEP).run()
    other = split([Document("a.log", ".log", log(4000, seed=2))])
    for changes in ({"documents": other}, {"seed": 5}):
        with pytest.raises(ValueError, match="of other files or another net"):
            tuner_of(n_bytes=3 * STEP, **changes)
    whole = (tmp_path / "a.pt").read_bytes()
    for damaged in (b"", b"hello", b"\x80\x02]q\0.", whole[: len(whole) // 2]):
        (tmp_path / "a.pt").write_bytes(damaged)
        with pytest.raises(ValueError, match="not a checkpoint, or damaged"):
            tuner_of(n_bytes=3 * STEP)


def test_a_checkpoint_runs_nothing(torch: ModuleType, tuner_of: Callable, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"digest": Hostile()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="not a checkpoint"):
        tuner_of()
    assert not (tmp_path / "ran").exists()
