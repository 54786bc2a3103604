"""Small pictures, recordings and archives of them, as tests of contents want them."""

from __future__ import annotations

import io
import random
import struct
import tarfile


def shaded(width: int, height: int, channels: int = 1, seed: int = 1) -> bytes:
    """Return pixels that grow smoothly, with some noise, as photographs' do."""
    noise = random.Random(seed)
    lines = range(height)
    return bytes(
        (x // 3 + 2 * y // 3 + 40 * channel + noise.randrange(4)) & 255
        for y in lines
        for x in range(width)
        for channel in range(channels)
    )


def picture(width: int = 64, height: int = 48, channels: int = 1, seed: int = 1) -> bytes:
    kind = {1: 5, 3: 6}[channels]
    return b"P%d %d %d 255\n" % (kind, width, height) + shaded(width, height, channels, seed)


def recording(n: int = 8000, seed: int = 1) -> bytes:
    """Return a WAV file of n samples of a wandering signal."""
    noise, value, samples = random.Random(seed), 0.0, []
    for _ in range(n):
        value = value * 0.98 + noise.gauss(0, 60)
        samples.append(int(value))
    data = struct.pack(f"<{n}h", *samples)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16,
                         b"data", len(data))  # fmt: skip
    return header + data


def tar_of(*files: tuple[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return output.getvalue()
