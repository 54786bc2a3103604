"""Config files (TOML): a table each for the net, its training and the augmentation, and settings that change them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lmzip.training.net.data import Augmentation
from lmzip.training.net.model import NetConfig
from lmzip.training.net.trainer import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLES = {"net": NetConfig, "train": TrainConfig, "augmentation": Augmentation}


def load_config(path: Path, settings: tuple[str, ...] = ()) -> tuple[NetConfig, TrainConfig, Augmentation]:
    """Return what a config file says, after settings of single values.

    settings: TABLE.KEY=VALUE replaces a value, TABLE.KEY.SUB=VALUE one entry of a table (train.weights.code/c=0.5);
    VALUE is TOML, so a string stands in quotes.

    Raises OSError, and ValueError in one line for what is no TOML, names no key, or is no value of its key.
    """
    tables: dict[str, Any] = {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        result = _configs(tables)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for setting in settings:
        try:
            _set(tables, setting)
            result = _configs(tables)
        except ValueError as error:
            raise ValueError(f"--set {setting}: {error}") from None
    return result


def _set(tables: dict[str, Any], setting: str) -> None:
    path, _, value = setting.partition("=")
    names = [name.strip().strip("\"'") for name in path.split(".", 2)]  # all behind the second dot is one name
    if not value or len(names) < 2 or not all(names):
        raise ValueError("settings are TABLE.KEY=VALUE or TABLE.KEY.SUB=VALUE")
    place = tables
    for name in names[:-1]:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ValueError(f"{name} is no table")
    try:
        place[names[-1]] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raise ValueError(f"{value} is no TOML value (strings stand in quotes)") from None


def _configs(tables: dict[str, Any]) -> tuple[NetConfig, TrainConfig, Augmentation]:
    """Make the dataclasses, which know what values are possible, after a check of names and types."""
    for table, values in tables.items():
        if table not in TABLES or not isinstance(values, dict):
            raise ValueError(f"there is no table {table}: {', '.join(TABLES)}")
        defaults = vars(TABLES[table]())
        for key, value in values.items():
            if key not in defaults:
                raise ValueError(f"there is no key {table}.{key}: {', '.join(defaults)}")
            expected = type(defaults[key])
            if type(value) is not expected and not (expected is float and type(value) is int):
                raise ValueError(f"{table}.{key} is of type {type(value).__name__}, not {expected.__name__}")
    net, train, augmentation = (tables.get(table, {}) for table in TABLES)
    return NetConfig(**net), TrainConfig(**train), Augmentation(**augmentation)
