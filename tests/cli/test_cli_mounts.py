"""Mounts that refuse attributes, fsync or hard links (CIFS, exFAT, FUSE, NFSv4): the data matter, the rest is told of.

A library that is loaded before the C library gives their answers.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_tools import compress, decompress, environment, finish, names_in, run, run_python
from conftest import ROOT

DATA = b"contents of a file\n" * 30
MTIME = 1_000_000_001
ATTRIBUTES = ("fchmod", "fchown", "futimens", "fsetxattr")
WAYS = {"unnamed": "", "temporary name": "del os.O_TMPFILE"}


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The library, made from refusing.c."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, and a system that loads libraries before others")
    path = tmp_path_factory.mktemp("library") / "refusing.so"
    source = ROOT / "tests" / "cli" / "refusing.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source, "-ldl"], check=True, timeout=60)
    return path


@pytest.fixture
def on_mount(library):
    """A function that returns the environment of programs on a mount that refuses calls with an error."""

    def mount(number: int, *calls: str) -> dict[str, str]:
        return environment(LD_PRELOAD=str(library), REFUSE=",".join(f"{call}={number}" for call in calls))

    return mount


@pytest.fixture
def file(tmp_path):
    """A file `a` with DATA and attributes that others have not."""
    path = tmp_path / "a"
    path.write_bytes(DATA)
    path.chmod(0o664)
    os.utime(path, (MTIME, MTIME))
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    return path


NUMBERS = [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EROFS]


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_attributes_that_are_refused(file, on_mount, number):
    """Both ways the output is made and the input goes, with one warning and status 2."""
    done = run("lmzip", file, env=on_mount(number, *ATTRIBUTES))
    assert done.returncode == 2 and names_in(file.parent) == ["a.lmz"], done.stderr
    assert done.stderr.count(b"\n") == 1 and b"a.lmz: cannot set" in done.stderr
    assert b"permissions, times: " + os.strerror(number).encode() in done.stderr
    packed = file.with_name("a.lmz")
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600 and packed.stat().st_mtime > MTIME
    assert decompress(packed.read_bytes()) == DATA
    done = run("lmunzip", packed, env=on_mount(number, *ATTRIBUTES))
    assert done.returncode == 2 and names_in(file.parent) == ["a"] and file.read_bytes() == DATA
    assert done.stderr.count(b"\n") == 1 and b"a: cannot set" in done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("calls", [(), ("linkat",)], ids=["links", "no links"])
@pytest.mark.parametrize("options", [[], ["-f"]], ids=["", "force"])
def test_every_way_to_publish(file, on_mount, way, calls, options):
    if options:
        file.with_name("a.lmz").write_bytes(b"old")
    process = run_python(WAYS[way], *options, file, env=on_mount(errno.EOPNOTSUPP, *ATTRIBUTES, *calls))
    status, _, stderr = finish(process)
    assert (status, stderr.count(b"\n"), names_in(file.parent)) == (2, 1, ["a.lmz"])
    assert decompress(file.with_name("a.lmz").read_bytes()) == DATA
    assert stat.S_IMODE(file.with_name("a.lmz").stat().st_mode) == 0o600


def test_what_is_refused_hinders_nothing_else(file, on_mount):
    done = run("lmzip", "-k", file, env=on_mount(errno.EPERM, "fchmod"))
    assert done.returncode == 2 and b"cannot set permissions: " in done.stderr
    assert file.with_name("a.lmz").stat().st_mtime == MTIME
    done = run("lmzip", "-kf", file, env=on_mount(errno.EPERM, "futimens"))
    assert done.returncode == 2 and b"cannot set times: " in done.stderr
    assert stat.S_IMODE(file.with_name("a.lmz").stat().st_mode) == 0o664


def test_warnings_are_one_a_file_and_quiet_hides_them(file, tmp_path, on_mount):
    (tmp_path / "b").write_bytes(DATA)
    refusing = on_mount(errno.EPERM, "fchmod", "futimens")
    done = run("lmzip", file, tmp_path / "b", env=refusing)
    assert (done.returncode, done.stderr.count(b"\n"), names_in(tmp_path)) == (2, 2, ["a.lmz", "b.lmz"])
    done = run("lmunzip", "-q", tmp_path / "a.lmz", tmp_path / "b.lmz", env=refusing)
    assert (done.returncode, done.stderr, names_in(tmp_path)) == (2, b"", ["a", "b"])


def test_output_of_standard_input(tmp_path, on_mount):
    done = run("lmzip", "-o", tmp_path / "out", data=DATA, env=on_mount(errno.EPERM, "fchmod"))
    assert done.returncode == 2 and b"out: cannot set permissions: " in done.stderr
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_extended_attributes_that_are_refused(file, on_mount):
    try:
        os.setxattr(file, "user.origin", b"elsewhere")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    for number in (errno.EOPNOTSUPP, errno.ENOSPC):  # no room for them need not be a full disk
        done = run("lmzip", "-kf", file, env=on_mount(number, "fsetxattr"))
        assert done.returncode == 2 and b"cannot set extended attributes: " in done.stderr
        assert file.with_name("a.lmz").stat().st_mtime == MTIME


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["fchmod", "futimens", "fsync"])
def test_disks_that_fail(file, on_mount, call, number):
    done = run("lmzip", file, env=on_mount(number, call))
    assert done.returncode == 1 and names_in(file.parent) == ["a"]
    assert done.stderr.count(b"\n") == 1 and b"a.lmz: " + os.strerror(number).encode() in done.stderr


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS], ids=errno.errorcode.get)
def test_mounts_without_fsync(file, on_mount, number):
    for options in ([], ["--sync"], ["-k", "--sync"]):
        done = run("lmzip", *options, file, env=on_mount(number, "fsync"))
        assert (done.returncode, done.stderr) == (0, b"")
        assert file.with_name("a.lmz").read_bytes() == compress(DATA)
        os.rename(file.with_name("a.lmz"), file.with_name("b.lmz"))
        file.write_bytes(DATA)


def test_mounts_without_fsync_or_links(file, on_mount):
    """What is copied to a temporary name is brought to the disk too."""
    done = run("lmzip", file, env=on_mount(errno.EINVAL, "fsync", "linkat"))
    assert (done.returncode, done.stderr, names_in(file.parent)) == (0, b"", ["a.lmz"])
    file.write_bytes(DATA)
    done = run("lmzip", "-f", file, env=on_mount(errno.EOPNOTSUPP, "linkat"))
    assert (done.returncode, done.stderr, names_in(file.parent)) == (0, b"", ["a.lmz"])
