"""Feeds mutated frames to the Python side of the decoder: only an LmzipError or the right bytes may come out.

Mutations are deterministic for a seed.  Half of them repair the checks they break (FORMAT: block head and trailer), as
an attacker would, so that they reach what lies behind the checks.  Run by `make fuzz`; ends with status 1 and the
file's hexadecimal digits at the first surprise.  It reads the layout by itself, apart from lmzip.container.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import struct
import sys
import time
import zlib

import lmzip
from lmzip import codec
from lmzip.errors import LmzipError

PLAIN_HEADER_SIZE = 5
HEAD_SIZE = 17  # kind, raw_size, payload_size, data_check, head_check
TRAILER_FIXED_SIZE = 14  # content hash, n_blocks, trailer check; the table stands before them
MEMORY_LIMIT = 2 << 30  # bytes of address space: an allocation that a header alone asks for ends in MemoryError
SLOW_SECONDS = 5.0


def contents() -> list[bytes]:
    """Return what the frames to mutate hold: text, zeros, noise, nothing."""
    source = random.Random(1)
    text = b"".join(b"%d bottles of beer on the wall\n" % (99 - i) for i in range(90))
    return [text, bytes(5000), source.randbytes(700), b"", b"a"]


def seeds() -> list[tuple[bytes, bytes]]:
    """Return (file, content) pairs: frames of one block and of several, and two frames joined."""
    pairs = [(lmzip.compress(raw, level=1), raw) for raw in contents()]
    text = contents()[0]
    several = lmzip.compress(text, level=3, block_size=1024)
    return [*pairs, (several, text), (several + pairs[3][0] + pairs[1][0], text + contents()[1])]


def repair(data: bytearray) -> None:
    """Recompute the checks of the block heads of the first frame and of its trailer, as far as the sizes lead."""
    header, position, n_blocks = bytes(data[:PLAIN_HEADER_SIZE]), PLAIN_HEADER_SIZE, 0
    while position + HEAD_SIZE <= len(data):
        last, payload_size = data[position] & 0x80, struct.unpack_from("<I", data, position + 5)[0]
        check = zlib.crc32(header + data[position : position + HEAD_SIZE - 4])
        struct.pack_into("<I", data, position + HEAD_SIZE - 4, check)
        position += HEAD_SIZE + payload_size
        n_blocks += 1
        if last:
            break
    size = 4 * n_blocks + TRAILER_FIXED_SIZE
    if position + size <= len(data):
        check = zlib.crc32(header + data[position : position + size - 4])
        struct.pack_into("<I", data, position + size - 4, check)


def mutate(data: bytes, source: random.Random) -> bytes:
    """Return the file with one to four changes: bits, bytes, numbers at their limits, cuts, insertions, copies."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(changed)) if changed else 0
        kind = source.randrange(7)
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
        else:
            other = source.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + 40]
    if source.random() < 0.5 and len(changed) > PLAIN_HEADER_SIZE + HEAD_SIZE:
        repair(changed)
    return bytes(changed)


def surprise(data: bytes, allowed: set[bytes]) -> str | None:
    """Return what is wrong with the way a file is handled, None if nothing is.

    allowed: the contents that a decoder may return without an error.
    """
    start = time.perf_counter()
    try:
        if lmzip.decompress(data) not in allowed:
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
    seconds = time.perf_counter() - start
    return f"took {seconds:.1f} s" if seconds > SLOW_SECONDS else None


def fuzz(seed: int, seconds: float, n_cases: int | None = None) -> tuple[int, str | None]:
    """Try mutated files until the time or the number of cases is over; return how many, and the first surprise."""
    source, files, done = random.Random(seed), seeds(), 0
    whole = {raw for _, raw in files}
    end = time.monotonic() + seconds
    while time.monotonic() < end and (n_cases is None or done < n_cases):
        data, raw = source.choice(files)
        changed = mutate(data, source)
        # A cut between two frames, or one frame doubled, is a sound file of another content.
        allowed = whole | {raw + raw, contents()[0] + contents()[0] + contents()[1]}
        if problem := surprise(changed, allowed):
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
