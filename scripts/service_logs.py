"""Make days of the log of one service from a sample of a few thousand lines of it.

    python scripts/service_logs.py SAMPLE.log --size 20000000 --day 1 -o day1.log

A line is a template with fields, the runs of digits and hexadecimal letters in it.  Which template follows which is
drawn as the sample has it.  A field whose values are few in the sample gets one of them, on every day.  Another gets a
value that stood in the lines before as often as the sample's does, else a new one of the length and with the leading
digits of one in the sample.  Clocks go on by the steps of the sample.  The same arguments give the same bytes.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import click

FIELD = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-Fa-f]*[0-9][0-9A-Fa-f]*")
HEX = re.compile(r"[A-Fa-f]")
RECENT = 200  # fields of the same length that count as just before
FEW = 8  # a field has few values where each stands so often in the mean

# What a clock looks like, and how it is read and written; three digits of a second may follow behind the separator.
CLOCKS = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S", "."),
    (r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d", "%y/%m/%d %H:%M:%S", "."),
    (r"\d{8}-\d?\d:\d?\d:\d?\d", "%Y%m%d-%H:%M:%S", ":"),
    (r"\d\d-\d\d \d\d:\d\d:\d\d", "%m-%d %H:%M:%S", "."),
    (r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d", "%b %d %H:%M:%S", "."),
)


@dataclass(frozen=True)
class Clock:
    """Where the time stands in a service's lines: the last match of a pattern, as it is before the sample's day."""

    pattern: re.Pattern[str]
    form: str
    separator: str

    @classmethod
    def of(cls, lines: list[str]) -> Clock:
        """Return the first of CLOCKS that most lines have; raises ValueError if there is none."""
        for pattern, form, separator in CLOCKS:
            compiled = re.compile(rf"(?<!\d)({pattern})(?:{re.escape(separator)}(\d{{1,3}})(?!\d))?")
            if sum(bool(compiled.search(line)) for line in lines) > 0.9 * len(lines):
                return cls(compiled, form, separator)
        raise ValueError("no clock in the lines of the sample")

    def read(self, match: re.Match[str]) -> datetime:
        """Return the time of a match, of the year 2000 where it has none."""
        form, text = (self.form, match[1]) if "%y" in self.form.lower() else (f"%Y {self.form}", f"2000 {match[1]}")
        return datetime.strptime(text, form) + timedelta(milliseconds=int(match[2] or 0))

    def write(self, at: datetime, like: re.Match[str]) -> str:
        """Return a time as text, with milliseconds if another had them."""
        text = at.strftime(self.form)
        return f"{text}{self.separator}{at.microsecond // 1000:03}" if like[2] else text


@dataclass
class Slot:
    """What a field of a template was in the sample."""

    values: list[str] = field(default_factory=list)
    n_seen_before: int = 0  # of them stood in the lines before

    def draw(self, drawing: random.Random, recent: dict[int, deque[str]]) -> str:
        """Return a value for a new line; recent: by length, what fields were before."""
        like = drawing.choice(self.values)
        if len(set(self.values)) * FEW <= len(self.values) or len(set(self.values)) == 1:
            return like
        before = recent[len(like)]
        if before and drawing.random() < self.n_seen_before / len(self.values):
            return drawing.choice(before)
        if HEX.search("".join(self.values)):
            return "".join(drawing.choice("0123456789abcdef") if c.isalnum() else c for c in like)
        n_kept = (len(like) + 1) // 3
        return like[:n_kept] + "".join(drawing.choice("0123456789") for _ in like[n_kept:])


class Service:
    """The templates of a sample's lines, what they follow, and how fast its clock goes."""

    def __init__(self, lines: list[str]) -> None:
        """Raises ValueError for lines without a clock."""
        self.clock = Clock.of(lines)
        self.slots: dict[str, list[Slot]] = {}
        self.likes: dict[str, re.Match[str]] = {}  # the clock of a line of each template
        self.next: dict[str, list[str]] = defaultdict(list)
        self.steps: list[timedelta] = []
        recent: dict[int, deque[str]] = defaultdict(lambda: deque(maxlen=RECENT))
        last: str | None = None
        time: datetime | None = None
        for line in lines:
            match = self.clock.pattern.search(line)
            if not match:
                continue
            previous, now = time, self.clock.read(match)
            time = now
            if previous:
                self.steps.append(min(max(now - previous, timedelta()), timedelta(minutes=5)))
            text = line[: match.start()] + "\0" + line[match.end() :]
            template = FIELD.sub("\1", text)
            values = FIELD.findall(text)
            slots = self.slots.setdefault(template, [Slot() for _ in values])
            self.likes.setdefault(template, match)
            for slot, value in zip(slots, values, strict=True):
                slot.values.append(value)
                slot.n_seen_before += value in recent[len(value)]
                recent[len(value)].append(value)
            if last is not None:
                self.next[last].append(template)
            last = template
        self.first = next(iter(self.slots))
        self.begin = self.clock.read(self.likes[self.first])

    def day(self, number: int, size: int) -> bytes:
        """Return about `size` bytes of lines of a day."""
        drawing = random.Random(f"day {number}")
        recent: dict[int, deque[str]] = defaultdict(lambda: deque(maxlen=RECENT))
        time, template, out, n_bytes = self.begin + timedelta(days=number), self.first, [], 0
        while n_bytes < size:
            parts = re.split("([\0\1])", template)
            slots = iter(self.slots[template])
            for i, part in enumerate(parts):
                if part == "\0":
                    parts[i] = self.clock.write(time, self.likes[template])
                elif part == "\1":
                    parts[i] = next(slots).draw(drawing, recent)
                    recent[len(parts[i])].append(parts[i])
            out.append("".join(parts).encode() + b"\n")
            n_bytes += len(out[-1])
            template = drawing.choice(self.next.get(template) or list(self.slots))
            time += drawing.choice(self.steps)
        return b"".join(out)


@click.command()
@click.argument("sample", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--size", type=int, default=20_000_000, show_default=True, help="Bytes.")
@click.option("--day", type=int, default=1, show_default=True, help="Values of another day for another number.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(sample: Path, size: int, day: int, output: Path) -> None:
    """Write a day of the log that SAMPLE is a sample of."""
    lines = sample.read_text(encoding="utf-8", errors="replace").splitlines()
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        output.write_bytes(Service(lines).day(day, size))
    except ValueError as error:
        raise click.UsageError(f"{sample}: {error}") from None


if __name__ == "__main__":
    main()
