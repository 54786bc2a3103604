"""Turn a PNM picture into PNG, WebP or JPEG XL, and back to the same bytes: peers for scripts/bench_media.py.

    scripts/media_codec.py png|webp|jxl pack|unpack FROM TO

PNG and WebP are Pillow's at their strongest settings; JPEG XL is cjxl -d 0 -e 9.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OPTIONS = {
    "png": {"format": "PNG", "optimize": True},
    "webp": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6, "exact": True},
}


def pack(kind: str, source: Path, target: Path) -> None:
    """Write source as another format; raises OSError, CalledProcessError."""
    if kind == "jxl":
        subprocess.run(["cjxl", "--quiet", "-d", "0", "-e", "9", source, target], check=True, capture_output=True)
    else:
        with Image.open(source) as image:
            image.save(target, **OPTIONS[kind])


def unpack(kind: str, source: Path, target: Path) -> None:
    """Write what pack() made as PNM; raises OSError, CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "jxl":
            picture = Path(folder) / "picture.png"  # not every djxl writes PNM
            subprocess.run(["djxl", "--quiet", source, picture], check=True, capture_output=True)
            source = picture
        _write_pnm(kind, source, target)


def _write_pnm(kind: str, source: Path, target: Path) -> None:
    with Image.open(source) as image:
        grey = image.convert("L") if kind == "webp" and _is_grey(image) else image  # WebP knows colours only
        grey.save(target, format="PPM")


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.convert("RGB").split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


if __name__ == "__main__":
    kind, direction, source, target = sys.argv[1:]
    {"pack": pack, "unpack": unpack}[direction](kind, Path(source), Path(target))
