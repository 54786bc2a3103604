"""A grown net computes what the old one does, and listens to its new contexts once it is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SAMPLE

TINY = {"n_embd": 32, "n_layer": 2, "n_hidden": 64, "n_state": 32, "byte_dim": 32, "table_dim": 32, "orders": [2, 4, 0]}


def logits(torch: ModuleType, net, seed: int = 3):
    """Return the logits (2, 20, 256) of a net for random bytes."""
    from lmzip.training.net.contexts import WINDOW, rows

    seen = np.random.default_rng(seed).integers(97, 123, (2, WINDOW + 20), np.uint8)
    index = torch.from_numpy(rows(seen, net.config.orders, net.config.table_rows))
    gathered = torch.stack([table[i] for i, table in zip(index, net.tables, strict=True)])
    last = torch.from_numpy(seen[:, WINDOW - 1 : -1].astype(np.int64))
    with torch.no_grad():
        return net(last, gathered, net.initial_state(2), torch.zeros(2, 20, dtype=torch.uint8))[0]


@pytest.fixture
def data(torch: ModuleType, tmp_path: Path) -> Path:
    """A folder with one document to train on, and another to validate with."""
    from prepare_data import Split

    for name, at in (("train", 9000), ("val", 12000)):
        split = Split(tmp_path, name)
        split.add("a", SAMPLE.read_bytes()[at : at + 2000])
        split.finish(["a"])
    return tmp_path


@pytest.fixture
def old(torch: ModuleType):
    """A random net with half of its first layer's hidden units dead, and the weights of all hidden units."""
    from lmzip.training.net.model import ByteNet, NetConfig

    torch.manual_seed(5)
    net = ByteNet(NetConfig(**TINY))
    hidden = [torch.ones(64) for _ in net.layers]
    for layer, weight in zip(net.layers, hidden, strict=True):
        layer.w_down.weight.data[:, ::2] = 0
        weight[::2] = 0
    return net, hidden


def test_grown_net_computes_the_same(torch: ModuleType, old) -> None:
    """New contexts, wherever they stand among the old ones, change nothing yet; dead hidden units are not missed."""
    from lmzip.training.net.grow import grown

    net, hidden = old
    new = grown(net, replace(net.config, orders=[2, 3, 4, 5, 0], n_hidden=32), hidden)
    assert new.tables.shape == (5, 65536, 32) and new.layers[1].w_up.weight.shape == (32, 32)
    assert torch.equal(logits(torch, new), logits(torch, net))
    new.w_embed.weight.data[:, 64:96] = 0.1  # the context of three bytes
    assert not torch.equal(logits(torch, new), logits(torch, net))


@pytest.mark.parametrize("change", [{"n_embd": 64}, {"n_hidden": 96}, {"orders": [2, 3, 4]}])
def test_other_nets_are_refused(old, change: dict) -> None:
    """A net grows in contexts and shrinks in hidden units, and in nothing else."""
    from lmzip.training.net.grow import grown

    net, hidden = old
    with pytest.raises(ValueError, match="orders"):
        grown(net, replace(net.config, **change), hidden)


def test_command(torch: ModuleType, old, data: Path, tmp_path: Path) -> None:
    """The script writes a weight file that train.py begins with, and tells what the hidden units left out had added."""
    from grow_net import main

    from lmzip.training.net.weight_file import net_config_of, weight_file

    (tmp_path / "old.safetensors").write_bytes(weight_file(old[0], "old"))
    config = tmp_path / "grown.toml"
    config.write_text("[net]\n" + "".join(f"{k} = {v}\n" for k, v in (TINY | {"orders": [2, 3, 4, 0]}).items()))
    out = tmp_path / "grown.safetensors"
    args = [str(tmp_path / "old.safetensors"), str(config), str(out), "--data", str(data)]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert "layer 1: 0 hidden units less" in result.output
    assert net_config_of(out.read_bytes()).orders == [2, 3, 4, 0]
    config.write_text("[net]\nn_embd = 64\n")
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 2 and "nets to grow differ" in result.output


def test_hidden_weights_find_dead_units(torch: ModuleType, old, data: Path) -> None:
    """Units whose outputs are multiplied by nothing add nothing; the others add something."""
    from lmzip.training.net.data import Augmentation, Corpus
    from lmzip.training.net.grow import hidden_weights
    from lmzip.training.net.trainer import TrainConfig, Trainer

    net, _ = old
    corpus = Corpus.mapped(data, "val")
    trainer = Trainer(net.config, TrainConfig(batch_size=1, window=32), Augmentation(), corpus, "cpu", compiled=False)
    trainer.net.load_state_dict(net.state_dict())
    for weight in hidden_weights(trainer, corpus):
        assert weight.shape == (64,)
        assert (weight[::2] == 0).all() and (weight[1::2] > 0).sum() > 16
