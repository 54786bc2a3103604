"""The parts of training in torch: the recurrence, the optimisers, the pieces of the net."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

# --- scan -------------------------------------------------------------------------------------------------------------

SHAPES = [(1, 1, 1), (2, 5, 3), (3, 33, 17), (1, 20, 65)]  # batch, time, channels
RESETS: dict[str, list[int]] = {"none": [], "first": [0], "middle": [2, 3], "last": [-1], "some": [0, 4, -2]}


def scan_case(torch: ModuleType, shape: tuple[int, int, int], resets: str) -> tuple:
    """Return z, g, h0, reset (of the batch's last sequence) and a gradient of every state."""
    B, T, D = shape
    z, g, dh = torch.randn(shape), torch.rand(shape), torch.randn(shape)
    reset = torch.zeros(B, T, dtype=torch.uint8)
    for t in RESETS[resets]:
        if -T <= t < T:
            reset[-1, t] = 1
    return z, g, torch.randn(B, D), reset, dh


def scanned_by_loop(torch: ModuleType, z, g, h0, reset, dh) -> list:
    """Return h, dz, dg, in float32 from a loop and autograd in float64."""
    z, g = z.double().requires_grad_(), g.double().requires_grad_()
    state, states = h0.double(), []
    for t in range(z.shape[1]):
        state = state * (reset[:, t] == 0)[:, None]
        state = (1 - g[:, t]) * state + g[:, t] * z[:, t]
        states.append(state)
    h = torch.stack(states, 1)
    return [x.detach().float() for x in (h, *torch.autograd.grad(h, (z, g), dh.double()))]


@pytest.mark.parametrize("resets", RESETS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scan_is_a_loop(torch: ModuleType, shape: tuple[int, int, int], resets: str) -> None:
    from lmzip.training.net.scan import scan

    z, g, h0, reset, dh = scan_case(torch, shape, resets)
    z.requires_grad_()
    g.requires_grad_()
    h0.requires_grad_()
    h = scan(z, g, h0, reset)
    h.backward(dh)
    for found, expected in zip((h, z.grad, g.grad), scanned_by_loop(torch, z, g, h0, reset, dh), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert h0.grad is None, "back-propagation ends at the window"


def test_scan_of_parts_of_a_product(torch: ModuleType) -> None:
    """As the net calls it: z and g are columns of one tensor, and the gradient comes transposed."""
    from lmzip.training.net.scan import scan

    z, g, h0, reset, dh = scan_case(torch, (2, 9, 8), "some")
    u = torch.cat([z, g], -1).requires_grad_()
    h = scan(u[..., :8], u[..., 8:], h0, reset)
    h.transpose(1, 2).backward(dh.transpose(1, 2).contiguous())
    expected = scanned_by_loop(torch, z, g, h0, reset, dh)
    for found, right in zip((h, u.grad[..., :8], u.grad[..., 8:]), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)


INTERPRETED = """
import sys
import torch
from lmzip.training.net.scan_triton import backward, forward

cases = torch.load(sys.argv[1])
results = []
for z, g, h0, reset, dh in cases:
    h, dz, dg = (torch.full_like(z, torch.nan) for _ in range(3))
    forward(z, g, h0, reset, h)
    backward(z, g, h0, reset, h, dh, dz, dg)
    results.append([h, dz, dg])
torch.save(results, sys.argv[1])
"""


def test_scan_on_triton_is_a_loop(torch: ModuleType, tmp_path: Path) -> None:
    """The kernels for CUDA, in Triton's interpreter: another process, since a variable at import decides on it."""
    pytest.importorskip("triton")
    cases = [
        scan_case(torch, shape, resets) for shape, resets in zip(SHAPES, ["first", "none", "some", "last"], strict=True)
    ]
    torch.save(cases, tmp_path / "cases.pt")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", INTERPRETED, tmp_path / "cases.pt"], env=environment, check=True, timeout=200)
    for case, found in zip(cases, torch.load(tmp_path / "cases.pt"), strict=True):
        for x, right in zip(found, scanned_by_loop(torch, *case), strict=True):
            torch.testing.assert_close(x, right, rtol=1e-5, atol=1e-5)


# --- optimisers -------------------------------------------------------------------------------------------------------


def test_rowwise_optimizer_is_a_dense_rule_on_the_rows_of_a_step(torch: ModuleType) -> None:
    from lmzip.training.net.optim import RowwiseOptimizer

    n_tables, n_rows, dim, beta, eps = 2, 12, 4, 0.9, 1e-8
    tables = torch.randn(n_tables, n_rows, dim)
    expected, second = tables.double(), torch.zeros(n_tables, n_rows, dtype=torch.float64)
    optimizer = RowwiseOptimizer(tables, beta, eps)
    for step in range(6):
        index = torch.randint(0, 9, (n_tables, 2, 3))  # rows 9 .. 11 are never visited; others more than once
        index[0, 0, 0] = index[0, 1, 2] = step
        gradient = torch.randn(n_tables, 2, 3, dim) * 10.0**-step
        before = tables.clone()
        optimizer.step(index, gradient, 0.1 / (1 + step))

        dense = torch.zeros(n_tables, n_rows, dim, dtype=torch.float64)
        for t in range(n_tables):
            for at in range(6):
                dense[t, index[t].flatten()[at]] += gradient[t].reshape(6, dim)[at].double()
        visited = torch.stack([torch.isin(torch.arange(n_rows), i) for i in index])
        square = dense.square().mean(-1)
        second = torch.where(visited, torch.where(second == 0, square, beta * second + (1 - beta) * square), second)
        expected -= torch.where(visited[..., None], 0.1 / (1 + step) * dense / (second.sqrt() + eps)[..., None], 0)

        assert torch.equal((tables != before).any(-1), visited)
        torch.testing.assert_close(tables, expected.float(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(optimizer.second, second.float(), rtol=1e-4, atol=0)


def test_rowwise_optimizer_leaves_rows_without_gradient(torch: ModuleType) -> None:
    from lmzip.training.net.optim import RowwiseOptimizer

    tables = torch.randn(1, 5, 3)
    before = tables.clone()
    RowwiseOptimizer(tables).step(torch.tensor([[1, 1, 4]]), torch.zeros(1, 3, 3), 0.1)
    assert torch.equal(tables, before)


@pytest.mark.parametrize("shape", [(96, 32), (32, 96), (48, 48), (200, 24)], ids=str)
def test_orthogonalised_matrices_have_singular_values_near_one(torch: ModuleType, shape: tuple[int, int]) -> None:
    """Singular values near 1, whatever they were, and the singular vectors that were there."""
    from lmzip.training.net.optim import orthogonalised

    u, s, vt = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    for m in (1e-4 * (u * s) @ vt, 300 * (u * torch.linspace(1, 0.05, len(s))) @ vt):
        o = orthogonalised(m)
        values = torch.linalg.svdvals(o)
        assert o.shape == m.shape and o.dtype == torch.float32
        assert values.min() > 0.6 and values.max() < 1.25
        inside = u.T @ o @ vt.T
        assert (inside - torch.diag(inside.diagonal())).abs().max() < 0.1 and inside.diagonal().min() > 0.6


def test_muon_steps_are_of_the_size_of_the_rate(torch: ModuleType) -> None:
    """The size of a step depends on the learning rate and the shape alone, its direction on gradients and momentum."""
    from lmzip.training.net.optim import Muon, orthogonalised

    for shape, factor in (((64, 16), 2.0), ((16, 64), 1.0)):
        p, idle = torch.nn.Parameter(torch.randn(shape)), torch.nn.Parameter(torch.ones(2, 2))
        optimizer, momentum = Muon([p, idle], lr=0.5, momentum=0.9, weight_decay=0.1), torch.zeros(shape)
        for size in (1.0, 1000.0, 1.0):
            before, p.grad = p.detach().clone(), size * torch.randn(shape)
            momentum = 0.9 * momentum + 0.1 * p.grad
            optimizer.step()
            expected = before * (1 - 0.5 * 0.1) - 0.5 * factor * orthogonalised(0.1 * p.grad + 0.9 * momentum)
            torch.testing.assert_close(p.detach(), expected, rtol=0, atol=0.01)
        assert (idle == 1).all()


# --- the net's pieces -------------------------------------------------------------------------------------------------


def test_gate_sigmoid_is_close_to_a_sigmoid(torch: ModuleType) -> None:
    from lmzip.training.net.model import gate_sigmoid

    u = torch.tensor([-9.0, -4.0, -2.0, 0.0, 2.0, 4.0, 9.0], requires_grad=True)
    gate_sigmoid(u).sum().backward()
    assert gate_sigmoid(u).tolist() == [0, 0, 0.125, 0.5, 0.875, 1, 1]
    assert u.grad[1:-1].tolist() == [0, 0.125, 0.25, 0.125, 0] and not u.grad[[0, -1]].any()
    u = torch.linspace(-6, 6, 1001)
    assert (gate_sigmoid(u).diff() >= 0).all() and (gate_sigmoid(u) - torch.sigmoid(u)).abs().max() < 0.05


def test_rounding_has_the_gradient_of_the_identity(torch: ModuleType) -> None:
    from lmzip.training.net.model import rounded

    x = torch.tensor([-1.6, -0.5, 0.2, 0.5, 1.5, 7.0], requires_grad=True)
    y = rounded(x)
    y.backward(torch.arange(6.0))
    assert y.tolist() == [-2, 0, 0, 0, 2, 7] and x.grad.tolist() == [0, 1, 2, 3, 4, 5]


def test_norm_int8_gives_integers_near_the_norm(torch: ModuleType) -> None:
    from lmzip.training.net.model import NORM_UNIT, norm_int8

    x = torch.randn(7, 96) * torch.logspace(-2, 3, 7)[:, None]
    x[0, 0] = 50.0  # so far out that it is clamped
    x.requires_grad_()
    q, weight = norm_int8(x), torch.randn(7, 96)
    assert torch.equal(q, q.round()) and q.abs().max() == q[0, 0] == 127
    real = NORM_UNIT * x / x.square().mean(-1, keepdim=True).sqrt()
    assert (q - real)[1:].abs().max() < 0.52
    assert not norm_int8(torch.zeros(2, 96)).any()
    (gradient,) = torch.autograd.grad((q * weight).sum(), x)
    (expected,) = torch.autograd.grad((real.clamp(-127, 127) * weight).sum(), x)
    torch.testing.assert_close(gradient[1:], expected[1:], rtol=1e-2, atol=1e-4)
    assert gradient[1:].any()


def test_square_int8_gives_integers_near_the_square(torch: ModuleType) -> None:
    from lmzip.training.net.model import square_int8

    u = torch.linspace(-5, 5, 1001, requires_grad=True)
    q = square_int8(u)
    q.sum().backward()
    real = 16 * u.detach().clamp(min=0) ** 2
    assert torch.equal(q, q.round()) and q.min() == 0 and q.max() == 127
    assert (q - real.clamp(max=127)).abs().max() <= 0.5
    torch.testing.assert_close(u.grad, torch.where(real < 127, 32 * u.detach().clamp(min=0), 0))


def test_quant_linear_multiplies_by_integers(torch: ModuleType) -> None:
    from lmzip.training.net.model import QuantLinear

    layer = QuantLinear(40, 24, unit=16)
    with torch.no_grad():
        layer.weight *= torch.logspace(-3, 3, 24)[:, None]
        layer.weight[5] = 0
    integers, scale = layer.quantised()
    assert torch.equal(integers, integers.round()) and not integers[5].any()
    largest = integers.abs().amax(1)
    assert (largest[:5] == 127).all() and (largest[6:] == 127).all()
    assert ((integers * scale[:, None] - layer.weight).abs() <= 0.501 * scale[:, None]).all()

    q = torch.randint(-127, 128, (3, 40)).float().requires_grad_()
    out, dout = layer(q), torch.randn(3, 24)
    torch.testing.assert_close(out, q @ (integers * scale[:, None]).T / 16)
    out.backward(dout)
    torch.testing.assert_close(q.grad, dout @ (integers * scale[:, None]) / 16)
    torch.testing.assert_close(layer.weight.grad, dout.T @ q.detach() / 16)  # as if nothing were rounded
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(q), out.detach(), rtol=0.01, atol=float(out.detach().abs().max()) / 100)


def test_windows_follow_each_other_and_resets_part_them(torch: ModuleType) -> None:
    """Two windows give what one of both does; behind a reset nothing is known of what stood before it."""
    from lmzip.training.net.model import ByteNet, NetConfig

    net = ByteNet(NetConfig(32, n_layer=2, n_hidden=32, n_state=32, byte_dim=32, table_dim=32, orders=[2]))
    last, rows = torch.randint(0, 256, (2, 24)), torch.randn(1, 2, 24, 32)
    reset = torch.zeros(2, 24, dtype=torch.uint8)
    reset[1, 15] = 1
    with torch.no_grad():
        whole, end = net(last, rows, net.initial_state(2), reset)
        first, states = net(last[:, :10], rows[:, :, :10], net.initial_state(2), reset[:, :10])
        second, states = net(last[:, 10:], rows[:, :, 10:], states, reset[:, 10:])
        alone, _ = net(last[1:, 15:], rows[:, 1:, 15:], net.initial_state(1), reset[1:, 15:] * 0)
        unparted, _ = net(last, rows, net.initial_state(2), reset * 0)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(states, end)
    torch.testing.assert_close(whole[1:, 15:], alone)
    assert torch.equal(unparted[0], whole[0]) and (unparted[1, 15:] - whole[1, 15:]).abs().max() > 0.01
