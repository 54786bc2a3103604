"""Files of models that ship decode: from the first release on those in golden/ are never written anew."""

from __future__ import annotations

import hashlib
import io

import pytest
from conftest import ROOT, SAMPLE

import lmzip
from lmzip import codec
from lmzip.format.header import REFERENCED
from lmzip.models import registry
from lmzip.stream import shared

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.lmz"))
DATA = ROOT / "lmzip" / "models" / "data"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files_decode(path):
    """Their names end in the number of bytes that they hold of the sample's beginning."""
    size = int(path.stem.rpartition("-")[2])
    assert lmzip.decompress(path.read_bytes()) == SAMPLE.read_bytes()[:size]


def test_every_model_known_by_reference_has_golden_files_and_ships():
    for digest, (name, kind) in REFERENCED.items():
        model = shared.registry.model(name)
        assert (model.digest.hex(), model.kind) == (digest, kind)
        assert [path for path in GOLDEN if path.stem.startswith(f"{name}-")]
        assert hashlib.sha256((DATA / f"{name}.safetensors").read_bytes()).hexdigest() == digest


def test_the_default_model_is_known_by_reference():
    assert registry.default_name() in {name for name, _ in REFERENCED.values()}


def test_golden_files_need_the_model():
    """Or they would say nothing of it."""
    for path in GOLDEN:
        frames = codec.list_frames(io.BytesIO(path.read_bytes()))
        assert any(block.head.uses_model for frame in frames for block in frame.blocks)


def test_shipped_weights_are_small_enough():
    assert all(path.stat().st_size <= 12_000_000 for path in DATA.glob("*.safetensors"))
