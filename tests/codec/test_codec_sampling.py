"""Continuations of prompts: of the content that the prompt has, by a seed, the same everywhere."""

from __future__ import annotations

import hashlib

import pytest
from conftest import SAMPLE
from media_tools import picture, recording

from lmzip.block import BYTES
from lmzip.codec import sample
from lmzip.contents import parse_content
from lmzip.dictionary import Dictionary
from lmzip.errors import MemoryLimitError, UnsupportedError
from lmzip.models.base import Model
from lmzip.models.registry import Registry

TEXT = SAMPLE.read_bytes()[:2000]


def built_in() -> Model:
    return Registry().built_in()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


# A change of one of these is a change of the predictor, as one of the pinned sizes is.
@pytest.mark.parametrize(
    "prompt, n_bytes, pinned",
    [
        (TEXT, 300, "9f1bd130c8f59d5d"),
        (b"", 100, "fa0c0f850cc7b54c"),
        (picture()[:1600], 1472, "d282fb1fdca34d6b"),
        (recording()[:4044], 1000, "7fcebc1117380b31"),
    ],
    ids=["text", "nothing", "picture", "recording"],
)
def test_a_seed_gives_the_same_everywhere(prompt: bytes, n_bytes: int, pinned: str) -> None:
    drawn = sample(prompt, n_bytes, seed=1, model=built_in())
    assert len(drawn) == n_bytes and digest(drawn) == pinned
    assert sample(prompt, n_bytes, seed=2, model=built_in()) != drawn


def test_a_picture_goes_on_as_a_picture() -> None:
    prompt = picture(64, 48)[: 64 * 40]
    as_picture = sample(prompt, 512, model=built_in())
    assert as_picture != sample(prompt, 512, model=built_in(), content=BYTES)
    pixels = prompt[prompt.index(b"255\n") + 4 :]
    assert len(sample(pixels, 512, model=built_in(), content=parse_content("image:64x1"))) == 512


def test_what_is_drawn_is_like_the_prompt() -> None:
    drawn = sample(b"ab" * 5000, 200, model=built_in())
    assert drawn.count(b"ab") > 90


@pytest.mark.parametrize("level", [1, 6])
def test_a_dictionary_is_learned_first(level: int) -> None:
    record = b"the quick brown fox %d jumps over\n"
    dictionary, calls = Dictionary(b"".join(record % (i * i * 7919 % 997) for i in range(200))), []
    drawn = [sample(b"the quick", 200, level=level, dictionary=dictionary, progress=calls.append) for _ in range(2)]
    assert drawn[0] == drawn[1] and drawn[0].count(b"jumps") > 3 and sum(calls) == 2 * 209
    assert sample(b"the quick", 200, level=level, dictionary=Dictionary(dictionary.data)) == drawn[0]
    assert sample(b"the quick", 200, level=level) != drawn[0]
    assert sample(b"the quick", 200, level=level, dictionary=dictionary, seed=1) != drawn[0]


@pytest.mark.parametrize("n_bytes", [0, -1, 1 << 30])
def test_sizes_that_cannot_be_are_refused(n_bytes: int) -> None:
    with pytest.raises(ValueError):
        sample(b"x", n_bytes, model=built_in())


def test_a_prompt_that_ends_within_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="within a sample"):
        sample(b"abc", 10, model=built_in(), content=parse_content("audio:1x16"))


class Other(Model):
    """A model that does not sample, or for which there is no memory."""

    name, digest = "other", b""

    def __init__(self, error: type[BaseException] | None = None) -> None:
        self.error = error

    def takes(self, spec):
        return True

    def encode(self, raw, spec, run=None):
        raise NotImplementedError

    decode = encode  # type: ignore[assignment]

    def load(self):
        raise NotImplementedError

    def memory_size(self, spec):
        return 0

    def sample(self, given, bits, spec, progress=None):
        if self.error:
            raise self.error
        return super().sample(given, bits, spec, progress)


def test_errors_are_those_of_compression() -> None:
    with pytest.raises(UnsupportedError, match="other does not sample"):
        sample(b"x", 1, model=Other())
    with pytest.raises(MemoryLimitError):
        sample(b"x", 1, model=Other(MemoryError))
    with pytest.raises(TypeError):
        sample(b"x", 1.5, model=built_in())  # type: ignore[arg-type]
