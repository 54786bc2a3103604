"""--long: what it takes and refuses, and that what it makes is listed, cut, salvaged and refused as documented."""

from __future__ import annotations

import io
import json
import random

import pytest
from cli_tools import run

from lmzip.codec import list_frames

NOISE = random.Random(1).randbytes(60_000)
RAW = NOISE + b"between" + NOISE


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(RAW)
    return path


def size_with(file, *options) -> int:
    done = run("lmzip", "-1", "-k", "-f", "--block-size=40000", *options, file)
    assert (done.returncode, done.stderr) == (0, b"")
    return len(file.with_name("a.lmz").read_bytes())


def test_long_makes_what_stands_again_small_and_comes_back(file):
    assert size_with(file) > len(RAW)
    for options in (["--long"], ["--long=27"], ["--long=10"], ["--long", "--verify"], ["--long", "-T2"]):
        assert size_with(file, *options) < 61_000
    for program in ("lmcat", "lmunzip"):
        assert run(program, "-c", file.with_name("a.lmz")).stdout == RAW
    done = run("lmzip", "--range=70000,20", file.with_name("a.lmz"))
    assert done.stdout == RAW[70_000:70_020]


def test_long_through_pipes():
    packed = run("lmzip", "-1", "--long", "--block-size=40000", data=RAW).stdout
    assert len(packed) < 61_000 and run("lmunzip", data=packed).stdout == RAW


def test_the_name_behind_long_is_a_file_and_behind_dashes_it_is_a_name(file, tmp_path):
    assert run("lmzip", "-1", "--long", "a", cwd=tmp_path).returncode == 0
    (tmp_path / "--long").write_bytes(RAW)
    assert run("lmzip", "-1", "--", "--long", cwd=tmp_path).returncode == 0
    assert (tmp_path / "--long.lmz").exists()


@pytest.mark.parametrize("value", ["9", "31", "x", ""])
def test_other_windows_are_wrong_usage(file, value):
    done = run("lmzip", f"--long={value}", file)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"--long" in done.stderr and file.exists()


def test_a_large_window_is_refused_with_what_allows_it(file):
    size_with(file, "--long=30")
    packed = file.with_name("a.lmz")
    for options in (["-d"], ["-t"], ["-dc"], ["-d", "--long"], ["--range=0,5"], ["--salvage", "-c"]):
        done = run("lmzip", "-k", "-f", *options, packed)
        assert (done.returncode, done.stdout) == (1, b"") and done.stderr.count(b"\n") == 1
        assert b"needs a window of 1024 MiB; --long=30 allows it" in done.stderr
    for options in (["--long=30"], ["--memory=2GiB"], ["-M3g", "--long=30"]):
        assert run("lmzip", "-dc", *options, packed).stdout == RAW
    done = run("lmzip", "-dc", "-M100MiB", packed)
    assert done.returncode == 1 and b"--memlimit=" in done.stderr


def test_a_list_says_what_is_needed(file):
    size_with(file, "--long")
    packed = file.with_name("a.lmz")
    assert b"window of 128 MiB: 2 blocks have copies of blocks before them" in run("lmzip", "-lv", packed).stdout
    assert b"bytes before" in run("lmzip", "-lvv", packed).stdout
    (frame,) = json.loads(run("lmzip", "-l", "--json", packed).stdout)["frames"]
    assert (frame["window"], frame["far_blocks"]) == (1 << 27, 2)
    size_with(file)
    (frame,) = json.loads(run("lmzip", "-l", "--json", packed).stdout)["frames"]
    assert (frame["window"], frame["far_blocks"]) == (0, 0)


def test_salvage_says_what_is_made_of_lost_bytes(file):
    size_with(file, "--long")
    packed = file.with_name("a.lmz")
    data = bytearray(packed.read_bytes())
    data[1000] ^= 1
    packed.write_bytes(data)
    done = run("lmzip", "--salvage", "-c", packed)
    assert done.returncode == 1 and b"copies of bytes that are lost" in done.stderr
    assert done.stdout == RAW[40_000:60_007] + RAW[100_007:]


def test_salvage_of_a_file_asks_its_table_what_is_missing_behind_a_damaged_head(file):
    """Of a pipe, which shows its table too late, copies of all that stands before are lost."""
    raw = file.read_bytes()
    size_with(file, "--long", "--block-size=8k")
    packed = file.with_name("a.lmz")
    data = bytearray(packed.read_bytes())
    head = list_frames(io.BytesIO(data))[0].blocks[4].offset
    data[head + 2] ^= 1
    packed.write_bytes(data)
    done = run("lmzip", "--salvage", "-c", packed)
    assert done.returncode == 1 and b"8192 bytes are missing at byte 32768" in done.stderr
    assert done.stdout.startswith(raw[: 4 * 8192] + raw[5 * 8192 : 6 * 8192]) and b"unknown" not in done.stderr
    of_pipe = run("lmzip", "--salvage", "-dc", data=bytes(data))
    assert b"an unknown number of bytes are missing at byte 32768" in of_pipe.stderr
    assert len(of_pipe.stdout) < len(done.stdout)
