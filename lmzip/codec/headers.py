"""Which header a frame gets: model, dictionary and original are named where its blocks need them."""

from __future__ import annotations

from dataclasses import dataclass

from lmzip.codec.block import needs_dictionary
from lmzip.format.block import BlockHead, fits_short
from lmzip.format.header import DictionaryRecord, FrameHeader, ModelRecord, OriginalRecord, pack_header
from lmzip.levels import LevelSettings


@dataclass(frozen=True)
class Headers:
    """What the headers of a compressor's frames may name."""

    settings: LevelSettings
    model: ModelRecord | None = None
    dictionary: DictionaryRecord | None = None
    original: OriginalRecord | None = None
    window_log: int = 0  # blocks may refer back 2 to this power bytes; 0 for not at all

    def of(self, head: BlockHead) -> FrameHeader:
        """Return the header of the frame that starts with this block.

        What the blocks of a frame of several need is not known when the first is written.
        """
        model = self.model if head.uses_model or not head.last else None
        named: DictionaryRecord | OriginalRecord | None
        named = self.dictionary if needs_dictionary(head) or not head.last else None
        if head.is_patched or not head.last:
            named = named or self.original
        context = self.settings.context if model and model.is_of_tokens else 0
        if not fits_short(head):
            window_log = 0 if head.last else self.window_log
            return pack_header(self.settings.profile, model, context=context, window_log=window_log, dictionary=named)
        return pack_header(
            self.settings.profile,
            model,
            context=context,
            short=True,
            n_lanes=head.n_lanes,
            content=head.content,
            dictionary=named,
        )

    @property
    def model_cost(self) -> int:
        """Bytes by which the header of a frame of one block grows if the block needs the model."""
        sizes = (len(pack_header(self.settings.profile, model).packed) for model in (self.model, None))
        return next(sizes) - next(sizes)
