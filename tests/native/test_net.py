"""The net (ARITHMETIC 10): all variants of the kernel equal the reference, keep the budget and are what was trained."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_net
from conftest import ROOT, SAMPLE
from kernel_tools import VARIANTS
from tiny_net import kernel_net

from lmzip.errors import UnsupportedError
from lmzip.models import weights
from lmzip.native import cpu
from lmzip.native.bytelm import Net
from lmzip.reference import net as reference

SHIPPED = sorted((ROOT / "lmzip" / "models" / "data").glob("*.safetensors"))
N_LANES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 128)

# Rows of 32 times an odd number, and matrices of an odd number of 32 rows, are the tails of the kernel's tiles.
NETS: dict[str, dict] = {
    "small": {},
    "one layer, long orders": {"n_layer": 1, "orders": [5, 7, 8], "seed": 2},
    "odd": {"n_embd": 96, "n_state": 224, "n_hidden": 160, "orders": [1, 4, 6, 0], "table_bits": 17, "seed": 3},
    "narrow embeddings": {"byte_dim": 7, "table_dim": 5, "orders": [3, 2, 4, 0, 1], "n_layer": 3, "seed": 4},
    "no tables": {"orders": [], "n_embd": 160, "n_hidden": 32, "seed": 5},
    "ties": {"kind": "ties", "seed": 9},
    "extreme": {"kind": "extreme", "seed": 6},
    "extreme odd": {"kind": "extreme", "n_embd": 96, "n_state": 96, "n_hidden": 160, "n_layer": 3, "seed": 7},
    "peak": tiny_net.PEAK,
}


def lanes_of_bytes(n_steps: int, n_lanes: int) -> np.ndarray:
    """Return (n_steps, n_lanes) uint8: lanes of text, of random bytes, and of those at the edges of being letters."""
    rng = np.random.default_rng(9)
    data = rng.integers(0, 256, (n_steps, n_lanes), np.uint8)
    data[:, 1::3] = rng.choice(np.frombuffer(b"@AZ[`az{\x7f\x80\xff", np.uint8), data[:, 1::3].shape)
    text = np.frombuffer(SAMPLE.read_bytes(), np.uint8)
    for lane in range(0, n_lanes, 3):
        data[:, lane] = text[3000 + 50 * lane :][:n_steps]
    return data


@cache
def file_of(name: str) -> bytes:
    return tiny_net.tiny_weights(**NETS[name])


@cache
def net_of(name: str, simd: str) -> Net:
    return kernel_net(*tiny_net.tiny_net(**NETS[name]), simd)


def kernel_trees(net: Net, data: np.ndarray) -> np.ndarray:
    return np.array(net.run(data.tobytes(), data.shape[1]), np.uint32).reshape(*data.shape, 512)


# --- kernel and reference ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_kernel_equals_reference(name: str) -> None:
    data = lanes_of_bytes(10, 3) if name.startswith("peak") else lanes_of_bytes(60, 9)
    expected = reference.run(reference.Net.from_bytes(file_of(name)), data.tobytes(), data.shape[1])
    for simd in VARIANTS:
        assert np.array_equal(kernel_trees(net_of(name, simd), data), expected), simd
    assert len(np.unique(expected.reshape(-1, 512), axis=0)) > (1 if name.startswith("peak") else data.size // 2)


@pytest.mark.parametrize("name", ["small", "odd", "no tables", "extreme odd"])
def test_lanes_do_not_touch_each_other(name: str) -> None:
    """Any number of lanes gives each of them what 128 lanes of the portable variant give."""
    data = lanes_of_bytes(5, 128)
    expected = kernel_trees(net_of(name, "portable"), data)
    assert len(np.unique(expected[2], axis=0)) > 64
    for simd in VARIANTS:
        for n_lanes in N_LANES:
            first = 128 - n_lanes  # so that a lane has other neighbours and another place than before
            some = kernel_trees(net_of(name, simd), data[:, first:])
            assert np.array_equal(some, expected[:, first:]), (simd, n_lanes)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_give_the_numbers_of_the_reference(path: Path) -> None:
    file = path.read_bytes()
    data = lanes_of_bytes(12, 20)
    expected = reference.run(reference.Net.from_bytes(file), data[:, :2].tobytes(), 2)
    trees = [kernel_trees(weights.load_net(file, path, simd), data) for simd in VARIANTS]
    assert np.array_equal(trees[0][:, :2], expected)
    assert all(np.array_equal(other, trees[0]) for other in trees)


def test_shipped_weights_are_there_or_none_are() -> None:
    assert SHIPPED or not (ROOT / "lmzip" / "models" / "data").exists()


@pytest.mark.parametrize("simd", VARIANTS)
def test_minus_128_counts_as_minus_127(simd: str) -> None:
    tensors, config = tiny_net.tiny_net(10, "extreme")
    data = lanes_of_bytes(10, 8)
    trees = {}
    for least in (-128, -127, -126):
        raised = {name: np.maximum(x, least) if x.dtype == np.int8 else x for name, x in tensors.items()}
        trees[least] = kernel_trees(kernel_net(raised, config, simd), data)
    assert np.array_equal(trees[-128], trees[-127])
    assert not np.array_equal(trees[-128], trees[-126])


def test_numbers_come_near_the_budget_and_stay_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """int32 itself asserts 2^31; the peak net leaves little room below it, or this would prove nothing."""
    largest: dict[str, int] = {}
    check = reference.int32

    def measured(x):
        largest["any"] = max(largest.get("any", 0), int(np.max(np.abs(x))))
        return check(x)

    monkeypatch.setattr(reference, "int32", measured)
    net = reference.Net.from_bytes(file_of("peak"))
    reference.run(net, b"\2\4\1\3\2\1", 1)
    assert 19 * (1 << 26) - (1 << 12) < largest["any"] < 1 << 31
    with pytest.raises(AssertionError):
        check(np.array([0, -(1 << 31)], np.int64))


def test_run_refuses_bytes_that_are_no_steps() -> None:
    net = net_of("small", "portable")
    for data, n_lanes in ((b"abc", 2), (b"abc", 0), (bytes(129), 129), (b"abc", -1)):
        with pytest.raises(ValueError):
            net.run(data, n_lanes)
    assert len(net.run(b"", 5)) == 0


# --- the reference against real numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [32, 96, 8192])
def test_norm_is_a_norm(n: int) -> None:
    x = np.random.default_rng(n).standard_normal(n)
    for size in (1000, 4096, 32000, 1 << 20, 1 << 28):
        q = reference.norm_int8((x * size).astype(np.int64))
        assert np.max(np.abs(q - 24 * x / np.sqrt(np.mean(x * x)))) < 0.55
    assert not np.any(reference.norm_int8(np.zeros(n, np.int64)))


def test_gates_and_squares_are_those_of_training() -> None:
    u = np.arange(-20000, 20001, 7)
    t = np.clip(u / 4096 / 4, -1, 1)
    assert np.max(np.abs(reference.gate_sigmoid(u) / 2**14 - (0.5 + t - 0.5 * t * np.abs(t)))) < 2**-14
    assert np.max(np.abs(reference.square_int8(u) - np.minimum(127, 16 * np.maximum(0, u / 4096) ** 2))) < 0.501


def test_tree_holds_probabilities() -> None:
    logits = np.random.default_rng(2).integers(-20000, 20000, 256)
    logits[[7, 99]] = 21000
    tree = reference.tree_of_logits(logits)
    real = np.exp2(logits / 4096)
    assert np.max(np.abs(tree[256:] / tree[1] - real / real.sum())) < 2e-5
    assert tree[1] == tree[256:].sum() and reference.tree_top(tree) == 7
    for c0 in (1, 2, 77, 128, 255):
        assert tree[c0] == tree[2 * c0] + tree[2 * c0 + 1]
        odds = int(tree[2 * c0 + 1]) / int(tree[2 * c0])
        assert abs(reference.tree_stretch(tree, c0) - 1024 * math.log(odds)) < 0.52
    assert [reference.stretch_confidence(s) for s in (-12287, 0, 12287)] == [-2048, 0, 2047]
    tree[2], tree[3] = 1, 1 << 30
    assert reference.tree_stretch(tree, 1) == 12287
    for n in (1, 2, 3, 255, 12345, 1 << 30, (1 << 32) - 1):
        assert abs(reference.natural_log(n) / 2**20 - math.log(n)) < 2e-5


def test_contexts_of_training_are_those_of_the_kernel() -> None:
    from lmzip.training.net import contexts

    orders = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    text = (
        "Zoë's étude @[`{ 42 WORDSWORTH-word ".encode() + bytes([0, 64, 91, 96, 123, 127, 128, 255]) + bytes(range(256))
    )
    history, expected = 0, []
    for byte in text:
        expected.append(history)
        history = (history << 8 | byte) & (1 << 64) - 1
    data = np.frombuffer(bytes(8) + text, np.uint8)
    for table_bits in (16, 18, 24):
        rows = contexts.rows(data, orders, 1 << table_bits)
        for i, order in enumerate(orders):
            assert rows[i].tolist() == [reference.table_row(h, order, table_bits) for h in expected], order


# --- weights that the kernel refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["embed", "layers.0.in", "layers.1.out", "layers.0.up", "layers.1.down", "head"])
def test_multipliers_end_at_the_budget(name: str) -> None:
    tensors, config = tiny_net.tiny_net(n_embd=64, n_state=64)
    weight, multiplier = tensors[f"{name}.weight"], tensors[f"{name}.multiplier"]
    for row in (0, len(weight) - 1):
        weight[row] = [-128, 127] * (weight.shape[1] // 2)
        multiplier[row] = tiny_net.largest_multipliers(weight)[row]
        kernel_net(tensors, config)
        for wrong in (multiplier[row] + 1, -1, -(1 << 31), tiny_net.MAX_MULTIPLIER):
            kept, multiplier[row] = multiplier[row], wrong
            with pytest.raises(ValueError):
                kernel_net(tensors, config)
            multiplier[row] = kept
    weight[0] = 0
    multiplier[0] = tiny_net.MAX_MULTIPLIER
    kernel_net(tensors, config)


@pytest.mark.parametrize("name", ["layers.0.forget_bias", "layers.1.forget_bias"])
def test_biases_end_at_2_to_the_20(name: str) -> None:
    tensors, config = tiny_net.tiny_net()
    for right in (1 << 20, -(1 << 20)):
        tensors[name][-1] = right
        kernel_net(tensors, config)
    for wrong in ((1 << 20) + 1, -(1 << 20) - 1, (1 << 31) - 1, -(1 << 31)):
        tensors[name][-1] = wrong
        with pytest.raises(ValueError):
            kernel_net(tensors, config)


WRONG_SHAPES = [
    *({key: size} for key in ("n_embd", "n_hidden", "n_state") for size in (0, 16, 33, 48, 8224)),
    *({"n_layer": n} for n in (0, 13)),
    *({"orders": orders} for orders in ([9], [2, -1], [0, 1, 2, 3, 4, 5, 6, 7, 8])),
    {"byte_dim": 0},
    {"byte_dim": 33},
    {"orders": [2], "table_dim": 33},
    {"orders": [2], "table_dim": 0},
    {"byte_dim": 8192, "orders": [2]},
    {"orders": [2], "table_bits": 15},
    {"orders": [2], "table_bits": 25, "table_dim": 1, "byte_dim": 31},
]


@pytest.mark.parametrize("changes", WRONG_SHAPES, ids=str)
def test_wrong_shapes_are_refused(changes: dict) -> None:
    """The buffers have the sizes that the shape asks for: it is the shape that is wrong."""
    changes = {"byte_dim": 32, "orders": [], **changes}
    config = tiny_net.CONFIG | changes
    tensors = {
        "byte_embedding": np.zeros((256, config["byte_dim"]), np.int8),
        "tables": np.zeros((len(config["orders"]), 1 << config["table_bits"], config["table_dim"]), np.int8),
    }
    for name, (n_out, n_in, _) in tiny_net.matrix_shapes(config).items():
        tensors[f"{name}.weight"], tensors[f"{name}.multiplier"] = (
            np.zeros((n_out, n_in), np.int8),
            np.zeros(n_out, np.int32),
        )
    for i in range(config["n_layer"]):
        tensors[f"layers.{i}.forget_bias"] = np.zeros(config["n_state"], np.int32)
    with pytest.raises(ValueError):
        kernel_net(tensors, config)


@pytest.mark.parametrize("name", tiny_net.tiny_net(orders=[2])[0])
def test_wrong_sizes_are_refused(name: str) -> None:
    tensors, config = tiny_net.tiny_net(orders=[2])
    kernel_net(tensors, config)
    right = tensors[name]
    for wrong in (right[:-1], np.concatenate([right, right[:1]]), right[:0]):
        tensors[name] = wrong
        with pytest.raises(ValueError):
            kernel_net(tensors, config)


@pytest.mark.parametrize("asked_by", ["simd", "LMZIP_SIMD"])
@pytest.mark.parametrize("name", ["amx", "altivec"])
def test_a_variant_that_this_processor_lacks_is_no_fault_of_the_weights(
    monkeypatch: pytest.MonkeyPatch, name: str, asked_by: str
) -> None:
    monkeypatch.setattr(cpu, "simd_variants", lambda: ["portable", "avx2"])
    monkeypatch.setenv("LMZIP_SIMD", name if asked_by == "LMZIP_SIMD" else "portable")
    simd = name if asked_by == "simd" else None
    tensors, config = tiny_net.tiny_net(orders=[])
    message = f"^{asked_by}={name}: this processor has portable, avx2$"
    with pytest.raises(UnsupportedError, match=message):
        kernel_net(tensors, config, simd)
    with pytest.raises(UnsupportedError, match=message):
        weights.load_net(tiny_net.weight_file(tensors, config), Path("sound"), simd)


# --- export -----------------------------------------------------------------------------------------------------------


def test_export_predicts_what_training_does() -> None:
    torch = pytest.importorskip("torch")
    from lmzip.training.net import contexts
    from lmzip.training.net import weight_file as written
    from lmzip.training.net.model import ByteNet, NetConfig

    config = NetConfig(n_embd=64, n_layer=2, n_hidden=96, n_state=32, byte_dim=32, table_dim=32, orders=[2, 3, 0])
    torch.manual_seed(12)
    net = ByteNet(config)
    with torch.no_grad():  # stronger than at first: a trained net's predictions are not flat, nor its activations small
        for layer in net.layers:
            layer.w_in.weight *= 4
        net.w_embed.weight *= 3
        net.w_head.weight *= 3

    raw = SAMPLE.read_bytes()[5000:6500]
    data = np.frombuffer(bytes(8) + raw, np.uint8)[None]
    rows = torch.from_numpy(contexts.rows(data, config.orders, config.table_rows))  # (n_orders, 1, T)
    embedded = torch.stack([table[row] for table, row in zip(net.tables, rows, strict=True)])
    last = torch.from_numpy(data[:, 7:-1].astype(np.int64))
    with torch.no_grad():
        logits, _ = net(last, embedded, net.initial_state(1), torch.zeros(last.shape, dtype=torch.uint8))
    real = torch.log_softmax(logits[0].double(), -1).numpy() / math.log(2)  # (T, 256) bits

    file = written.weight_file(net, "tiny")
    assert written.weight_file(net, "tiny") == file
    trees = kernel_trees(weights.load_net(file, Path("tiny")), np.frombuffer(raw, np.uint8)[:, None])[:, 0].astype(
        float
    )
    integer = np.log2(trees[:, 256:] / trees[:, 1:2])
    at = np.arange(len(raw)), np.frombuffer(raw, np.uint8)
    assert integer[at].mean() == pytest.approx(real[at].mean(), rel=0.005)
    divergence = (np.exp2(real) * (real - integer)).sum(-1).mean()
    entropy = -(np.exp2(real) * real).sum(-1).mean()
    assert divergence < 0.003 and entropy < 7, "bits a byte"
