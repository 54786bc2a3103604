"""Hashes of contexts (ARITHMETIC 1)."""

from __future__ import annotations

M32 = 0xFFFFFFFF


def hash2(a: int, b: int) -> int:
    h = (a * 0x9E3779B1 + b * 0x85EBCA6B + 0x2F0B4C47) & M32
    return h ^ h >> 15


def hash3(a: int, b: int, c: int) -> int:
    return hash2(hash2(a, b), c)
