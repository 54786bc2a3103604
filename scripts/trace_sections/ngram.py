"""Section 12 of ARITHMETIC: two small blocks of bytes, alone and beside a net, and checks of payloads."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from vector_files import nets

from lmzip import native, reference
from lmzip.block import BlockSpec
from lmzip.reference.contexts import hash2
from lmzip.reference.hybrid import NetTree, hybrid
from lmzip.reference.ngram import Ngram
from lmzip.reference.profiles import KIND_NUMBERS
from trace_sections.common import Tracer, check_rows, code_block, decision_rows, payload_rows, wrapped

TITLE = "## 12. A trace\n"
TEXT = "".join(f"{n} green bottles, hanging on the wall; {n * n} Füße\n" for n in range(30, 0, -1)).encode()
CSV = b"\n".join(b"" if n % 10 == 9 else ",".join(str(n * k % 97) for k in range(130)).encode() for n in range(150))
LANES = (1, 3)
NET = nets.COMMON | {"name": "trace", "byte_dim": 16, "table_dim": 8, "table_bits": 16, "orders": [2, 0]}

INTRODUCTION = """
Both blocks have these {size} bytes as their content, UTF-8 without anything behind the last newline (CRC-32
`{check:08x}`):

    for n = 30 down to 1: the line "<n> green bottles, hanging on the wall; <n * n> Füße", and a newline

Numbers are hexadecimal but for those of decisions and bits. `range` and `code` are those behind the decision (§4.1).
`scripts/make_trace.py` writes this section.
"""
NET_TEXT = """
The net has the members of §10.8 with n_embd = n_hidden = n_state = 32, n_layer = 1, byte_dim = 16, table_dim = 8,
table_bits = 16, orders = 2, 0. Its tensors are numbered from 1 on in the order {order}. Element j of tensor s, counted
through all of its rows from 0 on, is

    (hash2(j, s) >> 16) % 255 - 127          of int8 tensors
    2^22 + (hash2(j, s) >> 12)               of multipliers
    hash2(j, s) >> 18                        of forget biases
"""


PAYLOAD_TEXT = """
The same content, and a second one that has lines of more than 64 fields and empty ones, coded by the base alone. The
second has {size:,} bytes (CRC-32 `{check:08x}`), 150 lines with a newline between each two of them; line
n = 0 .. 149 is empty if n % 10 == 9, else the decimal numbers n * k % 97 for k = 0 .. 129 with a comma between each
two.
"""


def decode(predictor: Ngram, payload: bytes, before: Callable[[], None]) -> Tracer:
    """Decode TEXT's payload; `before` is called before each byte."""
    tracer = Tracer(payload)
    for _ in predictor.positions():
        before()
        predictor.code_byte(tracer, None)
    tracer.check_end()
    assert bytes(predictor.raw) == TEXT
    return tracer


def contexts(predictor: Ngram) -> list[int]:
    """Return context[0 ..] of the first lane's next byte."""
    return [hash2(predictor.next_contexts[0][kind], KIND_NUMBERS[kind]) for kind in predictor.kinds]


def context_rows(seen: list[list[int]]) -> list[str]:
    rows = []
    for number, values in enumerate(seen):
        for at in range(0, len(values), 6):
            head = f"byte {number}  contexts" if not at else " " * 16
            rows.append(f"{head}  " + " ".join(f"{value:08x}" for value in values[at : at + 6]))
    return rows


class Events:
    """The first decision, or byte, at which each part of the base that small tests may miss matters."""

    def __init__(self, predictor: Ngram) -> None:
        self.first: dict[str, int] = {}
        self.n_bytes = 0
        self.predictor = predictor
        self.find_slot, predictor.find_slot = predictor.find_slot, self._find_slot  # type: ignore[method-assign]

    def note(self, event: str) -> None:
        self.first.setdefault(event, self.n_bytes - 1)

    def _find_slot(self, line: int, check: int) -> list[int]:
        slots = self.predictor.lines.get(line, [])
        if not check:
            self.note("a check of 0 is replaced")
        if slots and (check or 1) not in [slot[0] for slot in slots] and min(slot[1] for slot in slots):
            self.note("a slot in use is taken over")
        return self.find_slot(line, check)

    def before_byte(self) -> None:
        self.n_bytes += 1
        for k in range(2):
            if self.predictor.lane.match_length[k]:
                self.note(f"match model {k} goes on")
        if self.predictor.shared.stride:
            self.note("there is a stride")

    def rows(self) -> list[str]:
        return [f"byte {byte:5}  {event}" for event, byte in sorted(self.first.items(), key=lambda item: item[1])]


def base_section() -> str:
    """Return the trace of the block of profile 1."""
    payload = reference.encode_block(TEXT, 1)
    predictor = Ngram(len(TEXT), 1, 1)
    events, seen = Events(predictor), []

    def before() -> None:
        events.before_byte()
        seen.append(contexts(predictor))

    tracer = decode(predictor, payload, before)
    parts = [
        "\n### 12.1 A block of profile 1\n",
        f"One lane, the base alone, a payload of {len(payload)} bytes, CRC-32 `{zlib.crc32(payload):08x}`:\n",
        code_block(payload_rows(payload)),
        code_block(context_rows(seen[:4])),
        code_block(decision_rows(tracer)),
        check_rows(tracer),
        "The bytes in which parts of the base matter first:\n",
        code_block(events.rows()),
    ]
    return "\n".join(parts)


def net_section() -> str:
    """Return the trace of the block of profile 5 beside the net."""
    weights = nets.weight_file(NET)
    payload = reference.encode_block(TEXT, 5, 1, weights)
    predictor = hybrid(len(TEXT), 5, 1, weights)
    make_tree, seen = predictor.byte_tree, []
    trees: list[NetTree] = []
    assert make_tree is not None

    def noted(lane: int, history: int) -> NetTree:
        tree = make_tree(lane, history)
        assert isinstance(tree, NetTree)
        trees.append(tree)
        return tree

    predictor.byte_tree = noted
    tracer = decode(predictor, payload, lambda: seen.append(contexts(predictor)))
    tree_rows = []
    for number, tree in enumerate(trees[:4]):
        sums = " ".join(f"{int(node):08x}" for node in tree.tree[1:4])
        tree_rows.append(f"byte {number}  tree[1 .. 3]  {sums}  top  {tree.top:02x}")
    order = ", ".join(f"`{name}`" for name in nets.shapes(NET))
    parts = [
        "\n### 12.2 A block of profile 5 beside a net",
        wrapped(NET_TEXT.format(order=order)),
        f"One lane, a payload of {len(payload)} bytes, CRC-32 `{zlib.crc32(payload):08x}`, which begins with\n",
        code_block([payload[:32].hex()]),
        code_block(tree_rows + context_rows(seen[:4])),
        code_block(decision_rows(tracer)),
        check_rows(tracer),
    ]
    return "\n".join(parts)


def payload_section() -> str:
    """Return sizes and checks of the payloads of all profiles, made by the kernel, which is faster."""
    rows = [PAYLOAD_TEXT.format(size=len(CSV), check=zlib.crc32(CSV))]
    rows += [
        "| profile | lanes | bytes of the first | CRC-32 | bytes of the second | CRC-32 |",
        "|---|---|---|---|---|---|",
    ]
    for profile in range(1, 7):
        for n_lanes in LANES:
            row = [str(profile), str(n_lanes)]
            for raw in (TEXT, CSV):
                payload = native.encode_block(raw, BlockSpec(len(raw), profile, False, n_lanes))
                assert payload is not None
                row += [str(len(payload)), f"`{zlib.crc32(payload):08x}`"]
            rows.append("| " + " | ".join(row) + " |")
    return "\n### 12.3 Payloads\n" + "\n".join(rows) + "\n"


def render() -> str:
    """Return the whole section."""
    introduction = INTRODUCTION.format(size=len(TEXT), check=zlib.crc32(TEXT))
    return TITLE + introduction + base_section() + net_section() + payload_section()
