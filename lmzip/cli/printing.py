"""Text that was asked for on standard output, with every failure told."""

from __future__ import annotations

from lmzip.cli.messages import put
from lmzip.fileio import standard_output


def print_text(text: str) -> None:
    """Write text to standard output; raises OSError also where it does not get there later."""
    sink = standard_output()
    put(sink.fd, text)
    sink.finish()
