"""Frames whose blocks begin behind a dictionary: both ways, in parts, in threads, damaged, and without it."""

from __future__ import annotations

import io
import random

import pytest
from codec_tools import pack, unpack, written_before_error
from conftest import SAMPLE, painted

import lmzip
from lmzip import codec
from lmzip.codec.memory import decode_need, encode_need
from lmzip.codec.settings import settings_for
from lmzip.dictionary import MAX_STATES, Dictionary
from lmzip.errors import DamagedError, DictionaryMissingError, MemoryLimitError, UnsupportedError
from lmzip.format.block import BASE, BlockHead
from lmzip.format.header import FrameHeader
from lmzip.models.base import Model
from lmzip.models.dictionary import behind
from lmzip.models.hf.model import HfModel
from lmzip.models.llama import LlamaModel
from lmzip.stream import shared

TEXT = SAMPLE.read_bytes()
DICTIONARY = Dictionary(TEXT[:30000])
RAW = TEXT[30000:37000]


def header_of(data: bytes) -> FrameHeader:
    (frame,) = codec.list_frames(io.BytesIO(data))
    return frame.header


@pytest.mark.parametrize("level", [1, 3, 4, 5, 6])
def test_there_and_back_and_smaller(level):
    data, summary = pack(RAW, level=level, dictionary=DICTIONARY, verify=True)
    assert unpack(data, dictionary=DICTIONARY)[0] == RAW and summary.verified
    assert len(data) < 0.99 * len(pack(RAW, level=level)[0])
    assert header_of(data).dictionary.names(DICTIONARY) and header_of(data).is_short


@pytest.mark.parametrize("level", [2, 5])
def test_blocks_and_threads(level):
    """All blocks begin behind it, whoever codes them."""
    made = {
        pack(RAW, level=level, dictionary=DICTIONARY, block_size=1500, threads=threads, verify=verify)[0]
        for threads in (1, 2, 3)
        for verify in (None, True)
    }
    (data,) = made
    assert len(data) < len(pack(RAW, level=level, block_size=1500)[0])
    for threads in (1, 2, 3):
        assert unpack(data, dictionary=DICTIONARY, threads=threads)[0] == RAW
    record = header_of(data).dictionary
    assert record and record.digest == DICTIONARY.digest and record.size_log == 15
    blocks = codec.decoded_blocks(io.BytesIO(data).read, registry=shared.registry, dictionary=DICTIONARY)
    assert b"".join(map(bytes, blocks)) == RAW


def test_ranges():
    data, _ = pack(RAW, level=3, dictionary=DICTIONARY, block_size=1500)
    for offset, size in ((0, 10), (1499, 2), (3000, 1500), (6990, 100), (0, len(RAW))):
        parts = codec.read_range(io.BytesIO(data), offset, size, registry=shared.registry, dictionary=DICTIONARY)
        assert b"".join(parts) == RAW[offset : offset + size]
    with pytest.raises(DictionaryMissingError):
        list(codec.read_range(io.BytesIO(data), 0, 1, registry=shared.registry))


@pytest.mark.parametrize("other", [None, Dictionary(TEXT[:29999]), Dictionary(b"a")], ids=["none", "shorter", "small"])
@pytest.mark.parametrize("block_size", [None, 1500], ids=["short", "long"])
def test_without_it_nothing_is_written(other, block_size):
    data, _ = pack(RAW, level=3, dictionary=DICTIONARY, block_size=block_size)
    written, error = written_before_error(data, dictionary=other)
    assert written == b"" and isinstance(error, DictionaryMissingError) and error.exit_status == 3
    assert DICTIONARY.digest.hex()[:8] in str(error) and "\n" not in str(error)
    assert len(codec.list_frames(io.BytesIO(data))) == 1, "a list needs none"


def test_the_end_of_a_longer_file_will_do():
    """The header says how much of it; what was used for compression may be less than what is there."""
    whole = Dictionary(TEXT[:30000])
    data, _ = pack(RAW, level=1, dictionary=Dictionary(TEXT[:30000], 4096))
    assert data == pack(RAW, level=1, dictionary=Dictionary(TEXT[25904:30000]))[0]
    assert unpack(data, dictionary=whole)[0] == RAW and header_of(data).dictionary.size_log == 12


@pytest.mark.parametrize("level", [1, 4])
def test_equal_to_the_input(level):
    noise = random.Random(3).randbytes(20000)
    for raw in (RAW, noise):
        data, _ = pack(raw, level=level, dictionary=Dictionary(raw))
        assert len(data) < 100 and unpack(data, dictionary=Dictionary(raw))[0] == raw
    data, _ = pack(noise * 2, level=level, dictionary=Dictionary(noise), block_size=len(noise))
    assert len(data) < 300


def test_noise_that_a_net_sees_no_samples_in():
    """A sample is not coded behind the dictionary, so that it looks as if nothing could be gained."""
    noise = random.Random(4).randbytes(40000)
    data, _ = pack(noise, level=6, dictionary=Dictionary(noise))
    assert len(data) < 300 and unpack(data, dictionary=Dictionary(noise))[0] == noise


def test_what_needs_none_names_none():
    for raw in (b"", b"a", random.Random(1).randbytes(300)):
        data, _ = pack(raw, level=3, dictionary=DICTIONARY)
        assert data == pack(raw, level=3)[0]
        assert unpack(data)[0] == unpack(data, dictionary=DICTIONARY)[0] == raw


def test_samples_do_without():
    """A picture in a frame with text: only the text is behind the dictionary."""
    picture = b"P5\n64 64\n255\n" + bytes((3 * x + 2 * y) % 256 for y in range(64) for x in range(64))
    assert pack(picture, level=4, dictionary=DICTIONARY)[0] == pack(picture, level=4)[0]
    large = b"P5\n256 200\n255\n" + bytes((3 * x * x + 2 * y) // 64 % 256 for y in range(200) for x in range(256))
    raw = large + RAW
    data, _ = pack(raw, level=1, dictionary=DICTIONARY)
    contents = {block.head.content.kind for frame in codec.list_frames(io.BytesIO(data)) for block in frame.blocks}
    assert contents == {0, 1} and unpack(data, dictionary=DICTIONARY)[0] == raw


@pytest.mark.parametrize("long", [None, True])
def test_copies_too(long):
    raw = RAW[:3000] + painted(200000) + RAW[:3000] + bytes(100000) + RAW[3000:]
    data, _ = pack(raw, level=2, dictionary=DICTIONARY, long=long, block_size=150000, verify=True)
    assert unpack(data, dictionary=DICTIONARY)[0] == raw


def test_damage_is_noticed():
    data, _ = pack(RAW[:2000], level=1, dictionary=DICTIONARY, block_size=1000)
    for at in range(0, len(data), 7):
        damaged = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        written, error = written_before_error(damaged, dictionary=DICTIONARY)
        assert error is not None and RAW.startswith(written), at


def test_salvage():
    """What is sound is decoded behind the dictionary; without it, only what needs none."""
    noise = random.Random(5).randbytes(1500)
    raw = RAW[:1500] + noise + RAW[1500:4500]
    data, _ = pack(raw, level=1, dictionary=DICTIONARY, block_size=1500)
    damaged = bytearray(data)
    last = codec.list_frames(io.BytesIO(data))[0].blocks[3]
    damaged[last.offset + 100] ^= 1
    content, summary = unpack(bytes(damaged), dictionary=DICTIONARY, salvage=True)
    assert content == raw[:4500] and [hole.raw_size for hole in summary.holes] == [1500]
    content, summary = unpack(data, salvage=True)
    assert content == noise and len(summary.holes) == 3 and "needs the dictionary" in summary.holes[0].reason
    with pytest.raises(DictionaryMissingError):
        unpack(pack(RAW, level=1, dictionary=DICTIONARY)[0], salvage=True)


def test_memory_counts_what_is_learned():
    settings, plain = settings_for(3, None, shared.registry)
    model = behind(plain, DICTIONARY)
    need, other = encode_need(model, settings, 1 << 20), encode_need(plain, settings, 1 << 20)
    learned = model.learned_size(settings.spec(1 << 20, uses_model=False))
    assert need.shared == other.shared + MAX_STATES * learned + 30000 and learned > 1 << 20
    assert need.block >= other.block + 30000
    data, _ = pack(RAW, level=3, dictionary=DICTIONARY, block_size=3000)
    frame = codec.list_frames(io.BytesIO(data))[0]
    least = decode_need(model, frame.header, frame.blocks[0].head).of_threads(1)
    assert unpack(data, dictionary=DICTIONARY, memory_limit=least)[0] == RAW
    with pytest.raises(MemoryLimitError):
        unpack(data, dictionary=DICTIONARY, memory_limit=least - 1)
    with pytest.raises(MemoryLimitError):
        pack(RAW, level=3, dictionary=DICTIONARY, memory_limit=1 << 20)


def test_a_wrong_block_behind_a_dictionary_is_damaged():
    data, _ = pack(RAW, level=1, dictionary=DICTIONARY)
    header = header_of(data)
    head = BlockHead(True, BASE, 1, 100, 50, 1)
    frame = header.packed + head.pack(header) + bytes(50)
    with pytest.raises(DamagedError):
        unpack(frame, dictionary=DICTIONARY)


class Floating(Model):
    """No more of a model than settings ask for."""

    name, kind, has_tokens, takes_dictionary, digest = "words", 3, True, False, b"d" * 32
    takes = encode = decode = load = memory_size = None


def test_models_in_floating_point_take_none():
    with pytest.raises(UnsupportedError, match="words takes no dictionary"):
        behind(Floating(), DICTIONARY)
    assert behind(Floating(), None).name == "words"
    assert not HfModel.takes_dictionary and LlamaModel.takes_dictionary


# --- the library


def test_compress_and_decompress():
    for dictionary in (DICTIONARY, DICTIONARY.data, bytearray(DICTIONARY.data)):
        data = lmzip.compress(RAW, 3, dictionary=dictionary)
        assert lmzip.decompress(data, dictionary=dictionary) == RAW
    with pytest.raises(lmzip.DictionaryMissingError):
        lmzip.decompress(data)
    for wrong, error in ((b"", ValueError), ("text", TypeError), (5, TypeError)):
        with pytest.raises(error):
            lmzip.compress(RAW, dictionary=wrong)
        with pytest.raises(error):
            lmzip.decompress(data, dictionary=wrong)


def test_open(tmp_path):
    path = tmp_path / "a.lmz"
    with lmzip.open(path, "wt", level=2, block_size=2000, dictionary=DICTIONARY, encoding="utf-8", newline="") as file:
        file.write(RAW.decode())
    with lmzip.open(path, dictionary=lmzip.Dictionary(DICTIONARY.data)) as file:
        assert file.read() == RAW
        file.seek(3333)
        assert file.read(10) == RAW[3333:3343]
    with pytest.raises(DictionaryMissingError), lmzip.open(path) as file:
        file.read()

    class Pipe(io.RawIOBase):
        """Cannot seek."""

        def __init__(self):
            self.file = path.open("rb")

        def readable(self):
            return True

        def read(self, size=-1):
            return self.file.read(size)

    with lmzip.open(Pipe(), dictionary=DICTIONARY) as file:
        assert file.read() == RAW
