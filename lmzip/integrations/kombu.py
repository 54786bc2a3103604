"""kombu, and so Celery: compression="lmzip" for the bodies of messages."""

from __future__ import annotations

from kombu import compression

from lmzip.integrations.mimetypes import MIME_TYPE
from lmzip.stream import compress, decompress


def register() -> None:
    """Have senders and receivers in this process know the compression."""
    compression.register(compress, decompress, MIME_TYPE, aliases=["lmzip"])
