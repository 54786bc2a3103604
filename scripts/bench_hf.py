"""Measures a model of Hugging Face: bits per byte and kB/s in both directions, round trips checked.

Usage: bench_hf.py --model hf:PATH [--device cpu|cuda[:N]] [--dtype TYPE] [--threads N] [--lanes N] [--level N]
                   [--limit BYTES] [--json] FILE...

Needs the extra `hf`; the same command runs on a CPU and on a GPU.  The model is loaded and probed before, which is
told by itself.  Sizes are those of whole files, container included; 1 kB = 1000 bytes.  A block is decoded
by the same process with fresh state: that other processes decode it is what the probe is for, so try lmunzip too.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from pathlib import Path

from lmzip import codec, levels
from lmzip.errors import LmzipError
from lmzip.models.base import Model
from lmzip.models.hf.numerics import DTYPES, Settings
from lmzip.models.registry import Registry

LEVELS = range(levels.MIN_LEVEL, levels.MAX_LEVEL + 1)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", required=True, help="hf:PATH, or any other of lmzip --model to compare with")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--threads", type=int, help="of torch; default: one a core")
    parser.add_argument("--lanes", type=int, help="of every block, a power of two up to 64; default: by its size")
    parser.add_argument("--level", type=int, choices=LEVELS, default=levels.DEFAULT_LEVEL, help="default: %(default)s")
    parser.add_argument("--limit", type=int, help="take the first BYTES of each file only")
    parser.add_argument("--json", action="store_true", help="a JSON object for each file")
    return parser.parse_args(arguments)


def measure(data: bytes, options: argparse.Namespace, registry: Registry, model: Model) -> dict[str, float]:
    """Return sizes in bytes and seconds of both directions; raises LmzipError, also where other bytes come back."""
    packed, unpacked = io.BytesIO(), io.BytesIO()
    start = time.perf_counter()
    codec.compress_stream(
        io.BytesIO(data).read,
        packed.write,
        level=options.level,
        model=model,
        threads=options.threads,
        n_lanes=options.lanes,
    )
    middle = time.perf_counter()
    frames = io.BytesIO(packed.getvalue())
    codec.decompress_stream(frames.read, unpacked.write, registry=registry, threads=options.threads)
    end = time.perf_counter()
    if unpacked.getvalue() != data:
        raise LmzipError("other bytes come back")
    size = len(packed.getvalue())
    return {"raw_size": len(data), "compressed_size": size, "compress_s": middle - start, "decompress_s": end - middle}


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    registry = Registry(Settings(options.device, options.dtype, options.threads))
    start = time.perf_counter()
    try:
        model = registry.model(options.model)
        fingerprint = model.fingerprint.hex() or "none, it is exact"
        loading = time.perf_counter() - start
        if not options.json:
            print(f"{model.name}: {model.numerics or 'integers'}, fingerprint {fingerprint}, ready in {loading:.1f} s")
        for path in options.files:
            data = path.read_bytes()[: options.limit]
            if not data:
                continue
            found = measure(data, options, registry, model)
            bits = 8 * found["compressed_size"] / found["raw_size"]
            speeds = [found["raw_size"] / max(found[way], 1e-9) / 1000 for way in ("compress_s", "decompress_s")]
            if options.json:
                about = {"file": path.name, "model": model.name, "numerics": model.numerics, "loading_s": loading}
                print(json.dumps(about | found | {"bits_per_byte": bits}), flush=True)
            else:
                print(
                    f"{path.name}: {found['raw_size']} -> {found['compressed_size']} bytes, {bits:.3f} bits/byte, "
                    f"{speeds[0]:.2f} kB/s, back {speeds[1]:.2f} kB/s, the same bytes",
                    flush=True,
                )
    except (LmzipError, OSError, ValueError) as error:
        print(f"bench_hf.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
