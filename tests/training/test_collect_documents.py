"""Documents for training from packages: kinds, limits, and nothing that evaluation texts share."""

from __future__ import annotations

import importlib.util
import io
import random
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT

SCRIPT = ROOT / "scripts" / "collect_documents.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("collect_documents", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def text(seed: int, size: int = 1000) -> bytes:
    """Some letters that are different everywhere."""
    return bytes(97 + (i * i * 7 + i * seed + seed) % 26 for i in range(size))


def package(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def collected(script, out: Path, *arguments: str | Path) -> dict[str, bytes]:
    result = CliRunner().invoke(script.main, ["--out", str(out), *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_documents_are_sorted_by_kind(script, tmp_path: Path) -> None:
    files = {"./a/page.HTML": text(1), "b.json": text(2), "t.csv": text(3), "var/x.log": text(4), "code.py": text(5)}
    files |= {"short.html": b"<p>"}
    source = package(tmp_path / "p_1.0.tgz", files)
    assert collected(script, tmp_path / "out", source) == {
        "code/html/p__a__page.HTML": text(1),
        "data/json/p__b.json": text(2),
        "data/csv/p__t.csv": text(3),
        "logs/p__var__x.log": text(4),
    }


def test_binary_files_in_place_of_documents(script, tmp_path: Path) -> None:
    """What has no zero byte near its beginning, and what is packed already, is not of that kind."""
    noise = random.Random(1).randbytes(4000)
    files = {"a.ttf": b"\0" + text(1), "b.json": text(2), "d.png": b"\0" + noise, "e.bin": text(3, 5000) + b"\0"}
    out = collected(script, tmp_path / "out", "--binary", package(tmp_path / "p_1.0.tgz", files))
    assert out == {"binary/p__a.ttf": files["a.ttf"]}


@pytest.mark.parametrize("offset", [0, 16, 333])
def test_leaves_out_what_is_for_evaluation(script, tmp_path: Path, offset: int) -> None:
    """Wherever the shared text stands in either; 64 bytes at a multiple of 16 are enough, fewer are not."""
    unseen = tmp_path / "unseen"
    unseen.mkdir()
    (unseen / "eval.txt").write_bytes(text(9, 640))
    shared, little = text(9, 640)[320 : 320 + 80], text(9, 640)[320:360]
    files = {"bad.html": text(1)[:offset] + shared + text(2), "good.html": text(1)[:offset] + little + text(3)}
    out = collected(script, tmp_path / "out", "--unseen", unseen, package(tmp_path / "p.tgz", files))
    assert list(out) == ["code/html/p.tgz__good.html"]


def test_no_package_rules_its_kind(script, tmp_path: Path) -> None:
    source = package(tmp_path / "p.tgz", {f"{i:03}.json": text(i) for i in range(100)})
    out = collected(script, tmp_path / "out", "--max-bytes", "10000", source)
    assert sorted(out) == [f"data/json/p.tgz__{i:03}.json" for i in range(0, 100, 10)]


def test_what_is_no_package_is_one_line(script, tmp_path: Path) -> None:
    (tmp_path / "no.tgz").write_bytes(b"no archive")
    result = CliRunner().invoke(script.main, ["--out", str(tmp_path / "out"), str(tmp_path / "no.tgz")])
    assert result.exit_code == 1 and "not a package, or damaged" in result.output
