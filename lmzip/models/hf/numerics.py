"""How models in floating point are run: as the caller asks, and as a frame's record tells it (FORMAT 3.2).

The text of a record is `DEVICE DTYPE THREADSt torchVERSION tfVERSION`, as in `cpu/avx512 f32 2t torch2.13.0 tf5.23.0`.
Imports nothing heavy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DTYPES = ("float32", "bfloat16", "float16")
PREFIX = "hf:"  # of a model's name: what follows is a directory, a GGUF file or a name on the hub


@dataclass(frozen=True)
class Settings:
    """What was asked for; None and "auto": what is usual, or when decompressing what the frame says."""

    device: str = "auto"  # or cpu, cuda, cuda:N
    dtype: str | None = None  # one of DTYPES
    threads: int | None = None  # of torch; sums come out otherwise with another number
    allow_download: bool = False


MAX_THREADS = 999
_MAX_SIZE = 41  # bytes, as in FORMAT 3.2
_SHORT = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_LONG = {short: long for long, short in _SHORT.items()}
_TEXT = re.compile(
    r"((?:cpu|cuda)/[a-z0-9]{1,6}) (f32|bf16|f16) ([1-9][0-9]{0,2})t torch([0-9][0-9.]{0,11}) tf([0-9][0-9.]{0,11})"
)


@dataclass(frozen=True)
class Numerics:
    """Everything that is known to change what a model computes, the model itself apart."""

    device: str  # cpu or cuda, a slash, and what the processor can: the best instructions, or the generation
    dtype: str  # one of settings.DTYPES
    threads: int
    torch: str  # version
    transformers: str

    @property
    def device_kind(self) -> str:
        """cpu or cuda."""
        return self.device.partition("/")[0]

    def text(self) -> str:
        """Return the text of a frame's record, with versions cut to two numbers where it would be too long."""
        full = self._text(self.torch, self.transformers)
        return full if len(full) <= _MAX_SIZE else self._text(_two(self.torch), _two(self.transformers))

    def _text(self, torch: str, transformers: str) -> str:
        return f"{self.device} {_SHORT[self.dtype]} {self.threads}t torch{torch} tf{transformers}"

    def differences(self, other: Numerics) -> list[str]:
        """Return in words what is different there, the versions as far as both tell them."""
        words = {"device": "the processor", "dtype": "--dtype", "threads": "the number of threads"}
        found = [word for name, word in words.items() if getattr(self, name) != getattr(other, name)]
        for name in ("torch", "transformers"):
            own, its = getattr(self, name), getattr(other, name)
            if own != its and not (own + ".").startswith(its + ".") and not (its + ".").startswith(own + "."):
                found.append(f"{name} {its}, not {own}")
        return found


def parse(text: str) -> Numerics:
    """Return what a frame's record tells; raises ValueError where it is of another grammar."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    device, dtype, threads, torch, transformers = match.groups()
    return Numerics(device, _LONG[dtype], int(threads), torch, transformers)


def plain_version(version: str) -> str:
    """Return the numbers at the start of a version: 2.13.0+cpu is 2.13.0."""
    match = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return match[0][:12].rstrip(".") if match else "0"


def _two(version: str) -> str:
    return ".".join(version.split(".")[:2])
