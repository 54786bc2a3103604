"""How models of Hugging Face are to be run in this process, as far as the caller says; imports nothing heavy."""

from __future__ import annotations

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


_current = Settings()


def configure(settings: Settings) -> None:
    """Make these the settings of models that are opened from now on."""
    global _current
    _current = settings


def current() -> Settings:
    """Return the settings of models that are opened now."""
    return _current
