"""Train what the bases of pixels and of samples start from, and write it to where it stands.

    scripts/train_media.py --photos photos.tar --speech speech.tar [--bases pixels,samples] [--dry-run]
    scripts/train_media.py --check

The archives hold pictures (Pillow reads them) and recordings of 16 bits (soundfile does).  From values that know
nothing on, the kernel codes many small pieces of them, and what its weights come to on the mean is what they start from
the next time; then each number but the longest lists is searched for by what pieces take (docs/MODELS.md).  Nothing is
random, so that the same archives give the same values.  They go to lmzip/reference, the kernel and the specification
alike; build the kernel and the vectors anew then.  --check tells whether the three agree.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from media_training import pieces, products, search, sources
from media_training.kernel import Kernel, Observed
from media_training.pieces import Media, Piece
from media_training.sources import PIXELS, SAMPLES, Numbers, Place, Prior

_SPEECH_EVERY, _SPEECH_FIRST = 17, 3  # one in 17 speakers is enough; the others are left to measure on
_SHARE_UNIT = 100  # what the largest share becomes
_PASSES = 3  # in which means are taken, each from what the one before found
Report = Callable[[str], None]


def costs(kernel: Kernel, place: Place, sets: list[list[Piece]]) -> Callable[[Prior], float]:
    """Return a function from a prior of a base to its cost: payloads in proportion to raw bytes, the geometric
    mean over sets."""
    flat = [piece for one in sets for piece in one]
    known: dict[str, float] = {}

    def cost(prior: Prior) -> float:
        key = repr(prior)
        if key not in known:
            sizes = iter(kernel.observe(place, prior, flat).sizes)
            ratios = [sum(next(sizes) for _ in one) / sum(len(piece.raw) for piece in one) for one in sets]
            known[key] = statistics.geometric_mean(ratios)
        return known[key]

    return cost


def _same_shape(value: Numbers, number: int) -> Numbers:
    return number if isinstance(value, int) else tuple(_same_shape(part, number) for part in value)


def _trimmed(numbers: list[float]) -> tuple[int, ...]:
    rounded = [round(number) for number in numbers]
    while rounded and not rounded[-1]:
        rounded.pop()
    return tuple(rounded)


def means_of_pixels(prior: Prior, observed: Observed) -> Prior:
    """Return a prior with the means that were observed: shares of kinds of histograms, weights of cells and of
    learned predictions."""
    lists = [row for (name, _), row in sorted(observed.means.items()) if name == "share"]
    largest = max(abs(w) for row in lists for w in row[:-1])
    shares = tuple(tuple(round(w * _SHARE_UNIT / largest) for w in row[:-1]) for row in lists)
    starts = [row for (name, _), row in sorted(observed.means.items()) if name == "lms_start"]
    cell_weight = round(sum(row[-1] for row in lists) / len(lists))
    return prior | {"share": shares, "cell_weight": cell_weight, "lms_start": tuple(map(_trimmed, starts))}


def means_of_samples(prior: Prior, observed: Observed) -> Prior:
    """Return a prior with the weights of mixers that were observed."""
    found: Prior = {name: tuple(map(round, observed.means[name, 0])) for name in ("weights", "byte_weights")}
    return prior | found


class Recipe(NamedTuple):
    """How the values of a base are trained; what `start` leaves as it was is where the search begins."""

    place: Place
    start: Prior
    typical: list[Piece]  # pieces to take means of, long enough to learn what is typical
    means: Callable[[Prior, Observed], Prior]
    sets: list[list[Piece]]  # pieces to search with, cost() of them
    kept: tuple[str, ...]  # fields that are not searched along


def of_pixels(pictures: list[Media], quick: bool) -> Recipe:
    """Return how values of pixels are trained on pictures (height, width, 3)."""
    prior = sources.read(PIXELS)
    start = prior | {
        "share": _same_shape(prior["share"], 1),
        "lms_start": tuple((0,) for _ in _rows(prior["lms_start"])),
    }
    typical = pieces.typical_pixels(pictures, 1 if quick else len(pictures) // 2)
    sets = pieces.sets_of_pixels(pictures, 8 if quick else 1)
    return Recipe(PIXELS, start, typical, means_of_pixels, sets, ("lms_start",))


def of_samples(recordings: list[Media], quick: bool) -> Recipe:
    """Return how values of samples are trained on recordings (n)."""
    prior = sources.read(SAMPLES)
    start = prior | {name: _same_shape(prior[name], 17) for name in ("weights", "byte_weights")}
    start["products"] = products.mean_products(recordings, len(_rows(prior["products"])))
    typical = pieces.typical_samples(recordings)
    sets = pieces.sets_of_samples(recordings, 8 if quick else 1)
    return Recipe(SAMPLES, start, typical, means_of_samples, sets, ("products",))


def _rows(value: Numbers) -> tuple[Numbers, ...]:
    return value if isinstance(value, tuple) else (value,)


def train(kernel: Kernel, recipe: Recipe, quick: bool, report: Report) -> Prior:
    """Return trained values of a base; raises OSError, CalledProcessError."""
    cost = costs(kernel, recipe.place, recipe.sets)
    report(f"as it was: {cost(sources.read(recipe.place)):.6f}")
    prior = recipe.start
    report(f"knowing nothing: {cost(prior):.6f}")
    for number in range(_PASSES):
        prior = recipe.means(prior, kernel.observe(recipe.place, prior, recipe.typical))
        report(f"means, pass {number + 1}: {cost(prior):.6f}")
    fields = [name for name in prior if name not in recipe.kept]
    return search.descend(prior, fields[-2:] if quick else fields, cost, [0.3] if quick else [0.3, 0.1], report)


def recipe_of(place: Place, options: argparse.Namespace) -> Recipe:
    """Read a base's archive; raises OSError, ValueError, tarfile.TarError."""
    if place == PIXELS:
        return of_pixels(pieces.photographs(options.photos), options.quick)
    every, first = (1, 0) if options.quick else (_SPEECH_EVERY, _SPEECH_FIRST)
    return of_samples(pieces.recordings(options.speech, every, first), options.quick)


def main(arguments: list[str] | None = None) -> int:
    """Train or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only compare reference, kernel and specification")
    parser.add_argument("--photos", type=Path, help="archive of pictures")
    parser.add_argument("--speech", type=Path, help="archive of recordings of 16 bits")
    parser.add_argument("--bases", type=lambda text: text.split(","), default=["pixels", "samples"])
    parser.add_argument("--jobs", type=int, help="processes that code at a time")
    parser.add_argument("--quick", action="store_true", help="go through all of it with little: for tests")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=sources.ROOT, help="the repository whose files are written")
    options = parser.parse_args(arguments)
    if options.check:
        wrong = [path for place in sources.PLACES for path in sources.differing(place, options.root)]
        print("".join(f"{path} does not hold the reference's values\n" for path in wrong), end="", file=sys.stderr)
        return int(bool(wrong))
    known = {"pixels": (PIXELS, options.photos), "samples": (SAMPLES, options.speech)}
    if not all(known.get(name, (None, None))[1] for name in options.bases):
        parser.error("of each base, pixels and samples, --photos or --speech names the archive to train on")
    with tempfile.TemporaryDirectory(prefix="lmzip-train-") as folder:
        kernel = Kernel(Path(folder), "-O1" if options.quick else "-O3", options.jobs)
        for name in options.bases:
            place = known[name][0]
            recipe = recipe_of(place, options)
            prior = train(kernel, recipe, options.quick, lambda text: print(text, file=sys.stderr, flush=True))
            print(sources.python_text(place, prior))
            if not options.dry_run:
                sources.write(place, prior, options.root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
