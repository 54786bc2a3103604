"""What an output with a name is to the programs, wherever it lies: it gets its name only when it is whole."""

from __future__ import annotations

from abc import abstractmethod

from lmzip.fileio.source import Source
from lmzip.fileio.streams import Closing


class Target(Closing):
    """An output to be made: create(), write(), take_attributes(), publish(); close() before leaves nothing behind."""

    is_local = True

    def __init__(self, path: str, *, force: bool) -> None:
        self.path = path
        self.force = force
        self.lost: dict[str, str] = {}  # attributes that could not be kept, and why

    @abstractmethod
    def is_input(self, source: Source) -> bool:
        """Tell whether the name leads to what is read."""

    @abstractmethod
    def create(self) -> None:
        """Begin; raises OSError, LmzipError."""

    @abstractmethod
    def write(self, data) -> None:
        """Write all of a bytes-like object; raises OSError, LmzipError."""

    def write_sparse(self, data) -> None:
        """Write all of a bytes-like object, leaving holes for long runs of zeros where there are such things."""
        self.write(data)

    def take_attributes(self, source: Source) -> None:
        """Give the output what it keeps of its input besides the data; what it cannot is in `lost` afterwards."""

    def flush(self) -> None:
        """Bring the data to where they stay; raises OSError."""

    @abstractmethod
    def publish(self, *, sync_folder: bool = False) -> None:
        """Give the output its name; raises LmzipError when someone else took it meanwhile, OSError."""

    def check_published(self) -> None:
        """Raise VerifyError unless what has the name is what was written; before an input is removed for it."""
