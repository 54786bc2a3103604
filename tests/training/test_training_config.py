"""Config files of a training, and the settings that change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

CONFIG = """
[net]
n_layer = 3
orders = [2, 0]
[train]
muon_lr = 1
[train.weights]
gutenberg = 1.5
"code/c" = 2
"""


@pytest.fixture
def load(torch: ModuleType, tmp_path: Path) -> Callable:
    """A function: settings, and what the file says, to the three configs."""
    from lmzip.training.net.config import load_config

    def load(*settings: str, text: str = CONFIG) -> tuple:
        (tmp_path / "a.toml").write_text(text)
        return load_config(tmp_path / "a.toml", settings)

    return load


def test_what_a_file_does_not_say_is_the_default(load: Callable) -> None:
    net, train, augmentation = load()
    assert (net.n_layer, net.orders, net.n_embd) == (3, [2, 0], 256)
    assert (train.muon_lr, train.weights, train.window) == (1, {"gutenberg": 1.5, "code/c": 2}, 512)
    assert augmentation.piece == 40_000
    assert load(text="") == tuple(type(config)() for config in (net, train, augmentation))


def test_settings_replace_single_values(load: Callable) -> None:
    net, train, augmentation = load(
        "net.n_layer=1", "net.orders=[4]", 'train.optimiser="adam"', "net.token_shift=true", "augmentation.crlf = 1"
    )
    assert (net.n_layer, net.orders, net.token_shift) == (1, [4], True)
    assert (train.optimiser, train.muon_lr) == ("adam", 1)
    assert augmentation.crlf == 1
    assert load("net.n_layer=1", "net.n_layer=2")[0].n_layer == 2


def test_settings_of_an_entry_leave_the_others(load: Callable) -> None:
    settings = ["train.weights.gutenberg=3", "train.weights.code/c=0.5", 'train.weights."data/csv"=4']
    assert load(*settings)[1].weights == {"gutenberg": 3, "code/c": 0.5, "data/csv": 4}
    assert load("train.weights.po=1", text="")[1].weights == {"po": 1}
    assert load("train.weights={po = 7}")[1].weights == {"po": 7}, "a whole table replaces a whole table"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "TABLE.KEY=VALUE"),
        ("n_layer=2", "TABLE.KEY=VALUE"),
        ("net.n_layer", "TABLE.KEY=VALUE"),
        ("net.n_layer=", "TABLE.KEY=VALUE"),
        ("net.=2", "TABLE.KEY=VALUE"),
        ("train.weights.=2", "TABLE.KEY=VALUE"),
        (".n_layer=2", "TABLE.KEY=VALUE"),
        ("train.optimiser=adam", "strings stand in quotes"),
        ("net.orders=[2,", "no TOML value"),
        ("nets.n_layer=2", "no table nets"),
        ("net.layers=2", "no key net.layers"),
        ("net.n_layer.x=2", "n_layer is no table"),
        ("net.n_layer=2.0", "net.n_layer is of type float, not int"),
        ("net.n_layer=true", "net.n_layer is of type bool"),
        ("net.orders=2", "net.orders is of type int"),
        ("train.muon_lr='1'", "train.muon_lr is of type str"),
        ("train.weights=3", "train.weights is of type int, not dict"),
        ("train.weights.po='much'", "numbers"),
        ("net.gate='relu'", "sigmoid or silu"),
        ("net.table_rows=65537", "power of two"),
        ("net.table_rows=32768", "at least 65536"),
        ("net.orders=[]", "orders"),
        ("net.orders=[9]", "0 to 8"),
        ("net.orders=['a']", "0 to 8"),
        ("net.n_layer=0", "at least 1"),
        ("train.optimiser='sgd'", "muon or adam"),
        ("train.batch_size=0", "at least 1"),
    ],
)
def test_wrong_settings_are_named_in_one_line(load: Callable, setting: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        load("train.window=64", setting)
    text = str(caught.value)
    assert text.startswith(f"--set {setting}: ") and message in text and "\n" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[net", "end of document"),
        ("n_layer = 2", "no table n_layer"),
        ("net = 2", "no table net"),
        ("[nets]", "no table nets"),
        ("[net]\nlayers = 2", "no key net.layers"),
        ("[train]\nbatch_size = '2'", "train.batch_size is of type str"),
        ("[train]\noptimiser = 'sgd'", "muon or adam"),
        ("\udcff", "decode"),
    ],
)
def test_wrong_files_are_named_in_one_line(load: Callable, tmp_path: Path, text: str, message: str) -> None:
    from lmzip.training.net.config import load_config

    (tmp_path / "b.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError) as caught:
        load_config(tmp_path / "b.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'b.toml'}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_configs_that_are_here_can_be_read(torch: ModuleType) -> None:
    from conftest import ROOT

    from lmzip.training.net.config import load_config

    paths = sorted((ROOT / "scripts" / "configs").glob("*.toml"))
    assert paths
    for path in paths:
        load_config(path)
