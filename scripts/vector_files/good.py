"""Test vectors that every reader must decode."""

from __future__ import annotations

from collections.abc import Iterator

from lmzip import container
from lmzip.container import ModelRecord
from vector_files.frames import (
    SHORT,
    TEXT,
    WEIGHTS,
    Vector,
    coded,
    coded_frame,
    frame,
    net_model,
    net_record,
    noise,
    painted,
    stored,
    stored_frame,
)


def good_stored() -> Iterator[Vector]:
    """Yield frames that need no kernel."""
    yield Vector("good-empty", stored_frame(b"", 256), "No content: one stored block of no bytes.")
    for size in (1, 255, 256, 257, 511, 512, 513):
        sentence = f"{size} painted bytes in stored blocks of at most 256."
        yield Vector(f"good-stored-{size}", stored_frame(painted(size), 256), sentence, painted(size))
    one, empty = stored_frame(painted(300), 100), stored_frame(b"", 100)
    yield Vector(
        "good-two-frames",
        one + stored_frame(painted(70), 50),
        "Frames of 300 and of 70 painted bytes joined.",
        painted(300) + painted(70),
    )
    yield Vector(
        "good-empty-between", one + empty + one, "An empty frame between two of 300 painted bytes.", painted(300) * 2
    )
    yield Vector(
        "good-nul-padding", one + bytes(1000), "1000 NUL bytes behind a frame of 300 painted bytes.", painted(300)
    )


def good_coded() -> Iterator[Vector]:
    """Yield long frames whose payloads the kernel makes without a net."""
    for method, name in ((1, "fast"), (2, "quick"), (3, "full"), (4, "max")):
        for size in (4095, 4096, 4097):
            data = coded_frame(painted(size), method, block_size=2048)
            sentence = f"{size} painted bytes, method {name}, blocks of 2048."
            yield Vector(f"good-{name}-{size}", data, sentence, painted(size))
    for n_lanes in (2, 128):
        data = coded_frame(painted(4097), 4, n_lanes)
        yield Vector(
            f"good-lanes-{n_lanes}", data, f"4097 painted bytes in one block of {n_lanes} lanes.", painted(4097)
        )
    yield Vector(
        "good-few-bytes-many-lanes",
        coded_frame(bytes(200), 4, 128),
        "200 zeros in 128 lanes, so that chunks of two bytes end before the lanes do.",
        bytes(200),
    )
    yield Vector(
        "good-zeros",
        coded_frame(bytes(100000), 1),
        "100,000 zeros, the most that a payload byte can stand for.",
        bytes(100000),
    )
    yield Vector(
        "good-coded-and-stored",
        coded_frame(bytes(1024) + noise(), 1, block_size=1024),
        "1024 zeros in a coded block and 1024 bytes of noise in a stored one.",
        bytes(1024) + noise(),
    )


def good_short() -> Iterator[Vector]:
    """Yield short frames."""
    yield Vector("good-short-empty", stored_frame(b"", 1, SHORT), "A short frame without content.")
    for size in (1, 255, 256):
        data = stored_frame(painted(size), 256, SHORT)
        yield Vector(f"good-short-stored-{size}", data, f"{size} painted bytes stored in a short frame.", painted(size))
    yield Vector(
        "good-short-65535",
        coded_frame(bytes(65535), 1, header=SHORT),
        "65,535 zeros, the most that a short frame holds.",
        bytes(65535),
    )
    for method, n_lanes in ((1, 1), (2, 1), (3, 2), (4, 1), (4, 128)):
        yield Vector(
            f"good-short-method-{method}-lanes-{n_lanes}",
            coded_frame(TEXT, method, n_lanes, header=SHORT),
            f"A text in a short frame, method {method}, {n_lanes} lanes.",
            TEXT,
        )
    short, long = coded_frame(TEXT, 2, header=SHORT), coded_frame(TEXT, 2)
    empty = stored_frame(b"", 1, SHORT)
    yield Vector(
        "good-short-and-long",
        short + long + empty + short + long + bytes(100),
        "A text four times, in short and in long frames with an empty one between them; NUL bytes at the end.",
        TEXT * 4,
    )


def good_net() -> Iterator[Vector]:
    """Yield frames with a net, which need the weights beside them."""
    model, record = net_model(), net_record()
    long, short = container.pack_header(record), container.pack_header(record, short=True)
    for method, name in ((5, "full"), (6, "max"), (7, "best"), (8, "max-fields"), (9, "best-fields")):
        for n_lanes in (1, 2, 8, 128):
            data = coded_frame(TEXT, method, n_lanes, header=short, model=model)
            sentence = f"A text in a short frame, method {name} with a net, {n_lanes} lanes; needs `{WEIGHTS.name}`."
            yield Vector(f"good-net-{name}-lanes-{n_lanes}", data, sentence, TEXT)
    for size, method in ((4095, 5), (4096, 6), (4097, 7), (4098, 8), (4099, 9)):
        data = coded_frame(painted(size), method, 4, block_size=2048, header=long, model=model)
        sentence = f"{size} painted bytes, method {method}, 4 lanes, blocks of 2048; needs `{WEIGHTS.name}`."
        yield Vector(f"good-net-{size}", data, sentence, painted(size))
    raw = TEXT[:1024] + noise() + TEXT[1024:2048] + painted(1000)
    blocks = [
        coded(TEXT[:1024], 6, last=False, model=model),
        stored(noise(), last=False),
        coded(TEXT[1024:2048], 3, 2, last=False),
        coded(painted(1000), 5, 16, model=model),
    ]
    sentence = f"Blocks with a net, stored, without a net and with one again; the frame needs `{WEIGHTS.name}`."
    yield Vector("good-net-and-others", frame(blocks, raw, long), sentence, raw)
    data = coded_frame(TEXT, 4, header=short)
    sentence = f"A frame that names the model `{WEIGHTS.name}` although its block does without."
    yield Vector("good-net-named-only", data, sentence, TEXT)


def good_registered() -> Iterator[Vector]:
    """Yield frames of the models that have a number in this version; none of their blocks needs the weights."""
    for number, (name, digest) in container.REGISTERED.items():
        for kind, short in (("", False), ("-short", True)):
            header = container.pack_header(ModelRecord(1, bytes.fromhex(digest), bytes(16), name, ""), short=short)
            data = stored_frame(painted(100), 100, header)
            yield Vector(
                f"good-registered-{number}{kind}", data, f"100 painted bytes under the number of {name}.", painted(100)
            )


def vectors() -> Iterator[Vector]:
    """Yield all good files."""
    for group in (good_stored, good_coded, good_short, good_net, good_registered):
        yield from group()
