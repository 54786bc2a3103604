"""Plots as SVG, drawn the same from the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Series = Mapping[str, Sequence[tuple[float, float]]]  # name to points


def pyplot():
    """Return matplotlib's pyplot, set to small files that do not change by themselves; raises ImportError."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "lmzip"  # else the names inside the file are random: needless diffs
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a small file
    from matplotlib import pyplot

    return pyplot


def lines(path: Path, panes: Mapping[str, Series], x: str, y: str, *, log_x: bool = False, log_y: bool = False) -> None:
    """Draw a pane for each group of lines."""
    plot = pyplot()
    figure, axes = plot.subplots(1, len(panes), figsize=(4.2 * len(panes), 3.6), squeeze=False, layout="constrained")
    for pane, (title, series) in zip(axes.flat, panes.items(), strict=True):
        for name, points in series.items():
            pane.plot(*zip(*sorted(points), strict=True), "o-", markersize=3, linewidth=1, label=name)
        pane.set_title(title, fontsize=9)
        if log_x:
            pane.set_xscale("log", base=2)
        if log_y:
            pane.set_yscale("log")
        pane.grid(True, alpha=0.3)
        pane.legend(fontsize=7)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    plot.close(figure)
