"""What the standard library has for its formats: a file object, open(), objects for pieces, functions for all at once.

LmzFile seeks and reads by block, or reads a stream, or writes; open() adds text.
"""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from lmzip import arguments, levels
from lmzip.codec.compress import compress_stream
from lmzip.codec.decompress import decompress_stream
from lmzip.models.base import Model
from lmzip.stream import shared
from lmzip.stream.file import LmzFile
from lmzip.stream.incremental import LmzCompressor, LmzDecompressor
from lmzip.stream.text import TextFile

__all__ = ["LmzCompressor", "LmzDecompressor", "LmzFile", "compress", "decompress", "open"]

_FEW = 1 << 13  # compressed bytes up to which to start threads takes longer than they save


def open(  # noqa: A001 - the name that gzip, bz2 and lzma use
    file: str | bytes | os.PathLike | BinaryIO,
    mode: str = "rb",
    *,
    level: int = levels.DEFAULT_LEVEL,
    model: str | Model | None = None,
    block_size: int | None = None,
    long: bool | int | None = None,
    dictionary: Any = None,
    patch_from: Any = None,
    threads: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> LmzFile | io.TextIOWrapper:
    """Open a file in lmzip format: modes "r", "w", "x", "a" with "b" (the default) or "t" for text.

    encoding, errors and newline as for the built-in open, text only.  The rest, and what is raised, as for LmzFile;
    text is for one thread at a time.
    """
    given: dict[str, Any] = {"level": level, "model": model, "block_size": block_size}
    given |= {"long": long, "dictionary": dictionary, "patch_from": patch_from, "threads": threads}
    if not isinstance(mode, str) or "t" not in mode:
        if any(argument is not None for argument in (encoding, errors, newline)):
            raise ValueError("encoding, errors and newline are for text modes")
        return LmzFile(file, mode, **given)
    if "b" in mode:
        raise ValueError(f"invalid mode: {mode!r}")
    encoding = io.text_encoding(encoding)  # type: ignore[attr-defined] # there since Python 3.10
    io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)  # what it refuses, before a file is made
    binary = LmzFile(file, mode.replace("t", "", 1), **given)
    return TextFile(binary, mode, encoding, errors, newline)


def compress(
    data,
    level: int = levels.DEFAULT_LEVEL,
    *,
    model: str | Model | None = None,
    block_size: int | None = None,
    n_lanes: int | None = None,
    content: str | None = None,
    long: bool | int | None = None,
    dictionary: Any = None,
    patch_from: Any = None,
    threads: int | None = None,
) -> bytes:
    """Return bytes-like data as a frame.

    model: a name, the path of a weight file, or a Model; block_size: raw bytes, 1 to 2^30; n_lanes: a power of two up
    to 128; all default to the level's.  content: what the data are, as `lmzip --content` takes it, `image:640x3` or
    `audio:2x16` for instance; default to look for images and sound in them.  long: blocks may have copies of those
    before, as far back as 2^long bytes (10 to 30; True for 27).  dictionary: a Dictionary, or bytes-like data for one,
    that blocks begin behind; one that is used more than once is best made once.  patch_from: an Original, or bytes-like
    data for one of at most 1 GiB, that blocks have copies of; without long and dictionary.  threads: 0 and None for all
    that are available.  Raises ValueError and TypeError for bad arguments, ModelMissingError, UnsupportedError,
    MemoryLimitError without memory.
    """
    from lmzip.contents import parse_content

    output = io.BytesIO()
    compress_stream(
        _reader(data).read,
        output.write,
        level=level,
        model=shared.find_model(model),
        registry=shared.registry,
        block_size=block_size,
        n_lanes=n_lanes,
        content=None if content is None else parse_content(content),
        long=long,
        dictionary=shared.find_dictionary(dictionary),
        patch_from=shared.find_original(patch_from),
        threads=threads,
    )
    return output.getvalue()


def decompress(
    data,
    *,
    threads: int | None = None,
    memory_limit: int | None = None,
    long: bool | int | None = None,
    dictionary: Any = None,
    patch_from: Any = None,
) -> bytes:
    """Return the content of all frames in bytes-like data; raises an LmzipError if anything is wrong with them.

    threads: 0 and None for all that are available; memory_limit: bytes; long: without a memory_limit, blocks may refer
    back 128 MiB, or 2^long bytes where that is more, up to 30.  dictionary, patch_from: those of frames which need
    such, as for compress.  Raises ValueError and TypeError for bad arguments.
    """
    output, reader = io.BytesIO(), _reader(data)
    if threads is None and len(reader.getbuffer()) <= _FEW:
        threads = 1
    decompress_stream(
        reader.read,
        output.write,
        registry=shared.registry,
        threads=threads,
        memory_limit=memory_limit,
        long=long,
        dictionary=shared.find_dictionary(dictionary),
        patch_from=shared.find_original(patch_from),
    )
    return output.getvalue()


def _reader(data) -> io.BytesIO:
    # Bytes are shared with the reader; others are copied.
    return io.BytesIO(data if isinstance(data, bytes) else arguments.view_of_bytes("data", data))
