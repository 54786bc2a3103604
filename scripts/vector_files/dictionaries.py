"""Test vectors of blocks that begin behind a dictionary (FORMAT 3.5): good, bad and unsupported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lmzip.block import IMAGE, Content
from lmzip.dictionary import Dictionary
from lmzip.format.block import BASE
from lmzip.format.header import DictionaryRecord, FrameHeader, pack_header, record_of_dictionary
from vector_files.frames import (
    DICTIONARY,
    GONE,
    NOTE,
    WEIGHTS,
    Vector,
    changed,
    coded,
    coded_frame,
    flip,
    frame,
    lanes,
    net_model,
    net_record,
    noise,
    painted,
    recoded,
    stored,
    stored_frame,
    token_model,
)

NAMED = record_of_dictionary(DICTIONARY)
FLOAT = replace(GONE, kind=3, fingerprint=b"\1" * 16)
FEW = NOTE[:300]
BEHIND = "behind the dictionary"


def good() -> Iterator[Vector]:
    """Yield files that every reader must decode which has the dictionary."""

    def vector(name: str, data: bytes, sentence: str, content: bytes) -> Vector:
        return Vector(f"good-dictionary-{name}", data, f"{sentence}, {BEHIND}.", content)

    for profile in range(1, 7):
        for form, short in (("long", False), ("short", True)):
            data = coded_frame(FEW, profile, short=short, dictionary=DICTIONARY)
            yield vector(f"{profile}-{form}", data, f"300 bytes of the text, profile {profile}, {form}", FEW)
    for profile, n in ((2, 2), (4, 8), (3, 128)):
        data = coded_frame(NOTE, profile, n, dictionary=DICTIONARY)
        yield vector(f"{profile}-lanes-{n}", data, f"20 lines of the text, profile {profile}, {lanes(n)}", NOTE)
    for profile, n, short in ((4, 1, True), (5, 4, False), (6, 16, False)):
        data = coded_frame(FEW, profile, n, short=short, model=net_model(), dictionary=DICTIONARY)
        sentence = f"300 bytes of the text, profile {profile} with the net of `{WEIGHTS.name}`, {lanes(n)}"
        yield vector(f"net-{profile}-lanes-{n}", data, sentence, FEW)
    few = FEW[:150]
    for n, is_short in ((1, True), (4, False)):
        data = coded_frame(few, 6, n, short=is_short, model=token_model(), dictionary=DICTIONARY)
        yield vector(f"tokens-lanes-{n}", data, f"150 bytes of the text with the transformer, {lanes(n)}", few)
    raw = DICTIONARY.data
    yield vector("same", coded_frame(raw, 4, dictionary=DICTIONARY), "The dictionary itself, profile 4", raw)
    raw = DICTIONARY.data[-7:] + NOTE[:200]
    yield vector("end", coded_frame(raw, 3, dictionary=DICTIONARY), "The dictionary's end and 200 bytes", raw)
    yield vector("65537", coded_frame(bytes(65537), 1, dictionary=DICTIONARY), "65,537 zeros, profile 1", bytes(65537))
    header = pack_header(1, dictionary=NAMED)
    picture = bytes((x * 10 + y * 5) % 256 for y in range(16) for x in range(16))
    blocks = [
        coded(FEW, 1, last=False, dictionary=DICTIONARY),
        stored(noise(), last=False),
        coded(picture, 1, last=False, content=Content(IMAGE, 1, 8, 0, 16)),
        coded(FEW[:200], 1, 4, dictionary=DICTIONARY),
    ]
    raw = FEW + noise() + picture + FEW[:200]
    yield vector("blocks", frame(blocks, raw, header), "Text, a stored block, a picture, which has none, and text", raw)
    data = frame([stored(painted(100))], painted(100), header)
    yield vector("named-only", data, "100 painted bytes, stored", painted(100))
    for size, log in ((1, 10), (1024, 10), (1025, 11)):
        dictionary = Dictionary((DICTIONARY.data * 2)[-size:], 2048)
        assert dictionary.size_log == log
    data = coded_frame(FEW, 2, dictionary=DICTIONARY.of_size(10))
    yield vector("last-1024", data, "300 bytes of the text, profile 2, behind the last 1024 bytes only", FEW)


def bad() -> Iterator[Vector]:
    """Yield damaged files."""
    data = coded_frame(FEW, 2, dictionary=DICTIONARY)
    short = coded_frame(FEW, 2, short=True, dictionary=DICTIONARY)
    for name, changed_data, sentence in (
        ("bit-digest", flip(data, 20), "A bit is turned in the digest of a dictionary."),
        ("bit-digest-short", flip(short, 8), "A bit is turned in the digest of a dictionary of a short frame."),
        ("bit-size-log", flip(data, 6), "A bit is turned in the size of a dictionary."),
        ("bit-payload", flip(data, 60), "A bit is turned in a block behind a dictionary."),
        ("cut", data[:30], "Ends in the digest of a dictionary."),
        ("cut-short", short[:9], "Ends in the digest of a dictionary of a short frame."),
    ):
        yield Vector(f"bad-dictionary-{name}", changed_data, sentence)
    head, payload = coded(FEW, 2)
    data = frame([(head, payload)], FEW, pack_header(2, dictionary=NAMED))
    yield Vector("bad-dictionary-without", data, "Names a dictionary that its block was not coded behind.")
    head, payload = coded(FEW, 2, dictionary=DICTIONARY)
    yield Vector("bad-dictionary-not-named", frame([(head, payload)], FEW, pack_header(2)), "Names no dictionary.")


def unsupported() -> Iterator[Vector]:
    """Yield files of later versions, or whose dictionary no one has."""

    def header(size_log: int = 10, digest: bytes = bytes(range(32)), **given: Any) -> FrameHeader:
        return pack_header(given.pop("profile", 1), dictionary=DictionaryRecord(size_log, digest), **given)

    raw = painted(100)
    for form, short in (("", False), ("-short", True)):
        for log in (0, 9, 28, 255):
            data = stored_frame(raw, header=header(log, short=short))
            yield Vector(f"unsupported-dictionary-log-{log}{form}", data, f"A dictionary of 2^{log} bytes.")
        data = stored_frame(raw, header=header(short=short))
        yield Vector(f"unsupported-dictionary-stored{form}", data, "Needs a dictionary that no one has; stored.")
        data = frame([recoded(raw, raw[:40], BASE)], raw, header(short=short))
        yield Vector(f"unsupported-dictionary-coded{form}", data, "Needs a dictionary that no one has.")
        data = stored_frame(raw, header=header(10, NAMED.digest, short=short))
        yield Vector(f"unsupported-dictionary-part{form}", data, "The dictionary, of which less is meant.")
    of = changed(changed(header(profile=6, model=net_record()), 6, b"\3"), 40, FLOAT.fingerprint)
    data = stored_frame(raw, header=of)
    yield Vector("unsupported-dictionary-kind-3", data, "A dictionary with a model in floating point.")
    data = stored_frame(raw, header=header(profile=4, model=GONE))
    yield Vector("unsupported-dictionary-and-model", data, "A dictionary and a net that no one has.")


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    yield from good()
    yield from bad()
    yield from unsupported()
