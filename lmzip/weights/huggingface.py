"""What a model directory of Hugging Face says of itself: its configuration, and which files hold its weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lmzip.errors import ModelMissingError, UnsupportedError
from lmzip.weights.files import read_json

CONFIG_NAME = "config.json"
WEIGHTS_NAME, INDEX_NAME = "model.safetensors", "model.safetensors.index.json"
MAX_SHARDS = 1000


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration of a model directory; raises ModelMissingError, OSError, UnsupportedError."""
    if not (path / CONFIG_NAME).is_file():
        raise ModelMissingError(f"{path} is no model directory: it has no {CONFIG_NAME}")
    return read_json(path / CONFIG_NAME)


def weight_files(path: Path) -> list[Path]:
    """Return the files of weights, sorted by name; raises ModelMissingError, OSError, UnsupportedError."""
    single, index = path / WEIGHTS_NAME, path / INDEX_NAME
    if single.exists():
        return [single]
    if not index.exists():
        if any(path.glob("*.bin")) or any(path.glob("*.pt")) or any(path.glob("*.pth")):
            raise UnsupportedError("its weights are pickles, which lmzip does not open: it needs model.safetensors")
        raise ModelMissingError(f"{path} has no weights: no {WEIGHTS_NAME}")
    places = read_json(index).get("weight_map")
    names = set(places.values()) if isinstance(places, dict) and all(map(_is_name, places.values())) else set()
    if not 0 < len(names) <= MAX_SHARDS:
        raise UnsupportedError(f"{index.name} is damaged")
    for name in names:
        if not (path / name).exists():
            raise ModelMissingError(f"{path} has no {name}")
    return [path / name for name in sorted(names)]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.safetensors", value) is not None
