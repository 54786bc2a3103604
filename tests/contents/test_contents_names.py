"""Contents that users name are understood, or refused in one line; those that are found are shown."""

from __future__ import annotations

import json

import pytest

from lmzip.block import BIG_ENDIAN, BYTES, FLOAT, IMAGE, PALETTE, SIGNED, SOUND, Content
from lmzip.contents import as_json, describe, parse_content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("bytes", BYTES),
        ("image:512x3", Content(IMAGE, 3, 8, 0, 512)),
        ("image:512x1x16", Content(IMAGE, 1, 16, 0, 512)),
        ("audio:2x16", Content(SOUND, 2, 16, SIGNED)),
        ("audio:8x24", Content(SOUND, 8, 24, SIGNED)),
        ("audio:1x8", Content(SOUND, 1, 8, 0)),
    ],
)
def test_names(text, content):
    assert parse_content(text) == content


@pytest.mark.parametrize(
    "text",
    [
        *("", "text", "Bytes", "image", "image:", "image:512", "image:512x3 ", "image:5x3x8x1", "image:-5x3"),
        "image:٣x٣",
        *("image:0x3", "image:512x0", "image:512x5", "image:5x3x12", "image:16777217x1", "image:5592406x3"),
        *("audio:2", "audio:0x16", "audio:9x16", "audio:2x12", "audio:2x64", "audio:2x16x1", "audio:999999999x16"),
        "bytes\n",
    ],
)
def test_what_is_no_content(text):
    with pytest.raises(ValueError, match="^[^\n]+$"):
        parse_content(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (BYTES, "bytes"),
        (Content(IMAGE, 3, 8, 0, 512, 15), "image 512 x RGB, 8 bits"),
        (Content(IMAGE, 1, 16, BIG_ENDIAN, 512), "image 512 x grey, 16 bits, big-endian"),
        (Content(IMAGE, 1, 8, PALETTE, 512), "image 512 x palette, 8 bits"),
        (Content(SOUND, 2, 16, SIGNED), "sound 2 x 16 bits"),
        (Content(SOUND, 1, 32, FLOAT | BIG_ENDIAN), "sound 1 x 32 bits, floating point, big-endian"),
    ],
)
def test_descriptions(content, text):
    assert describe(content) == text


def test_json():
    assert as_json(BYTES) == {"kind": "bytes"}
    told = as_json(Content(IMAGE, 1, 8, PALETTE, 512))
    assert (told["kind"], told["width"], told["channels"], told["palette"]) == ("image", 512, 1, True)
    told = as_json(Content(SOUND, 2, 16, SIGNED | BIG_ENDIAN))
    assert (told["kind"], told["depth"], told["signed"], told["byte_order"]) == ("sound", 16, True, "big")
    assert json.loads(json.dumps(told)) == told
