"""Machine code: whatever its bytes are it is converted and back as the reference says, and addresses are counted."""

from __future__ import annotations

import pytest
from conftest import SAMPLE
from hypothesis import example, given, settings
from hypothesis import strategies as st
from program_tools import arm64_program, x86_program

from lmzip.block import ARM64, X86, X86_64
from lmzip.native.addresses import body_without_copies, count_repeats
from lmzip.native.copies import Past, put_back_beginning, put_back_copies, take_copies
from lmzip.reference import copies as reference_copies
from lmzip.reference.addresses import convert_back

# What instructions begin and end with: so their operands lie in one another, which noise seldom has.
LIKELY = b"\xe8\xe9\x0f\x80\x84\x8d\x81\x83\xc6\xc7\xff\x00\x00\x05\x0d\x15\x94\x97\x90\xb0\xfe\x01"
OPEN_END = 6
machines = st.sampled_from([X86, X86_64, ARM64])
codes = st.lists(st.sampled_from(LIKELY), max_size=80).map(bytes) | st.binary(max_size=60)


@settings(max_examples=1000)
@given(codes, machines)
@example(b"\xe8\1\xe8\3\7\0\0\0\0", X86)  # one that is none, and ends within another
@example(b"\x0f\xe8\5\0\0\0", X86_64)  # what tells the first instruction is the operand of the second
def test_any_bytes_come_back(raw, machine):
    body = bytes(body_without_copies(raw, machine).coded)
    assert len(body) == len(raw) + 1 and body[0] == 0
    assert put_back_copies(body, len(raw), machine) == raw
    assert reference_copies.put_back_copies(body, len(raw), machine=machine) == raw


@settings(max_examples=300)
@given(codes, machines, st.integers(0, 100), st.integers(0, 1 << 26))
def test_any_bytes_are_converted_back_as_the_reference_says(converted, machine, n_before, place):
    """Behind other bytes of the block; what makes them is a copy, which nothing converts."""
    body = b"\1\1" + bytes([n_before + 1, 1, 0xE8]) + converted
    raw_size = n_before + 2 + len(converted)
    made = bytes(put_back_copies(body, raw_size, machine))
    assert made == b"\xe8" * (n_before + 2) + convert_back(converted, n_before + 2, machine)
    assert len(convert_back(converted, place, machine)) == len(converted)


@settings(max_examples=300)
@given(codes, machines, st.integers(1, 80))
def test_the_beginning_of_a_body_makes_the_beginning_of_the_code(raw, machine, size):
    beginning = bytes(body_without_copies(raw, machine).coded)[: min(size, len(raw))]
    made = put_back_beginning(beginning, len(raw), machine)
    assert raw.startswith(made) and len(made) >= len(beginning) - 1 - OPEN_END


@pytest.mark.parametrize(
    ("machine", "raw", "converted"),
    [
        (X86, b"\xe8\x10\0\0\0", b"\xe8\0\0\x15\0"),
        (X86, b"\x90\xe9\xfb\xff\xff\xff", b"\x90\xe9\0\0\1\0"),
        (X86, b"\x0f\x84\x34\x12\0\0", b"\x0f\x84\0\x12\x3a\0"),
        (X86, b"\xe8\xf0\xff\xff\xff", b"\xe8\xff\xff\xf5\xff"),
        (X86, b"\xe8\xff\xff\xff\0", b"\xe8\0\0\4\xff"),
        (X86, b"\xe8\x10\0\0\1", b"\xe8\x10\0\0\1"),
        (X86, b"\xe8\x10\0\0", b"\xe8\x10\0\0"),
        (X86, b"\x8b\x05\x10\0\0\0", b"\x8b\x05\x10\0\0\0"),
        (X86_64, b"\x8b\x05\x10\0\0\0", b"\x8b\x05\0\0\x16\0"),
        (X86_64, b"\x83\x3d\x10\0\0\0\1", b"\x83\x3d\0\0\x17\0\1"),
        (X86_64, b"\xc7\x05\x10\0\0\0\1\0\0\0", b"\xc7\x05\0\0\x1a\0\1\0\0\0"),
        (X86_64, b"\x0f\xb6\x05\x10\0\0\0", b"\x0f\xb6\x05\0\0\x17\0"),
        (X86_64, b"\x0f\xe8\x05\x10\0\0\0", b"\x0f\xe8\0\x10\x0b\0\0"),
        (ARM64, bytes(4) + b"\1\0\0\x94", bytes(4) + b"\2\0\0\x94"),
        (ARM64, bytes(8) + b"\xfe\xff\xff\x97", bytes(8) + b"\0\0\0\x94"),
        (ARM64, bytes(4096) + b"\0\0\0\x90", bytes(4096) + b"\0\0\0\xb0"),
        (ARM64, bytes(4096) + b"\x1f\0\0\xf0", bytes(4096) + b"\x3f\0\0\x90"),
        (ARM64, b"\0\1\0\0\x94", b"\0\1\0\0\x94"),
    ],
)
def test_code_by_hand(machine, raw, converted):
    assert bytes(body_without_copies(raw, machine).coded) == b"\0" + converted
    assert convert_back(converted, 0, machine) == raw


@pytest.mark.parametrize("machine", [X86, X86_64, ARM64])
def test_code_between_copies_stands_in_its_place(machine):
    """Copies are found as they are without a conversion, and both passes over the gaps agree."""
    code = arm64_program(70_000) if machine == ARM64 else x86_program(70_000, is_64=True)
    raw = code[:50_003] + code[:40_000] + code[50_003:] + code[20_001:41_000]
    body, plain = take_copies(raw, len(raw) - 1, machine), take_copies(raw, len(raw) - 1)
    assert body is not None and plain is not None and body.machine == machine
    assert len(body.coded) == len(plain.coded) and bytes(body.coded) != bytes(plain.coded)
    assert put_back_copies(body.coded, len(raw), machine) == raw
    assert reference_copies.put_back_copies(bytes(body.coded), len(raw), machine=machine) == raw


def test_code_behind_other_blocks_counts_from_its_own_start():
    first, second = x86_program(40_000), x86_program(40_001)[::-1] + x86_program(40_000)[:30_000]
    past = Past(1 << 20, 1 << 17, finds=True)
    past.append(first)
    assert past.take(len(first), len(first)) is None
    past.append(second)
    body = past.take(len(second), len(second), X86)
    assert body is not None and body.reach and body.machine == X86
    past.drop_last(len(second))
    assert past.put_back(body.coded, len(second), body.reach, X86) == second
    assert reference_copies.put_back_copies(bytes(body.coded), len(second), first, X86) == second


def test_addresses_of_code_repeat_and_what_is_none_has_no_addresses():
    counts = count_repeats(x86_program(200_000, is_64=True))
    assert counts.x86_branches.addresses > 5000 > 10 * counts.x86_branches.distances
    assert counts.x86_64_data.addresses > 5000 > 10 * counts.x86_64_data.distances
    counts = count_repeats(arm64_program(200_000))
    assert counts.arm64_branches.addresses > 5000 > 10 * counts.arm64_branches.distances
    for raw in (b"", b"\xe8", SAMPLE.read_bytes(), bytes(100_000), b"\xff" * 100_000):
        assert all(repeats.addresses == 0 for repeats in count_repeats(raw))


def test_there_are_three_machines():
    for machine in (0, 4, -1):
        with pytest.raises(ValueError):
            body_without_copies(b"code", machine)
