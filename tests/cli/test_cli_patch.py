"""--patch-from: both ways, with every action; what is missing, too large or wrong ends with status 3, untouched."""

from __future__ import annotations

import hashlib
import json
import os
import random

import pytest
from cli_tools import environment, names_in, run
from conftest import SAMPLE

from lmzip import original
from lmzip.cli.main import main
from lmzip.errors import InputChangedError
from lmzip.original import Original

OLD = SAMPLE.read_bytes()[:20000]
NEW = OLD[:7000] + b"a few words that are new" + OLD[7050:]
DIGEST = hashlib.sha256(OLD).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "a").write_bytes(NEW)
    return tmp_path


def in_process(capfd, program: str, *arguments: object) -> tuple[int, bytes, str]:
    """Run the command line in this process, which saves the start; return status, standard output and error."""
    status = main(program, [str(argument) for argument in arguments])
    captured = capfd.readouterr()
    return status, os.fsencode(captured.out), captured.err


def test_there_and_back(folder, capfd):
    a, packed = folder / "a", folder / "a.lmz"
    given = ("--patch-from", folder / "old")
    assert in_process(capfd, "lmzip", "-3", *given, a) == (0, b"", "")
    assert names_in(folder) == ["a.lmz", "old"] and packed.stat().st_size < 250, "verified, so the input is gone"
    assert in_process(capfd, "lmzip", "-t", f"--patch-from={folder / 'old'}", packed)[0] == 0
    data = packed.read_bytes()
    assert in_process(capfd, "lmunzip", packed, *given) == (0, b"", "")
    assert a.read_bytes() == NEW
    packed.write_bytes(data * 2)
    assert run("lmcat", packed, *given).stdout == NEW * 2
    assert run("lmunzip", "--range=6990,50", packed, *given).stdout == NEW[6990:7040]
    assert run("lmunzip", *given, data=data).stdout == NEW


def test_a_list_names_it_and_needs_none(folder, capfd):
    run("lmzip", "-1", "--block-size=8k", "--patch-from=old", "-o", "b.lmz", "a", cwd=folder)
    status, out, _ = in_process(capfd, "lmzip", "-lvv", folder / "b.lmz")
    assert status == 0
    assert f"a patch of the file with the sha256 {DIGEST}, at most 2^15 bytes: 3 blocks have copies" in out.decode()
    assert out.decode().count(" from the original") == 3
    status, out, _ = in_process(capfd, "lmzip", "-l", "--json", folder / "b.lmz")
    (frame,) = json.loads(out)["frames"]
    assert frame["patch_from"] == {"sha256": DIGEST, "size_log": 15} and frame["dictionary"] is None


@pytest.mark.parametrize("given", ["none", "missing", "another", "empty", "folder"])
def test_decompression_without_it(folder, capfd, given):
    packed = folder / "a.lmz"
    packed.write_bytes(run("lmzip", "-1", "--patch-from", folder / "old", data=NEW).stdout)
    (folder / "a").unlink()
    (folder / "another").write_bytes(OLD[1:])
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    before = names_in(folder)
    option = () if given == "none" else ("--patch-from", folder / given)
    for way in ((), ("-t",), ("-c",), ("--range=0,5",), ("--salvage", "-c")):
        status, out, err = in_process(capfd, "lmunzip", *way, packed, *option)
        assert status == 3 and out == b"" and names_in(folder) == before
        assert err.startswith(f"lmunzip: {packed}: ") and err.count("\n") == 1, err
        expected = f"cannot patch from {folder / given}" if given in ("missing", "folder") else DIGEST
        assert expected in err or "--salvage" in way


@pytest.mark.parametrize("given", ["missing", "folder"])
def test_compression_without_it(folder, capfd, given):
    (folder / "folder").mkdir()
    before = names_in(folder)
    status, out, err = in_process(capfd, "lmzip", "--patch-from", folder / given, folder / "a")
    assert (status, out) == (3, b"") and names_in(folder) == before
    assert err.startswith(f"lmzip: cannot patch from {folder / given}: ") and err.count("\n") == 1


def test_an_empty_one_is_none(folder, capfd):
    (folder / "empty").touch()
    assert run("lmzip", "-1", "--patch-from=empty", data=NEW, cwd=folder).stdout == run("lmzip", "-1", data=NEW).stdout


def test_one_that_is_too_large(folder, capfd):
    with (folder / "large").open("wb") as file:
        file.truncate((1 << 30) + 1)
    status, _, err = in_process(capfd, "lmzip", "--patch-from", folder / "large", folder / "a")
    assert status == 3 and "has more than 1 GiB" in err and names_in(folder) == ["a", "large", "old"]
    with (folder / "large").open("wb") as file:
        file.truncate(1 << 29)
    status, _, err = in_process(capfd, "lmzip", "-M", "100m", "--patch-from", folder / "large", folder / "a")
    assert status == 1 and "takes 512 MiB of memory, the limit is 100 MiB" in err and err.count("\n") == 1
    packed = run("lmzip", "-1", "--patch-from=old", data=NEW, cwd=folder).stdout
    done = run("lmunzip", "-M", "100m", "--patch-from=large", data=packed, cwd=folder)
    assert done.returncode == 1 and done.stdout == b"" and b"512 MiB" in done.stderr


def test_a_pipe(folder):
    read_end, write_end = os.pipe()
    os.write(write_end, OLD)
    os.close(write_end)
    piped = run("lmzip", "-1", f"--patch-from=/dev/fd/{read_end}", data=NEW, pass_fds=[read_end])
    os.close(read_end)
    assert piped.stdout == run("lmzip", "-1", "--patch-from=old", data=NEW, cwd=folder).stdout, piped.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-D", "old"], "--dictionary and --patch-from exclude each other"),
        (["-D", "old", "-d"], "--dictionary and --patch-from exclude each other"),
        (["--long"], "--long and --patch-from exclude each other"),
        (["--estimate"], "--estimate knows nothing of --patch-from"),
        (["--max-time=1h"], "--max-time knows nothing of --patch-from"),
    ],
)
def test_options_that_do_not_go_with_it(folder, capfd, options, words):
    status, out, err = in_process(capfd, "lmzip", *options, "--patch-from", folder / "old", folder / "a")
    assert (status, out) == (1, b"") and words in err and names_in(folder) == ["a", "old"]


def test_it_is_not_removed_for_its_own_patch(folder, capfd):
    old = folder / "old"
    status, _, err = in_process(capfd, "lmzip", "-1", "--patch-from", old, folder / "a", old)
    assert status == 1 and err == f"lmzip: {old}: is the file to patch from, which must stay; -k keeps it\n"
    assert names_in(folder) == ["a.lmz", "old"]
    assert in_process(capfd, "lmzip", "-1k", "--patch-from", old, old)[0] == 0
    assert (folder / "old.lmz").stat().st_size < 130


def test_bench(folder, capfd):
    status, out, err = in_process(
        capfd, "lmzip", "-1", "--bench", "--json", "--patch-from", folder / "old", folder / "a"
    )
    assert (status, err) == (0, "") and json.loads(out)["compressed_size"] < 250


def test_one_that_changes_while_it_is_read(folder, monkeypatch, capfd):
    class Growing:
        """Gives a file one byte more each time that it is asked for."""

        def __getattr__(self, name):
            return getattr(os, name)

        def fstat(self, fd):
            with (folder / "old").open("ab") as file:
                file.write(b"!")
            return os.fstat(fd)

    monkeypatch.setattr(original, "os", Growing())
    with pytest.raises(InputChangedError):
        Original.from_file(folder / "old")
    status, _, err = in_process(capfd, "lmzip", "--patch-from", folder / "old", folder / "a")
    assert status == 3 and "changed while it was read" in err and names_in(folder) == ["a", "old"]


def test_all_of_it_is_read(folder):
    for size in (0, 1, 1 << 20, (3 << 20) + 5):
        data = random.Random(size).randbytes(size)
        (folder / "b").write_bytes(data)
        assert Original.from_file(folder / "b").data == data


def test_it_is_found_by_its_digest(folder):
    """Where dictionaries are: in a folder or file of LMZIP_DICTIONARY_PATH, whatever it is called."""
    packed = run("lmzip", "-1", "--patch-from=old", data=NEW, cwd=folder).stdout
    places = folder / "places"
    places.mkdir()
    (places / "another").write_bytes(OLD[1:])
    nowhere = {"XDG_DATA_HOME": "/nowhere", "LMZIP_DICTIONARY_PATH": f"{places}:/nowhere"}
    done = run("lmunzip", data=packed, env=environment(**nowhere))
    assert (done.returncode, done.stdout) == (3, b"") and b"LMZIP_DICTIONARY_PATH" in done.stderr
    (folder / "old").rename(places / "any name")
    for way in ((), ("--patch-from", folder / "a")):
        done = run("lmunzip", *way, data=packed, env=environment(**nowhere))
        assert (done.returncode, done.stdout) == (0, NEW), done.stderr
