"""A stream is cut into stretches that are all of it, wherever its buffers end and whatever its headers say."""

from __future__ import annotations

import array
import struct
import tarfile
from itertools import accumulate

import pytest
from contents_tools import (
    aiff_header,
    au_header,
    bmp_header,
    found,
    noise,
    npy_header,
    split_all,
    tar_of,
    tga_header,
    tiff,
    wave_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip.block import BYTES, IMAGE, SIGNED, SOUND, Content
from lmzip.contents import Splitter, parse_content, search
from lmzip.contents.tiff import read_tiff

RGB = Content(IMAGE, 3, 8, 0, 60)
STEREO = Content(SOUND, 2, 16, SIGNED)
PPM = b"P6 60 50 255\n" + noise(9000)
WAVE = wave_header(2, 16, 8000) + noise(8000)
TIFF, TIFF_START = tiff("<", (50, 60, 3), 8, directory_first=False)
TGA = tga_header(2, 60, 50, 24) + noise(9000)
FILES = {  # and the bytes in front of the samples
    "a.ppm": (PPM, 13, RGB),
    "b.wav": (WAVE, 44, STEREO),
    "c.tif": (TIFF, TIFF_START, RGB),
    "d.tga": (TGA, 18, RGB),
    "e.bmp": (bmp_header(60, 50, 24) + noise(9000), 54, RGB),
    "f.npy": (npy_header("|u1", (50, 60, 3)) + noise(9000), 128, RGB),
    "g.aif": (aiff_header(2, 16, 8000, compression=b"sowt") + noise(8000), 60, STEREO),
}
HEADERS = [
    b"P5 60 50 255\n",
    b"P7\nWIDTH 60\nHEIGHT 50\nDEPTH 3\nMAXVAL 255\nENDHDR\n",
    bmp_header(60, 50, 24),
    bmp_header(60, 50, 8, palette=noise(1024)),
    tiff("<", (20, 60, 3), 8)[0],
    tiff(">", (20, 60, 3), 16, lines_per_strip=3)[0],
    tga_header(3, 60, 50, 8),
    npy_header("|u1", (50, 60)),
    wave_header(2, 16, 3000),
    aiff_header(2, 16, 3000),
    au_header(2, 3, 3000),
    struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, 4264, 22) + bmp_header(32, 64, 32)[14:],
]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_of_a_tar(sample_text, form):
    files = {name: data for name, (data, _, _) in FILES.items()}
    texts = {f"{name}.txt": sample_text[: 3000 + i] for i, name in enumerate(files)}
    archive = tar_of(dict(sorted((files | texts).items())), form)
    expected = [
        (archive.index(data) + start, len(data) - start, content)
        if name != "c.tif"
        else (archive.index(data) + start, 9000, content)
        for name, (data, start, content) in FILES.items()
    ]
    assert found(split_all(archive)) == expected


def test_tga_only_where_a_file_begins_and_has_room_for_it():
    assert found(split_all(TGA))
    assert not found(split_all(b"in front" + TGA))
    assert not found(split_all(tar_of({"a": TGA[:-1]})))
    assert not found(split_all(tar_of({"a": b"\0" + TGA})))


def test_header_and_samples_share_a_stretch_at_the_start_only():
    for data, start, content in FILES.values():
        at, size, first = found(split_all(data))[0]
        assert (at, first.offset) == (0, start) and size >= start + 8000
        assert found(split_all(b"-" + data)) in ([(1 + start, size - start, content)], [])


def test_headers_that_are_long_have_a_stretch_of_their_own():
    header = b"P5 60 50 #" + b"-" * 500 + b"\n255\n"
    assert found(split_all(header + noise(3000))) == [(len(header), 3000, Content(IMAGE, 1, 8, 0, 60))]


def test_small_images():
    """What a stretch costs is more than it saves on some hundred bytes; at the start, the header is in it."""
    small = b"P5 16 16 255\n" + noise(256)
    assert found(split_all(small)) == [(0, 269, Content(IMAGE, 1, 8, 0, 16, 13))]
    assert found(split_all(b"P5 15 16 255\n" + noise(240))) == []
    assert found(split_all(b"-" + small)) == []
    assert found(split_all(b"-P5 32 31 255\n" + noise(992))) == []
    assert found(split_all(b"-P5 32 32 255\n" + noise(1024))) == [(14, 1024, Content(IMAGE, 1, 8, 0, 32))]


def test_images_one_behind_the_other():
    stretches = split_all(PPM * 3)
    assert [stretch.size for stretch in stretches] == [9013, 13, 9000, 13, 9000]


def test_files_shorter_than_their_headers_say():
    assert found(split_all(PPM[:-4000])) == [(0, 5013, Content(IMAGE, 3, 8, 0, 60, 13))]
    assert found(split_all(b"P6 60 999999999 255\n" + noise(5000)))[0][1] == 5020
    assert found(split_all(PPM[:200])) == []


@pytest.mark.parametrize("buffer_size", [1, 2, 7, 64, 179, 180, 1000, 4096, 4097, 9012, 9013, 9014, 20_000])
def test_lines_stay_whole_wherever_buffers_end(buffer_size, sample_text):
    archive = sample_text[:2500] + PPM + sample_text[:999] + WAVE + PPM
    at = 0
    for stretch in (stretches := split_all(archive, buffer_size)):
        if stretch.content.kind == IMAGE:
            start = 2513 if at < 12_000 else len(archive) - 9000
            assert stretch.content == RGB and (at - start) % 180 == 0 and stretch.size % 180 == 0
        if stretch.content.kind == SOUND:
            assert (at - 2500 - 9013 - 999 - 44) % 4 == 0 and stretch.size % 4 == 0
        at += stretch.size
    assert at == len(archive)
    if buffer_size >= 4096:
        n_samples = sum(stretch.size for stretch in stretches if stretch.content != BYTES)
        assert n_samples > 26_000 - 3 * 1024


@pytest.mark.parametrize("name", FILES)
def test_borders_at_every_place_of_a_header(name):
    """A header that a buffer cuts is looked at again, with the next."""
    data, start, content = FILES[name]
    text = b"a text " * 1500
    archive = text + data if name != "d.tga" else tar_of({"text": text, name: data})
    begin = archive.index(data)
    for cut in range(start + 1):
        splitter = Splitter()
        first = splitter.split(archive[: begin + cut], is_last=False)
        used = sum(stretch.size for stretch in first)
        assert {stretch.content for stretch in first} == {BYTES}
        stretches = splitter.split(archive[used:], is_last=True)
        assert [s.content for s in stretches if s.content != BYTES] == [content], cut


def test_what_is_left_over_is_little():
    """Samples that are no whole line, or too few for a stretch at the end of a buffer."""
    buffer = b"a text " * 1500 + PPM
    for size in range(10_500 + 13, len(buffer)):
        used = sum(stretch.size for stretch in Splitter().split(buffer[:size], is_last=False))
        assert size - used < 1024 + 180


def test_lines_longer_than_a_buffer_are_bytes():
    data = b"P5 5000 4 255\n" + noise(20_000)
    assert found(split_all(data, 4000)) == []
    assert found(split_all(b"-" * 6000 + data, 9000)) == [(6014, 5000, Content(IMAGE, 1, 8, 0, 5000))] + [
        (11_014 + i * 5000, 5000, Content(IMAGE, 1, 8, 0, 5000)) for i in range(3)
    ]


@pytest.mark.parametrize("text", ["image:60x3", "image:7x2x16", "audio:2x16"])
@pytest.mark.parametrize("buffer_size", [1, 5, 100, 1 << 20])
def test_forced_contents(text, buffer_size):
    content = parse_content(text)
    data = PPM + WAVE
    stretches = split_all(data, buffer_size, content)
    if buffer_size == 1 << 20:
        assert [(stretch.size, stretch.content) for stretch in stretches] == [(len(data), content)]
    assert {stretch.content for stretch in stretches} <= {content, BYTES}


def test_forced_bytes():
    stretches = split_all(PPM + WAVE, 9000, BYTES)
    assert {stretch.content for stretch in stretches} == {BYTES} and len(stretches) == 2


def test_any_object_with_bytes():
    for data in (bytearray(PPM), memoryview(PPM), array.array("b", PPM)):
        assert [stretch.size for stretch in Splitter().split(data, is_last=True)] == [len(PPM)]
    data = bytearray(PPM)
    Splitter().split(data, is_last=True)
    data.clear()  # not held any more


def test_nothing():
    assert Splitter().split(b"", is_last=True) == []


@given(st.binary(max_size=300), st.integers(1, 300), st.booleans())
def test_random_bytes(data, buffer_size, repeats):
    split_all(data * (20 if repeats else 1), buffer_size)


lies = st.lists(st.tuples(st.integers(0, 1 << 30), st.sampled_from([0, 1, 2, 8, 0x7F, 0x80, 0xFF]), st.integers(1, 4)))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADERS), lies, st.integers(0, 5000), st.sampled_from([b"", b"in front of it "]), st.data())
def test_truncated_and_lying_headers(header, changes, size, before, draw):
    """Nothing is raised, nothing is lost, and it ends."""
    lying = bytearray(header)
    for at, byte, n_bytes in changes:
        at %= len(lying)
        lying[at : at + n_bytes] = bytes([byte] * len(lying[at : at + n_bytes]))
    data = before + bytes(lying[: draw.draw(st.integers(0, len(lying)))] if size < 100 else lying) + noise(size)
    split_all(data)
    split_all(data, draw.draw(st.integers(1, len(data) + 1)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*FILES, "text", "zeros"]), max_size=6), st.integers(20_000, 60_000))
def test_pieces_in_any_order(names, buffer_size):
    """Every one is found wherever it is, as long as no buffer ends in it; cut, it is found in most of its lines."""
    pieces = [FILES[name][0] if name in FILES else noise(700) if name == "text" else bytes(700) for name in names]
    data = b"start" + b"".join(pieces)
    starts = [5, *accumulate(map(len, pieces), initial=5)]
    ends = {at + size for at, size, _ in found(split_all(data))}
    for name, start in zip(names, starts[1:], strict=False):
        if name in FILES and name != "d.tga":
            assert any(start < end <= start + len(FILES[name][0]) for end in ends)
    split_all(data, buffer_size)


MAGICS = [
    b"P6\n",
    b"P6 #",
    b"P7\n",
    b"P5 3 3 255\n",
    b"BM1111\0\0\0\0\1\1\1\1(\0\0\0",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"RIFF\1\0\0\0WAVE",
    b"FORM\0\0\0\1AIFF",
    b".snd\0\0",
    b"\x93NUMPY\1\0",
    b"ustar\0",
    bytes(64) + b"ustar\0000" + bytes(400),
    b"BM",
    b"\0",
]


@pytest.mark.parametrize("buffer_size", [100, 5000, 1 << 20])
@pytest.mark.parametrize("magic", MAGICS)
def test_data_full_of_magics_take_linear_time(magic, buffer_size, monkeypatch):
    """Counts the headers that are read, and the bytes that are looked at again."""
    n_read, n_given = 0, 0

    def counted(data, start, *, of_file):
        nonlocal n_read, n_given
        n_given += len(data) - start
        for place in search.places(data, start, of_file=of_file):
            n_read += 1
            yield place

    monkeypatch.setattr("lmzip.contents.splitter.places", counted)
    data = (magic * 60_000)[:60_000]
    split_all(data, buffer_size)
    assert n_given <= 2 * len(data) + buffer_size
    assert n_read <= 80 * (2 * len(data) // buffer_size + 1) + 2 * len(data) // 512


def test_few_headers_of_tiff_are_read():
    """Each may name as many strips as are looked at, all in the same place, and take as long as many other headers."""
    data = memoryview(b"II*\0\x08\0\0\0" * 10_000)
    n_read = sum(read is read_tiff for _, read in search.places(data, 0, of_file=False))
    assert n_read == 64 + len(data) // 8192


def test_lies_about_lines_do_not_make_a_buffer_be_looked_at_again():
    """Each of these headers asks for more than the buffer has left, and is followed by the next."""
    header, buffer_size = b"P5 9990 9 255\n", 10_000
    n_calls, data = 0, header * 3000
    splitter, at = Splitter(), 0
    while at < len(data):
        buffer = data[at : at + buffer_size]
        at += sum(stretch.size for stretch in splitter.split(buffer, is_last=at + len(buffer) == len(data)))
        n_calls += 1
    assert n_calls <= 2 * len(data) // buffer_size + 2


def test_noise_has_no_magic():
    """What the other tests call noise is that to the splitter, too."""
    assert found(split_all(noise(100_000))) == []
