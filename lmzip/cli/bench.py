"""--bench: compresses and decompresses files in memory, checks that they come back, prints sizes and speeds."""

from __future__ import annotations

import time
from io import BytesIO

from lmzip.cli import signals
from lmzip.cli.chosen_model import ChosenModel
from lmzip.cli.messages import Reporter, printable
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter, speed
from lmzip.cli.results import put_json, put_result
from lmzip.cli.work import open_input
from lmzip.errors import VerifyError


class Bench:
    """Prints a line for each file."""

    def __init__(self, options: Options, reporter: Reporter, chosen: ChosenModel) -> None:
        self.options = options
        self.reporter = reporter
        self.chosen = chosen

    def run(self, name: str, shown: str) -> None:
        """Measure one file; raises VerifyError if it does not come back, LmzipError, OSError, OutputError."""
        from lmzip.codec.settings import settings_for

        with open_input(name, in_place=False, force=False) as source:
            self.chosen.find()
            model = settings_for(self.options.level, self.chosen.model, self.chosen.registry)[1].name
            parts = []
            while part := source.read(1 << 20):
                parts.append(part)
            raw = b"".join(parts)
        meter = Meter(self.reporter, shown, ("compress", "decompress"), len(raw), self.options.progress)
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

        options, registry = self.options, self.chosen.registry
        packed, back = BytesIO(), BytesIO()
        threads, limit = options.threads or None, options.memory_limit
        start = time.monotonic()
        codec.compress_stream(
            BytesIO(raw).read,
            packed.write,
            level=options.level,
            model=self.chosen.model,
            registry=registry,
            block_size=options.block_size,
            threads=threads,
            memory_limit=limit,
            progress=meter.advance,
        )
        middle = time.monotonic()
        codec.decompress_stream(
            BytesIO(packed.getvalue()).read,
            back.write,
            registry=registry,
            threads=threads,
            memory_limit=limit,
            progress=meter.advance,
        )
        end = time.monotonic()
        if back.getvalue() != raw:
            raise VerifyError("does not come back as it was")
        return packed.getvalue(), middle - start, end - middle

    def finish(self) -> None:
        """Nothing comes after the last file."""
