"""What a profile means for a block by the n-gram predictor (ARITHMETIC 7.5, 8.1, 8.2)."""

from __future__ import annotations

from typing import NamedTuple

# Context kinds in the order of their numbers, which begin at 1 (ARITHMETIC 7.5).
KINDS = """ORDER_1 ORDER_2 ORDER_3 ORDER_4 ORDER_6 ORDER_8 WORD WORD_1 MATCHED SPARSE_2 SPARSE_23 ABOVE_PEER COLUMN
PEER PEER_PREFIX RECORD RECORD_LEFT INDIRECT_1 INDIRECT_2 LANE_ORDER_3 LINE_ORDER_2 FIELD KEY SHAPE SHAPES
OPERAND OPERAND_OF PLACE_ORDER_2 INSTRUCTION_1 OPCODES_2 INSTRUCTION_3 OPERAND_2 OPERAND_4"""
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS.split(), 1)}
OF_RECORDS = {"KEY": "SPARSE_23", "SHAPE": "RECORD", "SHAPES": "RECORD_LEFT"}  # what stands for these in records

FAST_CONTEXTS = "ORDER_2 ORDER_3 ORDER_4 WORD"
QUICK_CONTEXTS = "ORDER_1 ORDER_2 ORDER_3 ORDER_4 ORDER_6 WORD COLUMN PEER"
FULL_CONTEXTS = "ORDER_1 ORDER_2 SPARSE_2 ORDER_3 ORDER_4 ORDER_6 WORD WORD_1 ABOVE_PEER COLUMN PEER"
MAX_CONTEXTS = """ORDER_1 ORDER_2 SPARSE_2 ORDER_3 ORDER_4 ORDER_6 ORDER_8 WORD WORD_1 MATCHED KEY ABOVE_PEER
COLUMN PEER PEER_PREFIX SHAPE SHAPES"""

CODE_CONTEXTS = """ORDER_1 ORDER_2 SPARSE_2 ORDER_3 ORDER_4 ORDER_6 MATCHED OPERAND_OF SPARSE_23 RECORD RECORD_LEFT
INDIRECT_1 PLACE_ORDER_2 OPERAND INSTRUCTION_1 OPCODES_2 INSTRUCTION_3 OPERAND_2 OPERAND_4"""

FULL = (FULL_CONTEXTS + " INDIRECT_2", FULL_CONTEXTS + " LANE_ORDER_3")
LIGHT = (FULL[0].replace("SPARSE_2 ", ""), FULL[1].replace("SPARSE_2 ", ""))
MAX = (MAX_CONTEXTS + " INDIRECT_1 INDIRECT_2", MAX_CONTEXTS + " LANE_ORDER_3 LINE_ORDER_2")
FIELDS = (MAX[0].replace("SPARSE_2 ", "FIELD "), MAX[1].replace("SPARSE_2 ", "FIELD "))

# What a block is coded with: contexts of one lane, of several lanes, n_own_lines, n_sets, n_apms, slots_per_byte,
# max_lines_bits (ARITHMETIC 8.1)
Shape = tuple[str, str, int, int, int, int, int]
MAX_BYTES: Shape = (*FIELDS, 4, 6, 4, 6, 21)
LARGE_BYTES: Shape = (*FIELDS, 4, 6, 4, 6, 22)
LARGE_TOKENS: Shape = (*FIELDS, 4, 6, 0, 6, 22)

# profile -> the shape of a block by the base alone, beside an expert of bytes, beside one of tokens
PROFILES: dict[int, tuple[Shape, Shape | None, Shape | None]] = {
    1: ((FAST_CONTEXTS, FAST_CONTEXTS, 1, 2, 0, 4, 18), None, None),
    2: ((QUICK_CONTEXTS, QUICK_CONTEXTS, 2, 3, 3, 4, 19), None, None),
    3: ((*FULL, 3, 4, 3, 6, 20), None, None),
    4: ((*MAX, 4, 5, 3, 6, 21), MAX_BYTES, None),
    5: ((*MAX, 4, 5, 3, 6, 21), (*LIGHT, 3, 5, 4, 6, 20), None),
    6: ((*MAX, 4, 5, 3, 6, 22), LARGE_BYTES, LARGE_TOKENS),
}


class Prior(NamedTuple):
    """How the mixer learns, alone or beside an expert (ARITHMETIC 8.2)."""

    rate_extra: int
    final_rate: int
    map_count: int


ALONE = Prior(400000, 32, 0)
OF_BYTES = Prior(400000, 32, 0)
OF_TOKENS = Prior(200000, 8, 30)
