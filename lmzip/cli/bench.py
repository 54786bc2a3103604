"""--bench: compresses and decompresses files in memory, checks that they come back, prints sizes and speeds."""

from __future__ import annotations

import time
from io import BytesIO

from lmzip.cli import signals
from lmzip.cli.actions import Action
from lmzip.cli.inputs import open_input
from lmzip.cli.messages import printable
from lmzip.cli.progress import Meter, speed
from lmzip.cli.results import put_json, put_result
from lmzip.errors import VerifyError


class Bench(Action):
    """Prints a line for each file."""

    def run(self, name: str, shown: str) -> None:
        """Measure one file; raises VerifyError if it does not come back, LmzipError, OSError, OutputError."""
        from lmzip.codec.settings import settings_for

        with open_input(name) as source:
            self.chosen.find()
            given = self.compression()
            names = ("level", "model", "registry", "dictionary")
            model = settings_for(*(given[name] for name in names))[1].name
            raw = source.read_all()
        meter = Meter(self.reporter, shown, ("compress", "decompress"), len(raw))
        with meter, signals.reporting(meter.report):
            packed, to_packed, to_raw = self._measure(raw, meter)
        bits = 8 * len(packed) / len(raw) if raw else 0.0
        if self.options.json:
            put_json(
                {
                    "name": shown,
                    "level": self.options.level,
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
            f"{printable(shown)}: level {self.options.level}, model {printable(model)}, "
            f"{len(raw)} -> {len(packed)} bytes, {bits:.3f} bits/byte, "
            f"compressed at {speed(len(raw), to_packed)}, decompressed at {speed(len(raw), to_raw)}, same bytes\n"
        )

    def _measure(self, raw: bytes, meter: Meter) -> tuple[bytes, float, float]:
        """Return the compressed bytes and the seconds that each direction took."""
        from lmzip import codec

        packed, back = BytesIO(), BytesIO()
        start = time.monotonic()
        codec.compress_stream(BytesIO(raw).read, packed.write, **self.compression(), progress=meter.advance)
        middle = time.monotonic()
        packed.seek(0)
        codec.decompress_stream(packed.read, back.write, **self.coding(), progress=meter.advance)
        end = time.monotonic()
        if back.getvalue() != raw:
            raise VerifyError("does not come back as it was")
        return packed.getvalue(), middle - start, end - middle
