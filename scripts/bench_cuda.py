"""Measures exact models on a device beside the kernel: MB/s in both directions, and that the bytes are the same.

Usage: bench_cuda.py [--device auto|cuda[:N]|torch-cpu] [--model NAME] [--level N] [--block-size BYTES] [--lanes N]
                     [--limit BYTES] [--write] FILE...

Needs the extra `cuda`.  Every file is compressed on the device and in the kernel, both files compared, and the device's
decompressed on it; what comes from the device is counted for each byte of a net, each token of a transformer.  The
model is loaded, and compared with the kernel, before.  --write puts the table into
docs/CUDA.md.  1 MB = 10^6 bytes.  Without a GPU, `auto` takes torch's CPU device, which is no measure of anything but
that it works.
"""

from __future__ import annotations

import argparse
import io
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lmzip import codec, levels
from lmzip.errors import LmzipError
from lmzip.models.hf.numerics import Settings
from lmzip.models.registry import Registry
from lmzip.system import available_threads
from lmzip.twin.device import PROCESSOR, TORCH_CPU, load_torch, torch_device

PAGE = Path(__file__).resolve().parent.parent / "docs" / "CUDA.md"
BEGIN, END = "<!-- cuda-table:begin -->\n", "<!-- cuda-table:end -->\n"
HEAD = "| device | model | file | bytes | compressed | device, MB/s in | out | kernel, MB/s in | out "
HEAD += "| bytes from the device, in | out |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"


class Measured(NamedTuple):
    """What one way of coding a file came to."""

    file: bytes
    seconds_in: float
    seconds_out: float
    twin: str  # what predicted on the device; empty for the kernel
    sent_in: float  # bytes that came from the device for each byte or token that it predicted
    sent_out: float


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", help="default: the level's")
    parser.add_argument("--level", type=int, default=levels.DEFAULT_LEVEL, help="default: %(default)s")
    parser.add_argument("--block-size", type=int, help="default: the level's")
    parser.add_argument("--lanes", type=int, help="of every block, a power of two; default: by its size")
    parser.add_argument("--limit", type=int, help="take the first BYTES of each file only")
    parser.add_argument("--write", action="store_true", help="put the table into docs/CUDA.md")
    return parser.parse_args(arguments)


def measure(raw: bytes, device: str, options: argparse.Namespace) -> Measured:
    """Compress and decompress with one device; raises LmzipError, ValueError where what comes out is not what went
    in.
    """
    registry = Registry(Settings(device))
    model: Any = registry.model(options.model) if options.model else registry.default()
    model.load()
    stepper: Any = None
    if getattr(model, "drive_for", None):
        level = levels.get_level(options.level, uses_model=True, has_tokens=model.has_tokens)
        size = min(len(raw), options.block_size or level.block_size)
        spec = level.spec(size, uses_model=True, n_lanes=options.lanes)
        drive = model.drive_for(spec)  # loads torch, and compares with the kernel
        if drive is None and device != PROCESSOR:
            raise ValueError(f"{device} codes no blocks of {size} bytes in {spec.n_lanes} lanes: too few, or too many")
        stepper = drive and drive.stepper
        if model.why_not_fused:
            print(f"no fused twin of {model.name}: {model.why_not_fused}", file=sys.stderr)
    coded, back = bytearray(), bytearray()
    choices = {"block_size": options.block_size, "n_lanes": options.lanes, "level": options.level}

    def counted(work: Callable[[], object]) -> tuple[float, float]:
        """Return seconds, and bytes from the device for each thing predicted."""
        if stepper:
            stepper.n_columns = stepper.n_bytes = 0
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        return seconds, stepper.n_bytes / max(1, stepper.n_columns) if stepper else 0.0

    seconds_in, sent_in = counted(
        lambda: codec.compress_stream(io.BytesIO(raw).read, coded.extend, model=model, **choices)
    )
    seconds_out, sent_out = counted(
        lambda: codec.decompress_stream(io.BytesIO(bytes(coded)).read, back.extend, registry=registry)
    )
    if back != raw:
        raise ValueError("other bytes came back")
    twin = type(stepper.twin).__name__ if stepper else ""
    return Measured(bytes(coded), seconds_in, seconds_out, twin, sent_in, sent_out)


def name_of(device: str) -> str:
    """Return a device in words."""
    if device == "cpu":
        return f"torch's CPU device, {available_threads()} threads, {platform.machine()} (shows that it works, no more)"
    return load_torch().cuda.get_device_name(device)


def row_of(path: Path, device: str, options: argparse.Namespace) -> str:
    """Measure a file, and return its row of the table."""
    raw = path.read_bytes()[: options.limit]
    there, here = measure(raw, options.device, options), measure(raw, "cpu", options)
    if there.file != here.file:
        raise ValueError(f"{path}: the device writes another file than the kernel")
    times = (there.seconds_in, there.seconds_out, here.seconds_in, here.seconds_out)
    speeds = " | ".join(f"{len(raw) / seconds / 1e6:.3g}" for seconds in times)
    lanes = f", {options.lanes} lanes" if options.lanes else ""
    model = f"{Path(options.model or 'bytelm3').stem} -{options.level}{lanes}"
    sent = f"{there.sent_in:,.0f} | {there.sent_out:,.0f}"
    device_used = f"{name_of(device)}: {there.twin}"
    return f"| {device_used} | {model} | {path.name} | {len(raw):,} | {len(here.file):,} | {speeds} | {sent} |\n"


def main() -> int:
    options = parse_arguments()
    try:
        device = torch_device(options.device)
        if device is None:
            options.device, device = TORCH_CPU, torch_device(TORCH_CPU)
        table = HEAD
        for path in options.files:
            table += row_of(path, device or "cpu", options)
            print(table.splitlines()[-1], flush=True)
    except (LmzipError, OSError, ValueError) as error:
        print(f"bench_cuda.py: {error}", file=sys.stderr)
        return 1
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
        PAGE.write_text(f"{page[:start]}{table}{page[end:]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
