"""Frames whose blocks have copies of those before them: the same for all threads, read from any place, proven, bounded,
and of a damaged one all comes back that is not made of what is lost."""

from __future__ import annotations

import io
import random
from unittest.mock import patch

import pytest
from codec_tools import pack, unpack, written_before_error
from hypothesis import given, settings
from hypothesis import strategies as st

import lmzip
from lmzip import codec
from lmzip.codec.memory import decode_need, encode_need
from lmzip.codec.settings import window_log
from lmzip.errors import DamagedError, MemoryLimitError, VerifyError
from lmzip.levels import get_level
from lmzip.native.copies import Past
from lmzip.reference import container
from lmzip.stream import shared

BLOCK = 100_000
LINES = b"".join(b"%d bottles of beer, %d\n" % (i, i * i % 9973) for i in range(8000))[:150_000]


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


# Blocks 0 and 1 are made of nothing before, 2 to 7 of them and of each other.
RAW = noise(1, 120_000) + LINES + noise(1, 120_000)[20_000:] + bytes(90_000) + LINES + noise(1, 120_000) + b"end"


def far(raw=RAW, **options) -> bytes:
    return pack(raw, **{"level": 1, "block_size": BLOCK, "long": True, **options})[0]


DATA = far()


def blocks_of(data: bytes):
    (frame,) = codec.list_frames(io.BytesIO(data))
    return frame.blocks


def with_bit_turned(data: bytes, number: int, at: int = 30) -> bytes:
    """Return a file with a bit of the payload of a block turned."""
    block, changed = blocks_of(data)[number], bytearray(data)
    changed[block.offset + block.head_size + min(at, block.head.payload_size - 1)] ^= 4
    return bytes(changed)


def check_saved(data: bytes, raw: bytes = RAW, **options) -> int:
    """Salvage a file whose holes are of known sizes; return how many bytes are missing: all others are there."""
    saved, summary = unpack(data, salvage=True, **options)
    position = at = 0
    for hole in summary.holes:
        n = hole.raw_offset - position
        assert saved[position : hole.raw_offset] == raw[at : at + n]
        position, at = hole.raw_offset, at + n + hole.raw_size
    assert saved[position:] == raw[at:]
    return sum(hole.raw_size for hole in summary.holes)


def test_blocks_are_made_of_those_before():
    heads = [block.head for block in blocks_of(DATA)]
    assert [head.is_far for head in heads] == 2 * [False] + 6 * [True]
    assert (
        max(head.reach for head in heads) <= len(RAW)
        and len(DATA) < 137_000 < len(pack(RAW, level=1, block_size=BLOCK)[0]) / 2
    )
    assert unpack(DATA)[0] == RAW


def test_the_reference_has_the_same_content():
    raw = (noise(1, 50_000) + b"and") * 3
    data = far(raw, block_size=20_000)
    assert [block.head.is_far for block in blocks_of(data)] == 2 * [False] + 6 * [True]
    assert container.decode(data, {}.__getitem__) == raw


@pytest.mark.parametrize("level", [1, 4])
@pytest.mark.parametrize("verify", [None, True])
def test_output_does_not_depend_on_threads_nor_on_the_proof(level, verify):
    expected = far(level=level, threads=1)
    for threads in (1, 2, 3):
        assert far(level=level, threads=threads, verify=verify) == expected
        assert unpack(expected, threads=threads)[0] == RAW


def test_a_net_codes_what_is_left(tiny_model):
    raw = LINES + noise(3, 30_000) + LINES + LINES[::-1] + LINES
    data = far(raw, level=6, model=tiny_model, verify=True)
    assert any(block.head.is_far for block in blocks_of(data)) and unpack(data)[0] == raw


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60_000)), max_size=9), st.sampled_from([5000, 65536, BLOCK])
)
def test_any_pieces_come_back(pieces, block_size):
    raw = b"".join(noise(seed, size) for seed, size in pieces)
    data = far(raw, block_size=block_size, threads=2, verify=True)
    assert unpack(data, threads=2)[0] == unpack(data, threads=1)[0] == raw


@pytest.mark.parametrize("size", [0, 1, BLOCK])
def test_what_is_one_block_is_coded_as_without(size):
    assert far(RAW[:size]) == pack(RAW[:size], level=1, block_size=BLOCK)[0]


def test_pipes_and_files_written_bit_by_bit_come_to_the_same():
    output = io.BytesIO()
    with lmzip.open(output, "wb", level=1, block_size=BLOCK, long=27) as file:
        for at in range(0, len(RAW), 7777):
            file.write(RAW[at : at + 7777])
    assert output.getvalue() == DATA == lmzip.compress(RAW, 1, block_size=BLOCK, long=True)

    class Pipe:
        def __init__(self) -> None:
            self.read = io.BytesIO(DATA).read

    assert lmzip.open(Pipe()).read() == RAW == lmzip.decompress(DATA)


def test_frames_follow_each_other():
    assert unpack(DATA + pack(b"between")[0] + DATA + far(LINES * 3))[0] == RAW + b"between" + RAW + LINES * 3


def test_a_frame_that_is_full_begins_anew():
    with patch("lmzip.codec.compress.MAX_BLOCKS", 2):
        data = far()
    assert len(codec.list_frames(io.BytesIO(data))) == 4 and unpack(data)[0] == RAW


def test_images_that_stand_again_are_copied():
    picture = b"P5\n300 300\n255\n" + bytes((x * y) % 251 for x in range(300) for y in range(300))
    raw = picture + noise(1, 30_000) + picture
    data = far(raw, block_size=1 << 20)
    assert unpack(data)[0] == raw and len(data) < len(far(picture)) + 30_500


# --- random access ----------------------------------------------------------------------------------------------------


def test_any_range_can_be_read():
    pick = random.Random(5)
    for _ in range(60):
        start, size = pick.randrange(len(RAW)), pick.randrange(120_000)
        assert b"".join(codec.read_range(io.BytesIO(DATA), start, size)) == RAW[start : start + size]


def test_a_file_object_reads_after_any_jump():
    pick, file = random.Random(6), lmzip.open(io.BytesIO(DATA))
    for _ in range(60):
        start, size = pick.randrange(len(RAW)), pick.choice([1, 1000, 300_000])
        file.seek(start)
        assert file.read(size) == RAW[start : start + size]


def test_reading_on_decodes_each_block_once_and_a_jump_what_it_needs():
    from lmzip.codec import seek

    numbers = {block.offset: number for number, block in enumerate(blocks_of(DATA))}
    decoded = []

    def decode(model, header, head, payload, name, **options):
        decoded.append(numbers[int(name.split()[-1])])
        return real(model, header, head, payload, name, **options)

    real = seek.decode_block
    with patch.object(seek, "decode_block", decode):
        assert lmzip.open(io.BytesIO(DATA)).read() == RAW
        assert decoded == list(range(len(numbers)))
        decoded.clear()
        list(codec.read_range(io.BytesIO(DATA), 10, 20))
        assert decoded == [0]
        decoded.clear()
        list(codec.read_range(io.BytesIO(DATA), 2 * BLOCK + 10, 20))
        assert decoded == [0, 1, 2], "its copies are of the first block"


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(8))
def test_a_turned_bit_is_one_line_and_all_before_is_written(number):
    written, error = written_before_error(with_bit_turned(DATA, number))
    assert isinstance(error, DamagedError) and str(error).startswith(f"block {number + 1} at byte")
    assert written == RAW[: len(written)] and len(written) >= number * BLOCK


@pytest.mark.parametrize("number", range(8))
def test_what_is_not_made_of_lost_bytes_is_saved(number):
    missing = check_saved(with_bit_turned(DATA, number))
    assert 0 < missing < len(RAW) - 20_000


def test_salvage_says_which_blocks_are_made_of_lost_bytes():
    _, summary = unpack(with_bit_turned(DATA, 0), salvage=True)
    first, *others = summary.holes
    assert "copies of bytes that are lost" not in first.reason and first.raw_size == BLOCK
    assert others and all("copies of bytes that are lost" in hole.reason for hole in others)


def test_behind_a_damaged_head_nobody_knows_where_copies_are_from():
    """What blocks have by themselves, or of blocks behind the hole, is saved; nothing wrong is written."""
    for number in range(6):
        changed = bytearray(DATA)
        changed[blocks_of(DATA)[number].offset + 2] ^= 1
        saved, summary = unpack(bytes(changed), salvage=True)
        assert summary.holes and saved.startswith(RAW[: number * BLOCK])
        at = 0
        for start, end in zip(
            [0, *(hole.raw_offset for hole in summary.holes)],
            [*(hole.raw_offset for hole in summary.holes), len(saved)],
            strict=True,
        ):
            found = RAW.find(saved[start:end], at)
            assert found >= at
            at = found + end - start


@pytest.mark.parametrize("number", range(7))
def test_the_table_tells_how_many_bytes_are_behind_a_damaged_head(number):
    """What is lost is the same as where a payload is damaged."""
    changed = bytearray(DATA)
    changed[blocks_of(DATA)[number].offset + 2] ^= 1
    missing = check_saved(bytes(changed), tables=codec.read_tables(io.BytesIO(changed)))
    assert missing == check_saved(with_bit_turned(DATA, number))


def test_a_file_that_is_cut_is_saved_up_to_there():
    data = DATA[: blocks_of(DATA)[5].offset + 30]
    saved, summary = unpack(data, salvage=True)
    assert saved[: 5 * BLOCK] == RAW[: 5 * BLOCK] and summary.holes
    written, error = written_before_error(data)
    assert written == RAW[: 5 * BLOCK] and error is not None


def test_a_wrong_reach_under_sound_checks_is_damage():
    """Copies of other bytes: the check of the raw bytes notices them, also to salvage."""
    with patch.object(Past, "put_back", lambda self, _body, size, *_: self.append(bytes(size)) or self.last(size)):
        written, error = written_before_error(DATA)
        assert written == RAW[: 2 * BLOCK] and isinstance(error, DamagedError)
        saved, summary = unpack(DATA, salvage=True)
    assert saved == RAW[: 2 * BLOCK] and len(summary.holes) == 6


# --- proofs -----------------------------------------------------------------------------------------------------------


def test_a_proof_notices_copies_that_make_something_else():
    def take(self, *arguments):
        body = real(self, *arguments)
        if body is None or not body.reach:
            return body
        return body._replace(coded=bytes(body.coded)[:-1] + bytes([bytes(body.coded)[-1] ^ 1]))

    real = Past.take
    with patch.object(Past, "take", take):
        assert len(far()) > 0
        with pytest.raises(VerifyError, match="copies of other bytes"):
            far(verify=True)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_windows_are_the_smallest_that_have_as_much():
    assert [window_log(long) for long in (None, False, True, 10, 24, 25, 27, 28, 30)] == [
        0,
        0,
        27,
        24,
        24,
        27,
        27,
        30,
        30,
    ]
    for long in (0, 9, 31, -1):
        with pytest.raises(ValueError, match="10 to 30"):
            window_log(long)
    with pytest.raises(TypeError):
        window_log("27")


def test_more_than_128_mib_is_refused_unless_allowed():
    data = far(long=30)
    assert codec.list_frames(io.BytesIO(data))[0].window == 1 << 30
    for options in ({}, {"long": 27}, {"long": 10}):
        with pytest.raises(MemoryLimitError, match=r"needs a window of 1024 MiB; --long=30 allows it"):
            unpack(data, **options)
    for opened in (lmzip.open, lambda file: lmzip.open(file, long=27)):
        with pytest.raises(MemoryLimitError):
            opened(io.BytesIO(data)).read()
    assert unpack(data, long=30)[0] == lmzip.open(io.BytesIO(data), long=30).read() == RAW
    assert unpack(data, memory_limit=2 << 30)[0] == lmzip.decompress(data, long=30) == RAW


def test_the_memory_limit_counts_the_window_both_ways():
    (frame,) = codec.list_frames(io.BytesIO(DATA))
    need = decode_need(shared.registry.built_in(), frame.header, frame.blocks[-1].head).window
    assert 1 << 27 <= need < (1 << 27) * 1.2
    with pytest.raises(MemoryLimitError, match="limit is 100 MiB"):
        unpack(DATA, memory_limit=100 << 20)
    assert unpack(DATA, memory_limit=200 << 20)[0] == RAW
    model, of_level = shared.registry.built_in(), get_level(1)
    assert encode_need(model, of_level, BLOCK, window=1 << 27).window > 1 << 27
    with pytest.raises(MemoryLimitError, match="limit is 100 MiB"):
        far(memory_limit=100 << 20)
    assert far(memory_limit=200 << 20) == DATA


def test_what_is_beyond_the_window_is_coded_anew():
    """18 MB between, which cost little: more than a window of 16 MiB, less than one of 128."""
    raw = noise(1, 50_000) + noise(2, 60_000) * 300 + noise(1, 50_000)
    small, large = (pack(raw, level=1, long=long)[0] for long in (24, 27))
    assert len(small) > len(large) + 49_000 and unpack(small)[0] == unpack(large)[0] == raw
