"""The pixels base (PIXELS): a sample's predictions to sums of histograms to one mixed probability of each bit."""

from __future__ import annotations

from lmzip.reference import Content
from lmzip.reference.mixing import (
    APM_ROW,
    STRETCH_LIMIT,
    Cell,
    bounded,
    clamp,
    mix_dot,
    mix_gradient,
    mix_train,
    power_above,
    squash,
)
from lmzip.reference.pixel_prior import (
    CELL_WEIGHT,
    FINAL_RATE,
    MASS,
    RATE,
    RATE_DELAY,
    RATE_EXTRA,
    SHARE,
    TOTAL_WEIGHT,
)
from lmzip.reference.pixels_learned import Learned, clip, level
from lmzip.reference.plain import Plain
from lmzip.reference.range_coder import RangeDecoder, RangeEncoder

Coder = RangeEncoder | RangeDecoder
M32 = (1 << 32) - 1

# profile -> n_own, n_others, n_taps, n_cells, n_sets, cell_bits (PIXELS 1)
FAST, MIDDLE, ALL = (8, 5, 0, 2, 2, 16), (16, 10, 15, 6, 4, 17), (24, 14, 23, 8, 5, 19)
SHAPES = {1: FAST, 2: MIDDLE, 3: MIDDLE, 4: ALL, 5: ALL, 6: ALL}

STEP, LIMIT, TAIL = 96, 15000, 4
CELL_LIMIT, BIAS = 127, 256

BIG_ENDIAN, SIGNED = 1, 2
N_BINS, PAD, N_CLASSES, N_SHARED = 128, 4, 32, 2

PLACES = {  # lines above, pixels to the right
    "W": (0, -1), "N": (1, 0), "NW": (1, -1), "NE": (1, 1), "WW": (0, -2), "NN": (2, 0), "NNE": (2, 1),
    "NNW": (2, -1), "NWW": (1, -2), "NEE": (1, 2), "WWW": (0, -3), "NNN": (3, 0),
}  # fmt: skip
ROWS: list[dict[str, int]] = [  # weights in quarters (PIXELS 4.5)
    {"W": 4},
    {"N": 4},
    {"W": 4, "N": 4, "NW": -4},
    {"N": 4, "NE": 4, "NNE": -4},
    {"W": 4, "NE": 4, "N": -4},
    {"N": 8, "NN": -4},
    {"W": 8, "WW": -4},
    {"W": 2, "NE": 2},
    {"W": 2, "N": 2},
    {"W": 4, "NE": 2, "NW": -2},
    {"N": 4, "NW": 4, "NNW": -4},
    {"W": 4, "NW": 4, "NWW": -4},
    {"NE": 4},
    {"N": 4, "NW": 2, "WW": -2},
    {"W": 12, "WW": -12, "WWW": 4},
    {"N": 12, "NN": -12, "NNN": 4},
    {"NW": 4},
    {"W": 3, "N": 3, "NW": -2},
    {"NW": 4, "NE": 4, "NN": -4},
    {"W": 1, "N": 1, "NW": 1, "NE": 1},
    {"W": 2, "NEE": 2},
    {"W": 2, "N": 4, "NW": -1, "NE": 1, "NN": -2},
]
TEXTURE_LIMITS = (2, 4, 7, 12, 20, 32, 56)
DISTANCE_LIMITS = (4, 8, 16, 28, 48, 80, 150)
EDGE_LIMITS = (1, 3, 6, 10, 16, 24, 40)


# --- histograms (PIXELS 5) -------------------------------------------------------------------------------------------


def bin_start(b: int) -> int:
    """Return the first residual of a bin, of N_BINS one behind the last."""
    n = abs(b - 64)
    at = n if n < 16 else (8 + n % 8) << (n // 8 - 1)
    return at if b >= 64 else -at


def find_edges() -> tuple[dict[int, int], dict[int, int]]:
    """Return the bin of each residual, and the bin that ends the nearest to it."""
    bin_of, edge_of = {}, {}
    for b in range(N_BINS):
        start, width = bin_start(b), bin_start(b + 1) - bin_start(b)
        for r in range(start, start + width):
            bin_of[r] = b
            edge_of[r] = b if 2 * (r - start) > width or b == 0 else b - 1
    return bin_of, edge_of


def added_row(b: int) -> list[int]:
    """Return what a residual of a bin adds to each sum."""
    start, width = bin_start(b), bin_start(b + 1) - bin_start(b)
    half = 1 + width
    parts = [clip(2 * (bin_start(k + 1) - start + half) - width + 1, 0, 4 * half) for k in range(N_BINS)]
    return [STEP * part // (4 * half) for part in parts[:-1]] + [STEP]


def power(x: int) -> int:
    """Return 2^18 * 2^(-x / 4096) for 0 <= x < 4096, as ARITHMETIC 10.7 does."""
    return (1 << 18) - ((x * (181252 - ((x * (60439 - ((x * 10259) >> 12))) >> 12))) >> 12)


def decayed(mass: int, x: int) -> int:
    return 0 if x >> 12 > 15 else mass * power(x & 4095) >> 18 >> (x >> 12)


def new_histogram(half_life: int) -> list[int]:
    sums = []
    for b in range(N_BINS):
        r = bin_start(b + 1)
        x = abs(r) * 65536 // half_life
        tail = decayed(MASS * 7 // 16, x) + decayed(MASS // 16, x // TAIL)
        sums.append(tail if r < 0 else MASS - tail)
    return sums


def log_of(s: int) -> int:
    n = s.bit_length() - 1
    f = (s << 16 >> n) - 65536
    return 710 * n + (f * 710 >> 16) + ((f * (65535 - f) >> 16) * 244 >> 16)


BIN_OF, EDGE_OF = find_edges()
ADDED = [added_row(b) for b in range(N_BINS)]


def error_class(total: int) -> int:
    n = total + 1
    octave = n.bit_length() - 1
    return clip(n - 3 if octave < 2 else 1 + (octave - 2) * 4 + (n >> (octave - 2) & 3), 0, N_CLASSES - 1)


NEW_HISTOGRAMS = [new_histogram((16 << k // 4) * (4 + k % 4) // 4) for k in range(N_CLASSES)]


# --- a block ---------------------------------------------------------------------------------------------------------


class Line:
    """The cells of a nibble behind one context, by the bits of the nibble so far; `check` tells which."""

    def __init__(self) -> None:
        self.check = 0
        self.cells: dict[int, Cell] = {}

    def n_used(self) -> int:
        return self.cells[1].n if 1 in self.cells else 0


class Byte:
    """What is known before a byte of a sample: its predictions, contexts and histograms."""

    slot: int
    value4: list[int]  # of all predictions, in quarters; the last of them is `middle`
    middle: int
    west4: int
    error_class: int
    texture: int
    signs: int
    histograms: list[list[int]]
    hashes: list[int]


class Pixels:
    """All state of one block.  Tables are dicts that hold what was touched."""

    def __init__(self, raw_size: int, profile: int, content: Content) -> None:
        self.n_own, self.n_others, self.n_taps, self.n_cells, self.n_sets, cell_bits = SHAPES[profile]
        self.channels, self.flags, self.width, self.offset = (
            content.channels, content.flags, content.width, content.offset
        )  # fmt: skip
        self.parts = content.depth // 8
        self.largest4 = 4 * ((1 << content.depth) - 1)
        self.raw = bytearray(raw_size)
        unit = 1 << (content.flags >> 4 & 3)
        self.line_size = content.width * content.channels * self.parts
        self.padded_size = -(-self.line_size // unit) * unit
        self.cell_mask = power_above(max(raw_size, 1 << 15), 1 << cell_bits) - 1
        self.plain = Plain()
        self.lines: list[dict[int, int]] = [{}, {}, {}, {}]  # this one and the three above: place -> sample
        self.errors: list[dict[tuple[int, int], list[int]]] = [{}, {}]  # of this line and above: place, part -> errors
        self.x = 0
        self.is_first_line = True
        self.histograms: dict[tuple[int, ...], list[int]] = {}
        self.learned = [Learned(self, channel) for channel in range(content.channels)]
        self.weights: dict[tuple[int, int, int], list[int]] = {}
        self.final_weights: dict[tuple[int, int, int], list[int]] = {}
        self.apms: dict[tuple[int, int], list[int]] = {}
        self.cells: dict[int, Line] = {}
        self.last_class = 0
        self.n_bytes = 0

    # --- the bytes of a block (PIXELS 1)

    def code_block(self, coder: Coder, raw: bytes | None) -> bytes:
        """Code all bytes, those of raw for an encoder; return them."""
        size = len(self.raw)
        at = 0
        while at < size:
            if at < self.offset or (at - self.offset) % self.padded_size >= self.line_size or size - at < self.parts:
                self.raw[at] = self.plain.code_byte(coder, None if raw is None else raw[at])
                at += 1
            else:
                self.code_sample(coder, raw, at)
                at += self.parts
                if self.x == self.width * self.channels:
                    self.end_line()
        return bytes(self.raw)

    def code_sample(self, coder: Coder, raw: bytes | None, at: int) -> None:
        upper_at = at + (self.parts == 2 and not self.flags & BIG_ENDIAN)
        lower_at = 2 * at + 1 - upper_at
        sign = 128 if self.flags & SIGNED else 0
        self.channel = self.x % self.channels
        self.around = {name: self.sample(line, self.x + dx * self.channels) for name, (line, dx) in PLACES.items()}
        values4 = self.predict_fixed()
        n_fixed = len(values4)
        values4 += self.learned[self.channel].predict()
        value = self.code_byte(coder, values4, n_fixed, 0, 0, None if raw is None else raw[upper_at] ^ sign)
        self.raw[upper_at] = value ^ sign
        if self.parts == 2:
            lower = self.code_byte(coder, values4, n_fixed, 1, value, None if raw is None else raw[lower_at])
            self.raw[lower_at] = lower
            value = value << 8 | lower
        self.learned[self.channel].learn(value)
        self.lines[0][self.x] = value
        if self.is_first_line:
            for line in self.lines[1:]:
                for i in range(1, PAD + 1):
                    line[self.x + i * self.channels] = value
        self.x += 1

    def end_line(self) -> None:
        c, end = self.channels, self.width * self.channels
        done, errors = self.lines[0], self.errors[0]
        self.lines = [{}, done, *self.lines[1:3]]
        self.errors = [{}, errors]
        for i in range(c * PAD):
            done[end + i] = done[end + i - c]
            self.lines[0][-1 - i] = done[c - 1 - i % c]
        for i in range(c):
            for part in range(self.parts):
                errors[end + i, part] = errors[end + i - c, part]
                errors[i - c, part] = self.errors[0][i - c, part] = errors[i, part]
        self.x = 0
        self.is_first_line = False

    def sample(self, above: int, at: int) -> int:
        return self.lines[above].get(at, 0)

    # --- predictions of a sample, in quarters of a step (PIXELS 4)

    def predict_fixed(self) -> list[int]:
        values = self.predict_plane(self.around, 0, self.n_own)
        for k in range(1, min(self.channel, 2) + 1):
            other = {name: self.sample(line, self.x - k + dx * self.channels) for name, (line, dx) in PLACES.items()}
            plane = {name: self.around[name] - other[name] for name in PLACES}
            values += self.predict_plane(plane, self.sample(0, self.x - k), self.n_others)
        return values

    def predict_plane(self, p: dict[str, int], base: int, n: int) -> list[int]:
        w, north = p["W"], p["N"]
        values = [4 * clip(w + north - p["NW"], min(w, north), max(w, north)), self.gradient_adjusted(p)]
        values += [sum(weight * p[name] for name, weight in row.items()) for row in ROWS[: n - 2]]
        return [clip(4 * base + v, 0, self.largest4) for v in values]

    def gradient_adjusted(self, p: dict[str, int]) -> int:
        across = abs(p["W"] - p["WW"]) + abs(p["N"] - p["NW"]) + abs(p["NE"] - p["N"])
        down = abs(p["W"] - p["NW"]) + abs(p["N"] - p["NN"]) + abs(p["NE"] - p["NNE"])
        d = abs(down - across) >> 8 * (self.parts - 1)
        nearer = 4 * (p["W"] if down > across else p["N"])
        middle = 2 * (p["W"] + p["N"]) + p["NE"] - p["NW"]
        if d > 80:
            return nearer
        if d > 32:
            return (middle + nearer) >> 1
        return (3 * middle + nearer) >> 2 if d > 8 else middle

    # --- contexts of a byte (PIXELS 6)

    def in_byte(self, v: int, part: int, upper: int) -> int:
        if self.parts == 1:
            return v
        return clip(v - (upper << 8), 0, 255) if part else v >> 8

    def start_byte(self, values4: list[int], n_fixed: int, part: int, upper: int) -> Byte:
        b = Byte()
        b.slot = self.channel * self.parts + part
        if self.parts == 2:
            values4 = [clip(v - (upper << 10) if part else v >> 8, 0, 1020) for v in values4]
        n = len(values4) + 2
        nothing = [0] * n
        place = (self.x, part)
        left = self.errors[0].get((self.x - self.channels, part), nothing)
        above = self.errors[1].get(place, nothing)
        above_left = self.errors[1].get((self.x - self.channels, part), nothing)
        above_right = self.errors[1].get((self.x + self.channels, part), nothing)
        totals = [2 * left[k] + 2 * above[k] + above_left[k] + above_right[k] for k in range(n)]

        shares = [(1 << 17) // (t * t // 4 + 8) + 1 for t in totals[:-2]]
        blend = (sum(w * v for w, v in zip(shares, values4, strict=True)) + sum(shares) // 2) // sum(shares)
        learned = [*values4[n_fixed:], blend]
        b.middle = (sum(learned) + len(learned) // 2) // len(learned)
        b.value4 = [*values4, blend, b.middle, b.middle, b.middle]

        a = self.around
        b.error_class = error_class(totals[-1])
        square = (a["W"], a["N"], a["NW"], a["NE"])
        spread = max(square) - min(square)
        b.texture = level(spread >> 8 if self.parts == 2 and not part else spread, TEXTURE_LIMITS)
        pairs = (("W", "N"), ("W", "NW"), ("N", "NW"), ("N", "NE"), ("W", "WW"), ("N", "NN"))
        b.signs = sum((a[one] > a[other]) << i for i, (one, other) in enumerate(pairs))
        b.west4 = 4 * self.in_byte(a["W"], part, upper)

        d = blend - b.west4
        rough = b.error_class // 2
        shared = (rough * 16 + b.texture, rough * 16 + level(abs(d), DISTANCE_LIMITS) + (8 if d < 0 else 0))
        classes = [error_class(t) for t in totals]
        b.histograms = [self.histogram(b.slot, k, c, c) for k, c in enumerate(classes)]
        b.histograms += [self.histogram(b.slot, -1 - i, c, c // 16 * 2) for i, c in enumerate(shared)]
        b.hashes = self.hashes(b, part, upper)
        return b

    def histogram(self, slot: int, k: int, chosen: int, first: int) -> list[int]:
        return self.histograms.setdefault((slot, k, chosen), NEW_HISTOGRAMS[first].copy())

    def hashes(self, b: Byte, part: int, upper: int) -> list[int]:
        def of(line: int, at: int) -> int:
            return self.in_byte(self.sample(line, at), part, upper)

        c, ch, x = self.channels, self.channel, self.x
        v = {name: self.in_byte(sample, part, upper) for name, sample in self.around.items()}
        w, n = v["W"], v["N"]
        middle = (b.middle + 2) >> 2
        four = w | n << 8 | v["NW"] << 16 | v["NE"] << 24
        if ch == 0:
            west = of(0, x + 1 - c) if c > 1 else v["NNE"]
            north = of(1, x + 1) if c > 1 else v["NNW"]
            contexts = [
                w | n << 8,
                four,
                w | v["WW"] << 8,
                n | v["NE"] << 8,
                middle | b.texture << 8,
                n | v["NN"] << 8 | north << 16,
                w | west << 8 | north << 16,
                middle | b.error_class << 8,
            ]
        else:
            last = of(0, x - 1)
            both = last | (of(0, x - 2) << 8 if ch > 1 else 0)
            contexts = [
                both,
                both | middle << 16,
                last | w << 8 | of(0, x - c - 1) << 16,
                last | n << 8 | of(1, x - 1) << 16,
                both | w << 16 | n << 24,
                w | n << 8,
                four,
                middle | last << 8 | b.error_class << 16,
            ]
        salt = upper + 1 if part else 0
        found = []
        for k, context in enumerate(contexts[: self.n_cells]):
            h = (context + (k * 4 + ch + salt * 64 + 1) * 0x3D4D51CB) * 0x9E3779B1 & M32
            h = (h ^ h >> 15) * 0x85EBCA6B & M32
            found.append(h ^ h >> 13)
        return found

    # --- the bits of a byte (PIXELS 7, 8)

    def code_byte(self, coder: Coder, values4: list[int], n_fixed: int, part: int, upper: int, byte: int | None) -> int:
        b = self.start_byte(values4, n_fixed, part, upper)
        rate = RATE + RATE_EXTRA // (self.n_bytes + RATE_DELAY)
        low, c0 = 0, 1
        cells: list[dict[int, Cell]] = []
        for i in range(8):
            if i % 4 == 0:
                cells = [self.find_cells(h, c0) for h in b.hashes]
                node = 1
            bit = self.code_bit(coder, b, i, c0, low, [line.setdefault(node, Cell(1 << 15)) for line in cells], rate,
                                None if byte is None else byte >> (7 - i) & 1)  # fmt: skip
            low += 128 >> i if bit else 0
            c0 = c0 << 1 | bit
            node = node << 1 | bit
        self.learn_byte(b, part, low)
        return low

    def find_cells(self, h: int, c0: int) -> dict[int, Cell]:
        mixed = h if c0 == 1 else (h + c0 * 0x2F0B4C47) * 0x9E3779B1 & M32
        number = (mixed ^ mixed >> 16) & self.cell_mask
        line, other = (self.cells.setdefault(at, Line()) for at in (number, number ^ 1))
        if line.check != h | 1 and (other.check == h | 1 or other.n_used() < line.n_used()):
            line = other
        if line.check != h | 1:  # in place: contexts of one byte may meet in one line
            line.check = h | 1
            line.cells.clear()
        return line.cells

    def code_bit(
        self, coder: Coder, b: Byte, i: int, c0: int, low: int, cells: list[Cell], rate: int, bit: int | None
    ) -> int:
        half = 128 >> i
        edges = [4 * at - 2 for at in (low, low + half, low + 2 * half)]
        inputs = []
        for sums, value4 in zip(b.histograms, b.value4, strict=True):
            start, middle, end = (sums[EDGE_OF[edge - value4]] for edge in edges)
            inputs.append(log_of(end - middle + half) - log_of(middle - start + half))
        for cell in cells:
            inputs += [cell.stretch(), cell.confidence()]
        inputs.append(BIAS)

        d = edges[1] - b.middle
        where = level(abs(d) * 4 >> b.error_class // 4, EDGE_LIMITS) + (8 if d < 0 else 0)
        selected = (c0, i * 32 + b.error_class, i * 64 + b.signs, i * 64 + (b.middle >> 7) * 8 + b.texture,
                    i * 32 + self.last_class // 4 * 4 + b.error_class // 8)  # fmt: skip
        rows, layer = [], []
        for k in range(self.n_sets):
            rows.append(self.weights.setdefault((k, b.slot, selected[k]), self.new_row()))
            layer.append(clamp(mix_dot(inputs, rows[k]), STRETCH_LIMIT))
        new = [(1 << 28) // self.n_sets] * self.n_sets
        final = self.final_weights.setdefault((b.slot, i, b.error_class), new)
        mixed = clamp(mix_dot(layer, final), STRETCH_LIMIT)
        p_mixed = squash(mixed)

        at, f = divmod(mixed + 12288, 768)
        contexts = (c0 * 32 + b.error_class, where | i << 4 | clip((b.west4 - b.middle >> 4) + 8, 0, 15) << 8)
        maps = [self.apms.setdefault((k, context), APM_ROW.copy()) for k, context in enumerate(contexts)]
        p_refined = [refined(row, at, f) for row in maps]
        bit = coder.code_bit(bit, bounded((2 * p_mixed + sum(p_refined)) >> 2) << 8)

        nearest = at + (f > 384)
        for row in maps:
            row[nearest] += ((65535 if bit else 0) - row[nearest] + 16) >> 5
        mix_train(layer, final, mix_gradient(bit, p_mixed, FINAL_RATE))
        for row, stretch in zip(rows, layer, strict=True):
            mix_train(inputs, row, mix_gradient(bit, squash(stretch), rate))
        for cell in cells:
            update_cell(cell, bit)
        return bit

    def new_row(self) -> list[int]:
        share = SHARE[min(self.channel, 2)]
        row = [share[0]] * self.n_own
        for k in range(min(self.channel, 2)):
            row += [share[1 + k]] * self.n_others
        n_learned = 3 + (self.n_taps > 0)
        row += [share[3]] * n_learned + [share[4], share[5]] + [share[6]] * N_SHARED
        scale = TOTAL_WEIGHT // sum(row)
        return [weight * scale for weight in row] + [CELL_WEIGHT, 0] * self.n_cells + [0]

    def learn_byte(self, b: Byte, part: int, value: int) -> None:
        errors = []
        for sums, value4 in zip(b.histograms, b.value4, strict=True):
            residual = 4 * value - value4
            for k, more in enumerate(ADDED[BIN_OF[residual]]):
                sums[k] += more
            if sums[-1] > LIMIT:
                sums[:] = [total >> 1 for total in sums]
            errors.append(min(abs(residual) >> 1, 255))
        self.errors[0][self.x, part] = errors[:-N_SHARED]
        self.last_class = error_class(6 * errors[-1])
        self.n_bytes += 1


def refined(row: list[int], at: int, f: int) -> int:
    return (row[at] * (768 - f) + row[at + 1] * f) // 768 << 8


def update_cell(cell: Cell, bit: int) -> None:
    n = cell.n
    cell.update(bit)
    cell.n = min(n + 1, CELL_LIMIT)
