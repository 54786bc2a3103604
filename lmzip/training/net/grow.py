"""A net of more hashed contexts and narrower MLPs that begins with the weights of another: to train on from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lmzip.training.net.model import SQUARE_UNIT, ByteNet, NetConfig
from lmzip.training.net.trainer import Trainer


def hidden_weights(trainer: Trainer, corpus) -> list[Tensor]:
    """Return (n_hidden,) for each layer: the mean square that a hidden unit adds to the residual stream over a corpus.

    corpus: lmzip.training.net.data.Corpus, of which validation reads all.
    """
    sums = [torch.zeros(trainer.net.config.n_hidden) for _ in trainer.net.layers]
    n_positions = 0

    def watch(i: int, q: Tensor) -> None:
        nonlocal n_positions
        n_positions += q[..., 0].numel() if i == 0 else 0
        sums[i] += (q.float() / SQUARE_UNIT).square().flatten(0, -2).sum(0).cpu()

    hooks = [
        layer.w_down.register_forward_pre_hook(lambda _, inputs, i=i: watch(i, inputs[0]))  # type: ignore[misc]
        for i, layer in enumerate(trainer.net.layers)
    ]
    try:
        trainer.validate(corpus)
    finally:
        for hook in hooks:
            hook.remove()
    energies = [layer.w_down.weight.detach().square().sum(0).cpu() for layer in trainer.net.layers]
    return [s / n_positions * energy for s, energy in zip(sums, energies, strict=True)]


@torch.no_grad()
def grown(old: ByteNet, config: NetConfig, hidden: list[Tensor]) -> ByteNet:
    """Return a net of `config` that computes what the old one does, but for the hidden units that it has no room for.

    The tables of contexts that the old net lacks are random and not listened to yet.  hidden: (old n_hidden,) for each
    layer; the units of the greatest numbers are kept, in their order.
    Raises ValueError where the two differ in more than contexts and a smaller n_hidden, or config lacks a context.
    """
    c = old.config
    if replace(config, orders=c.orders, n_hidden=c.n_hidden) != c or config.n_hidden > c.n_hidden:
        raise ValueError("nets to grow differ in their orders and by a smaller n_hidden only")
    if any(order not in config.orders for order in c.orders):
        raise ValueError(f"orders lack some of {c.orders}")
    new = ByteNet(config)
    new.byte_embedding.copy_(old.byte_embedding)
    new.w_embed.weight.zero_()
    new.w_embed.weight[:, : c.byte_dim] = old.w_embed.weight[:, : c.byte_dim]
    for i, order in enumerate(c.orders):
        j = config.orders.index(order)
        new.tables[j] = old.tables[i]
        there, here = (c.byte_dim + k * c.table_dim for k in (i, j))
        new.w_embed.weight[:, here : here + c.table_dim] = old.w_embed.weight[:, there : there + c.table_dim]
    for a, b, weight in zip(old.layers, new.layers, hidden, strict=True):
        kept = weight.topk(config.n_hidden).indices.sort().values
        b.w_in.weight.copy_(a.w_in.weight)
        b.w_out.weight.copy_(a.w_out.weight)
        b.forget_bias.copy_(a.forget_bias)
        b.w_up.weight.copy_(a.w_up.weight[kept])
        b.w_down.weight.copy_(a.w_down.weight[:, kept])
    new.w_head.weight.copy_(old.w_head.weight)
    return new
