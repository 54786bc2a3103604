"""The edits by which parts of the predictor of pixels are measured fit the kernel as it is."""

from __future__ import annotations

import shutil

import pytest
from conftest import ROOT


def test_edits_fit_the_kernel(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import pixel_parts

    seen = set()
    for i, edits in enumerate(pixel_parts.PARTS.values()):
        folder = tmp_path / str(i)
        shutil.copytree(ROOT / "lmzip" / "native" / "src", folder)
        for edit in edits:
            edit.apply(folder)
        seen.add("".join(path.read_text() for path in sorted(folder.iterdir())))
    assert len(seen) == len(pixel_parts.PARTS)  # each of them edits something
    with pytest.raises(ValueError, match="does not have once"):
        pixel_parts.Edit("lmz.h", "no such text", "").apply(tmp_path / "0")
