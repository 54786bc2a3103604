"""What an output keeps of its input, mode, owner, times, attributes and holes, and what rights that takes."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile

import pytest
from cli_tools import AS_NOBODY, compress, decompress, finish, names_in, run, run_python

DATA = b"contents of a file\n" * 30
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root, to make files of other users")


@pytest.fixture
def file(tmp_path):
    """A file `a` with DATA in a folder of its own."""
    path = tmp_path / "a"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o440, 0o751, 0o777])
def test_the_mode_is_kept(file, mode):
    file.chmod(mode)
    assert run("lmzip", file).returncode == 0
    assert stat.S_IMODE(file.with_name("a.lmz").stat().st_mode) == mode
    assert run("lmunzip", f"{file}.lmz").returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_mode_of_an_output_without_an_input_file(tmp_path):
    run("lmzip", "-o", tmp_path / "out", data=DATA, umask=0o027)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@needs_root
def test_owner_and_group(file):
    os.chown(file, NOBODY, 4242)
    assert run("lmzip", file).returncode == 0
    status = file.with_name("a.lmz").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, 4242)


def run_as_nobody(tmp_path, *arguments) -> tuple[int, bytes]:
    """Run lmzip as a user without rights; return status and standard error."""
    for folder in [tmp_path, *tmp_path.parents]:  # pytest's folders are for their maker only
        if folder.owner() == "root" and folder.is_relative_to(tempfile.gettempdir()) and folder.name:
            folder.chmod(folder.stat().st_mode | 0o011)
    status, _, stderr = finish(run_python(AS_NOBODY, *arguments, stdin=subprocess.PIPE))
    return status, stderr


@needs_root
def test_group_that_cannot_be_kept_narrows_the_mode(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "a"
    path.write_bytes(DATA)
    os.chown(path, NOBODY, 4242)
    path.chmod(0o664)
    status, stderr = run_as_nobody(tmp_path, path)
    assert status == 0, stderr
    output = (folder / "a.lmz").stat()
    assert (output.st_uid, output.st_gid) == (NOBODY, NOBODY)
    assert stat.S_IMODE(output.st_mode) == 0o644  # others get what both the group and they had


@needs_root
def test_input_that_cannot_be_removed(tmp_path):
    folder = tmp_path / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    path = folder / "a"
    path.write_bytes(DATA)
    path.chmod(0o644)
    status, stderr = run_as_nobody(tmp_path, path)
    assert status == 1 and b"cannot remove" in stderr
    assert names_in(folder) == ["a", "a.lmz"]
    assert decompress((folder / "a.lmz").read_bytes()) == DATA


@needs_root
def test_input_and_folder_without_permission(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a").chmod(0o600)
    (tmp_path / "b").write_bytes(DATA)
    for name in ("a", "b"):
        status, stderr = run_as_nobody(tmp_path, tmp_path / name)
        assert status == 1 and b"Permission denied" in stderr
    assert names_in(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("seconds", [1_700_000_000, 0, -1_000_000_000, 5_000_000_000])
def test_time_of_modification(file, seconds):
    times = (seconds * 10**9 + 5, seconds * 10**9 + 123_456_789)
    os.utime(file, ns=times)
    kept = file.stat().st_mtime_ns
    assert run("lmzip", file).returncode == 0
    assert file.with_name("a.lmz").stat().st_mtime_ns == kept
    assert run("lmunzip", f"{file}.lmz").returncode == 0
    assert file.stat().st_mtime_ns == kept


def test_times_are_not_in_the_container(file):
    os.utime(file, (1, 1))
    run("lmzip", file)
    assert file.with_name("a.lmz").read_bytes() == compress(DATA)


def test_user_attributes_are_kept(file):
    try:
        os.setxattr(file, "user.origin", b"elsewhere")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    assert run("lmzip", file).returncode == 0
    assert os.getxattr(f"{file}.lmz", "user.origin") == b"elsewhere"


@pytest.mark.parametrize("tail", [b"", b"end"])
def test_holes_stay_holes(tmp_path, tail):
    path = tmp_path / "sparse"
    data = b"start" + bytes(1 << 20) + tail
    path.write_bytes(data)
    assert run("lmzip", "-1", path).returncode == 0
    assert run("lmunzip", f"{path}.lmz").returncode == 0
    assert path.read_bytes() == data
    probe = tmp_path / "probe"
    with open(probe, "wb") as file:
        file.truncate(1 << 20)
    if probe.stat().st_blocks:
        pytest.skip("the file system has no holes")
    assert path.stat().st_blocks * 512 < 1 << 19
