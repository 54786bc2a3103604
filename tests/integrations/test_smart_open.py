"""smart_open: *.lmz by name, wherever the file is."""

from __future__ import annotations

import pytest

import lmzip
from lmzip import integrations

smart_open = pytest.importorskip("smart_open", reason="needs smart_open: make test-integrations")


@pytest.fixture(autouse=True)
def registered():
    integrations.register("smart_open")


def test_reading_and_writing_by_name(tmp_path):
    name = str(tmp_path / "a.txt.lmz")
    with smart_open.open(name, "w", encoding="utf-8") as file:
        file.write("größer\n" * 100)
    assert lmzip.decompress((tmp_path / "a.txt.lmz").read_bytes()).decode() == "größer\n" * 100
    with smart_open.open(name, encoding="utf-8") as file:
        assert list(file) == ["größer\n"] * 100
    with smart_open.open(name, "rb") as file:
        assert file.seek(9) == 9 and file.read(9) == "größer\n".encode()


def test_compression_can_be_said_or_switched_off(tmp_path):
    path = tmp_path / "a.bin"
    with smart_open.open(path, "wb", compression=".lmz") as file:
        file.write(b"abc" * 100)
    assert lmzip.decompress(path.read_bytes()) == b"abc" * 100
    path.rename(tmp_path / "a.lmz")
    with smart_open.open(tmp_path / "a.lmz", "rb", compression="disable") as file:
        assert file.read(4) == b"\x89LMZ"
