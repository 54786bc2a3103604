"""Optimisers: Muon for matrices, Adam for the rest, and a row-wise one that touches only the table rows of a step."""

from __future__ import annotations

import torch
from torch import Tensor

from lmzip.training.net.precision import multiplies_bfloat16


def orthogonalised(m: Tensor) -> Tensor:
    """Return (n, k) with the singular vectors of m and singular values near 1 (Newton-Schulz; Jordan 2024, "Muon")."""
    x = m.bfloat16() if multiplies_bfloat16(m.device.type) else m
    transposed = x.shape[0] > x.shape[1]
    x = x.T if transposed else x
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if transposed else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; for the matrices inside the net."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalised(p.grad.lerp(m, group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


class RowwiseOptimizer:
    """Adam without momentum whose second moment is one number a row, for tables of which a step touches few rows.

    The second moment of a row decays with its own visits, so rare rows keep a memory of their last gradients.
    """

    def __init__(self, tables: Tensor, beta: float = 0.95, eps: float = 1e-8) -> None:
        self.tables = tables  # (n_tables, n_rows, dim)
        self.second = torch.zeros(tables.shape[:2], device=tables.device)
        self.beta, self.eps = beta, eps

    @torch.no_grad()
    def step(self, index: Tensor, gradient: Tensor, lr: float) -> None:
        """Update the rows index (n_tables, ...) by their gradients (n_tables, ..., dim); repeated rows add up."""
        n_rows = self.tables.shape[1]
        offsets = torch.arange(self.tables.shape[0], device=index.device) * n_rows
        flat = (index.flatten(1) + offsets[:, None]).flatten()
        touched, where = flat.unique(return_inverse=True)
        summed = torch.zeros(len(touched), gradient.shape[-1], device=gradient.device)
        summed.index_add_(0, where, gradient.reshape(len(flat), -1).float())
        second = self.second.view(-1)[touched]
        mean_square = summed.square().mean(1)
        second = torch.where(second == 0, mean_square, second * self.beta + mean_square * (1 - self.beta))
        self.second.view(-1)[touched] = second
        summed *= (-lr / (second.sqrt() + self.eps))[:, None]
        self.tables.view(-1, self.tables.shape[-1]).index_add_(0, touched, summed)

    def state_dict(self) -> dict:
        return {"second": self.second}

    def load_state_dict(self, state: dict) -> None:
        self.second.copy_(state["second"])
