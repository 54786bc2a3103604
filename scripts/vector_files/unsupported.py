"""Test vectors that every reader must reject as unsupported: sound as far as can be told, but of later versions."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from lmzip.format.block import BASE, WITH_MODEL
from lmzip.format.header import FrameHeader, pack_header
from vector_files.frames import (
    GONE,
    LONG,
    NOTE,
    SHORT,
    Vector,
    changed,
    coded,
    frame,
    handmade,
    handmade_short,
    net_model,
    net_record,
    noise,
    painted,
    recoded,
    stored,
    stored_frame,
)

RAW = painted(100)
DATA, SHORT_DATA = stored_frame(RAW), stored_frame(RAW, header=SHORT)
FLOAT = replace(GONE, kind=3, fingerprint=b"\1" * 16, numerics="cuda/sm90 bf16 1t torch2.13.0 tf5.23.0")
IMAGE = struct.pack("<BBBBHI", 1, 3, 8, 0, 0, 5)
LAST = 0x80


def unsupported(name: str, data: bytes, sentence: str) -> Vector:
    return Vector(f"unsupported-{name}", data, sentence)


def later_versions() -> Iterator[Vector]:
    """Yield step 2 of FORMAT 1.2: other versions."""
    for version in (0, 2, 15):
        data = DATA[:4] + bytes([version]) + DATA[5:]
        yield unsupported(f"version-{version}", data, f"Format version {version}.")
    data = SHORT_DATA[:4] + b"\x12" + SHORT_DATA[5:]
    yield unsupported("version-2-short", data, "Format version 2, short.")
    yield unsupported("second-frame", DATA + DATA[:4] + b"\x02", "The second frame is of format version 2.")


def later_headers() -> Iterator[Vector]:
    """Yield step 4 for headers."""
    net = pack_header(4, net_record())
    for name, header, sentence in (
        ("profile-0", changed(LONG, 5, b"\0"), "Profile 0, which no frame has."),
        ("profile-0-short", changed(SHORT, 5, b"\0"), "Profile 0 in a short frame."),
        ("context", changed(LONG, 5, b"\x11"), "Context 1 without a model."),
        ("context-short", changed(SHORT, 5, b"\x31"), "Context 3 without a model in a short frame."),
        ("context-net", changed(net, 5, b"\x24"), "Context 2 with a net."),
        ("model-kind-0", changed(net, 6, b"\0"), "Model kind 0 in a record."),
        ("model-kind-4", changed(net, 6, b"\4"), "Model kind 4 in a record."),
        ("model-flags", changed(net, 7, b"\1"), "A model record with a flag."),
        ("fingerprint-net", changed(net, 40, b"\1"), "A net with a fingerprint, which nets have none of."),
        ("fingerprint-transformer", changed(net, 6, b"\2\0" + b"\1" * 48), "A transformer with a fingerprint."),
        ("content-in-long", FrameHeader(b"\x89LMZ\x61\x01" + IMAGE), "A content in the header of a long frame."),
        ("fingerprint-none", changed(net, 6, b"\3"), "A model in floating point without a fingerprint."),
    ):
        yield unsupported(name, stored_frame(RAW, header=header), sentence)


def later_blocks() -> Iterator[Vector]:
    """Yield step 4 for heads."""
    few, net = noise()[:50], pack_header(4, net_record())
    for name, payload, kind, sentence in (
        ("mode-3", few, LAST | 3, "Mode 3."),
        ("stored-lanes", RAW, LAST | 1 << 2, "A stored block of 2 lanes."),
        ("stored-lanes-128", RAW, LAST | 7 << 2, "A stored block of 128 lanes."),
    ):
        yield unsupported(name, handmade(LONG, RAW, payload, kind), sentence)
    data = handmade(LONG, RAW, RAW, LAST | 0x20, content=IMAGE)
    yield unsupported("content-stored", data, "A stored block that describes its content.")
    data = handmade(net, RAW, few, LAST | 0x20 | WITH_MODEL, content=IMAGE)
    yield unsupported("content-with-model", data, "A block that describes its content, coded with a model.")
    for name, content, sentence in (
        ("type-0", (0, 1, 8, 0, 0, 5), "A content of type 0."),
        ("type-3", (3, 1, 8, 0, 0, 5), "A content of type 3."),
        ("no-channels", (1, 0, 8, 0, 0, 5), "An image without channels."),
        ("5-channels", (1, 5, 8, 0, 0, 5), "An image of 5 channels."),
        ("depth-12", (1, 1, 12, 0, 0, 5), "An image of 12 bits."),
        ("depth-24", (1, 1, 24, 0, 0, 5), "An image of 24 bits."),
        ("image-float", (1, 1, 16, 4, 0, 5), "An image in floating point."),
        ("image-flags", (1, 1, 8, 64, 0, 5), "An image with a flag of later versions."),
        ("palette-rgb", (1, 3, 8, 8, 0, 5), "An image of three channels with a palette."),
        ("width-0", (1, 1, 8, 0, 0, 0), "An image without width."),
        ("9-channels", (2, 9, 16, 2, 0, 0), "Sound of 9 channels."),
        ("sound-depth-12", (2, 1, 12, 2, 0, 0), "Sound of 12 bits."),
        ("sound-width", (2, 1, 16, 2, 0, 1), "Sound with a width."),
        ("sound-palette", (2, 1, 8, 8, 0, 0), "Sound with a palette."),
    ):
        data = handmade(LONG, RAW, few, LAST | 0x20 | BASE, content=struct.pack("<BBBBHI", *content))
        yield unsupported(f"content-{name}", data, sentence)
    data = handmade_short(FrameHeader(b"\x89LMZ\x71\x01" + IMAGE), 100, RAW, stored(RAW)[0].data_check)
    yield unsupported("content-short-stored", data, "A stored block with content in a short frame.")
    header = pack_header(1, short=True, n_lanes=8)
    data = handmade_short(header, 100, RAW, stored(RAW)[0].data_check)
    yield unsupported("short-stored-lanes", data, "A stored block of 8 lanes in a short frame.")
    data = handmade_short(header, 0, b"", 0)
    yield unsupported("short-empty-lanes", data, "An empty block of 8 lanes in a short frame.")
    blocks = frame([stored(RAW, last=False), stored(RAW)], RAW * 2)
    second = handmade(LONG, RAW, few, LAST | 3)[6:]
    yield unsupported("second-block", blocks[: 6 + 17 + 100] + second, "The second block has mode 3.")


def models_not_here() -> Iterator[Vector]:
    """Yield step 7: models that no one has, and ones that are here as another kind."""
    here = net_record()
    for name, record, sentence in (
        ("net", GONE, "Needs a net that no one has; the block is stored."),
        ("transformer", replace(GONE, kind=2), "Needs a transformer that no one has."),
        ("float", FLOAT, "Needs a model in floating point that no one has."),
        ("float-numerics", replace(FLOAT, numerics="abacus"), "Is bound to numerics that are none."),
        ("net-as-transformer", replace(here, kind=2), "The digest of a net, named as a transformer."),
        ("net-as-float", replace(FLOAT, digest=here.digest), "The digest of a net, named as in floating point."),
    ):
        yield unsupported(f"model-{name}", stored_frame(RAW, header=pack_header(6, record)), sentence)
        header = pack_header(6, record, short=True)
        yield unsupported(f"model-{name}-short", stored_frame(RAW, header=header), f"{sentence[:-1]}; short.")
    data = frame([coded(NOTE, 4, model=net_model())], NOTE, pack_header(4, GONE))
    yield unsupported("model-net-coded", data, "A block coded with a net that no one has.")
    data = frame([coded(NOTE, 4)], NOTE, pack_header(4, GONE))
    yield unsupported("model-net-unused", data, "Names a net that no one has, though the base codes the block alone.")
    for form, flags in (("long", b"\x21"), ("short", b"\x31")):
        header = FrameHeader(b"\x89LMZ" + flags + b"\4" + GONE.digest[:4])
        yield unsupported(f"reference-{form}", stored_frame(RAW, header=header), f"An unknown reference, {form}.")


def profiles_not_here() -> Iterator[Vector]:
    """Yield step 7: profiles that no reader of this version has, or not with a net."""
    few = noise()[:50]
    for profile in (7, 15):
        data = frame([recoded(RAW, few, BASE)], RAW, pack_header(profile))
        yield unsupported(f"profile-{profile}", data, f"A block coded with profile {profile}.")
    for profile in (1, 2, 3, 7):
        header = pack_header(profile, net_record())
        data = frame([recoded(RAW, few, WITH_MODEL)], RAW, header)
        yield unsupported(f"profile-{profile}-net", data, f"A block coded with profile {profile} and a net.")
    data = handmade(LONG, RAW, few, LAST | 1 << 2 | 0x20 | BASE, content=IMAGE)
    yield unsupported("content-lanes", data, "An image in two lanes.")
    data = handmade(pack_header(7), RAW, few, LAST | 0x20 | BASE, content=IMAGE)
    yield unsupported("content-profile-7", data, "An image with profile 7.")
    blocks = [stored(RAW, last=False), recoded(RAW, few, BASE)]
    data = frame(blocks, RAW * 2, pack_header(15))
    yield unsupported("profile-15-second", data, "Profile 15: a stored block, then a coded one.")


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for group in (later_versions, later_headers, later_blocks, models_not_here, profiles_not_here):
        yield from group()
