"""Predictions of learned weights of the samples of a channel (PIXELS 4.6 to 4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmzip.reference.least_squares import solve
from lmzip.reference.mixing import clamp, mix_dot, mix_train
from lmzip.reference.pixel_prior import LMS_MARGIN, LMS_RATE, LMS_START

if TYPE_CHECKING:
    from lmzip.reference.pixels import Pixels

RIDGE, MIN_STRETCH, MAX_STRETCHES = 768, 8, 512
GRAM_FADE, LINE_FADE, CORRECTION_RATE = 2, 1, 5  # shifts
DIFFERENCE_LIMITS = (1, 7, 25)

LMS_PLACES = (
    (0, -1), (1, 0), (1, -1), (1, 1), (0, -2), (2, 0), (2, -1), (2, 1), (1, -2), (1, 2), (0, -3), (3, 0), (2, -2),
    (2, 2), (1, -3), (1, 3), (2, -3), (2, 3), (3, -1), (3, 1), (0, -4), (1, -4), (1, 4), (3, -2), (3, 2),
)  # fmt: skip
OTHER_PLACES = ((0, -1), (1, -1), (1, 1), (2, 0), (0, 0), (0, -2))


def clip(v: int, low: int, high: int) -> int:
    return max(low, min(high, v))


def level(v: int, limits: tuple[int, ...]) -> int:
    return sum(v >= limit for limit in limits)


class Learned:
    """By least mean squares, by least squares, and corrected by the errors made in like places."""

    def __init__(self, pixels: Pixels, channel: int) -> None:
        c, n_taps = pixels.channels, pixels.n_taps
        self.pixels, self.channel, self.is_wide = pixels, channel, pixels.parts == 2
        start = list(LMS_START[0 if c == 1 else min(channel, 2) + 1])
        start += [0] * (32 - len(start))
        self.lms = [w << 16 for w in start]
        self.n_own = 25 if c == 1 else 16
        self.others = []  # of which known channel before, or channel to come, the nearest first
        n = 0
        for k in range(1, c):
            if n + 6 > 16:
                break
            self.others.append((k <= channel, -k if k <= channel else k - channel))
            n += 6 if k <= channel else 4
        taps = [*range(self.n_own, self.n_own + n), *range(self.n_own)]  # inputs by number
        self.taps = (taps + [31] * n_taps)[:n_taps]
        self.stretch = MIN_STRETCH
        while self.stretch * MAX_STRETCHES < pixels.width:
            self.stretch *= 2
        self.start = [start[i] << 10 for i in self.taps]
        self.squares = self.start.copy()
        self.grams: dict[int, list[list[int]]] = {}  # of the lines above, by stretches
        self.line_gram, self.stretch_gram = self.new_gram(), self.new_gram()
        self.corrections: dict[tuple[int, int], int] = {}

    def new_gram(self) -> list[list[int]]:
        n_rows = self.pixels.n_taps + 1
        return [[0] * n_rows for _ in range(n_rows)]

    def inputs_of(self, mean: int) -> list[int]:
        s, c = self.pixels, self.pixels.channels
        inputs = [s.sample(line, s.x + dx * c) - mean for line, dx in LMS_PLACES[: self.n_own]]
        for is_known, step in self.others:
            at = s.x + step
            other_mean = (s.sample(0, at - c) + s.sample(1, at) + 1) >> 1
            inputs += [s.sample(line, at + dx * c) - other_mean for line, dx in OTHER_PLACES[: 6 if is_known else 4]]
        return inputs + [0] * (32 - len(inputs))

    def predict(self) -> list[int]:
        """Return predictions of the sample to come, in quarters of a step."""
        s = self.pixels
        self.mean = (s.around["W"] + s.around["N"] + 1) >> 1
        plain_inputs = self.inputs_of(self.mean)
        self.energy = sum(v * v for v in plain_inputs)
        self.inputs = [clamp(v, 32767) if self.is_wide else v * 16 for v in plain_inputs]
        dot = mix_dot(self.inputs, self.lms)
        if self.is_wide:
            self.predicted = clip(self.mean + dot, 0, 65535)
        else:
            self.predicted = clip(16 * self.mean + dot, 0, 255 * 16)
        values4 = [4 * self.predicted if self.is_wide else (self.predicted + 2) >> 2]
        if s.n_taps:
            values4.append(self.predict_by_squares())
        return values4 + self.corrected(values4[-1])

    def predict_by_squares(self) -> int:
        column = self.pixels.x // self.pixels.channels
        if column % self.stretch == 0:
            self.solve_stretch(column // self.stretch)
        self.row = [self.inputs[i] for i in self.taps]
        dot = sum(w * v for w, v in zip(self.squares, self.row, strict=True))
        shift = 20 if self.is_wide else 24
        return clip(4 * self.mean + ((dot + (1 << (shift - 1))) >> shift), 0, self.pixels.largest4)

    def solve_stretch(self, number: int) -> None:
        nothing = self.new_gram()
        west, above, east = (self.grams.get(number + i, nothing) for i in (-1, 0, 1))
        n = self.pixels.n_taps
        gram = [
            [self.line_gram[i][j] + above[i][j] + ((west[i][j] + east[i][j]) >> 1) for j in range(n + 1)]
            for i in range(n + 1)
        ]
        for i in range(n):
            gram[i][n] += self.start[i] * RIDGE >> 22
        solve(gram, self.squares, RIDGE)

    def corrected(self, value4: int) -> list[int]:
        """Return a prediction, more by the mean error where neighbours differed from it alike."""
        s, a = self.pixels, self.pixels.around
        v = value4 >> 2
        self.uncorrected = value4
        classes = 0
        for name in ("W", "N", "NW", "NE"):
            d = a[name] - v
            size = abs(d) >> 8 * self.is_wide
            classes = classes * 7 + level(size, DIFFERENCE_LIMITS) + (3 if d > 0 and size else 0)
        more = [a["W"], a["N"], a["NW"], a["NE"], a["WW"], a["NN"], 2 * a["N"] - a["NN"], 2 * a["W"] - a["WW"]]
        signs = sum((one > v) << i for i, one in enumerate(more))
        if self.channel:
            last = s.sample(0, s.x - 1)
            signs += (last > s.sample(0, s.x - 1 - s.channels)) << 8 | (last > s.sample(1, s.x - 1)) << 9
        self.places = [(0, classes), (1, signs)]
        return [clip(value4 + ((self.corrections.get(at, 0) + 32) >> 6), 0, s.largest4) for at in self.places]

    def learn(self, value: int) -> None:
        error = value - self.predicted if self.is_wide else 16 * value - self.predicted
        numerator = error * LMS_RATE * (1 << 20 if self.is_wide else 1 << 12)
        denominator = self.energy + (LMS_MARGIN << 16 if self.is_wide else LMS_MARGIN)
        gradient = abs(numerator) // denominator * (1 if numerator > 0 else -1)
        mix_train(self.inputs, self.lms, clamp(gradient, 32767))
        if self.pixels.n_taps:
            self.learn_squares(value)
        for at in self.places:
            old = self.corrections.get(at, 0)
            miss = 64 * (4 * value - self.uncorrected)
            self.corrections[at] = old + ((miss - old + (1 << (CORRECTION_RATE - 1))) >> CORRECTION_RATE)

    def learn_squares(self, value: int) -> None:
        n_rows, column = self.pixels.n_taps + 1, self.pixels.x // self.pixels.channels
        difference = value - self.mean
        row = [*self.row, clamp(difference, 32767) if self.is_wide else 16 * difference]
        for i in range(n_rows):
            for j in range(i, n_rows):
                self.stretch_gram[i][j] += row[i] * row[j]
        is_last = column == self.pixels.width - 1
        if column % self.stretch < self.stretch - 1 and not is_last:
            return
        gram = self.grams.setdefault(column // self.stretch, self.new_gram())
        for i in range(n_rows):
            for j in range(i, n_rows):
                gram[i][j] += self.stretch_gram[i][j] - (gram[i][j] >> GRAM_FADE)
                self.line_gram[i][j] = 0 if is_last else (self.line_gram[i][j] >> LINE_FADE) + self.stretch_gram[i][j]
        self.stretch_gram = self.new_gram()
