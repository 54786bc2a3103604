"""Sums of weights made on a device are those of the reference, and few beside the weights."""

from __future__ import annotations

import numpy as np
import pytest
from mass_tools import behind, is_decided, path_of, some_weights
from token_tools import STRINGS

torch = pytest.importorskip("torch")

from lmzip.native.external import ExternalTokens  # noqa: E402
from lmzip.native.predicted import NO_PREFIX, Entries  # noqa: E402
from lmzip.reference.tokens import Vocabulary  # noqa: E402
from lmzip.twin import masses  # noqa: E402
from lmzip.twin.masses import Masses  # noqa: E402

VOCABULARY = Vocabulary(STRINGS)
NAMES = list(VOCABULARY.prefixes)  # by number
N = len(STRINGS)


def on_device(weights: np.ndarray):
    return torch.from_numpy(weights.view(np.int32))


def check(entries: Entries, weights: np.ndarray) -> list[list[bytes]]:
    """Assert that all entries are the reference's; return the prefixes of each column."""
    found = []
    for i, row in enumerate(weights.tolist()):
        found.append([])
        for entry in range(int(entries.columns[i]), int(entries.columns[i + 1])):
            if entries.prefixes[entry] != NO_PREFIX:
                prefix = NAMES[entries.prefixes[entry]]
                end, leaves = behind(VOCABULARY, prefix, row)
                at = int(entries.leaves_at[entry])
                assert entries.leaves[at : at + len(leaves)].tolist() == leaves, prefix
                assert end is None or entries.ends[entry] == end, prefix
                found[-1].append(prefix)
    return found


@pytest.mark.parametrize("piece", [1 << 25, 2 * N, 1])
def test_paths_of_known_tokens(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Every token once, and weights of all kinds, in one piece and in many."""
    monkeypatch.setattr(masses, "_PIECE", piece)
    maker, weights = Masses(ExternalTokens(STRINGS).prefixes(), "cpu"), some_weights(N, N, 1)
    tokens = np.random.default_rng(2).permutation(N)
    layout = maker.layout_of(tokens)
    found = maker.of_paths(on_device(weights), layout).numpy().view(np.uint32)
    assert len(found) == len(layout.prefixes) + layout.n_leaves
    paths = check(layout.entries(found), weights)
    assert paths == [path_of(VOCABULARY, STRINGS[token]) for token in tokens]


@pytest.mark.parametrize(("most", "piece"), [(96, 1 << 25), (2, 3 * N), (5, 1)])
def test_likely_prefixes(monkeypatch: pytest.MonkeyPatch, most: int, piece: int) -> None:
    """No prefix that is left out is likelier than one that is there."""
    monkeypatch.setattr(masses, "_PIECE", piece)
    monkeypatch.setattr(masses, "MOST_LIKELY", most)
    maker, weights = Masses(ExternalTokens(STRINGS).prefixes(), "cpu"), some_weights(40, N, 3)
    entries = maker.likely(maker.of_likely(on_device(weights)).numpy().view(np.uint32))
    decided = [prefix for prefix in NAMES if is_decided(VOCABULARY, prefix)]
    for row, found in zip(weights.tolist(), check(entries, weights), strict=True):
        mass = {p: sum(e for e, token in zip(row, STRINGS, strict=True) if token.startswith(p)) for p in decided}
        assert found[0] == b"" and len(set(found)) == min(most, len(decided))
        least = min(mass[prefix] for prefix in found)
        assert all(mass[prefix] <= least for prefix in set(decided) - set(found))


def large_vocabulary() -> list[bytes]:
    rng = np.random.default_rng(5)
    letters = np.frombuffer(b" etaoinshrdlucmf", np.uint8)
    words = {bytes(rng.choice(letters, rng.integers(2, 9))) for _ in range(20000)}
    return sorted({*(bytes([byte]) for byte in range(256)), *words})


def test_what_is_sent_is_small_beside_the_weights() -> None:
    """Also where there is no room for leaves of all that are likely."""
    strings = large_vocabulary()
    vocabulary, n = Vocabulary(strings), len(strings)
    maker, weights = Masses(ExternalTokens(strings).prefixes(), "cpu"), some_weights(12, n, 6)
    tokens = np.random.default_rng(7).integers(0, n, 12)
    layout, names = maker.layout_of(tokens), list(vocabulary.prefixes)
    known = maker.of_paths(on_device(weights), layout)
    assert known.numel() < 12 * 500 and n > 15000
    likely = maker.of_likely(on_device(weights))
    assert likely.numel() == 12 * (3 * 96 + 1024)
    entries, n_cut = maker.likely(likely.numpy().view(np.uint32)), 0
    for i, row in enumerate(weights.tolist()):
        for entry in range(i * 96, i * 96 + 96):
            if entries.prefixes[entry] == NO_PREFIX:
                n_cut += 1
            else:
                at = int(entries.leaves_at[entry])
                _, leaves = behind(vocabulary, names[entries.prefixes[entry]], row)
                assert entries.leaves[at : at + len(leaves)].tolist() == leaves
    assert n_cut
