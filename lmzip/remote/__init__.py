"""URLs as inputs and outputs of the programs, through fsspec: object stores, web servers, other machines."""

from lmzip.remote.source import RemoteSource
from lmzip.remote.target import RemoteTarget, discard_pending

__all__ = ["RemoteSource", "RemoteTarget", "discard_pending"]
