"""From what a caller asks for, a level and perhaps a model, to settings and a model."""

from __future__ import annotations

from lmzip import levels
from lmzip.models import registry
from lmzip.models.base import Model


def choose(level: int, model: str | None) -> tuple[levels.Level, Model]:
    """Return settings and model for a level and the name or path of a model; None means the level's own.

    Raises ValueError for a wrong level, ModelMissingError, UnsupportedError.
    """
    if model is None:
        choice = levels.get_level(level)
        return choice, registry.by_name(registry.default_name() if choice.has_net else registry.BUILT_IN)
    levels.get_level(level)  # before a model is looked for
    chosen = registry.by_name(model)
    choice = levels.get_level(level, net=model != registry.BUILT_IN, tokens=levels.TOKEN_METHOD in chosen.methods)
    return levels.with_many_lanes(choice) if chosen.likes_lanes else choice, chosen
