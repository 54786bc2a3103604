"""From what a caller asks for, a level and perhaps a model, to settings and a model."""

from __future__ import annotations

from lmzip import levels
from lmzip.models.base import Model
from lmzip.models.registry import Registry


def settings_for(level: int, model: Model | None, registry: Registry | None) -> tuple[levels.LevelSettings, Model]:
    """Return settings and model for a level; model: None for the level's own, which comes from the registry.

    registry: None for a new one.  Raises ValueError for a wrong level, ModelMissingError, UnsupportedError.
    """
    if model is None:
        settings, registry = levels.get_level(level), registry or Registry()
        return settings, registry.default() if settings.uses_model else registry.built_in()
    settings = levels.get_level(
        level,
        uses_model=bool(model.kind),
        has_tokens=model.has_tokens,
        prefers_batching=model.prefers_batching,
    )
    return settings, model
