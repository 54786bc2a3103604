"""From what a caller asks for, a level and perhaps a model, to settings and a model."""

from __future__ import annotations

from lmzip import arguments, levels
from lmzip.dictionary import Dictionary
from lmzip.format.header import WINDOW_LOGS
from lmzip.models.base import Model
from lmzip.models.dictionary import behind
from lmzip.models.original import patching
from lmzip.models.registry import Registry
from lmzip.original import Original

DEFAULT_WINDOW_LOG = 27
MIN_WINDOW_LOG, MAX_WINDOW_LOG = 10, WINDOW_LOGS[-1]


def window_log(long: bool | int | None) -> int:
    """Return to which power of two bytes blocks may refer back, 0 for not at all.

    long: None and False for not at all, True for 27, or a number from 10 to 30; there are few such windows, and it is
    the smallest that has as much.  Raises TypeError, ValueError.
    """
    if long is None or long is False:
        return 0
    log = DEFAULT_WINDOW_LOG if long is True else arguments.integer("long", long)
    if not MIN_WINDOW_LOG <= log <= MAX_WINDOW_LOG:
        raise ValueError(f"long must be {MIN_WINDOW_LOG} to {MAX_WINDOW_LOG}, not {log}")
    return next(there for there in WINDOW_LOGS if there >= log)


def check_combination(long: bool | int | None, patch_from: Original | None) -> None:
    """Raise ValueError for blocks that may have copies both of those before and of an original."""
    if long and patch_from is not None:
        raise ValueError("long and patch_from exclude each other")


def settings_for(
    level: int,
    model: Model | None,
    registry: Registry | None,
    dictionary: Dictionary | None = None,
    patch_from: Original | None = None,
) -> tuple[levels.LevelSettings, Model]:
    """Return settings and model for a level; model: None for the level's own, which comes from the registry.

    registry: None for a new one.  dictionary: what blocks begin behind.  patch_from: what they may have copies of; one
    of no bytes is none.  Raises ValueError for a wrong level and for both, ModelMissingError, UnsupportedError, also
    for a model that takes no dictionary or original.
    """
    if dictionary is not None and patch_from is not None:
        raise ValueError("dictionary and patch_from exclude each other")

    def with_both(model: Model) -> Model:
        return patching(behind(model, dictionary), patch_from if patch_from else None)

    if model is None:
        settings, registry = levels.get_level(level), registry or Registry()
        uses_net, small = settings.uses_model, settings.small_net
        return settings, with_both(registry.default(small=small) if uses_net else registry.built_in())
    settings = levels.get_level(
        level,
        uses_model=bool(model.kind),
        has_tokens=model.has_tokens,
        prefers_batching=model.prefers_batching,
    )
    return settings, with_both(model)
