"""Images and sound in a stream become blocks of their own, are coded as such where that pays, and always come back."""

from __future__ import annotations

import io
import random

import pytest
from codec_tools import pack, unpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_tools import picture, recording, shaded, tar_of

import lmzip
from lmzip import codec
from lmzip.block import BYTES, IMAGE, SIGNED, SOUND, Content
from lmzip.codec.memory import encode_need
from lmzip.codec.settings import settings_for
from lmzip.errors import DamagedError, MemoryLimitError
from lmzip.format.block import BASE
from lmzip.models.ngram import NgramModel

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def blocks_of(packed: bytes) -> list[tuple[Content, int]]:
    """Return content and raw size of each block."""
    return [(b.head.content, b.head.raw_size) for frame in codec.list_frames(io.BytesIO(packed)) for b in frame.blocks]


@pytest.mark.parametrize("level", [1, 2, 4, 6, 9])
@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (picture(), Content(IMAGE, 1, 8, 0, 64, 13)),
        (picture(37, 41, 3), Content(IMAGE, 3, 8, 0, 37, 13)),
        (recording(), Content(SOUND, 1, 16, SIGNED, 0, 44)),
    ],
    ids=["grey", "colour", "sound"],
)
def test_a_single_small_file_is_one_short_frame(raw, content, level):
    packed, _ = pack(raw, level=level)
    assert unpack(packed)[0] == raw
    assert blocks_of(packed) == [(content, len(raw))]
    assert codec.list_frames(io.BytesIO(packed))[0].header.is_short
    assert len(packed) < len(pack(raw, level=level, content=BYTES)[0])


def test_images_and_sound_in_a_tar_are_blocks_of_their_own(sample_text):
    grey, colour, sound = picture(300, 300), picture(150, 200, 3), recording(40000)
    text = sample_text[:3000]
    raw = tar_of(("a.pgm", grey), ("a.txt", text), ("b.ppm", colour), ("c.wav", sound), ("d.txt", text))
    packed, summary = pack(raw, level=4)
    assert unpack(packed)[0] == raw
    kinds = [(content.kind, content.channels, content.width) for content, _ in blocks_of(packed)]
    assert kinds == [(0, 0, 0), (1, 1, 300), (0, 0, 0), (1, 3, 150), (0, 0, 0), (2, 1, 0), (0, 0, 0)]
    assert sum(size for _, size in blocks_of(packed)) == len(raw) == summary.raw_size
    assert len(packed) < len(pack(raw, level=4, content=BYTES)[0])


def test_threads_do_not_change_the_cuts():
    raw = tar_of(*((f"{i}.pgm", picture(200, 200, seed=i)) for i in range(6)))
    assert len({pack(raw, level=2, threads=n, block_size=1 << 16)[0] for n in (1, 2, 3)}) == 1


def test_an_image_is_cut_at_the_ends_of_lines():
    raw = picture(700, 400)
    packed, _ = pack(raw, level=1, block_size=1 << 16)
    assert unpack(packed)[0] == raw
    first, *others, last = blocks_of(packed)
    assert first[0].offset == 15 and (first[1] - 15) % 700 == 0
    assert all(content.offset == 0 and size % 700 == 0 and size <= 1 << 16 for content, size in others)
    assert last[0].kind == IMAGE


def test_any_place_of_such_a_file_is_reached():
    raw = picture(700, 400)
    packed, _ = pack(raw, level=1, block_size=1 << 16)
    for start in (0, 14, 65000, 131072, len(raw) - 5):
        piece = b"".join(codec.read_range(io.BytesIO(packed), start, 300))
        assert piece == raw[start : start + 300]


def test_damage_of_such_a_block_is_found():
    packed = bytearray(pack(picture(), level=4)[0])
    packed[-5] ^= 1
    with pytest.raises(DamagedError):
        unpack(bytes(packed))


def test_what_is_no_image_is_coded_as_bytes(sample_text):
    """The header says that there are pixels, but text follows."""
    raw = b"P5 100 200 255\n" + (sample_text * 20)[:20000]
    packed, _ = pack(raw, level=4)
    assert unpack(packed)[0] == raw
    assert {content for content, _ in blocks_of(packed)} == {BYTES}


def test_what_is_incompressible_grows_by_no_more_than_a_thousandth():
    noise = b"P5 256 256 255\n" + random.Random(1).randbytes(1 << 16)
    for raw in (noise, tar_of(*((str(i), noise) for i in range(8)))):
        packed, _ = pack(raw, level=1)
        assert unpack(packed)[0] == raw and len(packed) <= len(raw) * 1.001 + 64


@pytest.mark.parametrize("text", ["image:64x1", "image:16x4", "image:64x3", "image:32x1x16", "audio:1x8", "audio:2x16"])
def test_a_content_that_is_told_is_believed_where_it_pays(text):
    raw = shaded(64, 60)
    packed = lmzip.compress(raw, level=4, content=text)
    assert lmzip.decompress(packed) == raw
    assert len(packed) <= len(lmzip.compress(raw, level=4, content="bytes"))


def test_what_takes_more_memory_than_allowed_is_coded_as_bytes():
    """Long lines take far more than bytes do; they come when a limit has been found to do for the bytes."""
    wide = b"P5 300000 1 255\n" + bytes(range(250)) * 1200
    raw = tar_of(("a.pgm", picture(300, 300)), ("b", bytes(1 << 20)), ("c.pgm", wide), ("d.pgm", picture(300, 300)))
    limit = encode_need(*reversed(settings_for(1, None, None)), 1 << 19).of_threads(1)
    of_wide = Content(IMAGE, 1, 8, 0, 300000, 0)
    free = pack(raw, level=1, block_size=1 << 19)[0]
    assert of_wide in dict(blocks_of(free))
    with pytest.raises(MemoryLimitError, match="--memlimit"):
        unpack(free, memory_limit=limit)
    limited = [pack(raw, level=1, block_size=1 << 19, memory_limit=limit, threads=n)[0] for n in (1, 2)]
    assert limited[0] == limited[1], "threads give way first"
    kinds = {content.width for content, _ in blocks_of(limited[0])}
    assert kinds == {0, 300}
    assert unpack(limited[0], memory_limit=limit)[0] == raw


def test_threads_give_way_to_what_takes_memory():
    wide = b"P5 300000 1 255\n" + bytes(range(250)) * 1200
    raw = tar_of(("b", bytes(1 << 20)), ("c.pgm", wide), ("d", bytes(1 << 20)))
    options = {"level": 1, "block_size": 1 << 19}
    of_one = encode_need(NgramModel(), settings_for(1, None, None)[0], 300000, None, Content(IMAGE, 1, 8, 0, 300000))
    packed, summary = pack(raw, **options, threads=2, memory_limit=of_one.of_threads(1) + (1 << 20))
    assert summary.n_threads == 1 and packed == pack(raw, **options)[0]


def test_bytes_are_never_looked_at():
    packed = lmzip.compress(picture(), level=1, content="bytes")
    assert blocks_of(packed)[0][0] == BYTES


def test_no_such_content():
    with pytest.raises(ValueError, match="content"):
        lmzip.compress(b"x", content="video:3")


def test_a_file_object_looks_too():
    raw, output = tar_of(("a.pgm", picture(300, 300)), ("b.wav", recording(40000))), io.BytesIO()
    with lmzip.open(output, "wb", level=2) as file:
        for at in range(0, len(raw), 999):
            file.write(raw[at : at + 999])
    packed = output.getvalue()
    assert lmzip.decompress(packed) == raw
    assert [content.kind for content, _ in blocks_of(packed)] == [0, 1, 0, 2, 0]


@quick
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    said=st.sampled_from([None, 0, 1, 7, 2**31, 10**12]),
    cut=st.integers(0, 600),
    level=st.sampled_from([1, 3, 4]),
)
def test_whatever_a_header_says_all_comes_back(width, height, channels, said, cut, level):
    raw = picture(width, height, channels)
    if said is not None:
        raw = raw.replace(b" %d 255" % height, b" %d 255" % said, 1)
    raw = raw[: max(1, len(raw) - cut)]
    packed, _ = pack(raw, level=level)
    assert unpack(packed)[0] == raw


@quick
@given(
    channels=st.integers(1, 8),
    depth=st.sampled_from([8, 16, 24, 32]),
    size=st.integers(0, 2000),
    level=st.sampled_from([1, 4]),
)
def test_any_sound_comes_back(channels, depth, size, level):
    raw = (shaded(50, 50) * 2)[:size]
    packed, _ = pack(raw, level=level, content=Content(SOUND, channels, depth, SIGNED))
    assert unpack(packed)[0] == raw
    assert all(frame.blocks[0].head.mode <= BASE for frame in codec.list_frames(io.BytesIO(packed)))
