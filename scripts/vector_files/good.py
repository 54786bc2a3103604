"""Test vectors that every reader must decode."""

from __future__ import annotations

from collections.abc import Iterator

from lmzip.format.header import REFERENCED, ModelRecord, pack_header
from vector_files.frames import (
    LINES,
    NOTE,
    SHORT,
    TEXT,
    WEIGHTS,
    Vector,
    coded,
    coded_frame,
    formula_model,
    frame,
    lanes,
    net_model,
    net_record,
    noise,
    painted,
    stored,
    stored_frame,
    token_model,
)

ALL_LANES = (1, 2, 4, 8, 16, 32, 64, 128)
STRIPED = TEXT * 53  # a few hundred bytes more than a stripe
NEEDS = f"needs `{WEIGHTS.name}`"


def good(name: str, data: bytes, sentence: str, content: bytes) -> Vector:
    return Vector(f"good-{name}", data, sentence, content)


def good_stored() -> Iterator[Vector]:
    """Yield frames that need no kernel."""
    yield good("empty", stored_frame(b""), "No content: a stored block of no bytes.", b"")
    yield good("short-empty", stored_frame(b"", header=SHORT), "A short frame without content.", b"")
    for size in (1, 255, 256, 257, 511, 512, 513):
        data, raw = stored_frame(painted(size), 256), painted(size)
        yield good(f"stored-{size}", data, f"{size} painted bytes in stored blocks of at most 256.", raw)
    for size in (1, 255, 256):
        data, raw = stored_frame(painted(size), header=SHORT), painted(size)
        yield good(f"short-stored-{size}", data, f"{size} painted bytes stored in a short frame.", raw)
    one, two, empty = stored_frame(painted(300), 100), stored_frame(painted(70), 50), stored_frame(b"")
    sentence = "Frames of 300 and of 70 painted bytes joined."
    yield good("two-frames", one + two, sentence, painted(300) + painted(70))
    sentence = "An empty frame between two of 300 painted bytes."
    yield good("empty-between", one + empty + one, sentence, painted(300) * 2)
    sentence = "1000 NUL bytes behind a frame of 300 painted bytes."
    yield good("nul-padding", one + bytes(1000), sentence, painted(300))
    short = stored_frame(painted(70), header=SHORT)
    sentence = "Short and long frames in turn with an empty one between them; NUL bytes at the end."
    joined = short + one + stored_frame(b"", header=SHORT) + short + one + bytes(100)
    yield good("short-and-long", joined, sentence, (painted(70) + painted(300)) * 2)
    sizes, blocks, at = (1, 200, 3, 50, 46), [], 0
    for size in sizes:
        blocks.append(stored(painted(300)[at : at + size], last=at + size == 300))
        at += size
    sentence = "300 painted bytes in stored blocks of 1, 200, 3, 50 and 46."
    yield good("stored-other-sizes", frame(blocks, painted(300)), sentence, painted(300))
    header = pack_header(15)
    sentence = "100 painted bytes, stored in a frame with profile 15, which matters to coded blocks only."
    yield good("stored-profile-15", stored_frame(painted(100), header=header), sentence, painted(100))


def good_base() -> Iterator[Vector]:
    """Yield frames whose payloads the base makes alone."""
    for profile in range(1, 7):
        size = 4090 + profile
        data = coded_frame(painted(size), profile, block_size=2048)
        yield good(
            f"base-{profile}-painted", data, f"{size} painted bytes, profile {profile}, blocks of 2048.", painted(size)
        )
        data = coded_frame(NOTE, profile, short=True)
        yield good(f"base-{profile}-short", data, f"20 lines of the text in a short frame, profile {profile}.", NOTE)
        for n in (2, 128):
            data = coded_frame(NOTE, profile, n)
            sentence = f"20 lines of the text, profile {profile}, {lanes(n)}."
            yield good(f"base-{profile}-lanes-{n}", data, sentence, NOTE)
    for n in (1, *ALL_LANES[2:-1]):
        data = coded_frame(NOTE, 4, n)
        yield good(f"base-4-lanes-{n}", data, f"20 lines of the text, profile 4, {lanes(n)}.", NOTE)
    for n in (2, 4, 8):
        data = coded_frame(NOTE, 3, n, short=True)
        sentence = f"20 lines of the text in a short frame, profile 3, {lanes(n)}."
        yield good(f"base-3-short-lanes-{n}", data, sentence, NOTE)
    data = coded_frame(bytes(200), 4, 128)
    sentence = "200 zeros in 128 lanes, so that chunks of two bytes end before the lanes do."
    yield good("few-bytes-many-lanes", data, sentence, bytes(200))
    sentence = "20,000 zeros, the most that a payload byte can stand for."
    yield good("zeros", coded_frame(bytes(20000), 1), sentence, bytes(20000))
    yield good(
        "short-65535",
        coded_frame(bytes(65535), 1, short=True),
        "65,535 zeros, the most that a short frame holds.",
        bytes(65535),
    )
    blocks = [coded(bytes(1024), 1, last=False), stored(noise())]
    sentence = "1024 zeros in a coded block and 1024 bytes of noise in a stored one."
    yield good("coded-and-stored", frame(blocks, bytes(1024) + noise()), sentence, bytes(1024) + noise())
    blocks = [
        coded(NOTE[:100], 2, 4, last=False),
        stored(NOTE[100:101], last=False),
        coded(NOTE[101:700], 2, last=False),
        coded(NOTE[700:], 2, 16),
    ]
    sentence = "20 lines of the text in blocks of 100, 1, 599 bytes and the rest, of 4, 1, 1, 16 lanes; one is stored."
    yield good("base-other-sizes", frame(blocks, NOTE, pack_header(2)), sentence, NOTE)


def shifted_lanes() -> bytes:
    """Return 16 chunks of 40 bytes, the last cut to 25: it is 3 bytes ahead of the others."""
    line = bytes(range(48, 88))
    return line * 15 + line[3:28]


def records(n_lanes: int, marker_at: int) -> bytes:
    """Return chunks of 40 records of 12 bytes that have a marker, from marker_at of the chunk on."""
    chunk = bytearray(painted(480))
    chunk[marker_at::12] = b"\xff" * len(chunk[marker_at::12])
    return bytes(chunk) * n_lanes


def good_contexts() -> Iterator[Vector]:
    """Yield contents that lead to the seldom corners of contexts and matches, with the base alone and with the net."""
    csv = b"".join(b",".join(b"%d" % (i * j % 10) for j in range(130)) + b"\n" for i in range(1, 9))
    first_empty = b"\nab,cd\n\nab,ce\nab,cf\n\n" + LINES[0] * 2
    contents = [
        ("csv-130-fields", csv, (1, 4), "8 lines of 130 fields; field j of line i is i * j % 10"),
        ("empty-first-line", first_empty, (1, 2), "Lines of which the first is empty"),
        (
            "gaps-from-the-start",
            records(4, 0),
            (1, 4),
            "Four times 40 records of 12 bytes, each with the same byte first; the lanes begin with one",
        ),
        (
            "gaps-from-the-second",
            records(4, 12),
            (1, 4),
            "The same, but that the first record of each lane lacks the byte",
        ),
        (
            "match-ends",
            shifted_lanes(),
            (16,),
            "Chunks of 40 bytes, the last of 25 which are 3 ahead: matches run into its end",
        ),
    ]
    for name, raw, counts, sentence in contents:
        for n in counts:
            data = coded_frame(raw, 4, n)
            yield good(f"{name}-lanes-{n}", data, f"{sentence}; profile 4, {lanes(n)}.", raw)
            data = coded_frame(raw, 6, n, model=net_model())
            yield good(f"net-{name}-lanes-{n}", data, f"{sentence}; profile 6 with the net, {lanes(n)}; {NEEDS}.", raw)


def good_stripes() -> Iterator[Vector]:
    """Yield blocks of more than one stripe."""
    for n in (1, 8):
        data = coded_frame(STRIPED, 1, n)
        sentence = f"The text {len(STRIPED) // len(TEXT)} times, profile 1, {lanes(n)}: two stripes, one check."
        yield good(f"stripes-lanes-{n}", data, sentence, STRIPED)


def good_net() -> Iterator[Vector]:
    """Yield frames with the net, which need the weights beside them."""
    model, record = net_model(), net_record()
    for profile in (4, 5, 6):
        for n in (1, 2, 8, 128):
            data = coded_frame(NOTE, profile, n, model=model)
            sentence = f"20 lines of the text, profile {profile} with the net, {lanes(n)}; {NEEDS}."
            yield good(f"net-{profile}-lanes-{n}", data, sentence, NOTE)
        for n in (1, 2, 4, 8):
            raw = b"".join(LINES[profile : profile + 8])
            data = coded_frame(raw, profile, n, short=True, model=model)
            sentence = f"8 lines of the text from line {profile + 1} on, short, profile {profile} with the net,"
            yield good(f"net-{profile}-short-lanes-{n}", data, f"{sentence} {lanes(n)}; {NEEDS}.", raw)
    for n in (4, 16, 32, 64):
        data = coded_frame(NOTE, 4, n, model=model)
        yield good(f"net-4-lanes-{n}", data, f"20 lines of the text with the net, {lanes(n)}; {NEEDS}.", NOTE)
    data = coded_frame(painted(4097), 5, 4, block_size=1400, model=model)
    sentence = f"4097 painted bytes, profile 5 with the net, 4 lanes, blocks of 1400; {NEEDS}."
    yield good("net-4097", data, sentence, painted(4097))
    raw = NOTE + noise() + TEXT[2000:3024] + painted(1000)
    blocks = [
        coded(NOTE, 6, last=False, model=model),
        stored(noise(), last=False),
        coded(TEXT[2000:3024], 6, 128, last=False),
        coded(painted(1000), 6, 16, model=model),
    ]
    sentence = f"Blocks with the net, stored, by the base alone and with the net again; the frame {NEEDS}."
    yield good("net-and-others", frame(blocks, raw, pack_header(6, record)), sentence, raw)
    data = frame([coded(NOTE, 1, 2)], NOTE, pack_header(1, record))
    sentence = f"A frame that names the net although its block does without, profile 1; {NEEDS}."
    yield good("net-named-only", data, sentence, NOTE)
    data = stored_frame(painted(100), header=pack_header(4, record, short=True))
    yield good("net-named-stored", data, f"A short frame that names the net, stored; {NEEDS}.", painted(100))


def good_formula_nets() -> Iterator[Vector]:
    """Yield frames with nets whose weights the formula of ARITHMETIC gives."""
    sentences = {"vectors-orders": "orders 1, 3 to 8", "vectors-limit": "multipliers at their limit"}
    raw = b"".join(LINES[20:28])
    for name, sentence in sentences.items():
        for n in (1, 4):
            data = coded_frame(raw, 4, n, model=formula_model(name))
            text = (
                f"8 lines of the text from line 21 on, profile 4 with a net of {sentence}, {lanes(n)}; needs `{name}`."
            )
            yield good(f"net-{name.removeprefix('vectors-')}-lanes-{n}", data, text, raw)


def good_tokens() -> Iterator[Vector]:
    """Yield frames with the transformer whose weights the formula of TRANSFORMER gives."""
    raw = NOTE[:200]
    for n, short in ((1, False), (4, True), (16, False)):
        data = coded_frame(raw, 6, n, short=short, model=token_model())
        yield good(f"tokens-lanes-{n}", data, f"200 bytes of the text with the transformer, {lanes(n)}.", raw)


def good_references() -> Iterator[Vector]:
    """Yield frames of the models that are named by reference; none of their blocks needs the weights."""
    for digest, (name, kind) in REFERENCED.items():
        record = ModelRecord(kind, bytes.fromhex(digest), name=name)
        for form, short in (("long", False), ("short", True)):
            header = pack_header(4, record, short=short)
            sentence = f"100 painted bytes in a stored block under the reference of {name}, {form}; needs that model."
            data = stored_frame(painted(100), 100, header)
            yield good(f"reference-{name}-{form}", data, sentence, painted(100))


def vectors() -> Iterator[Vector]:
    """Yield all good files."""
    for group in (good_stored, good_base, good_contexts, good_stripes, good_net, good_formula_nets):
        yield from group()
    yield from good_tokens()
    yield from good_references()
