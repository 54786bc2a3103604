"""-l: exact sizes from heads and tables, without decoding and without a model."""

from __future__ import annotations

import json
import random

import pytest
from cli_tools import compress, run
from codec_tools import frame_of, join
from program_tools import x86_program

from lmzip.format.block import BASE, WITH_MODEL, BlockHead
from lmzip.format.header import FLOAT_KIND, NET_KIND, ModelRecord, pack_header

DATA = b"exact to the byte " * 300
SIZE = len(DATA)
B_SIZE = 70_000  # too much for a short frame


@pytest.fixture
def folder(tmp_path):
    """A folder with `a.lmz`, of three blocks in two frames with padding, and `b.lmz`, of one stored block.

    The second frame of `a.lmz` is a short one.
    """
    (tmp_path / "a.lmz").write_bytes(compress(DATA, "-1", "--block-size=4k") + compress(DATA[:100], "-1") + bytes(10))
    (tmp_path / "b.lmz").write_bytes(compress(random.Random(1).randbytes(B_SIZE), "-1"))
    return tmp_path


def rows(text: bytes) -> list[list[str]]:
    """Return the cells of a table."""
    return [line.split(None, 6) for line in text.decode().splitlines()]


def test_the_table_has_a_row_a_file_and_one_of_sums(folder):
    done = run("lmzip", "-l", "a.lmz", "b.lmz", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    size_a, size_b = ((folder / name).stat().st_size for name in ("a.lmz", "b.lmz"))
    bits = f"{8 * size_a / (SIZE + 100):.3f}"
    assert rows(done.stdout)[0] == ["raw", "compressed", "bits/byte", "frames", "blocks", "model", "name"]
    assert rows(done.stdout)[1] == [str(SIZE + 100), str(size_a), bits, "2", "3", "ngram", "a.lmz"]
    assert rows(done.stdout)[2][:6] == [str(B_SIZE), str(size_b), f"{8 * size_b / B_SIZE:.3f}", "1", "1", "ngram"]
    assert rows(done.stdout)[3][:2] == [str(SIZE + 100 + B_SIZE), str(size_a + size_b)]
    assert rows(done.stdout)[3][5:] == ["-", "(2 files)"]


def test_verbose_tells_of_frames_and_blocks(folder):
    text = run("lmzip", "-lv", "a.lmz", cwd=folder).stdout.decode()
    for words in (
        "format version 1",
        "model ngram",
        "content hash",
        "profile fast, blocks 2 (2 base) of 4096 bytes",
        "short frame",
    ):
        assert words in text
    assert f"frame 2 at byte {len(compress(DATA, '-1', '--block-size=4k'))}" in text
    assert "blocks 1 (1 stored)" in run("lmzip", "-lv", "b.lmz", cwd=folder).stdout.decode()
    assert run("lmzip", "-lvv", "a.lmz", cwd=folder).stdout.count(b"crc32") == 3


def test_json_tells_of_files_and_frames(folder):
    lines = run("lmzip", "-l", "--json", "a.lmz", "b.lmz", cwd=folder).stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first["raw_size"] == SIZE + 100 and first["compressed_size"] == (folder / "a.lmz").stat().st_size
    assert [frame["raw_size"] for frame in first["frames"]] == [SIZE, 100]
    frame = second["frames"][0]
    assert frame["modes"] == {"stored": 1} and first["frames"][0]["modes"] == {"base": 2}
    assert first["frames"][0]["profile"] == "fast" and first["frames"][0]["context"] == 0
    assert (frame["blocks"], frame["stored_blocks"], frame["model"], frame["format_version"]) == (1, 1, "ngram", 1)
    assert frame["content_hash"] == json.loads(run("lmzip", "-t", "--json", "b.lmz", cwd=folder).stdout)["content_hash"]
    assert first["frames"][1]["content_hash"] is None


def test_nothing_is_decoded(folder):
    """A flipped bit in the payload is no concern of -l, one in a head is."""
    path = folder / "a.lmz"
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    assert run("lmzip", "-l", path).returncode == 0
    assert run("lmzip", "-t", path).returncode == 1
    data[30] ^= 1
    data[10] ^= 1
    path.write_bytes(data)
    assert run("lmzip", "-l", path).returncode == 1


def test_what_cannot_be_listed(folder):
    packed = (folder / "b.lmz").read_bytes()
    for name, data in (("plain", DATA), ("cut", packed[:-1]), ("garbage", packed + b"x"), ("empty", b"")):
        (folder / name).write_bytes(data)
        done = run("lmzip", "-l", name, "b.lmz", cwd=folder)
        assert done.returncode == 1 and done.stderr.startswith(f"lmzip: {name}: ".encode())
        assert b"b.lmz" in done.stdout and b"(2 files)" not in done.stdout
    done = run("lmzip", "-l", data=packed)
    assert done.returncode == 1 and b"standard input" in done.stderr


def float_frame(*numbers: bytes) -> bytes:
    """Return a frame of a model in floating point, of blocks of 300 bytes whose payloads begin with these numbers."""
    header = pack_header(6, ModelRecord(FLOAT_KIND, bytes(32), bytes(range(16)), "tiny", "cpu/avx2 f32"))
    payloads = [number + b"\1\2\3" for number in numbers]
    heads = [
        BlockHead(i == len(payloads), WITH_MODEL, 1, 300, len(payload), 0) for i, payload in enumerate(payloads, 1)
    ]
    return join(header, list(zip(heads, payloads, strict=True)), b"")


def test_bytes_outside_the_vocabulary(tmp_path):
    """Shown where there are any, without the model; a number that cannot be is damage."""
    path = tmp_path / "a.lmz"
    words = b" bytes outside the model's vocabulary\n"
    for numbers, total, n_blocks in (((b"\xac\2", b"\0", b"\7"), 307, 2), ((b"\0", b"\0"), 0, 0)):
        path.write_bytes(float_frame(*numbers))
        verbose, by_block = (run("lmzip", option, path).stdout for option in ("-lv", "-lvv"))
        assert b" model) of 300 bytes" in verbose and by_block.startswith(verbose)
        assert verbose.count(words) == (total > 0) and by_block.count(words) == n_blocks + (total > 0)
        assert not total or b"of 300 bytes, 307" + words in verbose
        record = json.loads(run("lmzip", "-l", "--json", path).stdout)
        assert record["frames"][0]["bytes_outside_vocabulary"] == total
    path.write_bytes(float_frame(b"\0", b"\xad\2"))
    done = run("lmzip", "-lv", path)
    assert done.returncode == 1 and b"impossible number" in done.stderr and done.stderr.count(b"\n") == 1


def test_model_that_is_not_here(tmp_path):
    """A model record can be listed, but not decoded: status 3, with its name and digest."""
    header = pack_header(4, ModelRecord(NET_KIND, bytes(range(32)), name="tiny-v1\x1b[m"))
    path = tmp_path / "a.lmz"
    path.write_bytes(frame_of(BlockHead(True, BASE, 1, 100, 4, 0), b"\0\1\2\3", header))
    done = run("lmzip", "-lv", path)
    assert done.returncode == 0 and b"model tiny-v1" in done.stdout and bytes(range(32)).hex().encode() in done.stdout
    assert b"\x1b" not in done.stdout
    for options in (["-d"], ["-t"], ["-dc"]):
        done = run("lmzip", *options, path)
        assert (done.returncode, done.stdout) == (3, b"") and done.stderr.count(b"\n") == 1
        assert b"tiny-v1" in done.stderr and b"000102" in done.stderr and b"\x1b" not in done.stderr


def test_long_repeats_are_shown(tmp_path):
    (tmp_path / "a").write_bytes(bytes(2 << 20))
    run("lmzip", "-1", tmp_path / "a")
    assert b"long repeats: 2097152 bytes in 2 blocks" in run("lmzip", "-lv", tmp_path / "a.lmz").stdout
    assert b"copies and rest of" in run("lmzip", "-lvv", tmp_path / "a.lmz").stdout
    (frame,) = json.loads(run("lmzip", "-l", "--json", tmp_path / "a.lmz").stdout)["frames"]
    copies = frame["copies"]
    assert (copies["blocks"], copies["raw_size"]) == (2, 2 << 20) and copies["body_size"] < 2000


def test_machine_code_is_shown(tmp_path):
    """And is not taken for copies, though it has a body."""
    (tmp_path / "a").write_bytes(x86_program(100_000))
    run("lmzip", "-1", tmp_path / "a")
    assert b"x86 code: 100000 bytes in 1 blocks" in run("lmzip", "-lv", tmp_path / "a.lmz").stdout
    shown = run("lmzip", "-lvv", tmp_path / "a.lmz").stdout
    assert b", x86 code, crc32" in shown and b"copies" not in shown and b"repeats" not in shown
    (frame,) = json.loads(run("lmzip", "-l", "--json", tmp_path / "a.lmz").stdout)["frames"]
    assert frame["programs"] == {"x86": {"blocks": 1, "raw_size": 100_000}} and frame["copies"]["blocks"] == 0
