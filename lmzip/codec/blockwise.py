"""Content of frames block after block, decoded in the calling thread when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lmzip import arguments
from lmzip.codec.block import decode_block, model_of
from lmzip.codec.decompress import DAMAGED_CONTENT, block_name, check_block, new_past
from lmzip.codec.memory import check_window, decode_need, fitting_threads
from lmzip.codec.settings import window_log
from lmzip.codec.source import FedSource, Read, Source, StarvedError
from lmzip.dictionary import DictionarySource
from lmzip.errors import DamagedError
from lmzip.format.frames import Block, FrameParser, FrameStart, Piece, read_frames
from lmzip.format.trailer import content_hash
from lmzip.models.base import Model
from lmzip.models.registry import Registry
from lmzip.original import OriginalSource

if TYPE_CHECKING:
    from lmzip.native.copies import Past


class BlockDecoder:
    """Decodes the blocks of frames whose pieces it is given in order, and compares the hash at the end of each."""

    def __init__(
        self,
        *,
        registry: Registry | None = None,
        memory_limit: int | None = None,
        long: bool | int | None = None,
        dictionary: DictionarySource | None = None,
        patch_from: OriginalSource | None = None,
    ) -> None:
        """registry: where models of frames come from, default a new one; the rest as for decompress_stream.

        Raises ValueError and TypeError for bad arguments.
        """
        self._registry = registry or Registry()
        self._memory_limit, self._long = arguments.memory_limit(memory_limit), window_log(long)
        self._dictionary, self._patch_from = dictionary, patch_from
        self._start_frame()

    def _start_frame(self) -> None:
        self._hash = content_hash()
        self._model: Model | None = None
        self._past: Past | None = None

    def take(self, piece: Piece) -> bytes | memoryview | None:
        """Return the raw bytes of a block, good until the next call; None for other pieces.

        Raises DamagedError, UnsupportedError, ModelMissingError, DictionaryMissingError, OriginalMissingError,
        NumericsError and MemoryLimitError.
        """
        if isinstance(piece, Block):
            return self._decode(piece)
        if isinstance(piece, FrameStart):
            self._start_frame()
        elif piece.trailer.content_hash not in (self._hash.digest(), b""):
            raise DamagedError(DAMAGED_CONTENT)
        return None

    def _decode(self, block: Block) -> bytes | memoryview:
        header, head, limit = block.header, block.head, self._memory_limit
        if self._model is None:
            self._model = model_of(header, self._registry, limit, self._dictionary, self._patch_from)
        model = self._model
        check_window(header, self._long, limit)
        check_block(model, block, limit)
        fitting_threads(1, decode_need(model, header, head), limit)
        if self._past is None and header.window:
            self._past = new_past(header.window)
        raw = decode_block(model, header, head, block.payload, block_name(block), past=self._past)
        if self._past and not head.is_far:
            self._past.append(raw)
        self._hash.update(raw)
        return raw


def decoded_blocks(
    read: Read,
    *,
    registry: Registry | None = None,
    long: bool | int | None = None,
    dictionary: DictionarySource | None = None,
    patch_from: OriginalSource | None = None,
) -> Iterator[bytes | memoryview]:
    """Yield the raw bytes of all frames, block after block, decoded in this thread when asked for.

    Each is good until the next is asked for.  The rest as for BlockDecoder.  Raises as decompress_stream does.
    """
    decoder = BlockDecoder(registry=registry, long=long, dictionary=dictionary, patch_from=patch_from)
    for piece in read_frames(Source(read)):
        raw = decoder.take(piece)
        if raw is not None:
            yield raw


class FedFrame:
    """A frame that is fed in pieces; it is parsed as far as the next block, which waits to be decoded."""

    def __init__(self, decoder: BlockDecoder) -> None:
        """decoder: what decodes the blocks."""
        self._decoder = decoder
        self._source = FedSource()
        self._parser = FrameParser(self._source)
        self._block: Block | None = None
        self.is_complete = False  # whether all of it was decoded, and the hash of its content compared

    @property
    def has_block(self) -> bool:
        """Whether a block can be decoded; if not, the frame is complete or wants more bytes."""
        return self._block is not None

    @property
    def rest(self) -> bytes:
        """What was fed and not taken, which is what stands behind a complete frame."""
        return self._source.rest

    def feed(self, data: memoryview) -> None:
        """Take bytes of the frame or from behind it.  Raises DamagedError, NotLmzipError, UnsupportedError."""
        self._source.feed(data)
        self._parse()

    def decode(self) -> bytes | memoryview:
        """Return the raw bytes of the block that waits, good until the next call; raises as BlockDecoder.take does."""
        assert self._block
        raw = self._decoder.take(self._block)
        self._block = None
        assert raw is not None
        self._parse()
        return raw

    def _parse(self) -> None:
        while not (self._block or self.is_complete or self._source.is_starved):
            try:
                piece = self._parser.take()
            except StarvedError:
                return
            self._source.mark()
            if isinstance(piece, Block):
                self._block = piece
            else:
                self._decoder.take(piece)
                self.is_complete = self._parser.is_complete
