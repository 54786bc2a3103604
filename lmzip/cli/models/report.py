"""What the integers of an imported model cost: its bits per byte on a text, and with finer activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmzip.cli.models.measuring import bundled_text
from lmzip.errors import UnsupportedError

_N_TOKENS = 400  # with a model of the size below; larger ones take longer for each
_SIZE = 150_000_000
_LEAST_TOKENS = 64


def cost_text(path: Path) -> str:
    """Return a line on what the weight file at path predicts; raises UnsupportedError, OSError, MemoryError.

    What 8 bits for weights cost is not in it: that takes the model in floating point, hence torch.
    """
    from lmzip.models import transformer_file, weights

    config, size = weights.inspect(path)
    n_tokens = max(_LEAST_TOKENS, min(_N_TOKENS, _N_TOKENS * _SIZE // size))
    text = bundled_text()[: 16 * n_tokens]
    sizes = transformer_file.tokenizer(path, config).sizes(text)[:n_tokens]
    n_bytes = sum(sizes)
    own = _bits(path, config, text, sizes) / n_bytes
    line = f"{own:.3f} bits/byte on {n_bytes} bytes of lmzip's own help"
    try:
        finest = _bits(path, config | {"int15": list(transformer_file.MATRICES)}, text, sizes) / n_bytes
    except UnsupportedError:  # beyond the overflow budget
        return line
    return f"{line}, {finest:.3f} if all activations had 15 bits; what 8-bit weights cost only the float model tells"


def _bits(path: Path, config: dict[str, Any], text: bytes, sizes: bytes) -> float:
    """Return the bits that the model needs for the first tokens of text."""
    import numpy as np

    from lmzip.codec import available_threads
    from lmzip.models import transformer_file
    from lmzip.weights.safetensors import SafetensorsFile

    model = transformer_file.load(path, config)
    with SafetensorsFile(path) as file:
        numbers = {token: number for number, token in enumerate(transformer_file.read_token_bytes(file))}
    tokens, at = [], 0
    for size in sizes:
        tokens.append(numbers[text[at : at + size]])
        at += size
    exponentials = np.asarray(model.run(tokens, 1, available_threads())).reshape(len(tokens), -1)
    shares = exponentials[np.arange(len(tokens)), tokens] / exponentials.sum(1, dtype=np.uint64)
    return float(-np.log2(shares).sum())
