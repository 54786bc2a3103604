"""The net in torch gives the kernel's leaves: tiny nets, extreme weights, the shipped net, any lanes and stretches."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_net
from conftest import ROOT
from net_tools import NETS, check, kernel_leaves, lanes_of_bytes, tensors_of
from safetensors.numpy import load_file

from lmzip.models import weights

torch = pytest.importorskip("torch")

from lmzip.twin import products  # noqa: E402
from lmzip.twin.net import NetTwin  # noqa: E402

SHIPPED = ROOT / "lmzip" / "models" / "data" / "bytelm3.safetensors"


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
