"""Listing and ranges: what is where, without decoding what is not asked for."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import pytest
from codec_tools import pack
from conftest import ROOT, painted
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import codec, container, native
from lmzip.container import ModelRecord
from lmzip.errors import DamagedError, LmzipError, MemoryLimitError, ModelMissingError, UnsupportedError

RAW = painted(1000)
ONE, EMPTY = pack(RAW, level=1, block_size=128)[0], pack(b"")[0]
TWO = pack(RAW[::-1], level=3, block_size=333)[0]
JOINED, CONTENT = EMPTY + ONE + EMPTY + TWO + EMPTY + bytes(77), RAW + RAW[::-1]


def range_of(data, offset, size, **options):
    return b"".join(codec.read_range(io.BytesIO(data), offset, size, **options))


def test_listing():
    frames = codec.list_frames(io.BytesIO(JOINED))
    assert [frame.raw_size for frame in frames] == [0, 1000, 0, 1000, 0]
    assert [frame.raw_offset for frame in frames] == [0, 0, 1000, 1000, 2000]
    assert [frame.compressed_size for frame in frames] == [40, len(ONE), 40, len(TWO), 40]
    assert [frame.block_size for frame in frames] == [0, 128, 0, 333, 0]
    assert [frame.n_stored for frame in frames] == [1, 0, 1, 1, 1]  # the last byte of the fourth is stored
    assert frames[3].offset == 80 + len(ONE)
    assert [block.head.method for block in frames[3].blocks] == [3, 3, 3, 0]
    assert [block.raw_offset for block in frames[3].blocks] == [1000, 1333, 1666, 1999]
    hash_ = container.content_hash()
    hash_.update(RAW)
    assert frames[1].content_hash == hash_.digest()
    assert frames[1].version == 1 and frames[1].model is None


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
@given(st.integers(0, 2100), st.integers(0, 2100))
def test_ranges(offset, size):
    assert range_of(JOINED, offset, size) == CONTENT[offset : offset + size]


def test_ranges_at_the_edges_of_blocks():
    for edge in (0, 128, 896, 1000, 1333, 1999, 2000):
        for offset in range(max(0, edge - 1), edge + 2):
            for size in (0, 1, 2, 128, 5000):
                assert range_of(JOINED, offset, size) == CONTENT[offset : offset + size]


def test_a_range_decodes_only_its_blocks(monkeypatch):
    decoded = []
    decode = native.decode_block

    def counting(payload, raw_size, *arguments):
        decoded.append(raw_size)
        return decode(payload, raw_size, *arguments)

    monkeypatch.setattr(native, "decode_block", counting)
    assert range_of(JOINED, 130, 100) == RAW[130:230]
    assert decoded == [128]


def test_ranges_of_damaged_files():
    block = codec.list_frames(io.BytesIO(ONE))[0].blocks[3]
    changed = bytearray(ONE)
    changed[block.offset + 18] ^= 1
    assert range_of(bytes(changed), 0, 3 * 128) == RAW[: 3 * 128]
    with pytest.raises(DamagedError, match=f"block at byte {block.offset}"):
        range_of(bytes(changed), 3 * 128, 1)


def test_ranges_respect_the_memory_limit_and_reject_nonsense():
    with pytest.raises(MemoryLimitError):
        range_of(ONE, 0, 1, memory_limit=1000)
    for offset, size in ((-1, 5), (5, -1)):
        with pytest.raises(ValueError):
            range_of(ONE, offset, size)


def test_files_of_other_models_are_listed_not_read():
    record = ModelRecord(1, b"d" * 32, bytes(16), "other", "")
    header = container.pack_header(record)
    head = container.BlockHead(True, 0, 1, 3, 3, container.data_check(0, b"abc", b"abc"))
    hash_ = container.content_hash()
    hash_.update(b"abc")
    data = header.packed + head.pack(header) + b"abc" + container.Trailer((3,), hash_.digest()).pack(header)
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.model == record and frame.raw_size == 3
    with pytest.raises(ModelMissingError, match="other"):
        range_of(data, 0, 1)


def test_unknown_methods_are_unsupported_in_ranges():
    packed = bytearray(ONE)
    head = codec.list_frames(io.BytesIO(ONE))[0].blocks[0].head
    new = container.BlockHead(head.last, 15, 1, head.raw_size, head.payload_size, head.data_check)
    packed[5:22] = new.pack(container.pack_header())
    with pytest.raises(UnsupportedError, match="method 15"):
        range_of(bytes(packed), 0, 1)


def test_a_file_that_shrinks_is_noticed(tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(ONE)
    with open(path, "r+b") as file:
        reader = codec.BlockReader(file)
        file.truncate(100)
        with pytest.raises(LmzipError, match="changed"):
            reader.read_at(900)
