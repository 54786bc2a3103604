"""Which code does what the user asks for; loads no more than that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.messages import Reporter
from lmzip.cli.options import Options


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
        return {"threads": options.threads or None} | models | limits

    def compression(self) -> dict[str, Any]:
        """Return what they say to compress_stream()."""
        options = self.options
        own = {"level": options.level, "model": self.chosen.model, "block_size": options.block_size}
        dictionary = self.chosen.dictionary.to_compress() if self.chosen.dictionary else None
        return self.coding() | own | {"content": options.content, "dictionary": dictionary}

    def run(self, name: str, shown: str) -> None:
        """Do it for the input of that name ("-": standard input); shown: its name in messages."""
        raise NotImplementedError

    def finish(self) -> None:
        """Do what comes after the last input, if there is something."""


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
    from lmzip.cli.work import Work

    return Work
