"""Draw the loss of a training: python scripts/plot_training.py work/small -o docs/training-small.svg

Reads the log.csv and val.csv that train.py wrote.  The same logs give the same bytes (of one version of matplotlib).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import click

# Drawn beside the total where they are in the validation split: different texts, of which there is enough.
KINDS = ("enwiki2015_clean", "gutenberg", "docs", "code/python", "logs_elastic", "multilingual_wesnoth")


def columns(path: Path) -> dict[str, list[float]]:
    """Return the columns of a log by name, empty if there is no such file.

    Where megabytes go back, since a run went on from an older checkpoint, a row of NaN parts the lines.
    """
    result: dict[str, list[float]] = {}
    if path.exists():
        with open(path, newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        before = -math.inf
        for row in rows:
            for name, value in row.items():
                gap = [math.nan] if row["megabytes"] < before else []
                result.setdefault(name, []).extend([*gap, value])
            before = row["megabytes"]
    return result


def plot(logs: Path, output: Path, kinds: Sequence[str] = ()) -> None:
    """Draw the logs in a folder into an SVG file; raises ImportError where there is no matplotlib.

    kinds: names of the kinds of documents to draw beside the total of the validation; () stands for those of KINDS
    that are there.  Raises ValueError for one that is not.
    """
    import matplotlib
    from matplotlib.figure import Figure

    training, validation = columns(logs / "log.csv"), columns(logs / "val.csv")
    if unknown := set(kinds) - set(validation):
        raise ValueError(f"{logs / 'val.csv'}: no such kinds of documents: {', '.join(sorted(unknown))}")
    shown = [kind for kind in kinds or KINDS if kind in validation]
    shown.sort(key=lambda kind: -validation[kind][-1])  # in the legend as at the right end of the picture

    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axes = figure.subplots()
    if training:
        # Lower than validation, and no sign of overfitting: windows of a document are read one after the other, and
        # what one teaches the tables serves the next.
        label = "training (weights adapt to\neach document read)"
        axes.plot(training["megabytes"], training["bits_per_byte"], color="0.7", linewidth=0.8, label=label)
    if validation:
        label = "validation (weights fixed), all"
        axes.plot(validation["megabytes"], validation["all"], "o-k", linewidth=2, label=label)
    for i, kind in enumerate(shown):
        axes.plot(validation["megabytes"], validation[kind], ".--", color=f"C{i}", linewidth=1, label=f"    {kind}")
    drawn = [x for name in ("all", *shown) for x in validation.get(name, [])] or training.get("bits_per_byte", [])
    if drawn := [x for x in drawn if math.isfinite(x)]:
        low = min(drawn + [x for x in training.get("bits_per_byte", []) if math.isfinite(x)])
        axes.set_ylim(0.9 * low, 1.05 * max(drawn))  # the first megabytes of training are far above
    axes.set(xlabel="megabytes read", ylabel="bits per byte (lower is better)")
    axes.grid(alpha=0.3)
    if axes.get_lines():
        figure.legend(loc="outside right upper", fontsize=9)
    with matplotlib.rc_context({"svg.hashsalt": "lmzip"}):  # else the names inside the file are random
        figure.savefig(output, format="svg", metadata={"Date": None})


@click.command()
@click.argument("logs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kind", "kinds", multiple=True, help="A kind of documents to draw beside the total, instead of some.")
def main(logs: Path, output: Path, kinds: tuple[str, ...]) -> None:
    """Draw the training whose log.csv and val.csv are in the folder LOGS."""
    try:
        plot(logs, output, kinds)
    except ImportError:
        raise click.ClickException("matplotlib is not installed (pip install matplotlib)") from None
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None


if __name__ == "__main__":
    main()
