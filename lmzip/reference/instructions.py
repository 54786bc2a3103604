"""Where in an instruction of x86 or x86-64 a byte stands (ARITHMETIC 7.6)."""

from __future__ import annotations

from lmzip.reference.hashing import M32, hash2, hash3

OPCODE, SECOND_OPCODE, MODRM, SIB, DISPLACEMENT, IMMEDIATE = range(6)  # what the next byte is
X86, X86_64 = 1, 2


def numbers(text: str) -> frozenset[int]:
    """Return the hexadecimal numbers of a text, in which A-B stands for all from A to B."""
    ends = [[int(end, 16) for end in part.split("-")] for part in text.split()]
    return frozenset(n for first, *last in ends for n in range(first, (last or [first])[0] + 1))


PREFIXES = numbers("26 2E 36 3E 64-67 F0 F2 F3")
REX = numbers("40-4F")
WITH_MODRM = numbers("62 63 69 6B 80-8F C0 C1 C4-C7 D0-D3 D8-DF F6 F7 FE FF")
SECOND_WITHOUT_MODRM = numbers("05 0B 30-37 77 80-8F A0-A2 A8-AA C8-CF")
ONE_BYTE = numbers("6A 6B 70-7F 80 82 83 A8 B0-B7 C0 C1 C6 CD D4 D5 E0-E7 EB")
FULL = numbers("68 69 81 A9 C7")
SECOND_ONE_BYTE = numbers("70-73 A4 AC BA C2 C4-C6")


class Instruction:
    """What is known of an instruction, and of the four before it."""

    def __init__(self, machine: int) -> None:
        self.is_64 = machine == X86_64
        self.past = [0] * 4  # opcode + 512 modrm, the last instruction first
        self.n_displacement = self.n_immediate = 0
        self.start()

    def start(self) -> None:
        self.next = OPCODE
        self.opcode = self.modrm = self.prefixes = self.operand = 0
        self.is_narrow = self.is_wide = False

    def has_modrm(self) -> bool:
        if self.opcode >= 256:
            return self.opcode - 256 not in SECOND_WITHOUT_MODRM
        return self.opcode % 8 < 4 if self.opcode < 0x40 else self.opcode in WITH_MODRM

    def immediate_size(self) -> int:
        op, full = self.opcode, 2 if self.is_narrow else 4
        if op >= 256:
            return 4 if 0x180 <= op <= 0x18F else int(op - 256 in SECOND_ONE_BYTE)
        if op < 0x40:
            return {4: 1, 5: full}.get(op % 8, 0)
        if 0xB8 <= op <= 0xBF:
            return 8 if self.is_wide else full
        if 0xA0 <= op <= 0xA3:
            return 8 if self.is_64 else 4
        if op in (0xF6, 0xF7):
            return 0 if self.modrm // 8 % 8 > 1 else 1 if op == 0xF6 else full
        if op in FULL:
            return full
        return {0xE8: 4, 0xE9: 4, 0xC8: 3, 0xC2: 2, 0xCA: 2}.get(op, int(op in ONE_BYTE))

    def enter_operand(self) -> None:
        """Go on to the next operand that has bytes, or to the next instruction."""
        self.operand = 0
        if self.n_displacement or self.n_immediate:
            self.next = DISPLACEMENT if self.n_displacement else IMMEDIATE
            return
        self.past = [(self.opcode + 512 * self.modrm) & M32, *self.past[:3]]
        self.start()

    def update(self, byte: int) -> None:
        """Take in the next byte."""
        if self.next == OPCODE and (byte in PREFIXES or (self.is_64 and byte in REX)):
            self.prefixes = (self.prefixes << 8 | byte) & 0xFFFF
            self.is_narrow |= byte == 0x66
            self.is_wide |= self.is_64 and 0x48 <= byte <= 0x4F
        elif self.next == OPCODE and byte == 0x0F:
            self.next = SECOND_OPCODE
        elif self.next == SECOND_OPCODE and byte in (0x38, 0x3A):
            pass
        elif self.next in (OPCODE, SECOND_OPCODE):
            self.opcode = byte + 256 * (self.next == SECOND_OPCODE)
            self.next = MODRM
            if not self.has_modrm():
                self.n_immediate = self.immediate_size()
                self.enter_operand()
        elif self.next == MODRM:
            self.modrm = byte
            self.n_displacement = 1 if byte >> 6 == 1 else 4 if byte >> 6 == 2 or byte & 0xC7 == 5 else 0
            self.n_immediate = self.immediate_size()
            self.next = SIB
            if byte >> 6 == 3 or byte & 7 != 4:
                self.enter_operand()
        elif self.next == SIB:
            if self.modrm >> 6 == 0 and byte & 7 == 5:
                self.n_displacement = 4
            self.modrm += 256 * byte
            self.enter_operand()
        else:
            self.operand = (self.operand << 8 | byte) & M32
            if self.next == DISPLACEMENT:
                self.n_displacement -= 1
            else:
                self.n_immediate -= 1
            if not (self.n_displacement if self.next == DISPLACEMENT else self.n_immediate):
                self.enter_operand()

    def place(self) -> int:
        """Return where the next byte stands, in 0 .. 63."""
        if self.next == OPCODE:
            return int(self.prefixes != 0)
        if self.next < DISPLACEMENT:
            return self.next + 1
        if self.next == DISPLACEMENT:
            return 16 + self.n_displacement
        op = self.opcode
        of = 8 if op == 0xE8 else 16 if op == 0xE9 else 24 if op >> 4 == 0x18 else 32 if op >> 4 == 7 else 0
        return 24 + self.n_immediate + of

    def contexts(self, last_two: int) -> dict[str, int]:
        """Return the value of every kind of context of programs; last_two: the last two bytes."""
        place = self.place() | self.prefixes << 8
        head, operand, past = (self.opcode + 512 * self.modrm) & M32, self.operand, self.past
        with_operand = hash3(head, place, operand)
        return {
            "OPERAND": hash2(operand, place),
            "OPERAND_OF": hash3(operand, place, self.opcode + 512 * (self.modrm // 8 % 8)),
            "PLACE_ORDER_2": hash3(self.opcode, place, last_two),
            "INSTRUCTION_1": hash3(head, place, past[0]),
            "OPCODES_2": hash3(head, place, past[0] % 512 + 512 * (past[1] % 512)),
            "INSTRUCTION_3": hash3(head, place, hash3(*past[:3])),
            "OPERAND_2": hash3(with_operand, past[0], past[1]),
            "OPERAND_4": hash3(with_operand, hash2(*past[:2]), hash2(*past[2:])),
        }
