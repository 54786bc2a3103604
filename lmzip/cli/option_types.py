"""Kinds of option values: sizes, times, ranges, contents, suffixes."""

from __future__ import annotations

import os
import re

import click

_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class SizeType(click.ParamType):
    """A number of bytes: 300000, 64k, 16MiB; with percent allowed a share of the memory of the machine: 50%."""

    name = "size"

    def __init__(self, percent: bool = False) -> None:
        self.percent = percent

    def convert(self, value, param, ctx):
        """Return bytes as int; fails for what is no size."""
        match = re.fullmatch(r"(\d{1,15})([kmgt]?)(?:i?b)?", value.strip().lower())
        if match:
            return int(match[1]) * _SIZE_UNITS[match[2]]
        share = re.fullmatch(r"(\d{1,3})%", value.strip())
        if self.percent and share and 0 < int(share[1]) <= 100:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * int(share[1]) // 100
        return self.fail(f"{value!r} is not a size such as 300000, 64k or 16MiB", param, ctx)


class TimeType(click.ParamType):
    """A time: 90, 90s, 15m, 2h, 1d; seconds without a unit."""

    name = "time"

    def convert(self, value, param, ctx):
        """Return seconds as float; fails for what is no time."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", value.strip().lower())
        if not match:
            return self.fail(f"{value!r} is not a time such as 90s, 15m or 2h", param, ctx)
        return float(match[1]) * _TIME_UNITS[match[2]]


class RangeType(click.ParamType):
    """A stretch of the decompressed data: OFFSET,LENGTH in bytes."""

    name = "range"

    def convert(self, value, param, ctx):
        """Return (offset, length); fails for what is no range."""
        parts = value.split(",")
        if len(parts) != 2:
            return self.fail(f"{value!r} is not OFFSET,LENGTH", param, ctx)
        return tuple(SizeType().convert(part, param, ctx) for part in parts)


class ContentType(click.ParamType):
    """What headerless data are: image:WIDTHxCHANNELS, audio:CHANNELSxBITS or bytes."""

    name = "content"

    def convert(self, value, param, ctx):
        """Return a Content; fails for what is none."""
        from lmzip.contents import parse_content

        try:
            return parse_content(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(self, ctx, param, incomplete):
        """Return the kinds of contents that begin so."""
        from lmzip.cli.completing import starting

        return starting(["audio:", "bytes", "image:"], incomplete)


class SuffixType(click.ParamType):
    """A suffix of file names."""

    name = "suffix"

    def convert(self, value, param, ctx):
        """Return the suffix; fails for one that would not make another name."""
        if not value or "/" in value or "\0" in value:
            return self.fail("the suffix must not be empty or hold a slash", param, ctx)
        return value
