"""The table of profiles (ARITHMETIC 6): each row, alone and beside experts, is the reference's, in every variant."""

from __future__ import annotations

from functools import cache

import pytest
import tiny_net
import token_tools
from conftest import SAMPLE, TINY
from kernel_tools import VARIANTS, alone, assert_one_payload, beside

from lmzip import native, reference
from lmzip.reference.mixing import power_above
from lmzip.reference.profiles import PROFILES

RAW = SAMPLE.read_bytes()[7000:7300]
UNITS = {"alone": native.ALONE, "bytes": native.BYTES, "tokens": native.TOKENS}
PAIRS = [
    (profile, unit)
    for profile in range(1, native.N_PROFILES + 1)
    for unit, number in UNITS.items()
    if native.profile_takes(profile, number)
]


@cache
def net(simd: str | None = None):
    return tiny_net.kernel_net(*tiny_net.tiny_net(3, **TINY), simd)


def test_the_tables_have_the_same_rows() -> None:
    expected = {(p, u) for p, row in PROFILES.items() for u, shape in zip(UNITS, row, strict=True) if shape}
    assert set(PAIRS) == expected and set(UNITS.values()) == set(range(3))
    for profile in (-1, 0, native.N_PROFILES + 1, 1 << 30):
        assert not any(native.profile_takes(profile, unit) for unit in UNITS.values())
    assert not native.profile_takes(1, -1) and not native.profile_takes(1, 3)


@pytest.mark.parametrize("n_lanes", [1, 3])
@pytest.mark.parametrize(("profile", "unit"), PAIRS)
def test_kernel_equals_reference(profile: int, unit: str, n_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if unit == "tokens":
        raw = token_tools.random_text(40, 2)
        sizes, file = token_tools.cut(raw, n_lanes, max), token_tools.tiny()[0]
        expected = reference.encode_block(raw, profile, n_lanes, file, token_sizes=sizes)
        for simd in VARIANTS:
            monkeypatch.setenv("LMZIP_SIMD", simd)
            model = token_tools.transformer(simd)
            assert token_tools.encode(raw, sizes, n_lanes, model, profile=profile) == expected, simd
            assert token_tools.decode(expected, len(raw), n_lanes, model, profile=profile) == raw, simd
    elif unit == "bytes":
        expected = reference.encode_block(RAW, profile, n_lanes, tiny_net.tiny_weights(3, **TINY))
        assert_one_payload(RAW, beside(len(RAW), profile, n_lanes), expected, monkeypatch, net)
    else:
        expected = reference.encode_block(RAW, profile, n_lanes)
        assert_one_payload(RAW, alone(len(RAW), profile, n_lanes), expected, monkeypatch)


def lines(n: int) -> bytes:
    return b"".join(b"1:%02d pid=%d (key): <a>%d</a> [ok]\n" % (k * 7 % 60, k, k * k) for k in range(n))


NUMBERS = b"".join(n.to_bytes(4, "big") for n in range(60))


def test_kernel_equals_reference_in_lines_and_in_records(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = NUMBERS + lines(140)
    assert len(raw) > len(NUMBERS) + 4200, "the last lines are far enough behind zeros"
    assert_one_payload(raw, alone(len(raw), 4, 1), reference.encode_block(raw, 4, 1), monkeypatch)


def test_kernel_equals_reference_in_lines_beside_a_net(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = lines(24) + NUMBERS
    expected = reference.encode_block(raw, 4, 2, tiny_net.tiny_weights(3, **TINY))
    assert_one_payload(raw, beside(len(raw), 4, 2), expected, monkeypatch, net)


@pytest.mark.parametrize(("profile", "unit"), PAIRS)
def test_the_tables_have_the_same_numbers_of_lines(profile: int, unit: str) -> None:
    """Short blocks have fewer lines than a profile allows: what long ones take beyond shows how many there are."""
    experts = {"alone": None, "bytes": net(), "tokens": token_tools.transformer()}
    shape = PROFILES[profile][UNITS[unit]]
    assert shape
    *_, slots_per_byte, lines_bits = shape

    def reckoned(raw_size: int) -> int:
        """Return the bytes of all that grows with a block of so many bytes, 2^15 at least."""
        lines = min(raw_size * slots_per_byte // 4 + 64, 1 << lines_bits) & ~1
        size = 64 * lines + 2 * 4 * power_above(raw_size + 64, 1 << 22)
        of_tokens = raw_size + 4 * power_above(2 * raw_size + 1024, 1 << 20)
        return size + (of_tokens if unit == "tokens" else 0)

    sizes = [1 << bits for bits in (15, 20, 22, 30)]
    spec = alone if unit == "alone" else beside
    found = [native.memory_size(spec(size, profile), experts[unit]) for size in sizes]
    assert [size - found[0] for size in found] == [reckoned(size) - reckoned(sizes[0]) for size in sizes]
