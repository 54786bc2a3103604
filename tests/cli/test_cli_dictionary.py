"""-D and --dictionary-size: both ways, with every action; what is missing or wrong ends with status 3, untouched."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from cli_tools import environment, names_in, run
from conftest import SAMPLE

from lmzip import dictionary
from lmzip.cli.main import main
from lmzip.dictionary import Dictionary, read_tail
from lmzip.errors import InputChangedError

TEXT = SAMPLE.read_bytes()
RAW, DICTIONARY = TEXT[20000:24000], TEXT[:20000]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "d").write_bytes(DICTIONARY)
    (tmp_path / "a").write_bytes(RAW)
    return tmp_path


def in_process(capfd, program: str, *arguments: object) -> tuple[int, bytes, str]:
    """Run the command line in this process, which saves the start; return status, standard output and error."""
    status = main(program, [str(argument) for argument in arguments])
    captured = capfd.readouterr()
    return status, os.fsencode(captured.out), captured.err


def test_there_and_back(folder, capfd):
    a, packed = folder / "a", folder / "a.lmz"
    assert in_process(capfd, "lmzip", "-3", "-D", folder / "d", a) == (0, b"", "")
    assert names_in(folder) == ["a.lmz", "d"], "verified, so the input is gone"
    with_it, size = packed.read_bytes(), packed.stat().st_size
    assert in_process(capfd, "lmzip", "-t", f"--dictionary={folder / 'd'}", packed)[0] == 0
    assert in_process(capfd, "lmunzip", packed, "-D", folder / "d") == (0, b"", "")
    assert a.read_bytes() == RAW
    assert in_process(capfd, "lmzip", "-3", a)[0] == 0
    assert size < 0.9 * packed.stat().st_size
    packed.write_bytes(with_it + packed.read_bytes())
    given = (packed, "-D", folder / "d")
    assert run("lmcat", *given).stdout == RAW * 2
    assert run("lmunzip", "--range=10,20", *given).stdout == RAW[10:30]


def test_a_list_names_it(folder, capfd):
    run("lmzip", "-1", "--block-size=4k", "-D", "d", "-o", "b.lmz", "d", cwd=folder)
    digest = hashlib.sha256(DICTIONARY).hexdigest()
    status, out, _ = in_process(capfd, "lmzip", "-lv", folder / "b.lmz")
    assert status == 0 and f"dictionary sha256 {digest}, at most 2^15 bytes" in out.decode()
    status, out, _ = in_process(capfd, "lmzip", "-l", "--json", folder / "b.lmz")
    assert json.loads(out)["frames"][0]["dictionary"] == {"sha256": digest, "size_log": 15}


@pytest.mark.parametrize("form", ["short", "long"])
@pytest.mark.parametrize("given", ["none", "missing", "another", "empty", "folder"])
def test_decompression_without_it(folder, capfd, form, given):
    packed, digest = folder / "a.lmz", hashlib.sha256(DICTIONARY).hexdigest()
    options = ("--block-size=4k",) if form == "long" else ()
    packed.write_bytes(run("lmzip", "-1", "-D", folder / "d", *options, data=RAW * (2 if options else 1)).stdout)
    (folder / "a").unlink()
    (folder / "another").write_bytes(DICTIONARY[1:])
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    before = names_in(folder)
    option = () if given == "none" else ("-D", folder / given)
    for way in ((), ("-t",), ("-c",), ("--range=0,5",), ("--salvage", "-c")):
        status, out, err = in_process(capfd, "lmunzip", *way, packed, *option)
        assert status in ((1, 3) if "--salvage" in way else (3,)) and out == b"" and names_in(folder) == before
        assert all(line.startswith(f"lmunzip: {packed}: ") for line in err.splitlines())
        if "--salvage" not in way:
            assert err.count("\n") == 1
            expected = digest[:8] if given in ("none", "another") else f"cannot use the dictionary {folder / given}"
            assert expected in err, err


@pytest.mark.parametrize("given", ["missing", "empty", "folder"])
def test_compression_without_it(folder, capfd, given):
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    before = names_in(folder)
    status, out, err = in_process(capfd, "lmzip", "-D", folder / given, folder / "a")
    assert (status, out) == (3, b"") and names_in(folder) == before
    assert err.startswith(f"lmzip: cannot use the dictionary {folder / given}: ") and err.count("\n") == 1


def test_the_size_that_is_used(folder):
    """What is before the last bytes makes no difference, nor does where they come from."""
    (folder / "tail").write_bytes(DICTIONARY[-4096:])
    packed = run("lmzip", "-1", "-D", "d", "--dictionary-size=4k", data=RAW, cwd=folder)
    assert packed.returncode == 0
    assert run("lmzip", "-1", "-D", "tail", data=RAW, cwd=folder).stdout == packed.stdout
    read_end, write_end = os.pipe()
    os.write(write_end, DICTIONARY)
    os.close(write_end)
    option = f"--dictionary=/dev/fd/{read_end}"
    piped = run("lmzip", "-1", option, "--dictionary-size=4k", data=RAW, pass_fds=[read_end])
    os.close(read_end)
    assert (piped.returncode, piped.stdout) == (0, packed.stdout), piped.stderr
    for name in ("d", "tail"):
        assert run("lmunzip", "-D", name, data=packed.stdout, cwd=folder).stdout == RAW


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-D", "d", "--dictionary-size=5000"], "power of two"),
        (["-D", "d", "--dictionary-size=256m"], "power of two"),
        (["--dictionary-size=4k"], "is for --dictionary"),
    ],
)
def test_sizes_that_there_are_not(folder, capfd, options, words):
    status, out, err = in_process(capfd, "lmzip", *options, folder / "a")
    assert (status, out) == (1, b"") and words in err and names_in(folder) == ["a", "d"]


def test_other_actions(folder, capfd):
    given = ("-D", folder / "d", folder / "a")
    for action in ("--bench", "--estimate"):
        sizes = []
        for options in (given, given[2:]):
            status, out, err = in_process(capfd, "lmzip", "-1", action, "--json", *options)
            assert (status, err) == (0, "")
            sizes.append(json.loads(out)["compressed_size"])
        assert sizes[0] < 0.9 * sizes[1], action


def test_a_dictionary_that_changes_while_it_is_read(folder, monkeypatch, capfd):
    class Growing:
        """Gives a file one byte more each time that it is asked for."""

        def __getattr__(self, name):
            return getattr(os, name)

        def fstat(self, fd):
            with (folder / "d").open("ab") as file:
                file.write(b"!")
            return os.fstat(fd)

    monkeypatch.setattr(dictionary, "os", Growing())
    with pytest.raises(InputChangedError):
        read_tail(str(folder / "d"), 100)
    status, _, err = in_process(capfd, "lmzip", "-D", folder / "d", folder / "a")
    assert status == 3 and "changed while it was read" in err and names_in(folder) == ["a", "d"]


def test_the_end_of_a_file(folder):
    for size in (1, 1000, len(DICTIONARY), 1 << 20):
        assert read_tail(folder / "d", size) == DICTIONARY[-size:]
    assert Dictionary.from_file(folder / "d", 1024).data == DICTIONARY[-1024:]


def test_it_is_found_by_its_digest(folder, tmp_path):
    """In a folder or file of LMZIP_DICTIONARY_PATH, or among the user's own, whatever it is called."""
    packed = run("lmzip", "-1", "-D", "d", "-c", "a", cwd=folder).stdout
    places = folder / "places"
    (places / "lmzip" / "dictionaries").mkdir(parents=True)
    (places / "another").write_bytes(b"another")
    nowhere = {"XDG_DATA_HOME": "/nowhere", "LMZIP_DICTIONARY_PATH": f"{places}:/nowhere"}
    done = run("lmunzip", data=packed, env=environment(**nowhere))
    assert (done.returncode, done.stdout) == (3, b"") and b"LMZIP_DICTIONARY_PATH" in done.stderr
    (places / "any name").write_bytes(b"more of it" * 7000 + DICTIONARY)
    assert run("lmunzip", data=packed, env=environment(**nowhere)).returncode == 3, "32768 bytes are not the 20000"
    (places / "any name").write_bytes(DICTIONARY)
    for way in ((), ("-D", folder / "a")):
        done = run("lmunzip", *way, data=packed, env=environment(**nowhere))
        assert (done.returncode, done.stdout) == (0, RAW), done.stderr
    nowhere["LMZIP_DICTIONARY_PATH"] = str(places / "any name")
    assert run("lmunzip", data=packed, env=environment(**nowhere)).stdout == RAW
    (places / "any name").rename(places / "lmzip" / "dictionaries" / "mine")
    home = environment(XDG_DATA_HOME=str(places))
    assert run("lmunzip", data=packed, env=home).stdout == RAW
    (folder / "a.lmz").write_bytes(packed)
    assert run("lmzip", "--range=5,7", "-d", folder / "a.lmz", env=home).stdout == RAW[5:12]
