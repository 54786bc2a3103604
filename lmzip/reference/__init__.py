"""The arithmetic of docs/ARITHMETIC.md in plain Python: slow, obviously right, and the judge of the native kernel.

Shares no code with lmzip.native.  About 1 kB a second with the strongest method; for tests and for readers.  Only
methods with a net or a transformer need NumPy.
"""

from __future__ import annotations

from lmzip.reference.ngram import FIRST_TOKEN_METHOD, Ngram
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

__all__ = ["decode_block", "encode_block"]


def _predictor(raw_size: int, method: int, n_lanes: int, weight_file: bytes | None) -> Ngram:
    if weight_file is None:
        return Ngram(raw_size, method, n_lanes)
    from lmzip.reference.hybrid import hybrid

    return hybrid(raw_size, method, n_lanes, weight_file)


def encode_block(
    raw: bytes, method: int, n_lanes: int = 1, weight_file: bytes | None = None, token_sizes: bytes = b""
) -> bytes:
    """Return the payload of a block of at least one byte, however large it comes out.

    weight_file: the bytes of a weight file, for methods that have a net or a transformer.  token_sizes: for the latter,
    how each lane's chunk is cut into tokens.  Raises ValueError where these are no tokens.
    """
    coder = RangeEncoder()
    if method >= FIRST_TOKEN_METHOD:
        from lmzip.reference.tokens import TokenCoder

        assert weight_file is not None
        TokenCoder(len(raw), method, n_lanes, weight_file).code_block(coder, raw, token_sizes)
        return coder.finish()
    predictor = _predictor(len(raw), method, n_lanes, weight_file)
    for position in predictor.positions():
        predictor.code_byte(coder, raw[position])
    return coder.finish()


def decode_block(
    payload: bytes, raw_size: int, method: int, n_lanes: int = 1, weight_file: bytes | None = None
) -> bytes:
    """Return the raw_size bytes that a payload stands for; a wrong payload gives wrong bytes.

    Raises ValueError for one after which no token of a transformer ends where its chunk does.
    """
    coder = RangeDecoder(payload)
    if method >= FIRST_TOKEN_METHOD:
        from lmzip.reference.tokens import TokenCoder

        assert weight_file is not None
        return TokenCoder(raw_size, method, n_lanes, weight_file).code_block(coder, None)
    predictor = _predictor(raw_size, method, n_lanes, weight_file)
    for _ in predictor.positions():
        predictor.code_byte(coder, None)
    return bytes(predictor.raw)
