"""Search along one number of a prior after the other for what codes pieces best."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from media_training.sources import Numbers, Prior

Cost = Callable[[Prior], float]


def _leaves(value: Numbers, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], int]]:
    if isinstance(value, int):
        yield path, value
    else:
        for i, part in enumerate(value):
            yield from _leaves(part, (*path, i))


def _replaced(value: Numbers, path: tuple[int, ...], new: int) -> Numbers:
    if isinstance(value, int):
        return new
    return tuple(_replaced(part, path[1:], new) if i == path[0] else part for i, part in enumerate(value))


def _unit(value: Numbers) -> int:
    """Return a tenth of the mean size of the numbers of a list: the least by which one of them is moved."""
    sizes = [abs(leaf) for _, leaf in _leaves(value)]
    return max(1, sum(sizes) // (10 * len(sizes)))


def descend(prior: Prior, fields: list[str], cost: Cost, steps: list[float], report: Callable[[str], None]) -> Prior:
    """Return a prior that costs no more.

    Each number of the fields, in order, is made larger and smaller by a step, as a share of its size, as long as that
    costs less; all of them are gone through once for each step.  Numbers that stand alone stay positive.
    """
    best = cost(prior)
    for step in steps:
        for name in fields:
            for path, _ in list(_leaves(prior[name])):
                prior, best = _along(prior, name, path, step, cost, best)
            report(f"step {step:g}, {name}: {best:.6f}  {prior[name]}")
    return prior


def _along(prior: Prior, name: str, path: tuple[int, ...], step: float, cost: Cost, best: float) -> tuple[Prior, float]:
    for sign in (1, -1):
        moved = False
        while True:
            value = dict(_leaves(prior[name]))[path]
            least = 1 if isinstance(prior[name], int) else _unit(prior[name])
            new = value + sign * max(least, round(abs(value) * step))
            if not path and new < 1:
                break
            candidate = prior | {name: _replaced(prior[name], path, new)}
            found = cost(candidate)
            if found >= best:
                break
            prior, best, moved = candidate, found, True
        if moved:
            break
    return prior, best
