"""How an encoder cuts text into tokens: as the model's own tokenizer does, where that gives back the bytes.

Any cut decodes; the canonical one is the cheapest.  The package `tokenizers` is imported only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from lmzip.errors import UnsupportedError
from lmzip.packages import needed

_INVALID = re.compile("[\udc80-\udcff]+")  # what surrogateescape makes of bytes that are no UTF-8


class Tokenizer:
    """Cuts bytes into tokens of one vocabulary; thread-safe."""

    def __init__(self, token_bytes: list[bytes], tokenizer: bytes) -> None:
        """token_bytes: byte string of each token; tokenizer: JSON of the package `tokenizers` with the same numbers.

        Raises UnsupportedError without the package, or where it does not take the JSON.
        """
        with needed("compressing with this model needs", "tokenizers"):
            from tokenizers import Tokenizer as Package
        try:
            self._tokenizer: Any = Package.from_str(tokenizer.decode())
        except Exception as error:  # the package raises plain Exception, and ValueError for bad UTF-8
            raise UnsupportedError(f"the model's tokenizer cannot be used ({error})") from None
        self._token_bytes = token_bytes
        self._longest = max(map(len, token_bytes))

    @cached_property
    def _known(self) -> set[bytes]:
        """What few inputs need, but takes some megabytes."""
        return set(self._token_bytes)

    def sizes(self, data: bytes) -> bytes:
        """Return the sizes of the tokens of data, a byte each."""
        return bytes(size for part, is_text in _parts(data) for size in self._sizes_of(part, is_text))

    def _sizes_of(self, part: bytes, is_text: bool) -> Iterator[int]:
        if not is_text:
            yield from (1 for _ in part)
            return
        try:
            ids = self._tokenizer.encode(part.decode(), add_special_tokens=False).ids
        except Exception:  # plain ones of the package, where a tokenizer does not know what to do with a character
            ids = []
        tokens = [self._token_bytes[i] for i in ids if i < len(self._token_bytes)]
        if b"".join(tokens) != part:  # it changes text: leaves out, replaces
            tokens = list(self._longest_tokens(part))
        yield from map(len, tokens)

    def _longest_tokens(self, part: bytes) -> Iterator[bytes]:
        """Yield the longest token at each place; every byte is one."""
        at = 0
        while at < len(part):
            size = min(self._longest, len(part) - at)
            while part[at : at + size] not in self._known:
                size -= 1
            yield part[at : at + size]
            at += size


def _parts(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield stretches of data that are UTF-8 and that are not, in turn, with whether they are."""
    text, at = data.decode("utf-8", "surrogateescape"), 0
    for match in _INVALID.finditer(text):
        if match.start() > at:
            yield text[at : match.start()].encode(), True
        yield match.group().encode("utf-8", "surrogateescape"), False
        at = match.end()
    if at < len(text):
        yield text[at:].encode(), True
