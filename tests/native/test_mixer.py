"""The mixer's weights: they start as the specification's file says, and may start as others were left."""

from __future__ import annotations

from array import array

import pytest

from lmzip.block import X86, X86_64, BlockSpec, Content
from lmzip.native import mixer
from lmzip.reference.first_weights import ROWS, FirstWeights

RAW = b"The mixer learns which contexts are to be trusted, and where. " * 20
N_INPUTS = {1: 16, 2: 32, 3: 32, 4: 48}


def spec_of(profile: int, raw: bytes = RAW, **values) -> BlockSpec:
    return BlockSpec(raw_size=len(raw), profile=profile, uses_model=False, **values)


def numbers(part: bytes) -> list[int]:
    return list(array("i", part))


@pytest.mark.parametrize(("profile", "machine"), [*((profile, 0) for profile in N_INPUTS), (4, X86), (6, X86_64)])
def test_rows_that_nothing_chose_are_those_of_the_file(profile: int, machine: int) -> None:
    n_inputs = N_INPUTS.get(profile, 48)
    _, parts = mixer.learn_weights(b"a", spec_of(profile, b"a", machine=machine))
    *sets, finals = parts
    file = FirstWeights(profile, 0, is_code=machine > 0)
    for number, part in enumerate(sets):
        rows = numbers(part)
        assert len(rows) == ROWS[number] * n_inputs
        same = [rows[row * n_inputs :][:n_inputs] == file.of_set(number, row, n_inputs) for row in range(ROWS[number])]
        assert ROWS[number] - 8 <= sum(same) < ROWS[number]  # of a byte's eight bits
    rows = numbers(finals)
    same = [rows[6 * row :][: len(sets)] == file.of_final(row) for row in range(512)]
    assert 512 - 16 <= sum(same) < 512


def test_what_was_learned_may_be_started_from() -> None:
    spec = spec_of(4)
    size, learned = mixer.learn_weights(RAW, spec)
    again, learned_again = mixer.learn_weights(RAW, spec, learned)
    assert again < size and learned_again != learned
    assert mixer.learn_weights(RAW, spec, learned) == (again, learned_again)


def test_weights_of_another_shape_are_refused() -> None:
    _, learned = mixer.learn_weights(RAW, spec_of(4))
    with pytest.raises(ValueError, match="not the weights of such a block"):
        mixer.learn_weights(RAW, spec_of(3), learned)


def test_samples_have_no_such_weights() -> None:
    spec = spec_of(4, content=Content(kind=2, channels=1, depth=8))
    assert mixer.learn_weights(RAW, spec)[1] == []
