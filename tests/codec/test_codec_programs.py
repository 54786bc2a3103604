"""Blocks of machine code: which they are, that they come back in every way there is, and that others stay the same."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from unittest.mock import patch

import pytest
from codec_tools import FAST, frame_of, header_for, pack, unpack, written_before_error
from conftest import SAMPLE, painted
from hypothesis import given, settings
from hypothesis import strategies as st
from program_tools import arm64_program, x86_program

from lmzip import codec
from lmzip.block import ARM64, X86, X86_64, Content
from lmzip.codec.block import decode_block
from lmzip.codec.encode import body_of, encode_block
from lmzip.codec.memory import decode_need
from lmzip.codec.programs import machine_of
from lmzip.errors import DamagedError
from lmzip.format.block import STORED, BlockHead, data_check
from lmzip.levels import get_level
from lmzip.native.addresses import body_without_copies
from lmzip.original import Original
from lmzip.reference import container
from lmzip.stream import shared

KIB, MIB = 1 << 10, 1 << 20
PROGRAMS = {
    X86: x86_program(150_000),
    X86_64: x86_program(150_000, is_64=True),
    ARM64: arm64_program(150_000),
}
TEXT = SAMPLE.read_bytes()


def heads(data: bytes) -> list[BlockHead]:
    return [block.head for frame in codec.list_frames(io.BytesIO(data)) for block in frame.blocks]


@pytest.mark.parametrize("machine", PROGRAMS)
def test_programs_become_much_smaller(machine):
    raw = PROGRAMS[machine]
    assert machine_of(raw) == machine
    data = pack(raw, level=1, verify=True)[0]
    (head,) = heads(data)
    assert (head.machine, head.raw_size, head.body_size) == (machine, len(raw), len(raw) + 1)
    assert unpack(data)[0] == raw
    with patch("lmzip.codec.encode.machine_of", return_value=0):
        assert len(data) < 0.95 * len(pack(raw, level=1)[0])


def test_the_reference_reads_them():
    raw = PROGRAMS[X86_64][:20_000]
    data = pack(raw, level=1)[0]
    assert heads(data)[0].machine == X86_64
    assert container.decode(data, {}.__getitem__) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xe8",
        TEXT[:300_000],
        bytes(100_000),
        b"\xff" * 100_000,
        painted(100_000),
        random.Random(1).randbytes(400_000),
        TEXT[:50_000].decode().encode("utf-16-le"),
        "é, è: café, père, mère\0 ".encode("latin-1") * 4000,
        b"".join(b"\xe8%c\0\0\0" % (i % 7) for i in range(20_000)),
        b"".join(i.to_bytes(4, "little") for i in range(30_000)),
        bytes(body_without_copies(PROGRAMS[X86], X86).coded),
    ],
    ids=[
        "nothing",
        "byte",
        "text",
        "zeros",
        "ones",
        "painted",
        "noise",
        "utf-16",
        "latin-1",
        "table",
        "numbers",
        "converted",
    ],
)
def test_what_is_no_program_is_left_alone(raw):
    """What has been converted already, too."""
    assert machine_of(raw) == 0


def test_samples_are_not_looked_at():
    assert body_of(PROGRAMS[X86], Content(1, channels=1, depth=8, width=100)) is None


def test_few_instructions_are_not_enough():
    """A body costs a short frame what its trailer and head do."""
    code = x86_program(2 * MIB)
    assert machine_of(code[:300]) == 0 and machine_of(code[:4000])
    assert machine_of(code[:3000] + random.Random(1).randbytes(MIB)) == 0


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(list(PROGRAMS)),
    st.integers(0, 100_000),
    st.integers(5000, 30_000),
    st.binary(max_size=50),
    st.sampled_from([1, 2, 8]),
)
def test_any_piece_of_a_program_comes_back(machine, start, size, between, n_lanes):
    """Cut anywhere, with a copy of it that stands elsewhere, in lanes."""
    piece = PROGRAMS[machine][start : start + size]
    raw = between + piece + between + piece[: size // 2]
    model, of_level = shared.registry.built_in(), get_level(1)
    with patch("lmzip.codec.copies._SMALL_BLOCK", 100):
        encoded = encode_block(model, raw, settings=of_level, last=True, n_lanes=n_lanes)
    assert encoded.head.machine in (0, machine)
    assert decode_block(model, header_for(of_level.profile), encoded.head, encoded.payload, "block") == raw


@pytest.mark.parametrize("level", [2, 4, 5, 6])
def test_each_level_takes_them(level):
    raw = PROGRAMS[X86_64][:60_000]
    data = pack(raw, level=level, verify=True)[0]
    assert heads(data)[0].machine == X86_64 and unpack(data)[0] == raw


def test_threads_change_nothing():
    raw = b"".join(x86_program(200 * KIB, seed) for seed in range(6)) + TEXT[:100_000]
    data = pack(raw, level=1, block_size=256 * KIB, threads=1)[0]
    assert data == pack(raw, level=1, block_size=256 * KIB, threads=3)[0]
    assert all(head.machine == X86 for head in heads(data)[:4])
    for threads in (1, 3):
        assert unpack(data, threads=threads)[0] == raw


def test_long_repeats_in_a_program_are_taken_out_as_ever():
    raw = x86_program(400_000) + x86_program(390_000, 2) + x86_program(400_000)
    data = pack(raw, level=1, block_size=2 * MIB)[0]
    (head,) = heads(data)
    assert head.machine == X86 and head.body_size and head.body_size < 800_000
    assert unpack(data)[0] == raw


def test_blocks_with_copies_of_those_before():
    raw = x86_program(300 * KIB) * 2 + x86_program(400 * KIB, 3)
    data = pack(raw, level=1, block_size=256 * KIB, long=24, verify=True)[0]
    assert {(head.machine, head.is_far) for head in heads(data)} >= {(X86, True), (X86, False)}
    assert unpack(data)[0] == raw
    file = io.BytesIO(data)
    assert b"".join(codec.read_range(file, 500_000, 99)) == raw[500_000:500_099]


def test_patched_blocks_are_not_converted():
    """Their rest is predicted from the original, which has distances."""
    old = x86_program(300_000)
    raw = old[:100_000] + x86_program(50_000, 2) + old[100_000:]
    data = pack(raw, level=1, patch_from=Original(old))[0]
    (head,) = heads(data)
    assert head.is_patched and not head.machine
    assert unpack(data, patch_from=Original(old))[0] == raw


def test_any_range_can_be_read():
    raw = x86_program(700 * KIB, is_64=True)
    file = io.BytesIO(pack(raw, level=1, block_size=256 * KIB)[0])
    for start, size in ((0, 1), (1000, 1), (256 * KIB - 3, 7), (500_001, 100), (len(raw) - 5, 5)):
        assert b"".join(codec.read_range(file, start, size)) == raw[start : start + size]


def test_of_a_damaged_one_the_sound_beginning_is_saved():
    """Up to the stripe that does not pass; what comes out is right to the last byte."""
    raw = x86_program(900_000)
    data = bytearray(pack(raw, level=1, block_size=MIB)[0])
    (head,) = heads(bytes(data))
    assert head.machine == X86
    data[6 + 21 + head.payload_size * 9 // 10] ^= 4
    written, error = written_before_error(bytes(data))
    assert written == b"" and isinstance(error, DamagedError)
    saved, summary = unpack(bytes(data), salvage=True)
    (hole,) = summary.holes
    assert len(saved) >= 2 * (1 << 18) - 7 and raw.startswith(saved)
    assert len(saved) + hole.raw_size == len(raw)


def test_of_one_that_is_lost_in_part_others_have_copies():
    """Marks of what is lost are copied, never converted."""
    raw = x86_program(300 * KIB) * 2
    data = bytearray(pack(raw, level=1, block_size=256 * KIB, long=24)[0])
    infos = codec.list_frames(io.BytesIO(bytes(data)))[0].blocks
    assert infos[1].head.is_far and infos[1].head.machine
    data[infos[0].offset + infos[0].head_size + 100] ^= 1
    saved, summary = unpack(bytes(data), salvage=True)
    assert len(saved) > 40 * KIB
    at, place = 0, 0  # among what is saved, and among all
    for hole in summary.holes:
        n = hole.raw_offset - at
        assert saved[at : at + n] == raw[place : place + n]
        at, place = at + n, place + n + (hole.raw_size or 0)
    assert saved[at:] == raw[place:]


@pytest.mark.parametrize("machine", [X86, X86_64, ARM64])
@pytest.mark.parametrize("body", [b"\0", b"\0abc", b"\1\1\x7f\1a", b"\1\0\1\1", b"\xff" * 9, b"\0" + b"\xe8" * 131])
def test_hostile_bodies_are_damaged_blocks(machine, body):
    head = BlockHead(True, STORED, 1, 130, len(body), 0, body_size=len(body), machine=machine)
    written, error = written_before_error(frame_of(head, body, header_for(FAST)))
    assert not written and isinstance(error, DamagedError)


def test_a_head_may_name_any_machine_where_the_bytes_come_out():
    """The writer's choice is its own: a text as a program is no damage."""
    raw = b"any text at all"
    for machine in (X86, X86_64, ARM64):
        body = bytes(body_without_copies(raw, machine).coded)
        check = data_check(STORED, raw, body, has_copies=True)
        head = BlockHead(True, STORED, 1, len(raw), len(body), check, body_size=len(body), machine=machine)
        written, _ = written_before_error(frame_of(head, body, header_for(FAST)))
        assert written == raw


def test_what_nothing_makes_smaller_is_stored_as_it_is():
    """Noise that the choice takes for a program, for instance."""
    raw = random.Random(3).randbytes(5000)
    with patch("lmzip.codec.encode.machine_of", return_value=X86):
        head, payload, body = encode_block(shared.registry.built_in(), raw, settings=get_level(1), last=True)
    assert head.is_stored and not head.has_copies and bytes(payload) == raw and body is None


def test_the_memory_that_decoding_takes_counts_raw_bytes_beside_the_body():
    (head,) = heads(pack(PROGRAMS[X86], level=1)[0])
    model, header = shared.registry.built_in(), header_for(FAST)
    without = replace(head, raw_size=head.coded_size, body_size=None, machine=0)
    needs = [decode_need(model, header, of).of_threads(1) for of in (head, without)]
    assert needs[0] == needs[1] + head.raw_size
