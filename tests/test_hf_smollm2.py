"""A real model, SmolLM2-135M-Instruct as a GGUF file: run by `make test-hf`, which says where it is in SMOLLM2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from codec_tools import pack, unpack, written_before_error

from lmzip.errors import NumericsError
from lmzip.models import registry
from lmzip.models.hf.settings import Settings

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
def name():
    registry.configure(Settings(device="cpu", threads=1))
    yield f"hf:{os.environ['SMOLLM2']}"
    registry.configure(Settings())


def test_text_comes_to_little_and_back(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    frame, summary = pack(TEXT, model=name, threads=1, n_lanes=1)
    assert summary.names_model and len(frame) < 260, "139 bytes of these are the container's"
    assert unpack(frame, threads=2)[0] == TEXT
    registry.configure(Settings(device="cpu", dtype="bfloat16"))
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError)


def test_text_is_cut_as_the_exact_model_cuts_it(name: str) -> None:
    """Two readings of one vocabulary: that of importing, and that of models in floating point."""
    pytest.importorskip("tokenizers")
    from lmzip.models.hf.directory import find_files
    from lmzip.models.hf.tokens import read_tokens
    from lmzip.models.importing.gguf_source import GgufSource
    from lmzip.models.importing.tokenizer import to_json
    from lmzip.models.importing.vocabulary import vocabulary_of

    path = Path(os.environ["SMOLLM2"])
    source = GgufSource(path)
    source.close()
    vocabulary = vocabulary_of(source.bpe)
    tokens = read_tokens(find_files(path), 49152)
    assert [string for string, _ in tokens.vocabulary] == vocabulary.strings
    from lmzip.models.cutting import Cutter

    exact = Cutter(vocabulary.strings, to_json(source.bpe, vocabulary))
    assert tokens.cutter().sizes(TEXT) == exact.sizes(TEXT)
