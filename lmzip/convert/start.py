"""Which token a lane begins behind (TRANSFORMER 2): the one that stood before documents when the model was trained."""

from __future__ import annotations

from lmzip.convert.source import Config
from lmzip.errors import UnsupportedError
from lmzip.tokenizers.bpe import Bpe

# Control tokens between or before the documents of pre-training: of GPT-2, SmolLM2, Qwen2 and StarCoder; of Llama 3,
# which ends documents with another one; of Granite.  A model tuned for conversation keeps them, and predicts plain text
# better behind them than behind the one that opens a turn, which is its `bos`.
SEPARATORS = ("<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>")


def start_of(config: Config, bpe: Bpe) -> int:
    """Return the number of a separator of documents, else of the model's bos, else of its eos.

    Raises UnsupportedError if there is none of these.
    """
    for text in SEPARATORS:
        if text in bpe.controls:
            return bpe.controls[text]
    if config.bos_id is None:
        raise UnsupportedError("the model names no token that a text starts behind")
    return config.bos_id
