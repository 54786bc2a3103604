"""Which code does what the user asks for; loads no more than that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.messages import CallError, Reporter
from lmzip.cli.options import Options
from lmzip.cli.output import OutputError


@dataclass
class Action:
    """Something done for one input after another."""

    options: Options
    reporter: Reporter
    chosen: ChosenModel

    def coding(self) -> dict[str, Any]:
        """Return what the options say to the codec, as arguments of its functions in both directions."""
        options = self.options
        limits = {"memory_limit": options.memory_limit, "long": options.long}
        models = {"registry": self.chosen.registry, "dictionary": self.chosen.dictionary}
        return {"threads": options.threads or None, "patch_from": self.chosen.original} | models | limits

    def compression(self) -> dict[str, Any]:
        """Return what they say to compress_stream()."""
        options = self.options
        own = {"level": options.level, "model": self.chosen.model, "block_size": options.block_size}
        dictionary = self.chosen.dictionary.to_compress() if self.chosen.dictionary else None
        original = self.chosen.original.original() if self.chosen.original else None
        return self.coding() | own | {"content": options.content, "dictionary": dictionary, "patch_from": original}

    def begin(self, names: Iterator[str]) -> Iterable[str]:
        """Do what comes before the first input, if there is something; return the names of those to work on."""
        return names

    def run(self, name: str, shown: str) -> None:
        """Do it for the input of that name ("-": standard input); shown: its name in messages."""
        raise NotImplementedError

    def finish(self) -> None:
        """Do what comes after the last input, if there is something."""

    def close(self) -> None:
        """Let go of what is held, however the work ended."""


def attempt(reporter: Reporter, shown: str, work: Callable[[], None]) -> bool:
    """Do the work on an input and tell of what went wrong; return whether others get their turn.  Raises CallError."""
    try:
        work()
    except OutputError as error:
        reporter.failure(error.name, error.cause)
        return not error.is_final
    except CallError:
        raise
    except Exception as error:  # noqa: BLE001 - no traceback, and the other files get their turn
        reporter.failure(shown, error)
    return True


def action_class(options: Options) -> type[Action]:
    """Return what the options ask for."""
    if options.action == "list":
        from lmzip.cli.listing import Listing

        return Listing
    if options.action == "estimate":
        from lmzip.cli.estimate import Estimating

        return Estimating
    if options.action == "bench":
        from lmzip.cli.bench import Bench

        return Bench
    if options.cluster:
        from lmzip.cli.cluster import ClusterWork

        return ClusterWork
    from lmzip.cli.work import Work

    return Work
