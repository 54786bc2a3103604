"""The arithmetic of docs/ARITHMETIC.md in plain Python: slow, obviously right, and the judge of the native kernel.

Shares no code with lmzip.native.  About 1 kB a second with the strongest profile; for tests and for readers.  Only
blocks with a model need NumPy.
"""

from __future__ import annotations

from typing import NamedTuple

from lmzip.reference.ngram import Ngram
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

__all__ = ["Content", "code_block", "decode_block", "encode_block"]

IMAGE, SOUND = 1, 2  # types of content


class Content(NamedTuple):
    """What the raw bytes are samples of (FORMAT 4.5)."""

    type: int
    channels: int
    depth: int
    flags: int
    offset: int
    width: int


def encode_block(
    raw: bytes,
    profile: int,
    n_lanes: int = 1,
    weight_file: bytes | None = None,
    *,
    context: int = 0,
    token_sizes: bytes = b"",
    content: Content | None = None,
    dictionary: bytes = b"",
    machine: int = 0,
) -> bytes:
    """Return the payload of a block of at least one byte, however large it comes out.

    weight_file: the bytes of a weight file, for blocks with a model.  context: how often the window of a transformer is
    halved.  token_sizes: for a transformer, how each lane's chunk is cut into tokens.  content: of images and sound.
    dictionary: what a block of bytes begins behind.  machine: whose code it is converted for (FORMAT 4.9).
    Raises ValueError where these are no tokens, or the profile takes no such model.
    """
    coder = RangeEncoder()
    code_block(coder, raw, len(raw), profile, n_lanes, weight_file, context, token_sizes, content, dictionary, machine)
    return coder.finish()


def decode_block(
    payload: bytes,
    raw_size: int,
    profile: int,
    n_lanes: int = 1,
    weight_file: bytes | None = None,
    *,
    context: int = 0,
    content: Content | None = None,
    dictionary: bytes = b"",
    machine: int = 0,
) -> bytes:
    """Return the raw_size bytes that a payload stands for; a wrong payload mostly gives wrong bytes.

    Raises ValueError for one that no encoder writes: too short, too long, or no token of a transformer ends where its
    chunk does.
    """
    coder = RangeDecoder(payload)
    raw = code_block(coder, None, raw_size, profile, n_lanes, weight_file, context, b"", content, dictionary, machine)
    coder.check_end()
    return raw


def code_block(
    coder: RangeEncoder | RangeDecoder,
    raw: bytes | None,
    raw_size: int,
    profile: int,
    n_lanes: int,
    weight_file: bytes | None,
    context: int,
    token_sizes: bytes,
    content: Content | None,
    dictionary: bytes = b"",
    machine: int = 0,
) -> bytes:
    """Code all bytes of a block, those of raw for an encoder, None for a decoder; return them.  See encode_block()."""
    if content:
        if content.type == IMAGE:
            from lmzip.reference.pixels import Pixels

            return Pixels(raw_size, profile, content).code_block(coder, raw)
        from lmzip.reference.samples import Samples

        return Samples(raw_size, profile, content).code_block(coder, raw)
    if weight_file is None:
        predictor = Ngram(raw_size, profile, n_lanes, dictionary=dictionary, machine=machine)
    else:
        from lmzip.reference.hybrid import has_tokens, hybrid

        if has_tokens(weight_file):
            from lmzip.reference.tokens import TokenCoder

            tokens = TokenCoder(raw_size, profile, n_lanes, context, weight_file, dictionary)
            return tokens.code_block(coder, raw, token_sizes)
        predictor = hybrid(raw_size, profile, n_lanes, weight_file, dictionary)
    for position in predictor.positions():
        predictor.code_byte(coder, None if raw is None else raw[position - len(dictionary)])
    return bytes(predictor.raw[len(dictionary) :])
