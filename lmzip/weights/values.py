"""Values from files that others made: how they stand in messages, and checks of numbers."""

from __future__ import annotations

from typing import Any

from lmzip.errors import UnsupportedError


def shown(value: object) -> str:
    """Return a value from a file as it may stand in a message: short, on one line, printable."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, its class if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def integer(value: Any, name: str, low: int, high: int) -> int:
    """Return value if it is an integer from low to high; raises UnsupportedError."""
    if type(value) is not int or not low <= value <= high:
        raise UnsupportedError(f"{name} is {shown(value)}, which is not from {low} to {high}")
    return value


def real(value: Any, name: str, low: float, high: float) -> float:
    """Return value if it is a number from low to high; raises UnsupportedError."""
    if type(value) not in (int, float) or not low <= value <= high:
        raise UnsupportedError(f"{name} is {shown(value)}, which is not from {low} to {high}")
    return float(value)
