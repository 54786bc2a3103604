"""A real model, SmolLM2-135M-Instruct as a GGUF file: run by `make test-hf`, which says where it is in SMOLLM2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from codec_tools import pack, unpack, written_before_error

from lmzip.errors import NumericsError
from lmzip.models.hf.numerics import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif("SMOLLM2" not in os.environ, reason="SMOLLM2 names no GGUF file: make test-hf"),
]

# Written for this test, so that no model has read it.
TEXT = (
    b"The committee met on the second floor, where the heating had failed again, and nobody took off a coat. On the "
    b"table lay eleven copies of a report that ten of the members had not opened. The eleventh, a retired surveyor, "
    b"had gone through hers with a pencil and wished to speak about page four. It was, she said, not the figure "
    b"itself that troubled her, but the way it had been rounded twice. The chairman thanked her and looked at the "
    b"clock, which had stopped. Outside, somebody was trying to start a car.\n"
)


@pytest.fixture
def name(new_registry) -> str:
    new_registry(Settings(device="cpu", threads=1))
    return f"hf:{os.environ['SMOLLM2']}"


def test_text_comes_to_little_and_back(name: str, new_registry) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    frame, summary = pack(TEXT, model=name, threads=1, n_lanes=1)
    assert summary.names_model and len(frame) < 260, "139 bytes of these are the container's"
    assert unpack(frame, threads=2)[0] == TEXT
    new_registry(Settings(device="cpu", dtype="bfloat16")).add_path(name)
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError)


def test_text_is_cut_as_the_exact_model_cuts_it(name: str) -> None:
    """Two readings of one vocabulary: that of importing, and that of models in floating point."""
    pytest.importorskip("tokenizers")
    from lmzip.convert.gguf import GgufSource
    from lmzip.models.hf.directory import find_files
    from lmzip.models.hf.tokens import read_tokens
    from lmzip.tokenizers.bpe import to_json
    from lmzip.tokenizers.vocabulary import vocabulary_of

    path = Path(os.environ["SMOLLM2"])
    source = GgufSource(path)
    source.close()
    vocabulary = vocabulary_of(source.bpe.tokens, source.bpe.is_byte_level)
    tokens = read_tokens(find_files(path), 49152)
    assert [string for string, _ in tokens.vocabulary] == vocabulary.token_bytes
    from lmzip.tokenizers.tokenizer import Tokenizer

    exact = Tokenizer(vocabulary.token_bytes, to_json(source.bpe, vocabulary))
    assert tokens.tokenizer().sizes(TEXT) == exact.sizes(TEXT)
