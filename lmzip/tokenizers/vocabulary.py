"""Tokens as byte strings, sorted as a weight file has them (TRANSFORMER 11)."""

from __future__ import annotations

import re
from typing import NamedTuple

from lmzip.errors import UnsupportedError

SPACE = "\u2581"
MAX_STRING_SIZE = 255
MAX_VOCAB = 262143
MAX_MISSING = 64
_ALWAYS_THERE = {*range(0x20, 0x7F), 0x0A}
_BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")


class Vocabulary(NamedTuple):
    token_bytes: list[bytes]  # sorted, none twice; all 256 single bytes are among them
    sources: list[int | None]  # the source's number of each; None for a single byte that the source has no token for


def _alphabet() -> dict[str, int]:
    """Return GPT-2's characters for bytes: printable ones stand for themselves, the others for U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


_BYTES = _alphabet()
_CHARACTERS = {byte: character for character, byte in _BYTES.items()}


def token_of_byte(byte: int, is_byte_level: bool) -> str:
    """Return the token that a tokenizer would have for a single byte."""
    return _CHARACTERS[byte] if is_byte_level else f"<0x{byte:02X}>"


def byte_string(token: str, is_byte_level: bool) -> bytes | None:
    """Return the bytes that a token stands for; None if it stands for none."""
    try:
        if is_byte_level:
            return bytes(_BYTES[character] for character in token)
        match = _BYTE_TOKEN.fullmatch(token)
        return bytes([int(match[1], 16)]) if match else token.replace(SPACE, " ").encode()
    except (KeyError, UnicodeEncodeError):
        return None


def strings_of(tokens: list[str | None], is_byte_level: bool) -> list[bytes | None]:
    """Return the bytes that each token stands for; tokens: as Bpe has them."""
    return [None if token is None else byte_string(token, is_byte_level) for token in tokens]


def numbers_of(strings: list[bytes | None], tokens: list[str | None]) -> dict[bytes, int]:
    """Return the number of each string that is neither empty nor too long; tokens: how they are spelt.

    Of two tokens for the same bytes the first is kept, but one like <0x41> only where there is no other: models meet
    it for bytes without a token of their own alone.
    """
    found: dict[bytes, int] = {}
    fallbacks: dict[bytes, int] = {}
    for number, (string, token) in enumerate(zip(strings, tokens, strict=True)):
        if string and len(string) <= MAX_STRING_SIZE:
            is_fallback = token is not None and _BYTE_TOKEN.fullmatch(token)
            (fallbacks if is_fallback else found).setdefault(string, number)
    return fallbacks | found


def vocabulary_of(tokens: list[str | None], is_byte_level: bool) -> Vocabulary:
    """Return the sorted vocabulary of a tokenizer; tokens: as Bpe has them.  Raises UnsupportedError.

    Some vocabularies lack bytes that text never has, such as 0xFF.
    """
    sources: dict[bytes, int | None] = {**numbers_of(strings_of(tokens, is_byte_level), tokens)}
    missing = [byte for byte in range(256) if bytes([byte]) not in sources]
    if len(missing) > MAX_MISSING or _ALWAYS_THERE & set(missing):
        raise UnsupportedError(f"the vocabulary lacks {len(missing)} of the 256 single bytes")
    sources |= {bytes([byte]): None for byte in missing}
    if len(sources) > MAX_VOCAB:
        raise UnsupportedError(f"the vocabulary has {len(sources)} tokens, more than {MAX_VOCAB}")
    token_bytes = sorted(sources)
    return Vocabulary(token_bytes, [sources[string] for string in token_bytes])
