"""Generate lmzip/native/src/tables.inc: the constant integer tables of ARITHMETIC 5.

The tables are data of the format: a decoder must hold exactly these numbers.  They are computed by lmzip.reference and
committed; `--check` fails when the committed file differs from what this would write.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import zlib
from pathlib import Path

from lmzip.reference.tables import (
    State,
    build_states,
    cosine_table,
    initial_probability,
    ln_table,
    reciprocal_table,
    rsqrt_table,
    scale_table,
    sigmoid_table,
    softplus_table,
    squash_table,
    stretch_table,
)

TABLES = Path(__file__).resolve().parent.parent / "lmzip" / "native" / "src" / "tables.inc"


def format_table(declaration: str, values: list[int]) -> str:
    rows = textwrap.fill(", ".join(map(str, values)), 120, initial_indent="    ", subsequent_indent="    ")
    return f"{declaration} = {{\n{rows}}};\n"


def render() -> str:
    states, successors = build_states()
    flat = [s for pair in successors for s in pair]
    parts = [
        "/* Made by scripts/make_tables.py; ARITHMETIC 5.  Do not edit. */\n",
        format_table(f"static const uint32_t lmz_squash_table[{len(squash_table())}]", squash_table()),
        format_table("static const int16_t lmz_stretch_table[4096]", stretch_table()),
        format_table("static const uint16_t lmz_reciprocal_table[256]", reciprocal_table()),
        format_table("static const uint32_t lmz_rsqrt_table[193]", rsqrt_table()),
        format_table("static const uint32_t lmz_ln_table[257]", ln_table()),
        format_table("static const uint16_t lmz_sigmoid_table[1025]", sigmoid_table()),
        format_table("static const int16_t lmz_cosine_table[1025]", cosine_table()),
        format_table("static const int32_t lmz_scale_table[512]", scale_table()),
        format_table("static const int32_t lmz_softplus_table[1536]", softplus_table()),
        f"#define LMZ_N_STATES {len(states)}\n",
        format_table(f"static const uint8_t lmz_next_state[{len(flat)}]", flat),
        format_table(f"static const uint16_t lmz_state_p[{len(states)}]", [initial_probability(s) for s in states]),
    ]
    return "\n".join(parts)


def checks() -> dict[str, int]:
    """Return the CRC-32 of each table, its entries as little-endian 32-bit words (ARITHMETIC 5.1)."""
    states, successors = build_states()
    tables = {
        "squash_table[i]": squash_table(),
        "stretch_table[i]": stretch_table(),
        "reciprocal_table[n]": reciprocal_table(),
        "rsqrt_table[i]": rsqrt_table(),
        "ln_table[i]": ln_table(),
        "sigmoid_table[i]": sigmoid_table(),
        "cosine_table[i]": cosine_table(),
        "scale_table[i]": scale_table(),
        "softplus_table[i]": softplus_table(),
        "next_state[s][bit]": [s for pair in successors for s in pair],
        "state_p[s]": [initial_probability(state) for state in states],
    }
    return {
        name: zlib.crc32(b"".join((entry & 0xFFFFFFFF).to_bytes(4, "little") for entry in entries))
        for name, entries in tables.items()
    }


def state_rows(n: int) -> list[str]:
    """Return the first n states as ARITHMETIC 5.3 shows them."""

    def history(state: State) -> str:
        sequence, (n0, n1, last) = state
        return sequence or (f"({n0}, {n1}, {last})" if n0 + n1 else "empty")

    states, successors = build_states()
    rows = ["state  history    next_state[0] [1]  state_p"]
    for number, (state, (zero, one)) in enumerate(zip(states[:n], successors[:n], strict=True)):
        rows.append(f"{number:5}  {history(state):9}  {zero:13} {one:3}  {initial_probability(state):7}")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare with the committed file")
    args = parser.parse_args()
    text = render()
    if args.check:
        return 0 if TABLES.read_text() == text else 1
    TABLES.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
