"""The constant tables of ARITHMETIC 5, by definition; scripts/make_tables.py writes the kernel's copy."""

from __future__ import annotations

from decimal import Decimal, getcontext

STRETCH_ONE = 1024  # a nat
SQUASH_LIMIT = 12 * STRETCH_ONE
SQUASH_STEP = 8


def squash_table() -> list[int]:
    """Return round(2^24 / (1 + e^-x)) for x = -12 .. 12 nats in steps of 1/128 nat."""
    getcontext().prec = 40
    one = Decimal(1)
    scale = Decimal(1 << 24)
    return [
        int((scale / (one + (Decimal(-x) / Decimal(1024)).exp())).to_integral_value())
        for x in range(-SQUASH_LIMIT, SQUASH_LIMIT + 1, SQUASH_STEP)
    ]


def stretch_table() -> list[int]:
    """Return round(1024 * ln(p / (1 - p))) for the 4096 bin centres p = (i + 1/2) / 4096."""
    getcontext().prec = 40
    return [
        int((Decimal(1024) * (Decimal(2 * i + 1) / Decimal(8191 - 2 * i)).ln()).to_integral_value())
        for i in range(4096)
    ]


def reciprocal_table() -> list[int]:
    """Return round(4096 / (n + 1.6)): the rate of a cell that has seen n bits."""
    return [(2 * 40960 + (10 * n + 16)) // (2 * (10 * n + 16)) for n in range(256)]


def rsqrt_table() -> list[int]:
    """Return round(2^31 / sqrt(i / 64)) for i = 64 .. 256: the root of the net's norm (ARITHMETIC 10.4)."""
    getcontext().prec = 40
    return [int((Decimal(1 << 31) / (Decimal(i) / 64).sqrt()).to_integral_value()) for i in range(64, 257)]


def ln_table() -> list[int]:
    """Return round(2^20 ln(1 + i / 256)) for i = 0 .. 256 (ARITHMETIC 8.3)."""
    getcontext().prec = 40
    return [int((Decimal(1 << 20) * (1 + Decimal(i) / 256).ln()).to_integral_value()) for i in range(257)]


def sigmoid_table() -> list[int]:
    """Return round(2^15 / (1 + e^(-i / 64))) for i = 0 .. 1024: the gate of SwiGLU (TRANSFORMER 8)."""
    getcontext().prec = 40
    return [int((Decimal(1 << 15) / (1 + (Decimal(-i) / 64).exp())).to_integral_value()) for i in range(1025)]


def cosine_table() -> list[int]:
    """Return round(2^14 cos(pi / 2 * i / 1024)) for i = 0 .. 1024, a quarter of a turn (TRANSFORMER 5)."""
    getcontext().prec = 40
    angle = half_pi() / 1024
    return [int((Decimal(1 << 14) * cosine(angle * i)).to_integral_value()) for i in range(1025)]


def cosine(x: Decimal) -> Decimal:
    """Return cos(x) by its Taylor series, for small x."""
    term, total, n = Decimal(1), Decimal(0), 0
    while abs(term) > Decimal("1e-38"):
        total += term
        n += 2
        term = -term * x * x / (n * (n - 1))
    return total


def scale_table() -> list[int]:
    """Return round(2^24 ln(4) / (i + 512.5)) for i = 0 .. 511: what a distance is multiplied by (SAMPLES 6)."""
    getcontext().prec = 40
    return [int((Decimal(1 << 24) * Decimal(4).ln() / (i + Decimal("512.5"))).to_integral_value()) for i in range(512)]


def softplus_table() -> list[int]:
    """Return round(1024 ln(1 + e^(-(i + 1/2) / 64))) for i = 0 .. 1535 (SAMPLES 6)."""
    getcontext().prec = 40
    return [
        int((Decimal(1024) * (1 + (-(i + Decimal("0.5")) / 64).exp()).ln()).to_integral_value()) for i in range(1536)
    ]


def half_pi() -> Decimal:
    """Return pi / 2 = 1 + 1/3 + 1/3 * 2/5 + 1/3 * 2/5 * 3/7 + ... (Euler)."""
    term, total, n = Decimal(1), Decimal(0), 0
    while term > Decimal("1e-39"):
        total += term
        n += 1
        term = term * n / (2 * n + 1)
    return total


# --- bit histories -------------------------------------------------------------------------------------------------
# A state is a short bit history: for up to FULL_HISTORY bits the exact sequence, after that (n0, n1, last bit) within
# BOUNDS: the larger count may reach BOUNDS[smaller count].

FULL_HISTORY = 4
BOUNDS = [44, 20, 10, 7, 6, 5]

Pair = tuple[int, int, int]
State = tuple[str, Pair]


def discount(n: int) -> int:
    """Return what is left of a count after one bit of the opposite value."""
    if n <= 2:
        return n
    return [2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7, 8][min(n - 3, 17)]


def fit(n0: int, n1: int, last: int) -> Pair:
    """Bring counts inside BOUNDS, nearest in ratio."""
    while min(n0, n1) >= len(BOUNDS) or max(n0, n1) > BOUNDS[min(n0, n1)]:
        small, large = min(n0, n1), max(n0, n1)
        if small < len(BOUNDS) and small <= 1:
            large -= 1
        elif small >= len(BOUNDS) or (small - 1) * large >= small * (large - 2):
            small, large = small - 1, large - 1
        else:
            large -= 1
        n0, n1 = (small, large) if n0 <= n1 else (large, small)
    return n0, n1, last


def advance(state: State, bit: int) -> State:
    """Return the state after one more bit."""
    history, (n0, n1, _) = state
    if len(history) < FULL_HISTORY and len(history) == n0 + n1:
        history += str(bit)
        return history, (history.count("0"), history.count("1"), bit)
    if bit:
        return "", fit(discount(n0), n1 + 1, bit)
    return "", fit(n0 + 1, discount(n1), bit)


def build_states() -> tuple[list[State], list[tuple[int, int]]]:
    """Return all reachable states, in order of rising total count, and their two successors."""
    start: State = ("", (0, 0, 0))
    seen = {start}
    queue = [start]
    while queue:
        state = queue.pop()
        for bit in (0, 1):
            after = advance(state, bit)
            if after not in seen:
                seen.add(after)
                queue.append(after)
    states = sorted(seen, key=lambda s: (s[1][0] + s[1][1], s))
    assert states[0] == start and len(states) <= 256, len(states)
    index = {state: i for i, state in enumerate(states)}
    return states, [(index[advance(s, 0)], index[advance(s, 1)]) for s in states]


def initial_probability(state: State) -> int:
    """Return the 16-bit probability of a one bit that a fresh map gives to a state."""
    _, (n0, n1, _) = state
    if n0 == n1 == 0:
        return 1 << 15
    a, b = 2 * n0, 2 * n1
    if not n0 or not n1:  # deterministic histories are more certain than their counts say
        a, b = a * 3, b * 3
    return (65536 * (b + 1) + (a + b + 2) // 2) // (a + b + 2)
