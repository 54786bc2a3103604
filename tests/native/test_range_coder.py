"""The range coder by itself: round trips, equality with the reference, overhead against the ideal code length."""

from __future__ import annotations

import math
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

Decisions = list[tuple[int, int]]  # the bit, and the probability of a one in units of 2^-32

decisions = st.lists(st.tuples(st.integers(0, 1), st.integers(1, (1 << 32) - 1)), max_size=200)
many_processes = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernel's coder as a program: see range_coder_driver.c."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("driver") / "driver"
    source = Path(__file__).with_name("range_coder_driver.c")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "lmzip" / "native" / "src")]
    subprocess.run([compiler, *flags, "-o", str(program), str(source)], check=True)
    return program


@pytest.fixture(scope="session")
def encode(driver: Path) -> Callable[..., bytes | None]:
    """A function from decisions to a payload of at most `capacity` bytes; None where it does not fit."""

    def encode(items: Decisions, capacity: int = 100_000) -> bytes | None:
        numbers = [len(items), *(number for bit, p1 in items for number in (p1, bit)), capacity]
        done = subprocess.run([driver], input=struct.pack(f"={len(numbers)}I", *numbers), capture_output=True)
        return None if done.returncode else done.stdout

    return encode


@pytest.fixture(scope="session")
def decode(driver: Path) -> Callable[..., list[int] | None]:
    """A function from a payload and probabilities to bits; None where they do not use it up."""

    def decode(payload: bytes, probabilities: list[int]) -> list[int] | None:
        numbers = [len(probabilities), *(number for p1 in probabilities for number in (p1, 0)), len(payload)]
        packed = struct.pack(f"={len(numbers)}I", *numbers) + payload
        done = subprocess.run([driver, "decode"], input=packed, capture_output=True)
        return None if done.returncode else list(done.stdout)

    return decode


def reference_payload(items: Decisions) -> bytes:
    encoder = RangeEncoder()
    for bit, p1 in items:
        encoder.code_bit(bit, p1)
    return encoder.finish()


def check(items: Decisions, encode, decode) -> None:
    """Kernel and reference write the same payload, and both read it."""
    payload, bits, probabilities = reference_payload(items), [bit for bit, _ in items], [p1 for _, p1 in items]
    assert encode(items) == payload
    assert decode(payload, probabilities) == bits
    decoder = RangeDecoder(payload)
    assert [decoder.code_bit(None, p1) for p1 in probabilities] == bits
    decoder.check_end()


@many_processes
@given(items=decisions)
def test_decisions_come_back_and_equal_the_reference(items: Decisions, encode, decode) -> None:
    check(items, encode, decode)


@pytest.mark.parametrize("seed", range(20))
def test_the_overhead_is_below_0_01_percent_and_8_bytes(seed: int, encode) -> None:
    """Over the sum of -log2 p."""
    rng = random.Random(seed)
    p = rng.uniform(0.00002, 0.99998)
    p1 = max(1, round(p * 2**32))
    items = [(int(rng.random() < p), p1) for _ in range(20_000)]
    ideal = -sum(math.log2(p1 / 2**32 if bit else 1 - p1 / 2**32) for bit, _ in items)
    payload = encode(items)
    assert payload is not None and len(payload) <= ideal / 8 * 1.0001 + 8


def test_a_carry_runs_through_bytes_of_ones(encode, decode) -> None:
    """Zeros of the least probability, again and again, push low against the top: each carry walks far back."""
    check([(1 if i == 0 else 0, (1 << 32) - 1) for i in range(1000)], encode, decode)


@pytest.mark.parametrize("seed", [7098, 14732, 157887])
def test_a_zero_byte_written_before_the_end_stays(seed: int, encode, decode) -> None:
    """Dropping it would let the decoder read further past the end than it allows; one stream in thousands has it."""
    rng = random.Random(seed)
    items = [(rng.getrandbits(1), rng.randrange(1, 1 << 32)) for _ in range(40)]
    assert reference_payload(items).endswith(b"\0")
    check(items, encode, decode)


def test_a_payload_fits_or_is_refused(encode, decode) -> None:
    items = [(1, 1 << 30)] * 100
    payload = encode(items)
    assert payload is not None and encode(items, len(payload)) == payload
    assert encode(items, len(payload) - 1) is None
    assert decode(payload + b"more and more", [1 << 30] * 100) is None
    assert decode(payload[:-9], [1 << 30] * 100) is None
