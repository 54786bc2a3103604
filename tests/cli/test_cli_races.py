"""What others do to the files meanwhile: nothing of theirs is lost."""

from __future__ import annotations

import os

import pytest
from cli_tools import compress, decompress, finish, long_text, names_in, run, run_python, start, stopped_in_work

NO_UNNAMED = "del os.O_TMPFILE"
NO_LINKS = """
def no_link(*arguments, **options):
    raise PermissionError(1, "Operation not permitted")
os.link = no_link
"""
WAYS = {
    "unnamed": lambda *arguments: start("lmzip", "-4", *arguments),
    "temporary name": lambda *arguments: run_python(NO_UNNAMED, "-4", *arguments),
    "no hard links": lambda *arguments: run_python(NO_UNNAMED + NO_LINKS, "-4", *arguments),
    "unnamed, no hard links": lambda *arguments: run_python(NO_LINKS, "-4", *arguments),
}


@pytest.fixture
def text(tmp_path):
    """A file `a` that takes the program a while."""
    path = tmp_path / "a"
    path.write_bytes(long_text())
    return path


def test_input_appended_to(text):
    process = start("lmzip", "-4", text)
    with stopped_in_work(process, text), open(text, "ab") as file:
        file.write(b"a late line\n")
    status, _, stderr = finish(process)
    assert status == 1 and b"changed while it was read" in stderr
    assert names_in(text.parent) == ["a"] and text.read_bytes().endswith(b"a late line\n")


def test_input_appended_to_after_it_was_read(text):
    """The whole file is in memory already while its block is coded; the late line must not be lost with the input."""
    before = text.stat()
    process = start("lmzip", "-4", text)
    with stopped_in_work(process, text), open(text, "r+b") as file:
        file.truncate(before.st_size - 1)
    assert finish(process)[0] == 1
    assert names_in(text.parent) == ["a"] and text.stat().st_size == before.st_size - 1


# Does something to the file named last when the input's first piece or its end is read.
CHANGING = """
path, moment, size = sys.argv.pop(), sys.argv.pop(), int(sys.argv.pop())
real = os.read
def read(fd, limit):
    data = real(fd, min(limit, 1000))
    if moment and os.path.sameopenfile(fd, watched) and bool(data) == (moment == "first"):
        globals()["moment"] = ""
        os.truncate(path, size) if size < 50000 else open(path, "ab").write(b"a late line")
    return data
watched = os.open(path, os.O_RDONLY)
os.read = read
"""
KEPT = (["-c"], ["-k", "-c"], ["-o", "/dev/null"], ["<"], ["<", "-o", "out"])


@pytest.mark.parametrize("moment", ["first", "end"])
@pytest.mark.parametrize("size", [20_000, 100_000], ids=["shrinks", "grows"])
@pytest.mark.parametrize("options", KEPT, ids=" ".join)
def test_input_that_changes_where_nothing_is_removed(tmp_path, monkeypatch, options, moment, size):
    """What was read is compressed; one warning tells of it, and the status is as gzip's."""
    monkeypatch.chdir(tmp_path)
    data = long_text(50_000)
    for quiet in ([], ["-q"]):
        (tmp_path / "log").write_bytes(data)
        names = [] if "<" in options else ["log"]
        arguments = [*quiet, "-1", *(option for option in options if option != "<"), "-f", *names]
        with open("log", "rb") as log:
            stdin = None if names else log
            process = run_python(CHANGING, *arguments, str(size), moment, "log", stdin=stdin)
            status, stdout, stderr = finish(process)
        assert status == 0 and stderr.count(b"\n") == 1 - len(quiet)
        assert quiet or b"changed while it was read" in stderr
        packed = (tmp_path / "out").read_bytes() if "out" in options else stdout
        if "/dev/null" not in options:
            late = data[:size] if size < len(data) else data + b"a late line"
            assert decompress(packed) == (late if moment == "first" else data)


@pytest.mark.parametrize("program", ["lmzip", "lmunzip", "lmcat"])
def test_input_that_rests_is_not_warned_of(tmp_path, program):
    path = tmp_path / "a"
    path.write_bytes(compress(b"data"))
    with open(path, "rb") as stdin:
        stdin.seek(0 if program != "lmzip" else 3)  # not from the start: less is read than the file has
        done = run(program, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    done = run(program, "-c", path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("program", ["lmunzip", "lmcat"])
def test_compressed_input_appended_to(text, program):
    """The late member is not in what went to standard output."""
    packed = text.with_name("b.lmz")
    packed.write_bytes(compress(text.read_bytes(), "-4"))
    process = start(program, "-c", packed)
    with stopped_in_work(process, packed), open(packed, "ab") as file:
        file.write(compress(b"more", "-4"))
    status, stdout, stderr = finish(process)
    assert status == 0 and stdout.startswith(text.read_bytes())
    assert stderr.count(b"\n") == 1 and b"b.lmz: changed while it was read" in stderr


@pytest.mark.parametrize("options", [[], ["-k"]], ids=["replace", "keep"])
def test_input_changed_in_place(text, options):
    process = start("lmzip", "-4", *options, text)
    with stopped_in_work(process, text), open(text, "r+b") as file:
        file.write(b"changed")
    status, _, stderr = finish(process)
    assert status == 1 and b"changed" in stderr
    assert names_in(text.parent) == ["a"] and text.read_bytes().startswith(b"changed")


def test_compressed_input_changed_in_place(text):
    packed = text.with_name("b.lmz")
    packed.write_bytes(compress(text.read_bytes(), "-4"))
    process = start("lmunzip", packed)
    with stopped_in_work(process, packed), open(packed, "ab") as file:
        file.write(compress(b"more", "-4"))
    assert finish(process)[0] == 1
    assert names_in(text.parent) == ["a", "b.lmz"]


def test_an_input_replaced_meanwhile_is_kept(text):
    data = text.read_bytes()
    process = start("lmzip", "-4", text)
    with stopped_in_work(process, text):
        new = text.with_name("new")
        new.write_bytes(b"the next day's log")
        os.rename(new, text)
    status, _, stderr = finish(process)
    assert status == 2 and b"replaced" in stderr
    assert text.read_bytes() == b"the next day's log"
    assert decompress(text.with_name("a.lmz").read_bytes()) == data


def test_an_input_deleted_meanwhile_is_told(text):
    data = text.read_bytes()
    process = start("lmzip", "-4", text)
    with stopped_in_work(process, text):
        text.unlink()
    status, _, stderr = finish(process)
    assert status == 2 and b"removed" in stderr
    assert names_in(text.parent) == ["a.lmz"]
    assert decompress(text.with_name("a.lmz").read_bytes()) == data


def test_input_replaced_by_a_link(text):
    """The name now leads to the same file again, but is another name."""
    process = start("lmzip", "-4", text)
    with stopped_in_work(process, text):
        os.rename(text, text.with_name("real"))
        text.symlink_to("real")
    assert finish(process)[0] == 2
    assert names_in(text.parent) == ["a", "a.lmz", "real"]


@pytest.mark.parametrize("way", WAYS)
def test_output_made_by_someone_else(text, way):
    data = text.read_bytes()
    process = WAYS[way](text)
    output = text.with_name("a.lmz")
    with stopped_in_work(process, text):
        output.write_bytes(b"theirs")
    status, _, stderr = finish(process)
    assert status == 1 and b"someone else" in stderr
    assert (output.read_bytes(), text.read_bytes()) == (b"theirs", data)
    assert names_in(text.parent) == ["a", "a.lmz"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_publish(tmp_path, way):
    for options, old in (([], None), (["-f"], b"old"), (["-f"], None)):
        path = tmp_path / "a"
        path.write_bytes(b"data" * 100)
        os.utime(path, ns=(1, 1_000_000_001))
        path.chmod(0o640)
        if old:
            (tmp_path / "a.lmz").write_bytes(old)
        assert finish(WAYS[way](*options, path)) == (0, b"", b"")
        assert names_in(tmp_path) == ["a.lmz"]
        output = tmp_path / "a.lmz"
        assert decompress(output.read_bytes()) == b"data" * 100
        assert (output.stat().st_mtime_ns, output.stat().st_mode & 0o7777) == (1_000_000_001, 0o640)
        output.unlink()


def test_folder_renamed_meanwhile(tmp_path):
    """Output and removal stay in the folder that was opened, whatever its name is by then."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "a"
    path.write_bytes(long_text())
    process = start("lmzip", "-4", path)
    with stopped_in_work(process, path):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        path.write_bytes(b"another file")
    assert finish(process)[0] == 0
    assert names_in(tmp_path / "moved") == ["a.lmz"]
    assert path.read_bytes() == b"another file" and names_in(folder) == ["a"]


def test_file_written_just_before(tmp_path):
    """A change within the same tick of the clock leaves no trace in the time stamp: so such a file rests first."""
    from lmzip.fileio import open_source

    path = tmp_path / "a"
    for _ in range(20):
        path.write_bytes(b"one")
        with open_source(str(path), in_place=True) as source:
            assert source.read(10) == b"one"
            path.write_bytes(b"two")
            with pytest.raises(Exception, match="changed"):
                source.check_unchanged()
