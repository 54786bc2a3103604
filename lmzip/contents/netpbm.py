"""Headers of binary PGM, PPM and PAM images, which are text."""

from __future__ import annotations

import re

from lmzip.block import BIG_ENDIAN
from lmzip.contents.samples import CutOffError, NotSamplesError, Samples, demand, image, image_samples

_MAX_SIZE = 1024  # bytes of a header, its comments included
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P([56])" + (_SPACE + rb"(\d{1,9})") * 3 + rb"\s")
_PAM = re.compile(rb"P7[ \t\r]*\n(?:[^\n]*\n)*?ENDHDR[ \t\r]*\n")
_PAM_FIELDS = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
_PAM_FIELD = re.compile(rb"^[ \t]*(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,9})[ \t\r]*$", re.MULTILINE)
_SAMPLE_SIZE, _MIN_SAMPLE_SIZE = 1024, 256
_BLANKS = b"\t\n\f\r"
_CONTROLS = bytes(set(range(32)) - set(_BLANKS))


def read_netpbm(data: memoryview, at: int) -> list[Samples]:
    """Read the header of an image."""
    if data[at + 1] == ord("7"):
        match = _match(_PAM, data, at)
        fields = {name: int(number) for name, number in _PAM_FIELD.findall(match[0])}
        width, height, channels, greatest = (fields.get(name, 0) for name in _PAM_FIELDS)
    else:
        match = _match(_PNM, data, at)
        width, height, greatest = map(int, match.groups()[1:])
        channels = 1 if match[1] == b"5" else 3
    demand(1 <= greatest <= 0xFFFF)
    _check_not_text(data, match.end())
    content = image(width, channels, 8) if greatest < 256 else image(width, channels, 16, BIG_ENDIAN)
    return image_samples(match.end(), content, height)


def _match(pattern: re.Pattern[bytes], data: memoryview, at: int) -> re.Match[bytes]:
    match = pattern.match(data, at, at + _MAX_SIZE)
    if match is None:
        raise NotSamplesError if at + _MAX_SIZE <= len(data) else CutOffError
    return match


def _check_not_text(data: memoryview, at: int) -> None:
    """Raise NotSamplesError if more of a text about these formats follows a header; no image has just such bytes."""
    sample = bytes(data[at : at + _SAMPLE_SIZE])
    if len(sample) < _MIN_SAMPLE_SIZE:
        raise CutOffError
    n_blanks = len(sample) - len(sample.translate(None, _BLANKS))
    is_text = b"\n" in sample and 2 * n_blanks < len(sample) == len(sample.translate(None, _CONTROLS))
    demand(not is_text)
