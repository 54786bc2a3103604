"""Files of models that ship must decode for ever: those in golden/ were written once and are never written anew."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import ROOT, SAMPLE

import lmzip
from lmzip import container
from lmzip.models import registry

GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.lmz"))
DATA = ROOT / "lmzip" / "models" / "data"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files_decode(path):
    """Their names end in the number of bytes that they hold of the sample's beginning."""
    size = int(path.stem.rpartition("-")[2])
    assert lmzip.decompress(path.read_bytes()) == SAMPLE.read_bytes()[:size]


def test_every_registered_model_has_golden_files_and_ships():
    for number, (name, digest) in container.REGISTERED.items():
        assert container.registered_number(registry.by_name(name).digest) == number
        assert [path for path in GOLDEN if path.stem.startswith(f"{name}-")]
        assert hashlib.sha256((DATA / f"{name}.safetensors").read_bytes()).hexdigest() == digest


def test_the_default_model_is_registered():
    assert registry.default_name() in {name for name, _ in container.REGISTERED.values()}


def test_shipped_weights_are_small_enough():
    assert all(path.stat().st_size <= 12_000_000 for path in DATA.glob("*.safetensors"))
