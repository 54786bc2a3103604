"""Listing and ranges: what is where, without decoding what is not asked for."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import pytest
from codec_tools import FULL, LIGHT, MAX, coded, frame_of, frame_with, header_for, pack, record_of, stored
from conftest import ROOT, painted
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import codec, native
from lmzip.errors import DamagedError, LmzipError, MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.format import header as format_header
from lmzip.format import outside
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead
from lmzip.format.header import FLOAT_KIND, NET_KIND, ModelRecord, pack_header
from lmzip.format.trailer import content_hash
from lmzip.stream import shared

RAW = painted(1000)
ONE, EMPTY = pack(RAW, level=1, block_size=128)[0], pack(b"")[0]
TWO = pack(RAW[::-1], level=3, block_size=333)[0]
SMALL = pack(RAW[:700], level=2)[0]
LONG_EMPTY = frame_of(BlockHead(True, STORED, 1, 0, 0, 0), b"", pack_header(MAX))
JOINED, CONTENT = EMPTY + ONE + LONG_EMPTY + TWO + EMPTY + SMALL + bytes(77), RAW + RAW[::-1] + RAW[:700]


def range_of(data, offset, size, **options):
    return b"".join(codec.read_range(io.BytesIO(data), offset, size, registry=shared.registry, **options))


def hash_of(content):
    hash_ = content_hash()
    hash_.update(content)
    return hash_.digest()


def test_frames_are_listed_with_their_places_and_blocks():
    frames = codec.list_frames(io.BytesIO(JOINED))
    assert [frame.raw_size for frame in frames] == [0, 1000, 0, 1000, 0, 700]
    assert [frame.raw_offset for frame in frames] == [0, 0, 1000, 1000, 2000, 2000]
    assert [frame.compressed_size for frame in frames] == [16, len(ONE), 45, len(TWO), 16, len(SMALL)]
    assert [frame.header.is_short for frame in frames] == [True, False, False, False, True, True]
    assert [frame.block_size for frame in frames] == [0, 128, 0, 333, 0, 700]
    assert [frame.n_stored for frame in frames] == [1, 0, 1, 1, 1, 0]  # the last byte of the fourth is stored
    assert frames[3].offset == 61 + len(ONE)
    assert [block.head.mode for block in frames[3].blocks] == [BASE, BASE, BASE, STORED]
    assert [block.raw_offset for block in frames[3].blocks] == [1000, 1333, 1666, 1999]
    assert frames[1].content_hash == hash_of(RAW)
    assert frames[0].content_hash == frames[5].content_hash == b"", "a short frame holds none"
    assert frames[5].offset + 6 == frames[5].blocks[0].offset
    assert all(frame.version == 1 and frame.model is None for frame in frames)


def test_listing_reads_heads_and_trailers_only():
    """Payloads are passed over: of a stored 100 kB block less than 4 kB are read."""
    data = pack(random.Random(1).randbytes(100_000), level=1)[0]

    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size=-1):
            piece = super().read(size)
            Counting.n_read += len(piece)
            return piece

    assert codec.list_frames(Counting(data))[0].n_stored == 1
    assert Counting.n_read < 4096


def test_listing_loads_no_kernel(tmp_path):
    (tmp_path / "a.lmz").write_bytes(ONE)
    program = (
        "import sys; from lmzip import codec; frames = codec.list_frames(open(sys.argv[1], 'rb'));"
        "print(len(frames), any('native' in name for name in sys.modules))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.lmz")]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert output.split() == ["1", "False"]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2800), st.integers(0, 2800))
def test_a_range_is_that_part_of_the_content(offset, size):
    assert range_of(JOINED, offset, size) == CONTENT[offset : offset + size]


def test_ranges_at_the_edges_of_blocks():
    for edge in (0, 128, 896, 1000, 1333, 1999, 2000, 2700):
        for offset in range(max(0, edge - 1), edge + 2):
            for size in (0, 1, 2, 128, 5000):
                assert range_of(JOINED, offset, size) == CONTENT[offset : offset + size]


def test_a_range_decodes_only_its_blocks(monkeypatch):
    decoded = []
    decode = native.decode_block

    def counting(payload, spec, *arguments):
        decoded.append(spec.raw_size)
        return decode(payload, spec, *arguments)

    monkeypatch.setattr(native, "decode_block", counting)
    assert range_of(JOINED, 130, 100) == RAW[130:230]
    assert decoded == [128]
    assert range_of(JOINED, 2100, 50) == RAW[100:150]
    assert decoded == [128, 700]


def test_ranges_of_damaged_files():
    block = codec.list_frames(io.BytesIO(ONE))[0].blocks[3]
    changed = bytearray(ONE)
    changed[block.offset + 18] ^= 1
    assert range_of(bytes(changed), 0, 3 * 128) == RAW[: 3 * 128]
    with pytest.raises(DamagedError, match=f"block at byte {block.offset}"):
        range_of(bytes(changed), 3 * 128, 1)
    changed = bytearray(ONE + SMALL)
    changed[-1] ^= 1
    assert range_of(bytes(changed), 0, 1000) == RAW
    with pytest.raises(DamagedError, match=f"block at byte {len(ONE) + 6}"):
        range_of(bytes(changed), 1000, 1)


def test_ranges_respect_the_memory_limit_and_reject_nonsense():
    with pytest.raises(MemoryLimitError):
        range_of(ONE, 0, 1, memory_limit=1000)
    for offset, size in ((-1, 5), (5, -1)):
        with pytest.raises(ValueError):
            range_of(ONE, offset, size)


@pytest.mark.parametrize("short", [True, False], ids=["short", "long"])
def test_files_of_other_models_are_listed_not_read(short):
    record = ModelRecord(NET_KIND, b"d" * 32, name="other")
    data = frame_of(*stored(b"abc"), pack_header(MAX, record, short=short))
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.model == record and frame.raw_size == 3 and frame.compressed_size == len(data)
    with pytest.raises(ModelMissingError, match="other"):
        range_of(data, 0, 1)


def test_bytes_outside_the_vocabulary_are_listed_of_frames_that_have_their_number():
    def frame(kind: int, mode: int, start: bytes, raw_size: int = 300, lanes: int = 1) -> bytes:
        fingerprint = bytes(range(16)) if kind == FLOAT_KIND else bytes(16)
        header = pack_header(6, ModelRecord(kind, b"d" * 32, fingerprint, "other"))
        payload = start + b"xyz"
        return frame_of(BlockHead(True, mode, lanes, raw_size, len(payload), 0), payload, header)

    numbers = {0: b"\0", 127: b"\x7f", 128: b"\x80\1", 300: b"\xac\2"}
    for number, packed in numbers.items():
        assert outside.pack(number) == packed
        (found,) = codec.list_frames(io.BytesIO(frame(FLOAT_KIND, WITH_MODEL, packed)))
        assert found.n_outside == found.blocks[0].n_outside == number
    # Behind the checks of stripes, of which this block has three.
    (found,) = codec.list_frames(io.BytesIO(frame(FLOAT_KIND, WITH_MODEL, bytes(12) + b"\x80\x80\4", 1 << 20)))
    assert found.n_outside == 1 << 16
    for kind, mode in ((FLOAT_KIND, BASE), (FLOAT_KIND, WITH_MODEL), (NET_KIND, WITH_MODEL), (2, WITH_MODEL)):
        has_number = (kind, mode) == (FLOAT_KIND, WITH_MODEL)
        assert codec.list_frames(io.BytesIO(frame(kind, mode, b"\7")))[0].n_outside == 7 * has_number
    some = ONE + frame(FLOAT_KIND, WITH_MODEL, b"\7") * 2 + SMALL
    assert [f.n_outside for f in codec.list_frames(io.BytesIO(some))] == [0, 7, 7, 0]
    for wrong in (b"\xad\2", b"\xff" * 5 + b"\1", b"\x80" * 5):
        data = ONE + frame(FLOAT_KIND, WITH_MODEL, wrong)
        with pytest.raises(DamagedError, match=f"block at byte {len(ONE) + 129}: "):
            codec.list_frames(io.BytesIO(data))
        assert range_of(data, 0, 100) == RAW[:100], "it is lost by itself"


@pytest.mark.parametrize("short", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("referenced", [True, False], ids=["reference", "record"])
def test_ranges_with_a_net(tiny_model, monkeypatch, referenced, short):
    """Listed with the model's name and digest, and read block by block, under either kind of header."""
    if referenced:
        monkeypatch.setattr(format_header, "REFERENCED", {tiny_model.digest.hex(): ("tiny", NET_KIND)})
    header = header_for(LIGHT, tiny_model, short=short, n_lanes=4)
    data = ONE + frame_with(RAW, 1000 if short else 300, LIGHT, 4, header=header, model=tiny_model)
    frame = codec.list_frames(io.BytesIO(data))[1]
    assert frame.model == record_of(tiny_model) and len(frame.header.packed) == (10 if referenced else 129)
    assert frame.content_hash == (b"" if short else hash_of(RAW))
    assert [block.head.mode for block in frame.blocks] == [WITH_MODEL] * (1 if short else 4)
    for offset in (0, 990, 1299, 1300, 1999):
        assert range_of(data, offset, 20) == (RAW + RAW)[offset : offset + 20]


def test_unknown_profiles_are_unsupported_in_ranges(tiny_model):
    head, payload = coded(RAW, FULL)
    for short in (False, True):
        with pytest.raises(UnsupportedError, match="profile 15"):
            range_of(frame_of(head, payload, pack_header(15, short=short)), 0, 1)
    head, payload = coded(RAW, MAX, model=tiny_model)
    assert range_of(frame_of(head, payload, header_for(MAX, tiny_model)), 0, 5) == RAW[:5]
    for profile in (FULL, 15):
        with pytest.raises(UnsupportedError, match=f"profile {profile}"):
            range_of(frame_of(head, payload, header_for(profile, tiny_model)), 0, 1)


def test_a_file_that_shrinks_is_noticed(tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(ONE)
    with open(path, "r+b") as file:
        reader = codec.BlockReader(file)
        file.truncate(100)
        with pytest.raises(LmzipError, match="changed"):
            reader.read_at(900)
