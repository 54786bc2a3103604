"""Names, inputs and outputs below the command line."""

from __future__ import annotations

import os

import pytest

from lmzip import fileio
from lmzip.errors import InputChangedError, LmzipError, Skipped
from lmzip.fileio import target as target_module


@pytest.mark.parametrize(
    ("name", "suffix", "packed"),
    [("a", ".lmz", "a.lmz"), ("d.lmz/a", ".lmz", "d.lmz/a.lmz"), (".lmz", ".lmz", ".lmz.lmz"), ("a", "z", "az")],
)
def test_names_both_ways(name, suffix, packed):
    assert fileio.compressed_name(name, suffix) == packed
    assert fileio.raw_name(packed, suffix) == name
    assert fileio.has_suffix(packed, suffix) and not fileio.has_suffix(name, suffix)


def test_names_that_are_skipped():
    for name in ("a.lmz", "a.tlmz", "a.x"):
        with pytest.raises(Skipped):
            fileio.compressed_name(name, ".x")
    for name in ("a", "a.gz", ".lmz", "d.lmz/a", "a.lmz/.lmz"):
        with pytest.raises(Skipped):
            fileio.raw_name(name)
    assert fileio.raw_name("a.tlmz") == "a.tar"
    assert fileio.raw_name("a.x", ".x") == "a" and fileio.raw_name("a.lmz", ".x") == "a"


def test_suffixes_in_capitals():
    for name, raw in (("A.LMZ", "A"), ("a.Lmz", "a"), ("A.TLMZ", "A.tar"), ("a.lMx", "a")):
        assert fileio.has_suffix(name, ".LmX") and fileio.raw_name(name, ".LmX") == raw
        with pytest.raises(Skipped, match=name[1:]):
            fileio.compressed_name(name, ".LmX")
    assert not fileio.has_suffix(".LMZ") and not fileio.has_suffix("d.LMZ/a")
    # Letters whose two cases differ in length stay themselves.
    assert fileio.raw_name(fileio.compressed_name("a", "\u0130"), "\u0130") == "a"
    assert not fileio.has_suffix("a\u212a", "k")


def test_name_of_what_is_there(tmp_path):
    for name in ("a.lmz", "both", "both.lmz", "b.x", "c.lmz", "c.x", "d.lmz.lmz", "e.LMZ", "f.tlmz", ".lmz"):
        (tmp_path / name).touch()
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "nowhere.lmz").touch()
    (tmp_path / "link.lmz").symlink_to("missing")
    meant = {"a": "a.lmz", "both": "both", "b": "b.x", "c": "c.x", "d.lmz": "d.lmz", "nowhere": "nowhere"}
    meant |= {"link": "link.lmz", "e": "e", "f": "f", "missing": "missing", "": "", "a/": "a/", "x" * 255: "x" * 255}
    for name, found in meant.items():
        assert fileio.existing_compressed_name(f"{tmp_path}/{name}", ".x") == f"{tmp_path}/{found}"
    assert fileio.existing_compressed_name(str(tmp_path / "b")) == str(tmp_path / "b")
    assert fileio.existing_compressed_name("") == "" and fileio.existing_compressed_name("\0") == "\0"


@pytest.mark.parametrize("suffix", ["", "/", "a/b", "\0"])
def test_suffixes_that_make_no_name(suffix):
    with pytest.raises(ValueError, match="suffix"):
        fileio.check_suffix(suffix)


def test_source_peeks_without_consuming(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with fileio.open_source(str(path), in_place=True) as source:
        assert source.size == 10
        assert source.peek(4) == b"0123" and source.peek(2) == b"01"
        assert source.size == 10
        parts = [source.read(3)]
        while part := source.read(100):
            parts.append(part)
        assert b"".join(parts) == b"0123456789"
        assert source.peek(4) == b"" and source.read_size == 10
        source.check_unchanged()
        source.remove()
    assert not path.exists()


def test_source_read_in_part_counts_as_changed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with fileio.open_source(str(path), in_place=True) as source:
        source.read(5)
        with pytest.raises(InputChangedError):
            source.check_unchanged()


def test_descriptors_are_given_back(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("a")
    before = len(os.listdir("/proc/self/fd"))
    fileio.open_source(str(tmp_path / "a"), in_place=True).close()
    for name in ("missing", "folder", "link"):
        with pytest.raises((Skipped, OSError)):
            fileio.open_source(str(tmp_path / name), in_place=True)
        with pytest.raises(LmzipError), fileio.Target(str(tmp_path / "a"), force=False):
            pass
        with fileio.Target(str(tmp_path / "new"), force=False) as target:
            target.create()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(params=["unnamed", "temporary name"])
def target(request, tmp_path, monkeypatch):
    """A created target `out` in an empty folder, by both ways to write it."""
    if request.param != "unnamed":
        monkeypatch.delattr(os, "O_TMPFILE")
    with fileio.Target(str(tmp_path / "out"), force=False) as target:
        target.create()
        yield target


def test_target_that_is_not_published_vanishes(target, tmp_path):
    target.write(b"data")
    target.flush()
    assert "out" not in os.listdir(tmp_path)
    target.close()
    assert os.listdir(tmp_path) == []


def test_target_is_private_while_it_is_written(target):
    assert os.fstat(target.fd).st_mode & 0o777 == 0o600


def test_target_reads_back(target):
    target.write(b"0123456789")
    assert target.read_at(4, 3) == b"3456" and target.read_at(100, 8) == b"89" and target.read_at(4, 10) == b""


def test_target_published(target, tmp_path):
    target.write(b"data")
    target.set_mode(0o640)
    target.publish(sync_folder=True)
    target.close()
    assert os.listdir(tmp_path) == ["out"] and (tmp_path / "out").read_bytes() == b"data"


@pytest.mark.parametrize("step", [1000, 65536, 65537, 1 << 20])
def test_sparse_output_has_the_same_bytes(target, tmp_path, step):
    data = bytes(200_000) + b"middle" * 20_000 + bytes(1 << 18)
    for at in range(0, len(data), step):
        target.write_sparse(data[at : at + step])
    assert target.size == len(data)
    target.publish()
    assert (tmp_path / "out").read_bytes() == data


def test_attributes_come_last(target, tmp_path):
    """A hole at the end is closed before the times are set."""
    source = tmp_path / "source"
    source.write_bytes(b"")
    os.utime(source, ns=(5, 7))
    target.write_sparse(bytes(1 << 17))
    with open(source, "rb") as file:
        target.copy_attributes(os.fstat(file.fileno()), file.fileno())
    target.flush()
    target.publish()
    assert (tmp_path / "out").stat().st_mtime_ns == 7 and (tmp_path / "out").stat().st_size == 1 << 17


def test_pending_names_are_discarded(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE")
    target = fileio.Target(str(tmp_path / "out"), force=False)
    target.create()
    assert len(os.listdir(tmp_path)) == 1 and len(target_module._pending) == 1
    fileio.discard_pending()
    assert os.listdir(tmp_path) == []
    target.close()
    assert not target_module._pending


def test_forced_publishing_checks_again_what_it_replaces(tmp_path):
    with fileio.Target(str(tmp_path / "out"), force=True) as target:
        target.create()
        os.mkfifo(tmp_path / "out")
        with pytest.raises(LmzipError, match="not a regular file"):
            target.publish()
    assert os.listdir(tmp_path) == ["out"]


def test_writing_counts_what_was_taken(tmp_path, monkeypatch):
    """A write that takes a part only is continued."""
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:3]))
    with open(tmp_path / "a", "wb") as file:
        fileio.write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
