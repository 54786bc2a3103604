"""What steps cost: by the kernel's interval as by the reference's probabilities, and in all what payloads have."""

from __future__ import annotations

import math
import random

import pytest
from kernel_tools import alone, beside
from media_tools import picture, recording
from tiny_net import kernel_net, tiny_net, weight_file
from token_tools import PROFILE, cut, random_text, transformer

from lmzip import native, reference
from lmzip.block import IMAGE, SIGNED, SOUND, BlockSpec, Content, Run
from lmzip.dictionary import Dictionary
from lmzip.native.costs import step_costs
from lmzip.reference.range_coder import RangeEncoder

TEXT = b"the cat sat on the mat, the dog sat on the log; the end of the story is near. "
CONTENTS = {
    "pixels": (Content(IMAGE, channels=1, depth=8, width=16), picture(16, 12)[-192:]),
    "samples": (Content(SOUND, channels=1, depth=16, flags=SIGNED), recording(100)[-200:]),
}


class Costs(RangeEncoder):
    """A range encoder that keeps what each decision costs, in bits."""

    def __init__(self) -> None:
        super().__init__()
        self.bits: list[float] = []

    def code_bit(self, bit: int | None, p1: int) -> int:
        self.bits.append(-math.log2((p1 if bit else (1 << 32) - p1) / (1 << 32)))
        return super().code_bit(bit, p1)


def of_reference(raw: bytes, spec: BlockSpec, weights: bytes | None = None) -> list[float]:
    coder, c = Costs(), spec.content
    content = reference.Content(c.kind, c.channels, c.depth, c.flags, c.offset, c.width) if c.kind else None
    reference.code_block(coder, raw, len(raw), spec.profile, 1, weights, 0, b"", content)
    return coder.bits


@pytest.mark.parametrize("with_net", [False, True], ids=["ngram", "net"])
def test_each_byte_costs_what_the_reference_says(with_net: bool) -> None:
    net = kernel_net(*tiny_net(3)) if with_net else None
    spec = (beside if with_net else alone)(len(TEXT), 4)
    ends, bits = step_costs(TEXT, spec, net)
    decisions = of_reference(TEXT, spec, weight_file(*tiny_net(3)) if with_net else None)
    assert list(ends) == list(range(1, len(TEXT) + 1))
    expected = [sum(decisions[at : at + 8]) for at in range(0, len(decisions), 8)]
    # Bits are those of the coder's interval, which rounds most where a byte was least expected.
    assert list(bits) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", CONTENTS)
def test_samples_cost_what_the_reference_says(name: str) -> None:
    content, raw = CONTENTS[name]
    spec = BlockSpec(len(raw), 4, False, content=content)
    ends, bits = step_costs(raw, spec)
    assert list(ends) == list(range(content.depth // 8, len(raw) + 1, content.depth // 8))
    assert sum(bits) == pytest.approx(sum(of_reference(raw, spec)), abs=1e-3)


def test_tokens_cost_what_their_payload_has() -> None:
    raw = random_text(300)
    sizes = cut(raw, 1, max)
    spec = BlockSpec(len(raw), PROFILE, True)
    ends, bits = step_costs(raw, spec, transformer(), token_sizes=sizes)
    assert [b - a for a, b in zip([0, *ends], ends, strict=False)] == list(sizes)
    payload = native.encode_block(raw, spec, transformer(), token_sizes=sizes)
    assert payload and abs(sum(bits) / 8 - len(payload)) < 1.01


def test_a_dictionary_makes_them_cheaper() -> None:
    spec = alone(len(TEXT), 3)
    behind = BlockSpec(len(TEXT), 3, False, dictionary=Dictionary(TEXT * 4))
    assert sum(step_costs(TEXT, behind)[1]) < 0.2 * sum(step_costs(TEXT, spec)[1])


def test_what_does_not_get_smaller_has_costs_too() -> None:
    raw = random.Random(1).randbytes(256)
    assert native.encode_block(raw, alone(256, 1)) is None
    done: list[int] = []
    _, bits = step_costs(raw, alone(256, 1), run=Run(done.append))
    assert sum(bits) > 8 * 256 and sum(done) == 256


def test_several_lanes_and_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one lane"):
        step_costs(TEXT, BlockSpec(len(TEXT), 4, False, 2))
    with pytest.raises(ValueError, match="one lane"):
        step_costs(TEXT[1:], alone(len(TEXT), 4))
