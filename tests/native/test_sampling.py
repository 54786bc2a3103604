"""Sampling in the kernel: an encoder of what is given goes on as a decoder of random bits, as the reference does."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import token_tools
from kernel_tools import VARIANTS, alone, beside
from tiny_net import kernel_net, tiny_net, weight_file
from token_tools import PROFILE, STRINGS, cut, random_text, transformer

from lmzip import native, reference
from lmzip.block import BYTES, IMAGE, SIGNED, SOUND, BlockSpec, Content
from lmzip.native.sampling import sample_block
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder
from lmzip.reference.tokens import TokenCoder

TEXT = b"the cat sat on the mat, the dog sat on the log; the end of the story is near. "
N_GIVEN, SIZE = 60, 110
BITS = hashlib.shake_256(b"bit").digest(16000)
TOKEN_BITS = hashlib.shake_256(b"0").digest(4000)  # with these a sample ends with a token, as the reference has it
PICTURE = Content(IMAGE, channels=3, depth=8, width=10)
SPEECH = Content(SOUND, channels=1, depth=16, flags=SIGNED)


class Changing:
    """Codes as an encoder until it is told to change, then as a decoder of BITS."""

    def __init__(self) -> None:
        self.coder: RangeEncoder | RangeDecoder = RangeEncoder()

    def code_bit(self, bit: int, p1: int) -> int:
        return self.coder.code_bit(bit, p1)


class Given(bytes):
    """What is given and zeros behind it; the coder becomes a decoder when it asks for those."""

    changing: Changing

    def __getitem__(self, at):
        if (at.start if isinstance(at, slice) else at) >= N_GIVEN and isinstance(self.changing.coder, RangeEncoder):
            self.changing.coder = RangeDecoder(BITS)
        return super().__getitem__(at)


def expected(spec: BlockSpec, weights: bytes | None = None) -> bytes:
    """Return the block of bytes, pixels or samples that the reference draws."""
    raw = Given(TEXT[:N_GIVEN] + bytes(spec.raw_size - N_GIVEN))
    raw.changing = Changing()
    c = spec.content
    content = reference.Content(c.kind, c.channels, c.depth, c.flags, c.offset, c.width) if c.kind else None
    return reference.code_block(raw.changing, raw, spec.raw_size, spec.profile, 1, weights, 0, b"", content)


def expected_tokens(spec: BlockSpec, sizes: bytes) -> bytes:
    """Return the block of tokens that the reference draws."""
    coder = TokenCoder(spec.raw_size, spec.profile, 1, spec.context, token_tools.tiny()[0])
    lane, given = coder.ngram.lanes[0], random_text(N_GIVEN)
    range_coder, at = RangeEncoder(), 0

    def code(token: bytes | None) -> None:
        coder.ngram.start_step()
        coder.ngram.enter(0)
        coder.code_token(range_coder, 0, token)

    for size in sizes:
        code(given[at : at + size])
        at += size
    range_coder = RangeDecoder(TOKEN_BITS)
    while lane.position < lane.end:
        code(None)
    return bytes(coder.ngram.raw)


@pytest.mark.parametrize("profile", [1, 3, 4])
def test_the_base_draws_as_the_reference_does(profile: int) -> None:
    spec = alone(SIZE, profile)
    drawn = sample_block(TEXT[:N_GIVEN], BITS, spec)
    assert drawn[:N_GIVEN] == TEXT[:N_GIVEN] and drawn == expected(spec)
    assert drawn != sample_block(TEXT[:N_GIVEN], BITS[1:], spec)


@pytest.mark.parametrize("content", [PICTURE, SPEECH], ids=["pixels", "samples"])
def test_pixels_and_samples_draw_as_the_reference_does(content: Content) -> None:
    spec = BlockSpec(SIZE, 4, False, content=content)
    assert sample_block(TEXT[:N_GIVEN], BITS, spec) == expected(spec)


@pytest.mark.parametrize("simd", VARIANTS)
def test_a_net_draws_as_the_reference_does(simd: str, monkeypatch) -> None:
    monkeypatch.setenv("LMZIP_SIMD", simd)
    tensors, config = tiny_net(1)
    spec = beside(SIZE, 4)
    weights = weight_file(tensors, config)
    assert sample_block(TEXT[:N_GIVEN], BITS, spec, kernel_net(tensors, config, simd)) == expected(spec, weights)


@pytest.mark.parametrize("simd", VARIANTS)
def test_a_transformer_draws_as_the_reference_does(simd: str, monkeypatch) -> None:
    monkeypatch.setenv("LMZIP_SIMD", simd)
    spec, given = beside(SIZE, PROFILE), random_text(N_GIVEN)
    sizes = cut(given, 1, max)
    drawn = sample_block(given, TOKEN_BITS, spec, transformer(simd), token_sizes=sizes)
    assert drawn == expected_tokens(spec, sizes)


def test_a_sample_may_end_within_a_token() -> None:
    """These bits draw one that does: a decoder of a payload would call it damaged."""
    bits, given = hashlib.shake_256(b"bits").digest(4000), random_text(N_GIVEN)
    drawn = sample_block(given, bits, beside(SIZE, PROFILE), transformer(), token_sizes=cut(given, 1, max))
    assert len(drawn) == SIZE and drawn.startswith(given)


@pytest.mark.parametrize("content", [BYTES, PICTURE], ids=["bytes", "pixels"])
def test_without_a_prompt_a_payload_draws_its_own_block(content: Content) -> None:
    raw = TEXT * 3 + bytes(400)
    spec = BlockSpec(len(raw), 4, False, content=content)
    payload = native.encode_block(raw, spec)
    assert payload and sample_block(b"", payload, spec) == raw


def test_progress_counts_all_bytes() -> None:
    seen: list[int] = []
    sample_block(TEXT[:N_GIVEN], BITS, alone(SIZE, 1), progress=seen.append)
    assert sum(seen) == SIZE


@pytest.mark.parametrize(
    "spec, given, bits",
    [
        (alone(SIZE, 1), bytes(SIZE), BITS),  # nothing to draw
        (alone(SIZE, 1, 2), b"", BITS),  # two lanes
        (alone(SIZE, 1), b"ab", b"abc"),  # too few bits
        (BlockSpec(SIZE, 4, False, content=SPEECH), b"abc", BITS),  # half a sample
    ],
)
def test_bad_arguments_are_refused(spec: BlockSpec, given: bytes, bits: bytes) -> None:
    with pytest.raises(ValueError):
        sample_block(given, bits, spec)


def test_a_cut_of_other_bytes_is_refused() -> None:
    for sizes in (b"", b"\1" * 3, b"\1" * 5):
        with pytest.raises(ValueError):
            sample_block(b"abcd", BITS, beside(SIZE, PROFILE), transformer(), token_sizes=sizes)


def test_a_walk_predicts_what_a_run_does() -> None:
    model = transformer()
    tokens = np.random.default_rng(1).integers(0, len(STRINGS), (7, 3))
    expected = np.asarray(model.run(tokens.ravel().tolist(), 3)).reshape(7, 3, -1)
    walk = model.walk(3)
    for step, row in enumerate(tokens):
        assert np.array_equal(np.asarray(walk.predict()).reshape(3, -1), expected[step])
        walk.learn(row.tolist())
    with pytest.raises(ValueError):
        walk.learn([0, 0, len(STRINGS)])
    with pytest.raises(ValueError):
        walk.learn([0])
    with pytest.raises(ValueError):
        model.walk(65)
    net = kernel_net(*tiny_net(1))
    walk = net.walk()
    trees = np.asarray(net.run(TEXT)).reshape(-1, 512)
    for byte, tree in zip(TEXT, trees, strict=True):
        assert np.array_equal(walk.predict(), tree)
        walk.learn([byte])
