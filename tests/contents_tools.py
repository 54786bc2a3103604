"""Files of images and sound that the tests of recognition build by hand, and a caller that cuts them."""

from __future__ import annotations

import io
import random
import struct
import tarfile

from lmzip.block import BYTES, Content
from lmzip.contents import Splitter, Stretch


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that look like nothing."""
    return random.Random(seed).randbytes(size)


def split_all(data: bytes, buffer_size: int = 1 << 20, forced: Content | None = None) -> list[Stretch]:
    """Cut a stream as the codec does, holding at most so many bytes; every rule of the interface is checked."""
    splitter, at, stretches = Splitter(forced), 0, []
    while at < len(data):
        buffer = data[at : at + buffer_size]
        is_last = at + len(buffer) == len(data)
        got = splitter.split(buffer, is_last=is_last)
        used = sum(stretch.size for stretch in got)
        assert got and all(stretch.size > 0 for stretch in got)
        assert used == len(buffer) if is_last else used <= len(buffer)
        assert all(a.content != BYTES or b.content != BYTES for a, b in zip(got, got[1:], strict=False))
        at += used
        stretches += got
    return stretches


def found(stretches: list[Stretch]) -> list[tuple[int, int, Content]]:
    """Return start, size and content of the stretches that are not just bytes."""
    at, those = 0, []
    for stretch in stretches:
        if stretch.content != BYTES:
            those.append((at, stretch.size, stretch.content))
        at += stretch.size
    return those


def tar_of(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def bmp_header(
    width: int, height: int, bits: int, *, size: int = 40, compression: int = 0, palette: bytes = b""
) -> bytes:
    info = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, 0, 2835, 2835, len(palette) // 4, 0)
    info = info.ljust(size, b"\0")
    if compression == 3 and size == 40:
        info += struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    offset = 14 + len(info) + len(palette)
    n_bytes = (abs(width) * bits // 8 + 3) // 4 * 4 * abs(height)
    return b"BM" + struct.pack("<IHHI", offset + n_bytes, 0, 0, offset) + info + palette


GREY_RAMP = b"".join(bytes([i, i, i, 0]) for i in range(256))


def tiff(
    order: str,
    shape: tuple[int, int, int],
    depth: int,
    *,
    lines_per_strip: int | None = None,
    directory_first: bool = True,
    fields: dict[int, tuple[int, list[int]]] | None = None,
) -> tuple[bytes, int]:
    """Return a TIFF file of noise and where its samples begin; fields: tag -> (type, values), to change or add."""
    height, width, channels = shape
    line = width * channels * depth // 8
    pixels = noise(height * line)
    per_strip = lines_per_strip or height
    n_strips = -(-height // per_strip)

    def build(start: int, directory: int) -> bytes:
        offsets = [start + i * per_strip * line for i in range(n_strips)]
        sizes = [min(per_strip, height - i * per_strip) * line for i in range(n_strips)]
        entries = {
            256: (3, [width]),
            257: (4, [height]),
            258: (3, [depth] * channels),
            259: (3, [1]),
            262: (3, [2 if channels > 2 else 1]),
            273: (4, offsets),
            277: (3, [channels]),
            278: (3, [per_strip]),
            279: (4, sizes),
        } | (fields or {})
        at = directory + 2 + 12 * len(entries) + 4
        rows, outside = b"", b""
        for tag, (kind, values) in sorted(entries.items()):
            packed = struct.pack(f"{order}{len(values)}{'BHI'[(1, 3, 4).index(kind)]}", *values)
            rows += struct.pack(order + "HHI", tag, kind, len(values))
            if len(packed) <= 4:
                rows += packed.ljust(4, b"\0")
            else:
                rows += struct.pack(order + "I", at + len(outside))
                outside += packed
        return struct.pack(order + "H", len(entries)) + rows + bytes(4) + outside

    directory = 8 if directory_first else 8 + len(pixels)
    start = 8 + len(build(0, directory)) if directory_first else 8
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", directory)
    told = build(start, directory)
    return (head + told + pixels if directory_first else head + pixels + told), start


def tga_header(kind: int, width: int, height: int, bits: int, *, descriptor: int = 0, name: bytes = b"") -> bytes:
    return struct.pack("<BBBHHBHHHHBB", len(name), 0, kind, 0, 0, 0, 0, 0, width, height, bits, descriptor) + name


def npy_header(descr: str, shape: tuple[int, ...], *, fortran: bool = False, version: int = 1) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    size = 118 if version == 1 else 116
    text = text.ljust(size - 1) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text.encode()


def wave_header(
    channels: int,
    bits: int,
    size: int,
    *,
    kind: int = 1,
    order: str = "<",
    before: bytes = b"",
    magic: bytes | None = None,
    container: int | None = None,
) -> bytes:
    """container: bytes of a sample where they are not as few as the bits need."""
    moment = channels * (container or -(-bits // 8))
    fmt = struct.pack(order + "HHIIHH", kind, channels, 44100, 44100 * moment, moment, bits)
    if kind == 0xFFFE:
        fmt += struct.pack(order + "HHI", 22, bits, 3) + struct.pack(order + "H", 1) + bytes(14)
    start = (magic or (b"RIFX" if order == ">" else b"RIFF")) + struct.pack(order + "I", 0xFFFFFFFF) + b"WAVE"
    fmt = b"fmt " + struct.pack(order + "I", len(fmt)) + fmt
    return start + before + fmt + b"data" + struct.pack(order + "I", size)


def aiff_header(channels: int, bits: int, size: int, *, compression: bytes = b"", before: bytes = b"") -> bytes:
    common = struct.pack(">HIH", channels, size, bits) + b"\x40\x0e\xac\x44" + bytes(6)
    common += compression and compression + b"\0\0"
    form = b"FORM" + struct.pack(">I", 0xFFFF) + (b"AIFC" if compression else b"AIFF")
    form += b"COMM" + struct.pack(">I", len(common)) + common + before
    return form + b"SSND" + struct.pack(">III", size + 8, 0, 0)


def au_header(channels: int, encoding: int, size: int, *, offset: int = 28) -> bytes:
    return (b".snd" + struct.pack(">IIIII", offset, size, encoding, 44100, channels)).ljust(offset, b"\0")
