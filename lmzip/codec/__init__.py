"""Streams and files of frames: compress, decompress, list, read ranges.  No printing, no signals; importing it loads no
kernel."""

from lmzip.codec.blockwise import BlockDecoder, decoded_blocks
from lmzip.codec.compress import compress_stream
from lmzip.codec.costs import BlockCosts, costs
from lmzip.codec.decompress import decompress_stream
from lmzip.codec.memory import compress_memory
from lmzip.codec.sampling import sample
from lmzip.codec.seek import BlockInfo, BlockReader, FrameInfo, list_frames, read_range
from lmzip.codec.summary import Hole, Progress, Summary
from lmzip.codec.tables import NO_TABLES, Tables, read_tables
from lmzip.system import available_threads

__all__ = [
    "NO_TABLES",
    "BlockCosts",
    "BlockDecoder",
    "BlockInfo",
    "BlockReader",
    "FrameInfo",
    "Hole",
    "Progress",
    "Summary",
    "Tables",
    "available_threads",
    "compress_memory",
    "compress_stream",
    "costs",
    "decoded_blocks",
    "decompress_stream",
    "list_frames",
    "read_range",
    "read_tables",
    "sample",
]
