"""lmzip.tarfile and the format of shutil: archives of tar, against those that tarfile itself makes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from conftest import ROOT

import lmzip
import lmzip.tarfile
from lmzip import integrations
from lmzip.errors import LmzipError

FILES = {"a.txt": b"some text\n" * 500, "folder/b.bin": bytes(range(256)) * 20, "folder/empty": b""}


@pytest.fixture
def tree(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "tree" / "link").symlink_to("a.txt")
    return tmp_path / "tree"


class Pipe(io.RawIOBase):
    """Gives and takes bytes in order only."""

    def __init__(self, data=b""):
        self.data, self.given = bytearray(data), 0

    def readable(self):
        return True

    writable = readable

    def readinto(self, buffer):
        piece = self.data[self.given : self.given + min(len(buffer), 100)]
        buffer[: len(piece)] = piece
        self.given += len(piece)
        return len(piece)

    def write(self, data):
        self.data += data
        return len(data)


def contents(archive):
    return {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}


def named(folder):
    return {f"{folder}{name}": data for name, data in FILES.items()}


@pytest.mark.parametrize("mode", ["w:lmz", "x:lmz", "w|lmz"])
def test_archives_are_tar_in_lmzip_format(tree, tmp_path, mode):
    name = tmp_path / "x.tar.lmz"
    with lmzip.tarfile.open(name, mode, level=1) as archive:
        archive.add(tree, "tree")
    with tarfile.open(fileobj=io.BytesIO(lmzip.decompress(name.read_bytes()))) as archive:
        assert contents(archive) == named("tree/")
        assert archive.getmember("tree/link").linkname == "a.txt"
    for read_mode in ("r:lmz", "r", "r:*", "r|lmz"):
        with lmzip.tarfile.open(name, read_mode) as archive:
            assert contents(archive) == named("tree/")


def test_the_program_of_tar_reads_them(tree, tmp_path):
    if not shutil.which("tar"):
        pytest.skip("needs tar")
    name = tmp_path / "x.tar.lmz"
    with lmzip.tarfile.open(name, "w:lmz", level=1) as archive:
        archive.add(tree, "tree")
    (tmp_path / "out").mkdir()
    program = f"{sys.executable} -m lmzip"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = ["tar", "-I", program, "-xf", name, "-C", tmp_path / "out"]
    subprocess.run(command, check=True, timeout=60, env=environment)
    assert (tmp_path / "out/tree/a.txt").read_bytes() == FILES["a.txt"]


def test_pipes_and_file_objects(tree):
    pipe, output = Pipe(), io.BytesIO()
    for file, mode in ((pipe, "w|lmz"), (output, "w:lmz")):
        with lmzip.tarfile.open(fileobj=file, mode=mode, level=1, format=tarfile.PAX_FORMAT) as archive:
            archive.add(tree, "tree")
        assert not file.closed
    with lmzip.tarfile.open(fileobj=Pipe(pipe.data), mode="r|lmz") as archive:
        assert contents(archive) == named("tree/")
    output.seek(0)
    with lmzip.tarfile.open(fileobj=output) as archive:
        assert archive.extractfile("tree/a.txt").read() == FILES["a.txt"]


def test_other_formats_are_as_before(tree, tmp_path):
    for kind in ("", "gz", "xz"):
        with lmzip.tarfile.open(tmp_path / "x", f"w:{kind}") as archive:
            archive.add(tree, "tree")
        with lmzip.tarfile.open(tmp_path / "x") as archive, tarfile.open(tmp_path / "x") as other:
            assert contents(archive) == contents(other) == named("tree/")
        with pytest.raises(tarfile.ReadError):
            lmzip.tarfile.open(tmp_path / "x", "r:lmz")
    with pytest.raises(ValueError, match="mode"):
        lmzip.tarfile.open(tmp_path / "x", "a:lmz")


@pytest.mark.parametrize("mode", ["r:lmz", "r", "r|lmz"])
@pytest.mark.parametrize("data", [b"", b"no archive", lmzip.compress(b"no archive" * 100, 1)], ids=["empty", "x", "z"])
def test_what_is_no_archive(tmp_path, mode, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(tarfile.ReadError):
        lmzip.tarfile.open(tmp_path / "x", mode)
    assert not lmzip.tarfile.is_tarfile(tmp_path / "x")


def test_damage_is_told_as_such(tree, tmp_path):
    with lmzip.tarfile.open(tmp_path / "x", "w:lmz", level=1) as archive:
        archive.add(tree, "tree")
    assert lmzip.tarfile.is_tarfile(tmp_path / "x")
    data = bytearray((tmp_path / "x").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(LmzipError), lmzip.tarfile.open(tmp_path / "x", "r:lmz") as archive:
        contents(archive)


def test_is_tarfile_leaves_a_file_where_it_stands(tree):
    file = io.BytesIO()
    with lmzip.tarfile.open(fileobj=file, mode="w:lmz", level=1) as archive:
        archive.add(tree, "tree")
    file.seek(0)
    assert lmzip.tarfile.is_tarfile(file) and file.tell() == 0


@pytest.mark.parametrize("mode", ["w:lmz", "w|lmz"])
def test_an_error_leaves_an_archive_that_is_noticed(tree, tmp_path, mode):
    with pytest.raises(KeyError), lmzip.tarfile.open(tmp_path / "x", mode, level=1, block_size=500) as archive:
        archive.add(tree, "tree")
        raise KeyError
    with pytest.raises(LmzipError):
        lmzip.decompress((tmp_path / "x").read_bytes())


def test_wrong_options_make_no_file(tmp_path):
    for options in ({"level": 0}, {"model": "nothing"}):
        with pytest.raises((ValueError, LmzipError)):
            lmzip.tarfile.open(tmp_path / "x", "w:lmz", **options)
    assert not list(tmp_path.iterdir())


def test_closing_twice(tmp_path):
    archive = lmzip.tarfile.open(tmp_path / "x", "w:lmz")
    archive.close()
    archive.close()
    assert lmzip.tarfile.open(tmp_path / "x").getnames() == []


@pytest.fixture
def registered():
    integrations.register("shutil")


@pytest.mark.parametrize("root", [True, False])
def test_shutil_makes_and_unpacks(tree, tmp_path, registered, monkeypatch, root):
    monkeypatch.chdir(tree)
    where = {"root_dir": tree} if root else {}
    name = shutil.make_archive(str(tmp_path / "new" / "x"), "lmztar", **where)
    assert name == str(tmp_path / "new" / "x.tar.lmz") and os.listdir(tmp_path / "new") == ["x.tar.lmz"]
    shutil.unpack_archive(name, tmp_path / "out")
    for path, data in FILES.items():
        assert (tmp_path / "out" / path).read_bytes() == data
    with lmzip.tarfile.open(name) as archive:
        assert contents(archive) == named("./") or contents(archive) == named("")


def test_shutil_with_a_base_an_owner_and_short_names(tree, tmp_path, registered):
    name = shutil.make_archive(tmp_path / "x", "lmztar", tree, "folder", owner="root", group="nobody here")
    with lmzip.tarfile.open(name) as archive:
        assert contents(archive) == {f"folder/{n}": FILES[f"folder/{n}"] for n in ("b.bin", "empty")}
        assert {(info.uid, info.uname) for info in archive} == {(0, "root")}
        assert "nobody here" not in {info.gname for info in archive}
    os.rename(name, tmp_path / "x.tlmz")
    shutil.unpack_archive(tmp_path / "x.tlmz", tmp_path / "out")
    assert (tmp_path / "out/folder/b.bin").read_bytes() == FILES["folder/b.bin"]


def test_shutil_leaves_nothing_partial(tree, tmp_path, registered):
    (tmp_path / "x.tar.lmz").write_bytes(b"old")
    with pytest.raises(OSError):
        shutil.make_archive(str(tmp_path / "x"), "lmztar", tree, "missing")
    assert (tmp_path / "x.tar.lmz").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["tree", "x.tar.lmz"]
    with pytest.raises(shutil.ReadError, match="no tar archive"):
        shutil.unpack_archive(tmp_path / "x.tar.lmz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="needs a Python with filters of extraction")
def test_shutil_unpacks_nothing_outside_the_folder(tmp_path, registered):
    with lmzip.tarfile.open(tmp_path / "x.tar.lmz", "w:lmz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    (tmp_path / "out").mkdir()
    with pytest.raises(tarfile.FilterError):
        shutil.unpack_archive(tmp_path / "x.tar.lmz", tmp_path / "out")
    assert not (tmp_path / "outside").exists()
    shutil.unpack_archive(tmp_path / "x.tar.lmz", tmp_path / "out", filter="fully_trusted")
    assert (tmp_path / "outside").exists()
