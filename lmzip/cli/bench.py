"""--bench: compresses and decompresses files in memory, checks that they come back, prints sizes and speeds."""

from __future__ import annotations

import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lmzip.cli import signals
from lmzip.cli.actions import Action
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.inputs import open_input
from lmzip.cli.messages import Reporter, printable
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter, speed
from lmzip.cli.results import put_json, put_result
from lmzip.cli.writing import target, write_file
from lmzip.errors import VerifyError
from lmzip.levels import MAX_LEVEL, MIN_LEVEL

if TYPE_CHECKING:
    from lmzip.plot.speeds import Point


class Bench(Action):
    """Prints a line for each file and level, and draws them if that is wanted."""

    def __init__(self, options: Options, reporter: Reporter, chosen: ChosenModel) -> None:
        super().__init__(options, reporter, chosen)
        self._drawn: dict[str, list[Point]] = {}

    def run(self, name: str, shown: str) -> None:
        """Measure one file; raises VerifyError if it does not come back, or as reading and writing do."""
        if self.options.plot:
            from lmzip.plot import pyplot

            pyplot.load()
            target(self.options.plot, self.options.force).close()
        with open_input(name) as source:
            self.chosen.find()
            raw = source.read_all()
        for level in range(MIN_LEVEL, MAX_LEVEL + 1) if self.options.plot else [self.options.level]:
            self._bench(raw, shown, level)

    def finish(self) -> None:
        """Draw what was measured; raises CallError."""
        if self._drawn and self.options.plot:
            from lmzip.plot.speeds import picture

            write_file(self.options.plot, picture(self._drawn), force=self.options.force)

    def _bench(self, raw: bytes, shown: str, level: int) -> None:
        from lmzip.codec.settings import settings_for

        given = self.compression() | {"level": level}
        model = settings_for(*(given[name] for name in ("level", "model", "registry")))[1].name
        meter = Meter(self.reporter, shown, ("compress", "decompress"), len(raw))
        with meter, signals.reporting(meter.report):
            packed, to_packed, to_raw = self._measure(raw, given, meter)
        bits = 8 * len(packed) / len(raw) if raw else 0.0
        if self.options.plot and raw:
            from lmzip.plot.speeds import Point

            point = Point(level, bits, len(raw) / to_packed, len(raw) / to_raw)
            self._drawn.setdefault(shown, []).append(point)
        if self.options.json:
            put_json(
                {
                    "name": shown,
                    "level": level,
                    "model": model,
                    "raw_size": len(raw),
                    "compressed_size": len(packed),
                    "bits_per_byte": round(bits, 6),
                    "compress_seconds": round(to_packed, 4),
                    "decompress_seconds": round(to_raw, 4),
                }
            )
            return
        put_result(
            f"{printable(shown)}: level {level}, model {printable(model)}, "
            f"{len(raw)} -> {len(packed)} bytes, {bits:.3f} bits/byte, "
            f"compressed at {speed(len(raw), to_packed)}, decompressed at {speed(len(raw), to_raw)}, same bytes\n"
        )

    def _measure(self, raw: bytes, given: dict[str, Any], meter: Meter) -> tuple[bytes, float, float]:
        """Return the compressed bytes and the seconds that each direction took."""
        from lmzip import codec

        packed, back = BytesIO(), BytesIO()
        start = time.monotonic()
        codec.compress_stream(BytesIO(raw).read, packed.write, **given, progress=meter.advance)
        middle = time.monotonic()
        packed.seek(0)
        codec.decompress_stream(packed.read, back.write, **self.coding(), progress=meter.advance)
        end = time.monotonic()
        if back.getvalue() != raw:
            raise VerifyError("does not come back as it was")
        return packed.getvalue(), middle - start, end - middle
