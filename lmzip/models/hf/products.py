"""Products of a few rows with large matrices on a CPU: what nearly all time of a step goes into."""

from __future__ import annotations

from typing import Any

import torch

# From here on the libraries' usual order is the faster one in float32.
_MANY_ROWS = 32


class WeightsFirst(torch.nn.Linear):
    """A linear layer that multiplies its weights with its input, not the other way round.

    The libraries copy the second matrix of a product into an order of their own each time; the input is the smaller.
    """

    def forward(self, given: Any) -> Any:
        """given (..., n_in); return (..., n_out)."""
        rows = given.reshape(-1, given.shape[-1])
        if given.dtype == torch.float32 and len(rows) >= _MANY_ROWS:
            return super().forward(given)
        found = torch.mm(self.weight, rows.t())
        if self.bias is not None:
            found += self.bias[:, None]
        return found.t().contiguous().view(*given.shape[:-1], -1)


def put_weights_first(module: torch.nn.Module) -> None:
    """Change all linear layers of a module; those of classes derived from them stay as they are."""
    for part in module.modules():
        if type(part) is torch.nn.Linear:
            part.__class__ = WeightsFirst
