"""What the bytes of a file cost: cut into blocks as it would be, each with its content, and together what it takes."""

from __future__ import annotations

import pytest
from conftest import SAMPLE
from media_tools import picture
from tiny_net import tiny_weights

import lmzip
from lmzip import codec
from lmzip.block import BYTES, IMAGE
from lmzip.models.registry import Registry

TEXT = SAMPLE.read_bytes()[:3000]


@pytest.mark.parametrize("level", [1, 4])
def test_they_come_to_what_a_file_takes(level: int) -> None:
    (block,) = codec.costs(TEXT, level=level)
    assert (block.start, block.spec.raw_size, len(block.steps.ends)) == (0, len(TEXT), len(TEXT))
    assert 0 < len(lmzip.compress(TEXT, level)) - sum(block.steps.bits) / 8 < 30


def test_a_file_of_several_contents() -> None:
    raw = TEXT + picture(300, 250) + TEXT
    done: list[int] = []
    blocks = list(codec.costs(raw, level=1, progress=done.append))
    assert [block.spec.content.kind for block in blocks] == [0, IMAGE, 0]
    for before, behind in zip(blocks, blocks[1:], strict=False):
        assert behind.start == before.start + before.spec.raw_size
    assert sum(block.spec.raw_size for block in blocks) == sum(done) == len(raw)
    (whole,) = codec.costs(raw, level=1, content=BYTES)
    assert whole.spec.raw_size == len(raw)


def test_blocks_of_the_levels_size() -> None:
    raw = bytes(3 << 20)
    assert [block.start for block in codec.costs(raw, level=1)] == [0, 1 << 20, 2 << 20]
    assert not list(codec.costs(b"", level=1))


def test_a_model_that_is_given(tmp_path) -> None:
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(tiny_weights(0))
    (block,) = codec.costs(TEXT, level=6, model=Registry().model(str(weights)))
    assert block.spec.uses_model and block.spec.n_lanes == 1
