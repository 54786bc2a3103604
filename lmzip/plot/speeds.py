"""Size against speed, level by level, as --bench measured them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lmzip.plot.pyplot import finished, load


class Point(NamedTuple):
    """A level on a file."""

    level: int
    bits_per_byte: float
    compress_speed: float  # bytes a second
    decompress_speed: float


def picture(files: Mapping[str, Sequence[Point]]) -> bytes:
    """Return a PNG with a line for each file in each direction; raises UnsupportedError without matplotlib."""
    pyplot = load()
    figure, panes = pyplot.subplots(1, 2, figsize=(10, 5), sharey=True, layout="constrained")
    for pane, direction in zip(panes, ("compress", "decompress"), strict=True):
        for name, points in files.items():
            speeds = [getattr(point, f"{direction}_speed") / 1000 for point in points]
            rates = [point.bits_per_byte for point in points]
            pane.plot(speeds, rates, "o-", markersize=3, linewidth=0.8, label=name)
            for point, speed, rate in zip(points, speeds, rates, strict=True):
                pane.annotate(f"-{point.level}", (speed, rate), fontsize=7, xytext=(3, 3), textcoords="offset points")
        pane.set_xscale("log")
        pane.set_xlabel(f"{direction}, kB/s")
        pane.grid(True, alpha=0.3)
    panes[0].set_ylabel("bits per byte")
    panes[0].legend(fontsize=7)
    return finished(figure)
