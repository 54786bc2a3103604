"""How users name contents, and how contents are shown to them."""

from __future__ import annotations

import re

from lmzip.block import BIG_ENDIAN, BYTES, FLOAT, IMAGE, PALETTE, SIGNED, SOUND, Content
from lmzip.contents.samples import (
    IMAGE_DEPTHS,
    MAX_IMAGE_CHANNELS,
    MAX_LINE_SIZE,
    MAX_SOUND_CHANNELS,
    SOUND_DEPTHS,
    NotSamplesError,
    image,
    sound,
)

_IMAGE = re.compile(r"image:(\d{1,8})x(\d{1,8})(?:x(\d{1,8}))?", re.ASCII)
_SOUND = re.compile(r"audio:(\d{1,8})x(\d{1,8})", re.ASCII)
_KINDS = {IMAGE: "image", SOUND: "sound"}
_CHANNELS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}


def parse_content(text: str) -> Content:
    """Return the content that a user names; raises ValueError.

    Samples are little-endian, and unsigned in images; those of sound are signed, but for those of 8 bits.
    """
    try:
        if match := _IMAGE.fullmatch(text):
            return image(int(match[1]), int(match[2]), int(match[3] or 8))
        if match := _SOUND.fullmatch(text):
            channels, depth = map(int, match.groups())
            return sound(channels, depth, SIGNED if depth > 8 else 0)
    except NotSamplesError:
        raise ValueError(f"no such content: {text}; {_limits(text)}") from None
    if text == "bytes":
        return BYTES
    raise ValueError(
        f"content must be image:WIDTHxCHANNELS, image:WIDTHxCHANNELSxDEPTH, audio:CHANNELSxBITS or bytes, not {text!r}"
    )


def _limits(text: str) -> str:
    if text.startswith("image"):
        depths = " or ".join(map(str, IMAGE_DEPTHS))
        return f"an image has 1 to {MAX_IMAGE_CHANNELS} channels, {depths} bits and lines up to {MAX_LINE_SIZE} bytes"
    depths = ", ".join(map(str, SOUND_DEPTHS[:-1]))
    return f"sound has 1 to {MAX_SOUND_CHANNELS} channels of {depths} or {SOUND_DEPTHS[-1]} bits"


def describe(content: Content) -> str:
    """Return a few words for a listing, for instance "image 512 x RGB, 8 bits" or "sound 2 x 16 bits"."""
    if content.kind not in _KINDS:
        return "bytes"
    order = ", big-endian" if content.flags & BIG_ENDIAN else ""
    if content.kind == SOUND:
        number = ", floating point" if content.flags & FLOAT else ""
        return f"sound {content.channels} x {content.depth} bits{number}{order}"
    channels = _CHANNELS.get(content.channels, f"{content.channels} channels")
    pixel = "palette" if content.flags & PALETTE else channels
    return f"image {content.width} x {pixel}, {content.depth} bits{order}"


def as_json(content: Content) -> dict[str, str | int | bool]:
    """Return what a content is as an object of JSON; of bytes there is nothing to say but that."""
    if content.kind not in _KINDS:
        return {"kind": "bytes"}
    told: dict[str, str | int | bool] = {"kind": _KINDS[content.kind]}
    if content.kind == IMAGE:
        told |= {"width": content.width, "palette": bool(content.flags & PALETTE)}
    return told | {
        "channels": content.channels,
        "depth": content.depth,
        "byte_order": "big" if content.flags & BIG_ENDIAN else "little",
        "signed": bool(content.flags & SIGNED),
        "float": bool(content.flags & FLOAT),
    }
