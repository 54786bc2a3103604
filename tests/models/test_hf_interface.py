"""Modules of any version of transformers are run by the names that they have themselves: made-up modules here."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from lmzip.errors import UnsupportedError
from lmzip.models.hf.stepping import Interface

torch = pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")


class Output(dict):
    """As those of transformers: a dictionary whose members are attributes, too."""

    __getattr__ = dict.__getitem__


class Module:
    """A module that counts tokens; its forward takes what a subclass says."""

    config = SimpleNamespace(get_text_config=lambda decoder: None)
    kept = ""  # the name of what it keeps in its output
    takes_a_cache = True

    def _supports_default_dynamic_cache(self) -> bool:
        return self.takes_a_cache

    def __call__(self, **options: Any) -> Output:
        inspect.signature(self.forward).bind(**options)
        return self.forward(**options)  # type: ignore[attr-defined]

    def run(self, tokens: Any, before: Any) -> Output:
        n_seen = (before or 0) + tokens.shape[1]
        kept = {self.kept: n_seen} if self.kept else {}
        return Output(logits=torch.full((*tokens.shape, 3), float(n_seen)), **kept)


def module_with(name: str, **members: Any) -> Module:
    """Return a module whose forward takes and hands back what it keeps under a name."""

    def forward(self: Module, input_ids: Any, use_cache: bool, **before: Any) -> Output:
        return self.run(input_ids, before[name])

    names, kind = ("self", "input_ids", "use_cache", name), inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(taken, kind) for taken in names])
    forward.__signature__ = signature  # type: ignore[attr-defined]
    return type("Made", (Module,), {"kept": name, "forward": forward} | members)()


@pytest.mark.parametrize("name", ["cache", "past_key_values", "cache_params", "state"])
def test_every_name_of_a_cache_is_known(name: str) -> None:
    it = Interface(module_with(name, takes_a_cache=False))
    cache, is_endless = it.new_cache(8)
    assert cache is None and is_endless == (name in ("cache_params", "state"))
    for n_seen in (2, 4, 6):
        logits, cache = it.forward(torch.zeros(5, 2, dtype=torch.int64), cache)
        assert cache == n_seen and logits.shape == (5, 3) and logits[0, 0] == n_seen


def test_a_cache_of_ours_is_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from lmzip.models.hf import parts

    monkeypatch.setattr(parts, "new_cache", lambda config, room: room)
    monkeypatch.setattr(parts, "is_recurrent", lambda cache: False)
    for name in ("cache", "past_key_values"):
        assert Interface(module_with(name)).new_cache(8) == (8, False)


def test_other_names_in_the_output() -> None:
    it = Interface(module_with("cache", kept="past_key_values", takes_a_cache=False))
    assert it.forward(torch.zeros(1, 2, dtype=torch.int64), None)[1] == 2


def test_what_keeps_nothing_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="keeps nothing between steps"):
        Interface(module_with("memory"))
    it = Interface(module_with("cache", kept="", takes_a_cache=False))
    with pytest.raises(UnsupportedError, match="keeps nothing between steps"):
        it.forward(torch.zeros(1, 2, dtype=torch.int64), None)


def test_modules_that_do_not_count_steps_are_told_that_it_is_no_first_one() -> None:
    class Mamba(Module):
        kept, takes_a_cache = "cache_params", False

        def forward(self, input_ids=None, cache_params=None, use_cache=None, cache_position=None, logits_to_keep=0):
            assert (cache_position is not None and cache_position.tolist()[0] >= 1024) == (cache_params is not None)
            assert logits_to_keep == 1
            return self.run(input_ids, cache_params)

    it = Interface(Mamba())
    _, cache = it.forward(torch.zeros(1, 1, dtype=torch.int64), None)
    assert it.forward(torch.zeros(1, 1, dtype=torch.int64), cache)[1] == 2
