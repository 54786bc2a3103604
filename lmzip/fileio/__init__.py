"""Files for the command line: names and suffixes, safe opening, whole-or-nothing output; prints nothing."""

from lmzip.fileio.names import SUFFIX, check_suffix, compressed_name, existing_compressed_name, has_suffix, raw_name
from lmzip.fileio.sink import Sink, named_sink, standard_output
from lmzip.fileio.source import Source, open_source, standard_input
from lmzip.fileio.streams import is_terminal, read_some, same_file, write_all
from lmzip.fileio.target import Target, discard_pending

__all__ = [
    "SUFFIX",
    "Sink",
    "Source",
    "Target",
    "check_suffix",
    "compressed_name",
    "discard_pending",
    "existing_compressed_name",
    "has_suffix",
    "is_terminal",
    "named_sink",
    "open_source",
    "raw_name",
    "read_some",
    "same_file",
    "standard_input",
    "standard_output",
    "write_all",
]
