"""The real SmolLM2-135M, as `lmzip-models get` installs it: what tiny models from a seed cannot show.

`make test-llm` downloads and imports it, and names the weight file in LMZIP_TEST_SMOLLM2; without that all is skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import cli_tools
import numpy as np
import pytest
from cli_tools import environment, names_in, run
from codec_tools import LARGE
from conftest import SAMPLE
from kernel_tools import VARIANTS, beside

from lmzip.block import Run
from lmzip.models import transformer_file, weights
from lmzip.models.catalog import KNOWN
from lmzip.models.llama import LlamaModel
from lmzip.reference import transformer as reference

PATH = Path(os.environ.get("LMZIP_TEST_SMOLLM2", ""))
TEXT = SAMPLE.read_bytes()
SPECIAL = b"<|im_start|>user\n<|endoftext|><|im_end|><repo_name><file_sep> <|im_start|>"
LATIN_1 = "na\u00efve caf\u00e9, d\u00e9j\u00e0 vu ".encode("latin-1")
# Some sentences, control tokens that are text, bytes that are no UTF-8, digits, and what no token is longer for.
MIXED = TEXT[4000:4110] + SPECIAL[:30] + LATIN_1 + b"\0\xff\xfe 1234567890\r\n\t\t" + "\u6f22\U0001f600".encode()[:-1]
N_LANES = 4

# Bits per byte of the first 4,000 bytes of the bundled text, which the model may have read; it gave 1.2920.
BOUND = 1.3

INPUTS = {
    "text": TEXT[:1500],
    "binary": bytes(range(256)) + np.random.default_rng(1).bytes(300),
    "invalid": LATIN_1 * 20 + TEXT[:300].replace(b"e", b"\xc3"),
    "empty": b"",
    "one": b"a",
    "special": SPECIAL * 5,
    "mixed": MIXED,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PATH.name, reason="wants the real model, which `make test-llm` downloads"),
]


@pytest.fixture(scope="module")
def model() -> LlamaModel:
    return LlamaModel(PATH)


def test_the_import_gives_the_bytes_that_everybody_gets():
    assert weights.digest_of_file(PATH).hex() == KNOWN["smollm2"].digest
    assert weights.inspect(PATH)[0]["name"] == "smollm2"


def test_round_trips_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cli_tools, "TIMEOUT", 1800)
    env = environment(LMZIP_MODEL_PATH=str(PATH))
    for name, data in INPUTS.items():
        (tmp_path / name).write_bytes(data)
    done = run("lmzip", "--model", "smollm2", *INPUTS, cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr, names_in(tmp_path)) == (0, b"", sorted(f"{name}.lmz" for name in INPUTS))
    for name, data in INPUTS.items():
        assert (tmp_path / f"{name}.lmz").stat().st_size <= len(data) + 64
    assert b" smollm2 " in run("lmzip", "-l", "text.lmz", cwd=tmp_path).stdout
    assert run("lmunzip", "text.lmz", cwd=tmp_path, env=environment(XDG_DATA_HOME=str(tmp_path))).returncode == 3
    done = run("lmunzip", *(f"{name}.lmz" for name in INPUTS), cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {name: (tmp_path / name).read_bytes() for name in INPUTS} == INPUTS


@pytest.mark.parametrize("name", [name for name, data in INPUTS.items() if len(data) > 1])
def test_the_transformer_itself_codes_anything(model, name):
    """No choice is made here: what the command line stores or leaves to `ngram` goes through the transformer too."""
    raw = INPUTS[name]
    spec = beside(len(raw), LARGE, 2)
    payload = model.encode(raw, spec)
    if payload is None:
        assert name == "binary", "only what is random comes out larger"
    else:
        assert bytes(model.decode(payload, spec)) == raw


def test_a_payload_decodes_with_every_variant_and_number_of_threads(model, monkeypatch):
    monkeypatch.setenv("LMZIP_SIMD", VARIANTS[0])
    spec = beside(len(MIXED), LARGE, N_LANES)
    payload = LlamaModel(PATH).encode(MIXED, spec)
    assert payload is not None and len(payload) < len(MIXED)
    for variant in VARIANTS:
        monkeypatch.setenv("LMZIP_SIMD", variant)
        other = LlamaModel(PATH)
        for n_threads in (1, 2, 3):
            raw = other.decode(payload, spec, Run(n_threads=n_threads))
            assert bytes(raw) == MIXED, (variant, n_threads)
        assert other.encode(MIXED, spec, Run(n_threads=2)) == payload, variant


def test_equals_the_reference(model):
    tokens = np.array([[5], [1000], [40000]])
    assert tokens.max() < model.config["n_vocab"]
    expected = reference.run(reference.Transformer.from_bytes(PATH.read_bytes()), tokens, 1)
    flat = transformer_file.load(PATH, model.config).run(tokens.reshape(-1).tolist(), 1, 1)
    assert np.array_equal(np.asarray(flat).reshape(expected.shape), expected)


def test_ratio_does_not_slip(model):
    raw = TEXT[:4000]
    spec = beside(len(raw), LARGE)
    payload = model.encode(raw, spec)
    assert payload is not None and bytes(model.decode(payload, spec, Run(n_threads=2))) == raw
    assert 8 * len(payload) / len(raw) < BOUND
