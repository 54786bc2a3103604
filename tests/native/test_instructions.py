"""In programs of x86 the instructions are contexts: read right, by kernel and reference alike (ARITHMETIC 7.6)."""

from __future__ import annotations

import random

import pytest

from lmzip import native, reference
from lmzip.block import ARM64, X86, X86_64, BlockSpec, Content
from lmzip.dictionary import Dictionary
from lmzip.reference.instructions import OPCODE, Instruction

# Instructions by what an assembler makes of them, of x86-64; those of x86 do without a REX prefix.
OF_BOTH = """
55 | 89 E5 | 8B 45 F8 | 8B 84 24 80 00 00 00 | 8B 04 8D 10 20 30 40 | C3 | C2 08 00 | C8 10 00 01 | 6A 01
68 01 02 03 04 | 66 68 01 02 | E8 01 02 03 04 | E9 01 02 03 04 | EB FE | 74 10 | 0F 84 01 02 03 04 | 0F AF C1
81 EC 00 01 00 00 | 66 81 EC 00 01 | 83 EC 10 | C7 45 FC 01 00 00 00 | C6 00 01 | F7 D8 | F7 C1 01 02 03 04
F6 C1 01 | F6 D9 | 66 F7 C1 01 02 | FF 15 01 02 03 04 | FF 24 85 01 02 03 04 | 0F B6 C0 | 0F BA E0 07 | 0F 0B
69 C0 01 02 03 04 | 6B C0 05 | 3C 41 | 3D 01 02 03 04 | 66 3D 01 02 | B0 01 | B8 01 02 03 04 | F3 A4 | 0F 05
F2 0F 10 05 01 02 03 04 | 66 0F 70 C0 1B | 66 0F 38 00 C1 | D1 E0 | C1 E0 02 | D9 45 08 | 04 01 | 8D 44 24 04 | CC
0F 1F 44 00 00 | 66 2E 0F 1F 84 00 00 00 00 00 | 8B 04 25 01 02 03 04 | 0F A2 | 0F C8 | 90 | 8D 34 24 | 8D 6C 25 00
"""
OF_64 = """
48 89 E5 | 48 8B 05 01 02 03 04 | 48 B8 01 02 03 04 05 06 07 08 | 41 B8 01 02 03 04 | 48 81 EC 00 01 00 00 | 41 57
48 C7 C0 01 00 00 00 | 48 8D 3D 01 02 03 04 | 48 83 C4 08 | F3 48 0F B8 C1 | A1 01 02 03 04 05 06 07 08 | 0F 0D 0E
"""
OF_32 = "A1 01 02 03 04 | A3 01 02 03 04 | 40 | 4F | 62 00 | 9A"


def instructions(*tables: str) -> list[bytes]:
    """Return the instructions of tables, a line or a bar behind each."""
    return [bytes.fromhex(code) for table in tables for code in table.strip().replace("\n", "|").split("|")]


@pytest.mark.parametrize("machine", [X86, X86_64])
def test_ends_of_instructions_are_found(machine: int) -> None:
    """Each instruction ends where it does, whatever stood before it, and is what the next knows as the last."""
    codes = instructions(OF_BOTH, OF_64 if machine == X86_64 else OF_32)
    draw = random.Random(3)
    reader = Instruction(machine)
    for code in [*codes, *draw.choices(codes, k=200)]:
        past = reader.past[0]
        for byte in code[:-1]:
            reader.update(byte)
            assert reader.next != OPCODE or reader.prefixes, code.hex()
            assert reader.past[0] == past
        reader.update(code[-1])
        assert (reader.next, reader.prefixes, reader.place()) == (OPCODE, 0, 0), code.hex()


def program(machine: int, n: int, seed: int) -> bytes:
    """Return n bytes of instructions drawn at random, among them bytes of any meaning."""
    draw = random.Random(seed)
    codes = instructions(OF_BOTH, OF_64 if machine == X86_64 else OF_32)
    parts = (draw.randbytes(5) if draw.random() < 0.1 else draw.choice(codes) for _ in range(n))
    return b"".join(parts)[:n]


@pytest.mark.parametrize("profile", [4, 6])
@pytest.mark.parametrize(("machine", "n_lanes"), [(X86, 1), (X86_64, 1), (X86_64, 3)])
def test_kernel_and_reference_agree(profile: int, machine: int, n_lanes: int) -> None:
    """Both code programs alike, and code them other than bytes of any meaning, and smaller."""
    raw = program(machine, 700, profile)
    spec = BlockSpec(len(raw), profile, False, n_lanes, machine=machine)
    payload = native.encode_block(raw, spec)
    assert payload == reference.encode_block(raw, profile, n_lanes, machine=machine)
    assert native.decode_block(payload, spec) == raw
    assert reference.decode_block(payload, len(raw), profile, n_lanes, machine=machine) == raw
    as_bytes = native.encode_block(raw, BlockSpec(len(raw), profile, False, n_lanes))
    assert payload is not None and as_bytes is not None and len(payload) < len(as_bytes)


@pytest.mark.parametrize("seed", range(3))
def test_any_bytes(seed: int) -> None:
    """Bytes at random, which are in no step with instructions, are coded alike too."""
    raw = random.Random(seed).choices(
        range(256), [9 if b in b"\x0f\x66\x48\xb8\x84\x05" else 1 for b in range(256)], k=300
    )
    payload = reference.encode_block(bytes(raw), 4, machine=X86_64)
    spec = BlockSpec(len(raw), 4, False, machine=X86_64)
    assert native.decode_block(payload, spec) == bytes(raw)


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_smaller_profiles_know_no_instructions(profile: int) -> None:
    """Profiles without contexts of lines have none of instructions either."""
    raw = program(X86, 400, 1)
    specs = [BlockSpec(len(raw), profile, False, machine=machine) for machine in (0, X86)]
    assert native.encode_block(raw, specs[0]) == native.encode_block(raw, specs[1])


def test_arm64_and_dictionaries_know_no_instructions() -> None:
    """Code of arm64, and what begins behind a dictionary, is coded as any bytes."""
    raw = program(X86_64, 400, 2)
    specs = [BlockSpec(len(raw), 4, False, machine=machine) for machine in (0, ARM64, X86_64)]
    as_bytes, of_arm, of_x86 = (native.encode_block(raw, spec) for spec in specs)
    assert as_bytes == of_arm != of_x86
    known = Dictionary(program(X86_64, 300, 3))
    behind = [BlockSpec(len(raw), 4, False, machine=machine, dictionary=known) for machine in (0, X86_64)]
    payload = native.encode_block(raw, behind[1])
    assert payload == native.encode_block(raw, behind[0])
    assert payload == reference.encode_block(raw, 4, machine=X86_64, dictionary=known.data)


@pytest.mark.parametrize("machine", [-1, 4, 1 << 31])
def test_no_other_machine(machine: int) -> None:
    """There are three machines, and samples are code of none."""
    with pytest.raises((ValueError, OverflowError)):
        native.memory_size(BlockSpec(100, 4, False, machine=machine))
    with pytest.raises(ValueError, match="no such block"):
        native.memory_size(BlockSpec(300, 4, False, content=Content(1, 3, 8, 0, 10), machine=X86))
