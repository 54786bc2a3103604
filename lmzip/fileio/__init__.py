"""Files for the command line: names and suffixes, safe opening, whole-or-nothing output; prints nothing."""

from lmzip.fileio.names import SUFFIX, compressed_name, existing_compressed_name, has_suffix, raw_name
from lmzip.fileio.sink import Sink, named_sink
from lmzip.fileio.source import Source, open_source
from lmzip.fileio.streams import Closing, write_all
from lmzip.fileio.target import Target, discard_pending

__all__ = [
    "SUFFIX",
    "Closing",
    "Sink",
    "Source",
    "Target",
    "compressed_name",
    "discard_pending",
    "existing_compressed_name",
    "has_suffix",
    "named_sink",
    "open_source",
    "raw_name",
    "write_all",
]
