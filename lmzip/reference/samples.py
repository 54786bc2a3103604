"""The predictor of sound (SAMPLES): values to predictions to densities to one mixed probability of each bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from lmzip.reference import tables
from lmzip.reference.contexts import hash2
from lmzip.reference.least_squares import inverse_root, solve
from lmzip.reference.mixing import STRETCH_LIMIT, Cell, bounded, clamp, mix_dot, mix_gradient, mix_train, squash
from lmzip.reference.plain import Plain
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder
from lmzip.reference.sample_prior import (
    BYTE_SCALE,
    BYTE_WEIGHTS,
    PRODUCTS,
    RATE,
    RATE_DELAY,
    RATE_EXTRA,
    SCALE,
    WEIGHTS,
)

if TYPE_CHECKING:
    from lmzip.reference import Content

Coder = RangeEncoder | RangeDecoder
BIG_ENDIAN, SIGNED, FLOAT = 1, 2, 4  # flags


class Depth(NamedTuple):
    """What depends on the bits of a sample (SAMPLES 2.2)."""

    drop: int
    fraction: int
    input_bits: int
    blend_drop: int
    root_shift: int
    quiet: int
    ridge: int
    gram_shift: int


DEPTHS = {
    8: Depth(0, 12, 8, 4, 0, 1024, 16, 10),
    16: Depth(0, 12, 2, 8, 0, 4096, 64, 20),
    24: Depth(0, 6, -6, 4, 7, 512, 64, 20),
    32: Depth(8, 6, -6, 4, 7, 512, 64, 20),
}


class Linear(NamedTuple):
    """A linear prediction."""

    n_taps: int
    fade: tuple[int, int]  # shifts
    every: int  # batches from one solution to the next


class Shape(NamedTuple):
    """What the samples of a profile are predicted by (SAMPLES 2.1)."""

    n_rows: int
    linear: tuple[Linear, ...]
    taps: tuple[int, ...]  # of the stages of the cascade


SHORT = Linear(15, (3, 40), 1)
MIDDLE = Shape(32, (Linear(31, (4, 40), 1), SHORT), (256, 16))
FULL = Shape(48, (Linear(47, (5, 6), 1), SHORT, Linear(31, (7, 40), 4)), (1024, 256, 16))
PROFILES = {1: Shape(32, MIDDLE.linear[:1], (16,)), 2: MIDDLE, 3: MIDDLE, 4: FULL, 5: FULL, 6: FULL}
BLEND = Linear(7, (5, 6), 1)
STEPS = (600, 1500, 2000)
SCALE_SHIFTS = (2, 4, 7)
N_PREDICTIONS = 5

SCALES = tables.scale_table()
SOFTPLUS = tables.softplus_table()


def within(v: int, n: int) -> int:
    return max(0, min(n - 1, v))


def half_octave(n: int) -> int:
    top = n.bit_length() - 1
    return 2 * top + (n >> (top - 1) & 1)


# --- samples of floating point, SAMPLES 1.1

ZERO, ONE = 1 << 31, 1 << 28  # the number of 0.0, and 1.0 as a prediction


def number_of_float(bits: int) -> int:
    return bits ^ 0xFFFFFFFF if bits & ZERO else bits ^ ZERO


def float_of_number(n: int) -> int:
    return n ^ ZERO if n >= ZERO else n ^ 0xFFFFFFFF


def size_of_float(bits: int) -> int:
    """Return the size of a float as a prediction, rounded down, at most the largest below 2.0."""
    exponent, fraction = bits >> 23 & 255, bits & 0x7FFFFF
    if exponent > 127:
        return 2 * ONE - 1
    fraction |= (exponent > 0) << 23
    return fraction << (exponent - 122) if exponent > 122 else fraction >> (122 - exponent)


def round_float(at: int) -> int:
    return abs(at - ZERO)


def middle_of_floats(at: int, grid: int) -> int:
    """Return the end between numbers below `at` and others, halfway between two multiples of the grid."""
    end = max(size_of_float(round_float(at)), grid) - grid // 2
    return -(grid // 2) if at == ZERO else end if at > ZERO else -end


def rank_of_float_bit(at: int, i: int) -> int:
    return 31 if i == 31 else within(min(i, 23) + (round_float(at) >> 23) - 120, 32)


class LeastSquares:
    """A prediction of the last number of a row from its others (SAMPLES 4)."""

    def __init__(self, n_rows: int, shape: Linear) -> None:
        self.n_rows, self.n_taps, self.fade, self.every = n_rows, *shape
        self.gram = [[0] * n_rows for _ in range(n_rows)]  # on and above the diagonal
        self.weights = [0] * self.n_taps

    def predict(self, row: list[int]) -> int:
        """Return what the row predicts, times 2^22."""
        return sum(w * x for w, x in zip(self.weights, row, strict=False))

    def add(self, rows: list[list[int]]) -> None:
        for i in range(self.n_rows):
            for j in range(i, self.n_rows):
                g = self.gram[i][j]
                fresh = sum(row[i] * row[j] for row in rows)
                self.gram[i][j] = g - (g >> self.fade[0]) - (g >> self.fade[1]) + fresh

    def solve(self, ridge: int) -> None:
        solve(self.gram, self.weights, ridge)


def weighed(row: list[int], weight: int, shift: int) -> list[int]:
    return [clamp((v * weight + (1 << (shift - 1))) >> shift, (1 << 26) - 1) for v in row]


class Stage:
    """A stage of the cascade: normalised least mean squares (SAMPLES 5)."""

    def __init__(self, n_taps: int, step: int) -> None:
        self.step = step
        self.weights = [0] * n_taps
        self.inputs = [0] * n_taps  # the newest first
        self.output = 0

    def dot(self) -> int:
        return sum(x * (w >> 16) for x, w in zip(self.inputs, self.weights, strict=True))

    def learn(self, error: int, depth: Depth) -> None:
        if not error:
            return
        size = abs(error) * self.step
        energy = sum(x * x for x in self.inputs) + 16 * len(self.inputs)
        up = 63 - size.bit_length()
        gradient = (size << up) // energy
        shift = up + depth.fraction - depth.input_bits - 12
        excess = max(gradient.bit_length() - 14, 0)
        gradient >>= excess
        shift -= excess
        if shift < 0:
            gradient = min(gradient << -shift, 32767) if shift >= -14 else 32767
        gradient = -gradient if error < 0 else gradient
        shift = max(0, min(31, shift))
        for i, x in enumerate(self.inputs):
            self.weights[i] = clamp(self.weights[i] + (x * gradient >> shift), (1 << 30) - 1)

    def push(self, error: int, drop: int) -> None:
        self.inputs = [clamp(error >> drop, 32767), *self.inputs[:-1]]


class Channel:
    """All that is a channel's own."""

    def __init__(self, content: Content, profile: int) -> None:
        depth_bits = content.depth
        self.depth_bits, self.depth = depth_bits, DEPTHS[depth_bits]
        self.is_mono = content.channels == 1
        self.is_float = bool(content.flags & FLOAT)
        self.grid = ONE
        self.n_rows, linear_shapes, taps = PROFILES[profile]
        self.linear = [LeastSquares(self.n_rows, shape) for shape in linear_shapes]
        for linear in self.linear:
            self.start_gram(linear)
            linear.solve(0)
        self.blend = LeastSquares(8, BLEND)
        self.stages = [Stage(n_taps, step) for n_taps, step in zip(taps, STEPS, strict=False)]
        self.n_moments = 0
        self.rows: list[list[int]] = []  # weighed, since the last solution
        self.blend_rows: list[list[int]] = []
        self.past = [0] * 48
        self.last_errors = [0, 0]
        self.n_predictions = 2 + len(self.linear)
        self.means = [0] * N_PREDICTIONS
        self.scales = [[self.start_scale() << self.depth.fraction] * 3 for _ in range(N_PREDICTIONS)]
        is_byte = depth_bits == 8
        self.start_weights = [1000000 * w for w in (BYTE_WEIGHTS if is_byte else WEIGHTS)]
        self.level_weights: dict[tuple[int, int], list[int]] = {}
        self.place_weights: dict[tuple[int, int], list[int]] = {}
        self.cells: dict[tuple[object, ...], Cell] = {}
        self.last_sample = 1 << (depth_bits - 1)
        self.last_bytes = 0x80808080
        self.run = 0

    def start_scale(self) -> int:
        """Return the scale of densities in units of a value: from 16 bits on, it is of as many of them."""
        return BYTE_SCALE if self.depth_bits == 8 else SCALE << (self.depth_bits - self.depth.drop - 16)

    def start_gram(self, linear: LeastSquares) -> None:
        """Begin with what is typical of the channel's own past and present; nothing is known of other channels."""
        for i in range(self.n_rows):
            for j in range(i, self.n_rows):
                a, b = self.age(i), self.age(j)
                distance = 0 if i == j else None if a is None or b is None else abs(a - b)
                linear.gram[i][j] = 0 if distance is None else PRODUCTS[distance] << self.depth.gram_shift

    def age(self, i: int) -> int | None:
        """Return how many moments before the present one a row's value is; None for one of another channel."""
        if i == self.n_rows - 1:
            return 0
        if self.is_mono:
            return i + 1
        return None if i % 3 == 2 else i - i // 3 + 1

    def cell(self, *place: object) -> Cell:
        return self.cells.setdefault(place, Cell(1 << 15))

    # --- predictions, SAMPLES 3

    def predict(self, other: Channel) -> None:
        """Set the means of the densities."""
        d = self.depth
        limit = 1 << (self.depth_bits - d.drop - 1 + d.fraction)
        ages = [self.age(i) for i in range(self.n_rows - 1)]
        self.row = [other.past[i // 3] if age is None else self.past[age - 1] for i, age in enumerate(ages)]
        linear = [clamp(p.predict(self.row) >> (22 - d.fraction), limit) for p in self.linear]
        total, sums = linear[0], []
        for stage in self.stages:
            stage.output = clamp(stage.dot() >> (d.input_bits + 12 - d.fraction), limit)
            total = clamp(total + stage.output, limit)
            sums.append(total)
        self.linear_mean, self.base = linear[0], total
        others = [p - total for p in linear[1:]] + [0] * (3 - len(linear))
        differences = [linear[0] - total, sums[0] - total, *others, self.stages[-1].output, *self.last_errors]
        self.blend_row = [clamp(v >> d.blend_drop, (1 << 23) - 1) for v in differences]
        blend = clamp(total + (self.blend.predict(self.blend_row) >> (22 - d.blend_drop)), limit)
        self.means = ([linear[0], sums[0], blend, *linear[1:]] + [0, 0])[:N_PREDICTIONS]

    def value_of(self, sample: int) -> int:
        drop = self.depth.drop
        if not self.is_float:
            return (sample >> drop) - (1 << (self.depth_bits - drop - 1))
        size = size_of_float(float_of_number(sample))
        if size:
            self.grid = min(self.grid, size & -size)
        value = size >> self.depth.fraction
        return value if sample >= ZERO else -value

    def learn(self, value: int) -> None:
        d = self.depth
        exact = value << d.fraction
        for mean, scales in zip(self.means, self.scales, strict=True):
            for j, shift in enumerate(SCALE_SHIFTS):
                scales[j] = max(512, scales[j] + ((abs(exact - mean) - scales[j] + (1 << (shift - 1))) >> shift))
        error = exact - self.linear_mean
        for stage in self.stages:
            left = clamp(error - stage.output, 1 << 29)
            stage.learn(left, d)
            stage.push(error, d.fraction - d.input_bits)
            error = left
        root, e = inverse_root(self.scales[0][0] + d.quiet)
        weight = root * 4 >> (e // 2 + d.root_shift)
        self.rows.append(weighed([*self.row, value], weight, 16))
        self.last_errors = [exact - self.base, self.last_errors[0]]
        blend_target = clamp(self.last_errors[0] >> d.blend_drop, (1 << 23) - 1)
        self.blend_rows.append(weighed([*self.blend_row, blend_target], weight, 18))
        self.past = [value, *self.past[:-1]]
        if len(self.rows) == 8:
            unit = (weight >> 8) ** 2 >> 16
            for linear in self.linear:
                linear.add(self.rows)
                if self.n_moments // 8 % linear.every == 0:
                    linear.solve(d.ridge * unit)
            self.blend.add(self.blend_rows)
            self.blend.solve(256 * unit)
            self.rows, self.blend_rows = [], []
        self.n_moments += 1

    # --- bits, SAMPLES 6 and 7

    def byte_cells(self, known: int, i: int, middle: int) -> list[Cell]:
        """Return the cells that samples of 8 bits have besides."""
        node, last = known >> (i + 1) | 1 << (7 - i), self.last_bytes
        scale = within(half_octave(self.scales[2][0]) - 2 * self.depth.fraction + 4, 16)
        distance = (middle - self.means[2]) >> (self.depth.fraction - 3 + max(i - 2, 0))
        return [
            self.cell("distance", scale, i, within(distance + 128, 256)),
            self.cell(1, (last & 255) << 8 | node),
            self.cell(2, hash2(last & 0xFFFF, node) & 65535),
            self.cell(3, hash2(last & 0xFFFFFF, node) & 65535),
        ]

    def code_sample(self, coder: Coder, sample: int | None, expected: int, rate: int) -> int:
        """Code a sample in offset binary, bit by bit; return it."""
        d, is_byte = self.depth, self.depth_bits == 8
        fast, middle_scale, slow = (half_octave(scale) for scale in self.scales[2])
        ratio = within(fast - slow + 8, 16)
        octaves = middle_scale - 2 * d.fraction + 2 * d.drop
        densities = [(self.means[i], self.scales[i][j]) for i in range(self.n_predictions) for j in range(3)]
        low, high = [0] * len(densities), [0] * len(densities)
        known = 0
        for i in reversed(range(self.depth_bits)):
            at = known | 1 << i
            middle = ((2 * (at - (1 << (self.depth_bits - 1))) - 1) << d.fraction) >> (d.drop + 1)
            if self.is_float:
                middle = middle_of_floats(at, self.grid)
            distances = []
            for mean, scale in densities:
                shift = scale.bit_length() - 10
                t = clamp((middle - mean) >> shift, 32767)
                distances.append(clamp(t * SCALES[(scale >> shift) - 512] >> 14, 24575))
            stretches = [clamp(a - x - b, STRETCH_LIMIT) for a, x, b in zip(low, distances, high, strict=True)]
            bit = None if sample is None else sample >> i & 1
            if min(stretches) >= 10240 or max(stretches) <= -10240:
                sure = STRETCH_LIMIT if stretches[0] > 0 else -STRETCH_LIMIT
                bit = coder.code_bit(bit, squash(sure) << 8)
            else:
                rank = rank_of_float_bit(at, i) if self.is_float else i
                is_held = known >> (i + 1) == expected >> (i + 1)
                outward = int(at >= ZERO) if self.is_float else 1
                held_bit = expected >> i & 1 if is_held else outward
                hold = self.cell("hold", rank, self.run) if is_held else self.cell("bit", rank)
                place = within((distances[7] >> 10) + 8, 16)
                level = within(2 * (rank + 1) + 10 - octaves, 64)
                cells = self.byte_cells(known, i, middle) if is_byte else []
                inputs = stretches + [0] * (15 - len(stretches)) + [hold.stretch() if held_bit else -hold.stretch()]
                inputs += [cell.stretch() for cell in cells]
                sets = [
                    self.level_weights.setdefault((level, ratio), list(self.start_weights)),
                    self.place_weights.setdefault((rank, place), list(self.start_weights)),
                ]
                mixed = [clamp(mix_dot(inputs, weights), STRETCH_LIMIT) for weights in sets]
                bit = coder.code_bit(bit, bounded(squash((mixed[0] + mixed[1]) >> 1)) << 8)
                for stretch, weights in zip(mixed, sets, strict=True):
                    mix_train(inputs, weights, mix_gradient(bit, squash(stretch), rate))
                hold.update(int(bit == held_bit))
                for cell in cells:
                    cell.update(bit)
            for j, x in enumerate(distances):
                x = x if bit else -x
                s = max(x, 0) + SOFTPLUS[abs(x) >> 4]
                if bit:
                    low[j] = s
                else:
                    high[j] = s
            known |= bit << i
        self.run = min(self.run + 1, 15) if known == expected else 0
        return known


class Samples:
    """All state of one block."""

    def __init__(self, raw_size: int, profile: int, content: Content) -> None:
        self.content = content
        self.raw = bytearray()
        self.raw_size = raw_size
        self.channels = [Channel(content, profile) for _ in range(content.channels)]
        self.plain = Plain()
        self.header_cell = Cell(63000, 6)
        self.n_samples = 0
        self.last_sample = 0

    # --- bytes of no sample, SAMPLES 8

    def expected_header(self) -> bytes:
        """Return the header of a WAV file that has what the block has, its rate that of raw where raw has one."""
        content, size = self.content, self.content.channels * self.content.depth // 8
        rate = 44100 if content.channels > 1 else 16000
        known_rate = int.from_bytes(self.raw[24:27], "little") if len(self.raw) >= 28 else 0
        words = [
            (16, 4), (1, 2), (content.channels, 2), (rate, 4), (known_rate * size, 4), (size, 2), (content.depth, 2),
        ]  # fmt: skip
        middle = b"".join((v & 0xFFFFFFFF).to_bytes(n, "little") for v, n in words)
        sizes = [(self.raw_size - n & 0xFFFFFFFF).to_bytes(4, "little") for n in (8, 44)]
        return b"RIFF" + sizes[0] + b"WAVEfmt " + middle + b"data" + sizes[1]

    def code_byte(self, coder: Coder, byte: int | None) -> None:
        at = len(self.raw)
        if self.content.offset == 44 and at < 44:
            expected = self.expected_header()[at]
            hit = coder.code_bit(None if byte is None else int(byte == expected), bounded(self.header_cell.p << 2) << 8)
            self.header_cell.update(hit, 30)
            if hit:
                self.raw.append(expected)
                self.plain.pass_by(expected)
                return
        self.raw.append(self.plain.code_byte(coder, byte))

    # --- samples, SAMPLES 1

    def code_next_sample(self, coder: Coder, data: bytes | None) -> None:
        content = self.content
        depth, n = content.depth, content.channels
        order: Literal["big", "little"] = "big" if content.flags & BIG_ENDIAN else "little"
        flip = 1 << (depth - 1) if content.flags & SIGNED else 0
        number, moment = self.n_samples % n, self.n_samples // n
        channel, other = self.channels[number], self.channels[number - 1]
        expected = self.last_sample if number else channel.last_sample
        channel.predict(other)
        is_float = content.flags & FLOAT
        sample = None if data is None else int.from_bytes(data, order) ^ flip
        if sample is not None and is_float:
            sample = number_of_float(sample)
        sample = channel.code_sample(coder, sample, expected, RATE + RATE_EXTRA // (moment + RATE_DELAY))
        self.raw += (float_of_number(sample) if is_float else sample ^ flip).to_bytes(depth // 8, order)
        self.last_sample = channel.last_sample = sample
        channel.last_bytes = (channel.last_bytes << 8 | sample & 255) & 0xFFFFFFFF
        channel.learn(channel.value_of(sample))
        self.n_samples += 1

    def code_block(self, coder: Coder, raw: bytes | None) -> bytes:
        """Code all bytes, those of raw for an encoder; return them."""
        size = self.content.depth // 8
        while len(self.raw) < self.raw_size:
            at = len(self.raw)
            if at < self.content.offset or self.raw_size - at < size:
                self.code_byte(coder, None if raw is None else raw[at])
            else:
                self.code_next_sample(coder, None if raw is None else raw[at : at + size])
        return bytes(self.raw)


def encode_block(raw: bytes, profile: int, content: Content) -> bytes:
    """Return the payload of a block of sound of at least one byte, however large it comes out."""
    coder = RangeEncoder()
    Samples(len(raw), profile, content).code_block(coder, raw)
    return coder.finish()


def decode_block(payload: bytes, raw_size: int, profile: int, content: Content) -> bytes:
    """Return the raw_size bytes that a payload stands for; a wrong payload mostly gives wrong bytes.

    Raises ValueError for one that no encoder writes.
    """
    coder = RangeDecoder(payload)
    raw = Samples(raw_size, profile, content).code_block(coder, None)
    coder.check_end()
    return raw
