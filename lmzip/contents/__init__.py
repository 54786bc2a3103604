"""What the bytes of a stream are samples of: recognized by headers or said by the caller; never needed for decoding."""

from lmzip.contents.names import as_json, describe, parse_content
from lmzip.contents.splitter import Splitter, Stretch

__all__ = ["Splitter", "Stretch", "as_json", "describe", "parse_content"]
