"""Which code does what the user asks for; loads no more than that."""

from __future__ import annotations

from typing import Protocol

from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.messages import Reporter
from lmzip.cli.options import Options


class Action(Protocol):
    """Something done for one input after another."""

    def run(self, name: str, shown: str) -> None:
        """Do it for the input of that name ("-": standard input); shown: its name in messages."""

    def finish(self) -> None:
        """Do what comes after the last input."""


def make_action(options: Options, reporter: Reporter, chosen: ChosenModel) -> Action:
    """Return what the options ask for."""
    if options.action == "list":
        from lmzip.cli.listing import Listing

        return Listing(options, reporter)
    if options.action == "estimate":
        from lmzip.cli.estimate import Estimating

        return Estimating(options, reporter, chosen)
    if options.action == "bench":
        from lmzip.cli.bench import Bench

        return Bench(options, reporter, chosen)
    from lmzip.cli.work import Work

    return Work(options, reporter, chosen)
