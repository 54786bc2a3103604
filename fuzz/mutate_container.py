"""Feeds mutated frames to the Python side of the decoder: only an LmzipError or the right bytes may come out.

Mutations are deterministic for a seed.  Half of them repair the checks they break (FORMAT: block heads, trailers), as
an attacker would, so that they reach what lies behind the checks.  Run by `make fuzz`; ends with status 1 and the
file's hexadecimal digits at the first surprise.  It reads the layout by itself, apart from lmzip.format.  Frames are
short and long, with and without a net: the one beside the test vectors; some are of pictures and sound, some begin
behind a dictionary, alone, beside the net and beside a tiny transformer, and some have copies of an original.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import lmzip
from lmzip import codec
from lmzip.errors import LmzipError
from lmzip.stream import shared

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors"
# The dictionary and original of the test vectors.
LINES = b"".join(f"{n} green bottles, hanging on the wall; {n * n} Füße\n".encode() for n in range(79, 57, -1))
FOLDER = tempfile.TemporaryDirectory()  # for what the registry reads
GIVEN = {"dictionary": lmzip.Dictionary(LINES), "patch_from": lmzip.Original(LINES)}
MAGIC = b"\x89LMZ"
HEADER_SIZES = {0: 6, 0x20: 10, 0x40: 129, 0x60: 16}  # by bits 5 and 6 of byte 4
SHORT, DICTIONARY = 0x10, 0x80  # bits 4 and 7
MORE = {0: 0, 0x20: 10, 0x40: 4, 0x60: 12}  # by bits 5 and 6 of the byte kind, what the head has besides
HEAD_SIZE = 17  # kind u8, raw_size u32, payload_size u32, data_check u32, head_check u32
SHORT_HEAD_SIZE = 10  # raw_size u16, payload_size u16, data_check u32, head_check u16
TRAILER_FIXED_SIZE = 14  # content hash, n_blocks, trailer check; the table stands before them, 8 bytes a block
MEMORY_LIMIT = 2 << 30  # bytes of address space: an allocation that a header alone asks for ends in MemoryError
SLOW_SECONDS = 5.0


def contents() -> list[bytes]:
    """Return what the frames to mutate hold: text, zeros, noise, nothing."""
    source = random.Random(1)
    text = b"".join(b"%d bottles of beer on the wall\n" % (99 - i) for i in range(90))
    return [text, bytes(5000), source.randbytes(700), b"", b"a"]


def seeds() -> list[tuple[bytes, list[bytes]]]:
    """Return files and what their frames hold: short frames, blocks, with a net, of pictures and sound, and joined."""
    shared.registry.add_path(str(VECTORS / "vectors-v1.safetensors"))
    _add_transformer()
    names = ("good-net-5-lanes-1", "good-net-4-short-lanes-8", "good-net-4097", "good-net-and-others")
    names += ("good-contents-long", "good-image-rgb", "good-image-16-bits-big", "good-sound-float")
    names += ("good-dictionary-2-short", "good-dictionary-2-lanes-2", "good-dictionary-net-5-lanes-4")
    names += ("good-dictionary-blocks", "good-dictionary-tokens-lanes-1", "good-dictionary-tokens-lanes-4")
    names += ("good-tokens-lanes-4", "good-patch-1", "good-patch-blocks", "good-patch-net", "good-patch-steps")
    names += ("good-copies-mixed", "good-copies-net", "good-copies-distance-0", "good-far", "good-far-net")
    files = [lmzip.compress(raw, level=1) for raw in contents()]
    files += [lmzip.compress(contents()[0], level=3, block_size=1024)]
    files += [(VECTORS / f"{name}.lmz").read_bytes() for name in names]
    seeds = [(data, [lmzip.decompress(data, **GIVEN)]) for data in files]
    for joined in ((5, 3, 1), (6, 5, 0), (4, 4, 7, 3, 8)):
        seeds.append((b"".join(files[i] for i in joined), [seeds[i][1][0] for i in joined]))
    return seeds


def _add_transformer() -> None:
    """Let the library know the transformer of the test vectors, whose weights are not there."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from vector_files.transformers import FORMULA_TRANSFORMER

    path = Path(FOLDER.name) / "tokens.safetensors"
    path.write_bytes(FORMULA_TRANSFORMER)
    shared.registry.add_path(str(path))


def is_made_of(content: bytes, pieces: list[bytes]) -> bool:
    """Return whether content is a sequence of pieces: what is left when frames are cut off, doubled or moved."""
    reached, todo = {0}, [0]
    while todo:
        at = todo.pop()
        ends = {at + len(piece) for piece in pieces if content.startswith(piece, at)} - reached
        reached |= ends
        todo += ends
    return len(content) in reached


def repair(data: bytearray) -> None:
    """Recompute the checks of the frames, as far as their headers and sizes lead."""
    position = 0
    while data[position : position + 4] == MAGIC and len(data) > position + 4:
        flags = data[position + 4]
        header_size = HEADER_SIZES.get(flags & 0x60, 6) + bool(flags & DICTIONARY) * (5 if flags & SHORT else 33)
        end = _repair_frame(data, position, position + header_size, short=bool(flags & SHORT))
        if end is None:
            return
        position = end


def _repair_frame(data: bytearray, start: int, position: int, *, short: bool) -> int | None:
    """Recompute the checks of a frame whose first head is at `position`; return its end, None if it is cut."""
    header, n_blocks, last = bytes(data[start:position]), 0, False
    sizes, check = ("<H", 2) if short else ("<I", 4)
    while not last:
        if position >= len(data):
            return None
        kind = 0 if short else data[position]
        size = SHORT_HEAD_SIZE if short else HEAD_SIZE + MORE[kind & 0x60]
        if position + size > len(data):
            return None
        last = bool(data[position] & 0x80) or short
        (payload_size,) = struct.unpack_from(sizes, data, position + (2 if short else 5))
        _put_check(data, header, position, size, check)
        position += size + payload_size
        n_blocks += 1
    size = 0 if short else 8 * n_blocks + TRAILER_FIXED_SIZE
    if position + size > len(data):
        return None
    if size:
        _put_check(data, header, position, size, 4)
    return position + size


def _put_check(data: bytearray, header: bytes, position: int, size: int, check_size: int) -> None:
    """Write the check over header and a head or trailer into its last bytes."""
    at = position + size - check_size
    data[at : at + check_size] = zlib.crc32(header + data[position:at]).to_bytes(4, "little")[:check_size]


def mutate(data: bytes, source: random.Random) -> bytes:
    """Return the file with up to four changes: bits, bytes, extreme numbers, flags, cuts, insertions, copies."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(changed)) if changed else 0
        kind = source.randrange(9)
        if kind == 0 and changed:
            changed[at] ^= 1 << source.randrange(8)
        elif kind == 1 and changed:
            changed[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
        elif kind == 2 and at + 4 <= len(changed):
            limit = source.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 30, (1 << 30) + 1, len(data)))
            struct.pack_into("<I", changed, at, limit)
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            changed[at:at] = source.randbytes(source.randint(1, 20))
        elif kind == 5:
            del changed[at : at + source.randint(1, 20)]
        elif kind == 6 and len(changed) > 4:
            changed[4] ^= source.choice((SHORT, 0x20, 0x40, 0x60, DICTIONARY))
        elif kind == 7 and at + 2 <= len(changed):
            struct.pack_into("<H", changed, at, source.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF, len(data) & 0xFFFF)))
        else:
            other = source.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + 40]
    if source.random() < 0.5:
        repair(changed)
    return bytes(changed)


def surprise(data: bytes, pieces: list[bytes]) -> str | None:
    """Return what is wrong with the way a file is handled, None if nothing is.

    pieces: what the frames of the file before its mutation hold.
    """
    start = time.perf_counter()
    try:
        if not is_made_of(lmzip.decompress(data, **GIVEN), pieces):
            return "wrong bytes without an error"
    except LmzipError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever else is raised is the bug looked for
        return f"decompress raised {error!r}"
    try:
        codec.list_frames(io.BytesIO(data))
    except LmzipError:
        pass
    except Exception as error:  # noqa: BLE001
        return f"list_frames raised {error!r}"
    try:
        given = {"registry": shared.registry, "salvage": True, **GIVEN}
        codec.decompress_stream(io.BytesIO(data).read, lambda raw: None, **given)
    except LmzipError:
        pass
    except Exception as error:  # noqa: BLE001
        return f"salvage raised {error!r}"
    seconds = time.perf_counter() - start
    return f"took {seconds:.1f} s" if seconds > SLOW_SECONDS else None


def fuzz(seed: int, seconds: float, n_cases: int | None = None) -> tuple[int, str | None]:
    """Try mutated files until the time or the number of cases is over; return how many, and the first surprise."""
    source, files, done = random.Random(seed), seeds(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and (n_cases is None or done < n_cases):
        data, pieces = source.choice(files)
        changed = mutate(data, source)
        if problem := surprise(changed, pieces):
            return done, f"{problem}\n{changed.hex()}"
        done += 1
    return done, None


def main() -> int:
    """Fuzz for some seconds; return the exit status."""
    parser = argparse.ArgumentParser(description="mutate frames and decode them")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    done, problem = fuzz(options.seed, options.seconds)
    print(f"{done} mutated files: {problem or 'clean'}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
