"""Damaged, cut, foreign and hostile inputs: the status, no output, the input kept."""

from __future__ import annotations

import os
import struct

import pytest
from cli_tools import MAGIC, compress, names_in, run
from format_tools import LONG, sealed_head

from lmzip.cli.main import main
from lmzip.format.block import BASE

DATA = b"to be or not to be, that is the question\n"
TWO_BLOCKS = DATA * 100


@pytest.fixture(scope="module")
def packed():
    """DATA, compressed: a block that is coded."""
    return compress(DATA * 2)


@pytest.fixture(scope="module")
def small():
    """Two blocks, few bytes: every field of the format is in it."""
    return compress(TWO_BLOCKS, "-1", "--block-size=4k")


def in_process(capfd, *arguments: str) -> tuple[int, bytes, bytes]:
    """Run the command line in this process, which saves the start; return status, standard output and error."""
    status = main("lmunzip", list(arguments))
    captured = capfd.readouterr()
    return status, os.fsencode(captured.out), os.fsencode(captured.err)


def assert_rejected(capfd, path, data: bytes, statuses=(1,), all_ways: bool = True) -> None:
    """Write data as a file and expect -d (and -c, -t) to fail with one line, no output, nothing changed."""
    path.write_bytes(data)
    status, stdout, stderr = in_process(capfd, str(path))
    assert status in statuses and stdout == b"" and stderr.count(b"\n") == 1, stderr
    assert b"internal error" not in stderr
    assert names_in(path.parent) == [path.name] and path.read_bytes() == data
    if not all_ways:
        return
    assert in_process(capfd, "-t", str(path))[0] in statuses
    status, stdout, _ = in_process(capfd, "-c", str(path))
    assert status in statuses and stdout in (b"", TWO_BLOCKS[:4096], TWO_BLOCKS)  # only what is checked comes out


def test_every_truncation_is_noticed(tmp_path, capfd, small):
    path = tmp_path / "a.lmz"
    for size in range(len(small)):
        assert_rejected(capfd, path, small[:size])
        assert in_process(capfd, "-l", str(path))[0] == 1


def test_every_flipped_bit(tmp_path, capfd, small):
    path = tmp_path / "a.lmz"
    for bit in range(8 * len(small)):
        data = bytearray(small)
        data[bit // 8] ^= 1 << bit % 8
        # In the magic: not in lmzip format; in the version: unsupported, status 3; elsewhere damage.
        assert_rejected(capfd, path, bytes(data), (3, 1) if bit // 8 == 4 else (1,), all_ways=bit % 7 == 0)


def test_damage_by_the_installed_program(tmp_path, packed):
    path = tmp_path / "a.lmz"
    for data in (packed[:-1], packed[:20], packed[:40] + b"!" + packed[41:], b"", packed + b"x"):
        path.write_bytes(data)
        done = run("lmunzip", path)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
        assert done.stderr.startswith(b"lmunzip: " + bytes(path) + b": ")
        assert names_in(tmp_path) == ["a.lmz"]


def test_only_checked_blocks_come_out(tmp_path, sample_text):
    packed = bytearray(compress(sample_text, "-1", "--block-size=16k"))
    packed[len(packed) // 2] ^= 1
    done = run("lmunzip", "-c", data=bytes(packed))
    assert done.returncode == 1
    assert sample_text.startswith(done.stdout) and len(done.stdout) % 16384 == 0
    assert 0 < len(done.stdout) < len(sample_text)


def test_trailing_garbage_and_padding(tmp_path, packed):
    path = tmp_path / "a.lmz"
    path.write_bytes(packed + b"garbage")
    done = run("lmunzip", path)
    assert done.returncode == 1 and b"%d" % len(packed) in done.stderr
    assert names_in(tmp_path) == ["a.lmz"]
    for padding in (1, 3, 512, 10240):
        path.write_bytes(packed + bytes(padding))
        assert run("lmunzip", "-kf", path).returncode == 0
        assert (tmp_path / "a").read_bytes() == DATA * 2
        assert run("lmzip", "-l", path).returncode == 0
    path.write_bytes(packed + bytes(10) + b"x")
    assert run("lmunzip", "-t", path).returncode == 1


def test_joined_members_are_one_file(tmp_path, packed):
    empty = compress(b"")
    path = tmp_path / "a.lmz"
    path.write_bytes(packed + empty + packed)
    listing = run("lmzip", "-l", path).stdout
    assert listing.split()[7:12] == [b"%d" % n for n in (4 * len(DATA), path.stat().st_size)] + [
        b"%.3f" % (8 * path.stat().st_size / (4 * len(DATA))),
        b"3",
        b"3",
    ]
    assert run("lmunzip", path).returncode == 0
    assert (tmp_path / "a").read_bytes() == DATA * 4
    path.write_bytes(packed + empty + packed[:-1])
    assert run("lmunzip", "-f", path).returncode == 1
    assert (tmp_path / "a").read_bytes() == DATA * 4


def test_empty_compressed_input(tmp_path):
    (tmp_path / "a.lmz").write_bytes(b"")
    for options in (["-d"], ["-t"], ["-l"], ["-dc"], ["-df"]):
        assert run("lmzip", *options, tmp_path / "a.lmz").returncode == 1
    assert run("lmunzip", data=b"").returncode == 1
    assert names_in(tmp_path) == ["a.lmz"]


def test_newer_version_is_told_apart_from_damage(tmp_path, packed):
    path = tmp_path / "a.lmz"
    path.write_bytes(MAGIC + b"\x02" + packed[5:])
    for options in ([], ["-t"], ["-c"], ["-l"]):
        done = run("lmunzip", *options, path)
        assert (done.returncode, done.stdout) == (3, b"") and b"newer lmzip" in done.stderr
    assert names_in(tmp_path) == ["a.lmz"]


def hostile(raw_size: int, payload_size: int) -> bytes:
    """Return the start of a frame of one coded block whose head claims these sizes, with a right check."""
    head = sealed_head(LONG, struct.pack("<BIII", 0x80 | BASE, raw_size, payload_size, 0))
    return LONG.packed + head + b"payload"


@pytest.mark.parametrize("sizes", [(1 << 30, (1 << 30) - 1), (1 << 30, 7), (0xFFFFFFFF, 7), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_absurd_sizes_take_little_memory(tmp_path, sizes):
    """Under a limit of address space that the claimed size would break."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))

    path = tmp_path / "a.lmz"
    path.write_bytes(hostile(*sizes))
    for options in (["-d"], ["-t"], ["-dc"], ["-l"], ["-d", "--salvage"]):
        done = run("lmzip", *options, path, preexec_fn=limit)
        assert done.returncode == 1 and done.stderr.strip()
    assert names_in(tmp_path) == ["a.lmz"]


def test_salvage_writes_the_sound_blocks(tmp_path, sample_text):
    packed = bytearray(compress(sample_text, "-1", "--block-size=16k"))
    packed[len(packed) // 2] ^= 1
    path = tmp_path / "a.lmz"
    path.write_bytes(packed)
    done = run("lmunzip", "--salvage", path)
    assert done.returncode == 1 and b"missing" in done.stderr
    saved = (tmp_path / "a").read_bytes()
    n_blocks = -(-len(sample_text) // 16384)
    pieces = [sample_text[at : at + 16384] for at in range(0, len(sample_text), 16384)]
    assert saved in [b"".join(pieces[:lost] + pieces[lost + 1 :]) for lost in range(n_blocks)]
    assert names_in(tmp_path) == ["a", "a.lmz"]
    assert run("lmunzip", "-t", path).returncode == 1
    path.write_bytes(b"nothing in here")
    assert run("lmunzip", "-f", "--salvage", path).returncode == 1
    assert (tmp_path / "a").read_bytes() == saved


def test_salvage_of_a_sound_file_keeps_it(tmp_path, packed):
    (tmp_path / "a.lmz").write_bytes(packed)
    assert run("lmunzip", "--salvage", tmp_path / "a.lmz").returncode == 0
    assert names_in(tmp_path) == ["a", "a.lmz"] and (tmp_path / "a").read_bytes() == DATA * 2
