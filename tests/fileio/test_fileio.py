"""Names, inputs and outputs below the command line."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from lmzip import fileio
from lmzip.errors import InputChangedError, LmzipError, Skipped
from lmzip.fileio import local_target as target_module


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
        source.check_size()
        source.remove()
    assert not path.exists()


def test_source_read_in_part_is_not_to_be_removed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with fileio.open_source(str(path), in_place=True) as source:
        source.read(5)
        source.check_unchanged()
        with pytest.raises(Skipped, match="5 bytes were read where its size is 10"):
            source.check_size()


@pytest.mark.parametrize("size", [0, 5, 20])
def test_source_that_changes(tmp_path, size):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with fileio.open_source(str(path), in_place=True) as source:
        os.truncate(path, size)
        assert source.has_changed
        with pytest.raises(InputChangedError):
            source.check_unchanged()


def test_files_that_are_made_up(tmp_path):
    (tmp_path / "empty").touch()
    made_up = {"/proc/self/status": True, "/sys/kernel/mm/transparent_hugepage/enabled": True}
    for name, expected in (made_up | {__file__: False, str(tmp_path / "empty"): False}).items():
        if os.path.exists(name):
            with fileio.open_source(name, in_place=True) as source:
                assert source.is_made_up == expected
                assert not expected or source.status.st_size != len(source.read(1 << 20))


def test_times_of_files_that_are_made_up():
    name = "/sys/kernel/mm/transparent_hugepage/enabled"
    if not os.access(name, os.W_OK):
        pytest.skip("there is no such file whose time may be set")
    with fileio.open_source(name, in_place=False) as source:
        os.utime(name, ns=(source.status.st_atime_ns, source.status.st_mtime_ns + 1))
        assert not source.has_changed


def test_descriptors_are_given_back(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("a")
    before = len(os.listdir("/proc/self/fd"))
    fileio.open_source(str(tmp_path / "a"), in_place=True).close()
    for name in ("missing", "folder", "link"):
        with pytest.raises((Skipped, OSError)):
            fileio.open_source(str(tmp_path / name), in_place=True)
        with pytest.raises(LmzipError), fileio.LocalTarget(str(tmp_path / "a"), force=False):
            pass
        with fileio.LocalTarget(str(tmp_path / "new"), force=False) as target:
            target.create()
    assert len(os.listdir("/proc/self/fd")) == before


def refusing(number):
    """Return a function in the place of a system call that answers with an error number."""

    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture(params=["unnamed", "temporary name", "no hard links", "unnamed, no hard links"])
def target(request, tmp_path, monkeypatch):
    """A created target `out` in an empty folder, by every way to write and publish it."""
    if not request.param.startswith("unnamed"):
        monkeypatch.delattr(os, "O_TMPFILE")
    if request.param.endswith("no hard links"):
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with fileio.LocalTarget(str(tmp_path / "out"), force=False) as target:
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


def test_a_published_target_has_its_mode(target, tmp_path):
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
    assert target.lost == {}


# Answers that mean "no such thing here", and those that mean that the disk is full or fails.
REFUSALS = [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EROFS]
FAILURES = [errno.EIO, errno.ENOSPC, errno.EDQUOT]


def foreign_status(**changes):
    """Return the status of a file of ours with changes."""
    status = {"st_mode": 0o100664, "st_uid": os.geteuid(), "st_gid": os.getegid(), "st_atime_ns": 5, "st_mtime_ns": 7}
    return SimpleNamespace(**(status | changes))


@pytest.fixture
def opened(tmp_path_factory):
    """The descriptor of a file elsewhere, without attributes."""
    with open(tmp_path_factory.mktemp("elsewhere") / "source", "wb") as file:
        yield file.fileno()


def published(target, tmp_path):
    """Publish a target; return the status of what came out, which is all that is there."""
    target.write(b"data")
    target.publish(sync_folder=True)
    target.close()
    assert os.listdir(tmp_path) == ["out"] and (tmp_path / "out").read_bytes() == b"data"
    return (tmp_path / "out").stat()


@pytest.mark.parametrize("number", REFUSALS, ids=errno.errorcode.get)
def test_refused_attributes_are_told_of(target, tmp_path, monkeypatch, opened, number):
    for function in ("fchmod", "utime", "fchown", "setxattr"):
        monkeypatch.setattr(os, function, refusing(number))
    monkeypatch.setattr(os, "listxattr", lambda fd: ["user.origin"])
    monkeypatch.setattr(os, "getxattr", lambda fd, name: b"elsewhere")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    target.copy_attributes(foreign_status(st_uid=12345, st_gid=12345), opened)
    lost = dict.fromkeys(["owner", "group", "extended attributes", "permissions", "times"], os.strerror(number))
    assert target.lost == lost
    # What cannot be opened to others stays closed to them.
    assert published(target, tmp_path).st_mode & 0o777 == 0o600 and target.lost == lost


def test_what_is_refused_hinders_nothing_else(target, tmp_path, monkeypatch, opened):
    monkeypatch.setattr(os, "fchown", refusing(errno.EPERM))
    monkeypatch.setattr(os, "utime", refusing(errno.EPERM))
    target.copy_attributes(foreign_status(st_gid=os.getegid() + 1), opened)
    assert published(target, tmp_path).st_mode & 0o777 == 0o644  # the rights of a group are not another group's


def test_users_may_not_give_files_away(target, tmp_path, monkeypatch, opened):
    """That is so everywhere and told of nowhere; groups that are theirs they may give them to."""
    monkeypatch.setattr(os, "fchown", refusing(errno.EPERM))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getgroups", lambda: [54321])
    target.copy_attributes(foreign_status(st_uid=os.getuid() + 1, st_gid=12345), opened)
    assert target.lost == {}
    target.copy_attributes(foreign_status(st_gid=54321), opened)
    assert list(target.lost) == ["group"]


def test_owner_and_group_that_are_right_are_not_set(target, monkeypatch, opened):
    """Where a mount gives all files to one owner, to set even that one may be refused."""
    monkeypatch.setattr(os, "fchown", refusing(errno.EPERM))
    now = os.fstat(target.fd)
    target.copy_attributes(foreign_status(st_uid=now.st_uid, st_gid=now.st_gid), opened)
    assert target.lost == {}


@pytest.mark.parametrize("number", FAILURES, ids=errno.errorcode.get)
@pytest.mark.parametrize("function", ["fchmod", "utime", "fchown", "setxattr"])
def test_attributes_on_a_failing_disk(target, monkeypatch, opened, function, number):
    if function == "setxattr":
        monkeypatch.setattr(os, "listxattr", lambda fd: ["user.origin"])
        monkeypatch.setattr(os, "getxattr", lambda fd, name: b"elsewhere")
    monkeypatch.setattr(os, function, refusing(number))
    status = foreign_status(st_gid=os.getegid() + 1)
    if function == "setxattr" and number != errno.EIO:  # no room for attributes: ext4 has a block for them
        target.copy_attributes(status, opened)
        assert list(target.lost) == ["extended attributes"]
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        target.copy_attributes(status, opened)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS], ids=errno.errorcode.get)
def test_file_systems_without_fsync(target, tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", refusing(number))
    target.set_mode(0o640)
    target.flush()
    published(target, tmp_path)
    assert target.lost == {}


@pytest.mark.parametrize("number", FAILURES, ids=errno.errorcode.get)
def test_fsync_that_fails(target, tmp_path, monkeypatch, number):
    target.write(b"data")
    monkeypatch.setattr(os, "fsync", refusing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        target.flush()
    with pytest.raises(OSError, match=os.strerror(number)):
        target.publish(sync_folder=True)


def test_folder_that_cannot_be_synced_is_noticed_before_anything_is_published(target, tmp_path, monkeypatch):
    target.write(b"data")
    monkeypatch.setattr(os, "open", refusing(errno.EACCES))
    with pytest.raises(PermissionError):
        target.publish(sync_folder=True)
    target.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("force", [False, True])
def test_rename_that_fails_leaves_nothing(tmp_path, monkeypatch, force):
    monkeypatch.delattr(os, "O_TMPFILE")
    monkeypatch.setattr(os, "link", refusing(errno.EOPNOTSUPP))
    with fileio.LocalTarget(str(tmp_path / "out"), force=force) as target:
        target.create()
        monkeypatch.setattr(os, "rename", refusing(errno.EIO))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            target.publish()
    assert os.listdir(tmp_path) == []


def test_forced_rename_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "out").write_bytes(b"old")
    with fileio.LocalTarget(str(tmp_path / "out"), force=True) as target:
        target.create()
        monkeypatch.setattr(os, "rename", refusing(errno.EIO))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            target.publish()
    assert os.listdir(tmp_path) == ["out"] and (tmp_path / "out").read_bytes() == b"old"


def test_force_where_there_are_unnamed_files_but_no_hard_links(tmp_path, monkeypatch):
    """link(2) says that the name is taken before it says that there are no links."""
    (tmp_path / "out").write_bytes(b"old")

    def link(source, name, *, dst_dir_fd, **options):
        raise FileExistsError(errno.EEXIST, name) if name == "out" else PermissionError(errno.EPERM, name)

    monkeypatch.setattr(os, "link", link)
    with fileio.LocalTarget(str(tmp_path / "out"), force=True) as target:
        target.create()
        target.write(b"new")
        target.publish()
    assert os.listdir(tmp_path) == ["out"] and (tmp_path / "out").read_bytes() == b"new"


def test_holes_stay_holes_where_nothing_can_be_linked(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with fileio.LocalTarget(str(tmp_path / "out"), force=False) as target:
        target.create()
        target.write_sparse(bytes(1 << 22))
        allocated = os.fstat(target.fd).st_blocks
        target.publish()
    assert (tmp_path / "out").stat().st_size == 1 << 22 and (tmp_path / "out").stat().st_blocks == allocated


def test_pending_names_are_discarded(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE")
    target = fileio.LocalTarget(str(tmp_path / "out"), force=False)
    target.create()
    assert len(os.listdir(tmp_path)) == 1 and len(target_module._pending) == 1
    fileio.discard_pending()
    assert os.listdir(tmp_path) == []
    target.close()
    assert not target_module._pending


def test_forced_publishing_checks_again_what_it_replaces(tmp_path):
    with fileio.LocalTarget(str(tmp_path / "out"), force=True) as target:
        target.create()
        os.mkfifo(tmp_path / "out")
        with pytest.raises(LmzipError, match="not a regular file"):
            target.publish()
    assert os.listdir(tmp_path) == ["out"]


def test_names_of_sinks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "file").touch()
    for name in ("file", "missing", "folder/missing"):
        assert fileio.named_sink(str(tmp_path / name)) is None
    for name in (str(tmp_path / "pipe"), str(tmp_path / "link"), "/dev/null"):
        sink = fileio.named_sink(name)
        assert sink is not None and sink.fd < 0  # not opened yet
    for number, name in enumerate(("/dev/stdin", "/dev/stdout", "/dev/stderr")):
        assert [fileio.named_sink(path).fd for path in (name, f"/dev/fd/{number}")] == [number] * 2
    with open(tmp_path / "file", "wb") as file:
        fd = file.fileno()
        with pytest.raises(OSError, match="Bad file descriptor"):  # one of our own
            fileio.named_sink(f"/dev/fd/{fd}")
        os.set_inheritable(fd, True)
        assert fileio.named_sink(f"/proc/self/fd/{fd}").fd == fd
    with pytest.raises(OSError, match="Bad file descriptor"):
        fileio.named_sink("/dev/fd/999999999")


def test_sink_that_was_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    sink = fileio.named_sink(str(tmp_path / "pipe"))
    (tmp_path / "pipe").unlink()
    (tmp_path / "pipe").write_bytes(b"theirs")
    with pytest.raises(LmzipError, match="replaced"):
        sink.create()
    sink.close()
    assert (tmp_path / "pipe").read_bytes() == b"theirs"


def test_writing_counts_what_was_taken(tmp_path, monkeypatch):
    """A write that takes a part only is continued."""
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:3]))
    with open(tmp_path / "a", "wb") as file:
        fileio.write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
