"""matplotlib, set to pictures that are the same from the same figures."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from lmzip.packages import needed


def load() -> Any:
    """Return its pyplot without a window; raises UnsupportedError without matplotlib."""
    with needed("a picture needs", "matplotlib"):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    return pyplot


def finished(figure: Any) -> bytes:
    """Return a figure as PNG, and close it."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=120, metadata={"Software": None})
    load().close(figure)
    return out.getvalue()
