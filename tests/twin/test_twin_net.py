"""The net in torch gives the kernel's leaves: tiny nets, extreme weights, the shipped net, any lanes and stretches."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tiny_net
from conftest import ROOT, SAMPLE
from safetensors.numpy import load_file

from lmzip.models import weights

torch = pytest.importorskip("torch")

from lmzip.twin import products  # noqa: E402
from lmzip.twin.net import NetTwin  # noqa: E402

SHIPPED = ROOT / "lmzip" / "models" / "data" / "bytelm3.safetensors"
NETS: dict[str, dict] = {
    "small": {},
    "one layer, long orders": {"n_layer": 1, "orders": [1, 5, 7, 8], "table_dim": 8, "seed": 2},
    "odd": {"n_embd": 96, "n_state": 224, "n_hidden": 160, "orders": [1, 4, 6, 0], "table_bits": 17, "seed": 3},
    "no tables": {"orders": [], "n_embd": 160, "n_hidden": 32, "seed": 5},
    "ties": {"kind": "ties", "seed": 9},
    "extreme": {"kind": "extreme", "seed": 6},
    "extreme, more columns than float32 sums": {"kind": "extreme", "n_hidden": 1184, "n_state": 1056, "seed": 7},
    "peak": tiny_net.PEAK,
}


@cache
def tensors_of(name: str):
    return tiny_net.tiny_net(**NETS[name])


def lanes_of_bytes(n_lanes: int, n_steps: int) -> np.ndarray:
    """Return (n_lanes, n_steps) uint8: lanes of text, of random bytes, and of those at the edges of being letters."""
    rng = np.random.default_rng(9)
    data = rng.integers(0, 256, (n_lanes, n_steps), np.uint8)
    data[1::3] = rng.choice(np.frombuffer(b"@AZ[`az{\x7f\x80\xff", np.uint8), data[1::3].shape)
    text = np.frombuffer(SAMPLE.read_bytes(), np.uint8)
    for lane in range(0, n_lanes, 3):
        data[lane] = text[lane % 997 * 20 :][:n_steps]
    return data


def kernel_leaves(net, data: np.ndarray) -> np.ndarray:
    """Return (n_lanes, n_steps, 256): what the kernel predicts before each byte, at most 128 lanes at a time."""
    parts = []
    for some in np.split(data, range(128, len(data), 128)):
        trees = np.array(net.run(np.ascontiguousarray(some.T).tobytes(), len(some)), np.uint32)
        parts.append(trees.reshape(data.shape[1], len(some), 512)[:, :, 256:].transpose(1, 0, 2))
    return np.concatenate(parts)


def twin_leaves(twin: NetTwin, data: np.ndarray, stretch: int, n_rows: int | None = None) -> np.ndarray:
    """Return the same of the twin, with states in rows that are in disorder among others."""
    n_lanes, n_steps = data.shape
    n_rows = n_rows or n_lanes + 3
    rows = torch.randperm(n_rows, generator=torch.Generator().manual_seed(1))[:n_lanes]
    state = twin.new_state(n_rows)
    before = np.concatenate([np.zeros((n_lanes, 1), np.uint8), data[:, :-1]], 1)
    symbols = torch.from_numpy(before.T.astype(np.int64))
    parts = [twin.predict(state, rows, symbols[at : at + stretch]).numpy() for at in range(0, n_steps, stretch)]
    return np.concatenate(parts).transpose(1, 0, 2)


def check(twin: NetTwin, net, data: np.ndarray, stretches: tuple[int, ...]) -> None:
    expected = kernel_leaves(net, data)
    for stretch in stretches:
        assert np.array_equal(twin_leaves(twin, data, stretch), expected), stretch


@pytest.mark.parametrize("name", NETS)
def test_twin_equals_kernel(name: str) -> None:
    tensors, config = tensors_of(name)
    n_lanes, n_steps = (3, 8) if name.startswith("peak") else (9, 40)
    data = lanes_of_bytes(n_lanes, n_steps)
    net = tiny_net.kernel_net(tensors, config)
    check(NetTwin(tensors, config, "cpu"), net, data, (1, 7, n_steps))
    assert name == "peak" or len(np.unique(kernel_leaves(net, data).reshape(-1, 256), axis=0)) > data.size // 2


@pytest.mark.parametrize("name", ["odd", "extreme"])
def test_products_of_the_device_are_exact(name: str) -> None:
    """torch._int_mm, the way of CUDA, with rows that are filled up to its tiles."""
    tensors, config = tensors_of(name)
    extremes = torch.full((32, 1024), -127, dtype=torch.int8)
    if torch._int_mm(extremes, -extremes.t())[0, 0] != -(127**2) * 1024:
        pytest.skip("products of 8 bits saturate on this processor, which is why the CPU device does without")
    twin = NetTwin(tensors, config, "cpu", multiply=products.by_integers)
    for n_lanes in (1, 5, 31, 33):
        check(twin, tiny_net.kernel_net(tensors, config), lanes_of_bytes(n_lanes, 5), (1, 5))


def test_products_by_floats_are_exact_at_their_limits() -> None:
    """The largest sums of each sign, and sums that pass through them."""
    for n_in in (32, 1024, 1056, 8192):
        weight = np.full((32, n_in), 127, np.int8)
        weight[1] = -128  # counts as -127
        weight[2, ::2] = -127
        weight[3, n_in // 2 :] = -127
        weight[4, 0] = 126
        q = np.full((3, n_in), -127, np.int8)
        q[1] = 127
        q[2, ::3] = 1
        sums = products.by_floats(torch.from_numpy(weight).clamp(min=-127))(torch.from_numpy(q)).numpy()
        assert np.array_equal(sums, q.astype(np.int64) @ np.maximum(weight, -127).astype(np.int64).T), n_in


@pytest.mark.parametrize("n_lanes", [1, 2, 16, 17, 128, 1000, 4096])
def test_lanes_do_not_touch_each_other(n_lanes: int) -> None:
    tensors, config = tensors_of("small")
    check(NetTwin(tensors, config, "cpu"), tiny_net.kernel_net(tensors, config), lanes_of_bytes(n_lanes, 3), (1, 2))


def test_shipped_weights() -> None:
    tensors, config = load_file(SHIPPED), weights.inspect(SHIPPED)[0]
    net = weights.load_net(SHIPPED.read_bytes(), SHIPPED)
    check(NetTwin(tensors, config, "cpu"), net, lanes_of_bytes(20, 12), (1, 12))
