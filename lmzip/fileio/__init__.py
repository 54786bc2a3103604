"""Files for the command line: names and suffixes, safe opening, whole-or-nothing output; prints nothing."""

from lmzip.fileio.local_source import LocalSource, open_source
from lmzip.fileio.local_target import LocalTarget, discard_pending
from lmzip.fileio.names import SUFFIX, compressed_name, existing_compressed_name, has_suffix, is_url, raw_name
from lmzip.fileio.sink import Sink, named_sink
from lmzip.fileio.source import Source
from lmzip.fileio.streams import Closing, write_all
from lmzip.fileio.target import Target

__all__ = [
    "SUFFIX",
    "Closing",
    "LocalSource",
    "LocalTarget",
    "Sink",
    "Source",
    "Target",
    "compressed_name",
    "discard_pending",
    "existing_compressed_name",
    "has_suffix",
    "is_url",
    "named_sink",
    "open_source",
    "raw_name",
    "write_all",
]
