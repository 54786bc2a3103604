"""Pictures and sound on the command line: found, told, shown, estimated; and data without a header by --content."""

from __future__ import annotations

import json

import pytest
from cli_tools import compress, decompress, run
from media_tools import picture, recording, shaded, tar_of


def listed(path) -> dict:
    return json.loads(run("lmzip", "-l", "--json", path).stdout)


def test_a_picture_is_shown_as_what_it_is(tmp_path):
    (tmp_path / "a.ppm").write_bytes(picture(90, 70, 3))
    assert run("lmzip", "-4", tmp_path / "a.ppm").returncode == 0
    packed = tmp_path / "a.ppm.lmz"
    assert b"image 90 x RGB, 8 bits" in run("lmzip", "-lv", packed).stdout
    (frame,) = listed(packed)["frames"]
    (content,) = frame["contents"]
    assert (content["kind"], content["width"], content["channels"], content["depth"]) == ("image", 90, 3, 8)
    assert content["blocks"] == 1 and content["raw_size"] == frame["raw_size"]
    assert run("lmunzip", packed).returncode == 0
    assert (tmp_path / "a.ppm").read_bytes() == picture(90, 70, 3)


def test_a_tar_through_a_pipe(sample_text):
    raw = tar_of(("a.txt", sample_text[:2000]), ("b.wav", recording(40000)), ("c.pgm", picture(300, 300)))
    packed = compress(raw, "-1")
    assert decompress(packed) == raw
    assert len(packed) < len(compress(raw, "-1", "--content=bytes"))


def test_every_block_is_shown_with_its_content(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_of(("b.wav", recording(40000)), ("c.pgm", picture(300, 300))))
    run("lmzip", "-1", tmp_path / "a.tar")
    shown = run("lmzip", "-lvv", tmp_path / "a.tar.lmz").stdout.decode()
    assert "sound 1 x 16 bits" in shown and "image 300 x grey, 8 bits" in shown
    assert len(listed(tmp_path / "a.tar.lmz")["frames"][0]["contents"]) == 2


def test_bytes_have_no_content(tmp_path, sample_text):
    (tmp_path / "a").write_bytes(sample_text[:1000])
    run("lmzip", "-1", tmp_path / "a")
    assert listed(tmp_path / "a.lmz")["frames"][0]["contents"] == []


@pytest.mark.parametrize("content", ["image:64x3", "image:64x1", "image:96x1x16", "audio:2x16", "audio:1x24", "bytes"])
def test_data_without_a_header(content):
    raw = shaded(64, 100, 3)
    packed = compress(raw, "-2", f"--content={content}")
    assert decompress(packed) == raw


@pytest.mark.parametrize("content", ["", "image", "image:0x3", "image:5x9", "audio:9x16", "audio:2x12", "video:1x1"])
def test_no_such_content(content):
    done = run("lmzip", "-c", f"--content={content}", data=b"abc")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count(b"\n") == 1 and b"content" in done.stderr


def test_an_estimate_knows_pictures(tmp_path):
    """A large picture by samples of its lines: nearer to what comes out than to what bytes would come to."""
    raw = picture(1000, 900)
    (tmp_path / "a.pgm").write_bytes(raw)
    told = json.loads(run("lmzip", "--estimate", "--json", "-2", tmp_path / "a.pgm").stdout)
    really = len(compress(raw, "-2"))
    assert not told["exact"]
    assert told["compressed_size"] == pytest.approx(really, rel=0.1)


def test_an_estimate_of_a_small_picture_is_exact(tmp_path):
    raw = picture(100, 90)
    (tmp_path / "a.pgm").write_bytes(raw)
    told = json.loads(run("lmzip", "--estimate", "--json", "-2", tmp_path / "a.pgm").stdout)
    assert told["exact"] and told["compressed_size"] == len(compress(raw, "-2"))
