"""Options of click in the forms that the programs use."""

from __future__ import annotations

import click


def choice_flag(name: str, value: str, names: str, text: str) -> click.Option:
    """Return a flag that is one of several values of a parameter; the last one on the command line wins."""
    return click.Option([name, *names.split()], flag_value=value, default=None, type=click.UNPROCESSED, help=text)


def flag(name: str, names: str, text: str) -> click.Option:
    """Return a flag that is given or not."""
    return click.Option([name, *names.split()], is_flag=True, default=False, help=text)


def value(name: str, names: str, metavar: str, kind: click.ParamType, text: str) -> click.Option:
    """Return an option with a value."""
    return click.Option([name, *names.split()], metavar=metavar, type=kind, help=text)
