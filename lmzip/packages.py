"""The optional packages: which versions lmzip takes, and one line where one is missing or of another version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from lmzip.errors import UnsupportedError

# As pyproject.toml has them, which says why; a test holds the two together.  They are not read from the metadata of an
# installed lmzip: that of an editable one is as old as its installation, and a bare directory has none.
RANGES = {
    "torch": ">=2.6,<3",
    "transformers": ">=5.0,<6",
    "tokenizers": ">=0.22.1,<1",
    "accelerate": ">=1.2,<2",
    "sentencepiece": ">=0.2",
    "protobuf": ">=4.21.1",
    "gguf": ">=0.10,<1",
    "huggingface_hub": ">=1.3,<3",
    "fsspec": ">=2025.12",
    "matplotlib": ">=3.7",
    "ray": ">=2.31,<3",
}


@contextmanager
def needed(by: str, *names: str) -> Iterator[None]:
    """Within: these packages are imported, of which each that is installed is of a version within its range.

    by: who needs them, with the verb.  Raises UnsupportedError: before anything is imported where a version is
    another, else where an import fails.
    """
    for name in names:
        _check(by, name)
    try:
        yield
    except ImportError as error:
        stopped = error.name if isinstance(error, ModuleNotFoundError) else None
        missing = [name for name in names if name == stopped or _version(name) is None]
        if not missing:
            line = (str(error).splitlines() or ["ImportError"])[0]
            raise UnsupportedError(f"{by} {_listed([*names])}, which cannot be imported here ({line})") from None
        raise UnsupportedError(f"{by} {_listed(missing)}: {_installing(missing)}") from None


def _check(by: str, name: str) -> None:
    version = _version(name)
    if version is not None and not _is_within(version, RANGES[name]):
        raise UnsupportedError(f"{by} another version of {name} than {version}: {_installing([name])}")


def _version(name: str) -> str | None:
    """Return the version of an installed package; None where none is known."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _is_within(version: str, wanted: str) -> bool:
    low, _, high = wanted.partition(",")
    return _numbers(low) <= _numbers(version) and not (high and _numbers(high) <= _numbers(version))


def _numbers(version: str) -> list[int]:
    """Return the first three numbers of a version: those of 2.13.0+cpu are 2, 13, 0; of <6 they are 6, 0, 0."""
    match = re.search(r"[0-9]+(?:\.[0-9]+)*", version)
    found = [int(number) for number in match[0].split(".")] if match else []
    return [*found, 0, 0, 0][:3]


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f"the package {names[0]}"
    return f"the packages {', '.join(names[:-1])} and {names[-1]}"


def _installing(names: list[str]) -> str:
    return "pip install " + " ".join(f"'{name}{RANGES[name]}'" for name in names)
