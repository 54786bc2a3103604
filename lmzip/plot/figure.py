"""The same as a picture: bits per byte along a file, and as a map, by matplotlib."""

from __future__ import annotations

import numpy as np

from lmzip.plot.costs import Measured
from lmzip.plot.pyplot import finished, load

_POINTS, _COLUMNS, _MOST_CELLS = 600, 128, 1 << 14


def picture(of: Measured) -> bytes:
    """Return a PNG; raises UnsupportedError without matplotlib."""
    pyplot = load()
    figure, (along, grid) = pyplot.subplots(2, 1, figsize=(9, 8), height_ratios=(1, 2), layout="constrained")
    points = of.cells(_POINTS)
    along.step([p.start for p in points], [p.rate for p in points], where="post", linewidth=0.8)
    for block in of.blocks[1:]:
        along.axvline(block.start, color="black", linewidth=0.5)
    along.set_xlim(0, max(1, len(of.raw)))
    along.set_ylim(0)
    along.set_ylabel("bits per byte")
    along.set_title(f"{of.total / 8:,.0f} of {len(of.raw):,} bytes, by {of.settings}", fontsize=9)
    cells = of.cells(_MOST_CELLS)
    size = cells[0].end if cells else 1
    values = np.full(max(1, -(-len(cells) // _COLUMNS)) * _COLUMNS, np.nan)
    values[: len(cells)] = [cell.rate for cell in cells]
    shown = grid.imshow(values.reshape(-1, _COLUMNS), "YlOrRd", vmin=0, vmax=8, aspect="auto", interpolation="nearest")
    grid.set_xlabel(f"lines of {_COLUMNS} cells of {size:,} bytes")
    figure.colorbar(shown, ax=grid, label="bits per byte")
    return finished(figure)
