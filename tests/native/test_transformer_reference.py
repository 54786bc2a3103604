"""The reference of the transformer (TRANSFORMER): close to a Llama in floating point, within its overflow budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny_net import weight_file
from tiny_transformer import GEMMA2, GEMMA3, MATRICES, QWEN3, tiny_transformer, tiny_transformer_weights

from lmzip.reference import tables
from lmzip.reference import transformer as reference

ALL_INT15 = list(MATRICES)
WINDOW = 32  # less than 9.11 admits, for speed
N_STEPS = 44


# --- a Llama in floating point, after Touvron et al. 2023 and the code of transformers, with what Qwen 3, Gemma 2 and
# Gemma 3 have beside that; it shares nothing with lmzip


def real_matrix(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return the weights that int8 and multipliers stand for: round(2^40 / 127 times the scale)."""
    return tensors[f"{name}.weight"].astype(float) * tensors[f"{name}.multiplier"][:, None] * 127 / 2**40


def rms_norm(x: np.ndarray, gain: np.ndarray, epsilon: float) -> np.ndarray:
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + epsilon) * gain


def rope(x: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Turn x (n, n_heads, head_dim) by angles (n, head_dim / 2) as transformers does, in halves."""
    first, second = np.split(x, 2, -1)
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.concatenate([first * c - second * s, second * c + first * s], -1)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x, -1, keepdims=True))
    return e / np.sum(e, -1, keepdims=True)


def eight_bits(x: np.ndarray) -> np.ndarray:
    """Return x (..., head_dim) rounded to 127ths of the largest magnitude of each head."""
    step = np.max(np.abs(x), -1, keepdims=True) / 127
    return np.rint(x / step) * step


def llama(
    tensors: dict[str, np.ndarray],
    config: dict[str, Any],
    inputs: np.ndarray,
    round_heads: Callable[[np.ndarray], np.ndarray] = lambda x: x,
) -> np.ndarray:
    """Return the logits (n, n_vocab), in nats, behind each of the inputs (n,).

    round_heads: what is done to queries, keys and values, for a closer comparison.
    """
    n, n_head, n_kv_head, head_dim = len(inputs), config["n_head"], config["n_kv_head"], config["head_dim"]
    epsilon = config["epsilon"] / config["n_embd"] / 2**24
    units = list(tensors["gain_shifts"])
    age = np.arange(n)[:, None] - np.arange(n)
    windows = {
        "inv_freq": (age >= 0) & ((age < config["window"] - 4) | (np.arange(n) < 4)),
        "inv_freq.local": (age >= 0) & (age < min(config["window"], config.get("local_window", 0))),
    }

    def normed(x: np.ndarray, name: str, is_optional: bool = False) -> np.ndarray:
        if is_optional and f"{name}.norm" not in tensors:
            return x
        return rms_norm(x, tensors[f"{name}.norm"] / 2.0 ** units.pop(0), epsilon)

    def capped(x: np.ndarray, key: str) -> np.ndarray:
        cap = config.get(key, 0) / 4096 * math.log(2)
        return cap * np.tanh(x / cap) if cap else x

    embed = real_matrix(tensors, "embed")
    x = embed[inputs] * config.get("embed_scale", 256) / 256
    for i in range(config["n_layer"]):
        name = f"layers.{i}"
        rope_name = "inv_freq.local" if i in config.get("local_layers", []) else "inv_freq"
        seen, angles = windows[rope_name], np.arange(n)[:, None] * (tensors[rope_name] / 2**32 * 2 * math.pi)
        heads = normed(x, f"{name}.qkv") @ real_matrix(tensors, f"{name}.qkv").T
        heads = (heads + tensors.get(f"{name}.qkv.bias", np.zeros(1)) / 4096).reshape(n, -1, head_dim)
        q, k, v = np.split(heads, [n_head, n_head + n_kv_head], 1)
        q, k = normed(q, f"{name}.q", True), normed(k, f"{name}.k", True)
        q, k, v = round_heads(rope(q, angles)), round_heads(rope(k, angles)), round_heads(v)
        k, v = (np.repeat(each, n_head // n_kv_head, 1) for each in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(config.get("query_scale", head_dim))
        weights = softmax(np.where(seen, capped(scores, "score_cap"), -np.inf))
        y = np.einsum("hij,jhd->ihd", weights, v).reshape(n, -1) @ real_matrix(tensors, f"{name}.o").T
        x = x + normed(y, f"{name}.o", True)
        gate, up = np.split(normed(x, f"{name}.gate_up") @ real_matrix(tensors, f"{name}.gate_up").T, 2, -1)
        if config.get("activation") == "gelu":
            gate = gate / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
        else:
            gate = gate / (1 + np.exp(-gate))
        x = x + normed((gate * up) @ real_matrix(tensors, f"{name}.down").T, f"{name}.down", True)
    head = real_matrix(tensors, "lm_head") if "lm_head.weight" in tensors else embed[: config["n_vocab"]]
    return capped(normed(x, "lm_head") @ head.T, "logit_cap")


# --- closeness


def some_tokens(config: dict[str, Any], n: int = N_STEPS, n_lanes: int = 1) -> np.ndarray:
    return np.random.default_rng(5).integers(0, config["n_vocab"], (n, n_lanes))


def log2_probabilities(exponentials: np.ndarray) -> np.ndarray:
    return np.log2(exponentials / np.sum(exponentials, -1, keepdims=True, dtype=float))


def divergences(
    tensors: dict[str, np.ndarray], config: dict[str, Any], **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each step the mean error of log2 probabilities and the divergence, in bits, from floating point."""
    tokens = some_tokens(config)
    model = reference.Transformer.from_bytes(weight_file(tensors, config))
    ours = log2_probabilities(reference.run(model, tokens, 1)[:, 0])
    p = softmax(llama(tensors, config, np.concatenate([[config["n_vocab"]], tokens[:-1, 0]]), **options))
    return np.mean(np.abs(ours - np.log2(p)), 1), np.sum(p * (np.log2(p) - ours), 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 3},
        {"seed": 4, "tied": False, "epsilon": 1 << 30},
        {"seed": 5, "tied": False, "bias": True, "n_layer": 3},
        {"seed": 6, "n_layer": 1, "n_head": 6, "n_kv_head": 3, "head_dim": 64},
        {"seed": 7, **QWEN3},
        {"seed": 8, **GEMMA2, "local_window": 16, "embed_scale": 512},
        {"seed": 9, **GEMMA3, "local_window": 16, "embed_scale": 512},
    ],
    ids=["tied", "separate head, epsilon of 1", "biases", "heads of 64", "Qwen 3", "Gemma 2", "Gemma 3"],
)
def test_probabilities_are_those_of_floating_point(changes: dict[str, Any]) -> None:
    changes = changes | {"window": WINDOW}
    int8, int8_divergence = divergences(*tiny_transformer(**changes))
    int15, int15_divergence = divergences(*tiny_transformer(int15=ALL_INT15, **changes))
    assert np.max(int8) < 0.45 and np.mean(int8) < 0.2 and np.mean(int8_divergence) < 0.02
    assert np.mean(int15) < 0.7 * np.mean(int8) and np.mean(int15_divergence) < 0.5 * np.mean(int8_divergence)
    # The rest is the 8 bits of queries, keys and values, and roundings of these that fall to the other side.
    close, close_divergence = divergences(*tiny_transformer(int15=ALL_INT15, **changes), round_heads=eight_bits)
    assert np.mean(close) < 0.045 and np.max(close) < 0.12 and np.mean(close_divergence) < 0.0015


@pytest.mark.parametrize("name", MATRICES)
def test_fifteen_bits_are_closer_than_eight(name: str) -> None:
    def error(int15: list[str]) -> float:
        return float(
            np.mean(divergences(*tiny_transformer(7, n_layer=1, window=WINDOW, int15=int15), round_heads=eight_bits)[0])
        )

    others = [other for other in MATRICES if other != name]
    assert error(ALL_INT15) < 0.9 * error(others)


# --- parts against their definitions


def relative_error(ours: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(np.mean((ours - exact) ** 2) / np.mean(exact**2)))


def real(packed: reference.Packed) -> np.ndarray:
    """Return what a packed vector stands for, in units of what was packed."""
    integers = packed.low if packed.high is None else 128 * packed.high + packed.low
    return integers * (packed.top / 127 * 2.0**packed.shift)


def random_integers(limit: int, n: int, seed: int = 1) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).uniform(-limit, limit, n)).astype(np.int64)


def test_scale_rounds_to_nearest_and_keeps() -> None:
    y = np.array([-3, -2, -1, 0, 1, 2, 3], np.int64)
    assert reference.scale(y, 1, 1).tolist() == [-1, -1, 0, 0, 1, 1, 2]
    assert reference.scale(y, 5, -2).tolist() == (20 * y).tolist()
    assert reference.scale(y, 1 << 40, 1).tolist() == [-(1 << 30)] * 3 + [0] + [1 << 30] * 3


@pytest.mark.parametrize("limit", [1, 2, 127, 128, 16319, 16383, 16384, 32768, 1 << 20, (1 << 30) - 1, 1 << 30])
@pytest.mark.parametrize("sign", [-1, 1])
def test_packed_vectors_stand_for_what_was_packed(limit: int, sign: int) -> None:
    v = np.append(random_integers(limit, 500), sign * limit)
    int8, int15 = reference.quantize_int8(v), reference.quantize_int15(v)
    assert abs(int(int8.low[-1])) == 127  # nothing of the range is lost
    assert np.max(np.abs(real(int8) - v)) <= limit * (0.5 / 127 + 2.0**-13)
    assert np.max(np.abs(real(int15) - v)) <= limit / 248  # the clamp
    assert np.mean(np.abs(real(int15) - v)) <= limit * 2.0**-12
    assert int15.high is not None
    for integers in (int8.low, int15.low, int15.high):
        assert np.max(np.abs(integers)) <= 127
    assert np.min(int15.low) >= -64 and np.max(int15.low) <= 63


def test_packed_zeros_are_zeros() -> None:
    for packed in (reference.quantize_int8(np.zeros(32, np.int64)), reference.quantize_int15(np.zeros(32, np.int64))):
        assert not np.any(real(packed)) and packed.shift == 0
    assert reference.quantize_int8(np.zeros(32, np.int64)).size == 1


def test_sizes_end_at_a_limit() -> None:
    assert reference.quantize_int8(np.array([5, -77])).size == 77
    assert reference.quantize_int8(np.array([5, 1 << 22])).size == 1 << 22
    assert reference.quantize_int8(np.array([5, 1 << 29])).size == 1 << 22


@pytest.mark.parametrize("x_limit", [1, 40, 5000, 1 << 18, 1 << 30])
@pytest.mark.parametrize("epsilon", [0, 10737, 1 << 32])
def test_norm_is_rms_norm(x_limit: int, epsilon: int) -> None:
    tensors, config = tiny_transformer(8, tied=False, epsilon=epsilon)
    model = reference.Transformer(tensors, config)
    x = np.append(random_integers(x_limit, config["n_embd"] - 1), x_limit)
    gain = tensors["layers.0.gate_up.norm"] / 2.0**14
    exact = real_matrix(tensors, "layers.0.gate_up") @ rms_norm(x / 4096, gain, epsilon / config["n_embd"] / 2**24)
    layer = model.layers[0]
    for int15, tolerance in ((False, 0.02), (True, 0.0006)):
        normed = reference.rmsnorm(x, layer.norms["gate_up"], int15)
        ours = reference.apply_normed(layer.w_gate_up, normed) / 4096
        assert relative_error(ours, exact) < tolerance + 0.3 / 4096 / np.sqrt(np.mean(exact**2))


@pytest.mark.parametrize("unit", [0, 7, 24])
def test_gain_shifts_scale_the_gain(unit: int) -> None:
    gain = np.full(64, 32767 if unit else 1, np.int64)
    matrix = reference.Matrix(np.eye(64, dtype=np.int8) * 127, np.full(64, 1 << 26))  # 127 * 127 * 2^26 / 2^40: 0.984
    normed = reference.rmsnorm(random_integers(5000, 64), reference.Norm(gain, unit, 0), True)
    ours = reference.apply_normed(matrix, normed) / 4096
    assert np.sqrt(np.mean(ours**2)) == pytest.approx(127**2 / 2**14 * gain[0] / 2.0**unit, rel=0.01)


def test_embeddings_are_rows_of_the_matrix() -> None:
    tensors, config = tiny_transformer(9)
    model, exact = reference.Transformer(tensors, config), real_matrix(tensors, "embed") * 4096
    for token in (0, 7, config["n_vocab"]):
        assert np.max(np.abs(model.embedded(token) - exact[token])) <= 0.5


def test_cosine_goes_round_the_circle() -> None:
    quarter = 1 << 30
    assert [reference.cosine(i * quarter) for i in range(4)] == [1 << 14, 0, -(1 << 14), 0]
    phases = np.random.default_rng(2).integers(0, 1 << 32, 3000).tolist() + [1, quarter - 1, quarter + 1, (1 << 32) - 1]
    for phase in phases:
        assert abs(reference.cosine(phase) - 2**14 * math.cos(phase / 2**31 * math.pi)) < 1.02


@pytest.mark.parametrize("t", [0, 1, 17, 100_000, 1 << 31])
def test_rotation_is_that_of_halves(t: int) -> None:
    inv_freq = tiny_transformer()[0]["inv_freq"]
    v = random_integers(9000, 32)
    phases = np.array([t * int(frequency) % (1 << 32) for frequency in inv_freq])
    exact = rope(v[None, None].astype(float), phases[None] / 2**31 * np.pi)[0, 0]
    assert np.max(np.abs(real(reference.rotate(v, t, inv_freq)) - exact)) < np.max(np.abs(exact)) * 0.0042


def test_scores_depend_on_distances() -> None:
    inv_freq = tiny_transformer()[0]["inv_freq"]
    query, key = random_integers(9000, 32, 3), random_integers(9000, 32, 4)

    def score(t_query: int, t_key: int) -> int:
        turned = reference.rotate(key, t_key, inv_freq)
        rotated = reference.rotate(query, t_query, inv_freq)
        return int(reference.scores(rotated, turned.low[None], np.array([turned.size]))[0])

    for distance in (0, 1, 5, 31):
        near = [score(t + distance, t) for t in (0, 1, 1000, 123_456_789)]
        assert max(near) - min(near) < 1200
    assert abs(score(20, 0) - score(0, 20)) > 2500  # the direction counts


def test_scores_are_in_octaves() -> None:
    rng = np.random.default_rng(6)
    for head_dim, limit in ((32, 40), (64, 5000), (256, 30_000)):
        keys, sizes = rng.integers(-127, 128, (20, head_dim)), rng.integers(2000, 30_000, 20)
        query = reference.quantize_int8(random_integers(limit, head_dim))
        dots = (keys * sizes[:, None] / 127 / 4096) @ (real(query) / 4096)
        exact = dots / math.sqrt(head_dim) * math.log2(math.e) * 4096
        ours = reference.scores(query, keys, sizes)
        assert np.max(np.abs(ours - exact)) < 1 + 3e-5 * np.max(np.abs(exact))


def test_attention_is_a_mean_under_exponentials() -> None:
    rng = np.random.default_rng(7)
    for n, spread in ((1, 0), (2, 9000), (32, 20_000), (1000, 3000), (8192, 0)):
        scores, values = rng.integers(-spread, spread + 1, n), rng.integers(-127, 128, (n, 32))
        sizes = rng.integers(1, 30_000, n)
        weights = 2.0 ** ((scores - np.max(scores)) / 4096)
        exact = weights / np.sum(weights) @ (values * sizes[:, None] / 127)
        assert (
            np.max(np.abs(reference.attend(scores, values, sizes) - exact)) < 0.5 + 30_000 * 0.0045
        )  # the greatest weight may end at 16319


def test_attention_hears_many_that_score_low() -> None:
    """Beside one token of weight 1, two hundred of 1/1024 each have a sixth of the whole."""
    scores, values = np.r_[0, np.full(200, -10 << 12, np.int64)], np.r_[0, np.full(200, 127, np.int64)][:, None]
    share = reference.attend(scores, values, np.full(201, 20_000, np.int64)) / 20_000
    assert share == pytest.approx(200 / 1224, rel=0.1)


def test_swiglu_is_a_gate() -> None:
    g, u = random_integers(1 << 17, 4000, 8), random_integers(30_000, 4000, 9)
    exact = g / (1 + np.exp(-g / 4096)) * u / 4096
    assert np.max(np.abs(reference.glu(g, u) - exact)) < 16
    ends = np.array([0, 1, -1, 65535, 65536, -65535, -65536, 1 << 30, -1 << 30])
    assert reference.glu(ends, np.full(9, 4096)).tolist() == [0, 1, 0, 65535, 65536, 0, 0, 1 << 30, 0]


def test_geglu_is_a_gate() -> None:
    g, u = random_integers(1 << 15, 4000, 8), random_integers(30_000, 4000, 9)
    x = g / 4096
    exact = x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) * u
    assert np.max(np.abs(reference.glu(g, u, True) - exact)) < 16
    ends = np.array([0, 1, -1, 20480, -20480, 1 << 30, -1 << 30])
    assert reference.glu(ends, np.full(7, 4096), True).tolist() == [0, 1, 0, 20480, 0, 1 << 30, 0]


@pytest.mark.parametrize("cap", [4096, 177269, 295448, 1 << 26])
def test_soft_caps_are_tanh(cap: int) -> None:
    x = np.append(random_integers(4 * min(cap, 1 << 26), 4000, 10), [0, 1 << 30, -1 << 30])
    exact = cap * np.tanh(x / cap)
    assert np.max(np.abs(reference.soft_cap(x, cap) - exact)) < 1 + cap / 2**13
    assert reference.soft_cap(x, 0) is x


@pytest.mark.parametrize("unit", [7, 14])
def test_normalised_heads_are_in_units(unit: int) -> None:
    gain, x = random_integers(30_000, 256, 11), random_integers(1 << 20, 256, 12)
    exact = rms_norm(x / 4096, gain / 2.0**unit, 0.01) * 4096
    ours = reference.normalise(x, reference.Norm(gain, unit, round(256 * 0.01 * 2**24)))
    assert relative_error(ours, exact) < 0.001


def test_exponentials_are_of_logits() -> None:
    tensors, config = tiny_transformer(10, tied=False)
    model = reference.Transformer(tensors, config)
    x = random_integers(9000, config["n_embd"])
    gain, epsilon = tensors["lm_head.norm"] / 2.0**14, config["epsilon"] / config["n_embd"] / 2**24
    logits = real_matrix(tensors, "lm_head") @ rms_norm(x / 4096, gain, epsilon)
    exact = (logits - np.max(logits)) * math.log2(math.e)
    e = reference.lm_head(model.head, reference.rmsnorm(x, model.head_norm, True))
    assert e.shape == (config["n_vocab"],) and np.max(e) == 1 << 31
    assert np.max(np.abs(np.log2(e / 2**31) - exact)) < 0.01


# --- what a lane knows of the past


def test_lanes_are_apart() -> None:
    config = tiny_transformer()[1]
    model = reference.Transformer.from_bytes(tiny_transformer_weights(11, int15=["down"]))
    tokens = some_tokens(config, 8, 3)
    together = reference.run(model, tokens, 3)
    assert together.shape == (8, 3, config["n_vocab"]) and together.dtype == np.uint32
    for lane in range(3):
        assert np.array_equal(together[:, lane], reference.run(model, tokens[:, lane : lane + 1], 1)[:, 0])
    assert np.array_equal(together[0, 0], together[0, 1])  # all begin with the start
    assert not np.array_equal(together[1, 0], together[1, 1])


def test_attention_sees_a_window() -> None:
    """Without positions a step of one layer depends on the first four inputs and the last `window` - 4 alone."""
    tensors, config = tiny_transformer(12, n_layer=1, window=WINDOW)
    tensors["inv_freq"] = np.zeros_like(tensors["inv_freq"])
    model = reference.Transformer(tensors, config)
    tokens = some_tokens(config, 41)  # step 40 is behind tokens 0 .. 39

    def last_step(changed: int) -> bytes:
        others = tokens.copy()
        others[changed] = (others[changed] + 1) % config["n_vocab"]
        return reference.run(model, others, 1)[-1].tobytes()

    unchanged = reference.run(model, tokens, 1)[-1].tobytes()
    first_of_the_last = 40 - (config["window"] - 4)
    assert last_step(40) == last_step(3) == last_step(first_of_the_last - 1) == unchanged
    assert unchanged not in [last_step(n) for n in (0, 2, first_of_the_last, 39)]


# --- the overflow budget


@pytest.mark.parametrize("seed", range(8))
def test_extreme_weights_stay_within_the_budget(seed: int) -> None:
    """The assertions of the reference hold, numbers come to their ends, and not all tokens are alike."""
    int15 = [[], ALL_INT15, ["qkv", "down"], ["o", "gate_up", "lm_head"]][seed % 4]
    changes = {"tied": seed < 4, "bias": seed % 2 == 1, "epsilon": [0, 10737, 1 << 32][seed % 3], "n_layer": 3}
    tensors, config = tiny_transformer(seed, kind="extreme", int15=int15, **changes)
    model = reference.Transformer.from_bytes(weight_file(tensors, config))
    largest = []
    mlp = model.mlp

    def watched(x: np.ndarray, *rest: Any) -> np.ndarray:
        largest.append(int(np.max(np.abs(x))))
        return mlp(x, *rest)

    model.mlp = watched  # type: ignore[method-assign]
    exponentials = reference.run(model, some_tokens(config, 36), 1)
    assert max(largest) == 1 << 30
    assert np.all(exponentials >= 1) and np.all(np.max(exponentials, -1) == 1 << 31)
    assert len(np.unique(exponentials)) > 20


def test_widest_attention_stays_within_the_budget() -> None:
    for scores in (np.zeros(8192, np.int64), np.r_[np.full(8191, -1 << 29, np.int64), 1 << 29]):
        values, sizes = np.full((8192, 256), -127, np.int64), np.full(8192, 1 << 22, np.int64)
        assert np.max(np.abs(reference.attend(scores, values, sizes) + (1 << 22))) <= 1 << 9
    query = reference.rotate(np.full(256, (1 << 30) - 1, np.int64), 1, np.full(128, 1 << 29, np.int64))
    assert query.shift == 16 and query.top == 46339 >> 1
    keys = np.stack([query.low, -query.low])
    assert reference.scores(query, keys, np.full(2, 1 << 22)).tolist() == [1 << 29, -1 << 29]


def test_widest_norm_stays_within_the_budget() -> None:
    """Widths, epsilon and gains at their ends, on the largest and the smallest numbers."""
    weight = np.full((1, 8192), 127, np.int8)
    matrix = reference.Matrix(weight, np.array([((1 << 50) - 1) // (8192 * 127 * 127)]))
    for x in (np.full(8192, 1 << 30), np.full(8192, -1 << 30), np.full(8192, 1), np.zeros(8192, np.int64)):
        for gain, unit, epsilon in ((-1 << 15, 0, 0), (32767, 24, 1 << 32), (1, 24, 0), (1, 24, 1 << 32)):
            norm = reference.Norm(np.full(8192, gain), unit, epsilon)
            for int15 in (False, True):
                normed = reference.rmsnorm(x.astype(np.int64), norm, int15)
                assert np.all(np.abs(reference.apply_normed(matrix, normed)) <= 1 << 30)
                assert reference.lm_head(matrix, normed).tolist() == [1 << 31]


# --- tables


def test_tables_hold_what_their_formulas_say() -> None:
    sigmoids, cosines = tables.sigmoid_table(), tables.cosine_table()
    assert len(sigmoids) == len(cosines) == 1025
    assert sigmoids[0] == 1 << 14 and sigmoids[64] == 23955 and sigmoids[1024] == 1 << 15
    assert cosines[0] == 1 << 14 and cosines[512] == 11585 and cosines[1024] == 0
    for i in range(1025):
        assert abs(sigmoids[i] - 2**15 / (1 + math.exp(-i / 64))) <= 0.5 + 1e-9
        assert abs(cosines[i] - 2**14 * math.cos(math.pi / 2 * i / 1024)) <= 0.5 + 1e-9


def test_scale_of_scores_is_rounded() -> None:
    for head_dim in range(32, 257, 32):
        exact = 2**36 * math.log2(math.e) / (127**2 * math.sqrt(head_dim))
        assert abs(reference.scale_of_scores(head_dim) - exact) < 0.5
