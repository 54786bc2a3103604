"""Weight files (ARITHMETIC 10.8): whatever is wrong with one, it is refused as unsupported and nothing else happens."""

from __future__ import annotations

import contextlib
import json
import os
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_net
from safetensors.numpy import save

from lmzip.errors import UnsupportedError
from lmzip.models import weights

PATH = Path("weights")


@cache
def without_tables() -> tuple[tiny_net.Tensors, dict]:
    """A net of 39 kB, quick to damage many times."""
    return tiny_net.tiny_net(orders=[])


def refused(file: bytes) -> None:
    with pytest.raises(UnsupportedError):
        weights.load_net(file, PATH)


def file_with_header(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


def file_with_entry(entry: str) -> bytes:
    return save(without_tables()[0], {weights.METADATA_KEY: entry})


def test_cut_files_are_refused() -> None:
    file = tiny_net.weight_file(*without_tables())
    weights.load_net(file, PATH)
    header_end = 8 + int.from_bytes(file[:8], "little")
    for size in {0, 1, 7, 8, 9, 100, header_end - 1, header_end, header_end + 1, len(file) // 2, len(file) - 1}:
        refused(file[:size])
    refused(file + b"\0")


def test_any_changed_header_loads_or_is_unsupported() -> None:
    file = tiny_net.weight_file(*without_tables())
    header_end = 8 + int.from_bytes(file[:8], "little")
    rng, loaded = random.Random(11), 0
    for _ in range(1500):
        damaged = bytearray(file)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(header_end)] = rng.choice((rng.randrange(256), *b'0123456789"{}[],:'))
        with contextlib.suppress(UnsupportedError):
            weights.load_net(bytes(damaged), PATH)
            loaded += 1
    assert 0 < loaded < 750


@pytest.mark.parametrize("name", [*without_tables()[0]])
def test_missing_and_mistyped_tensors(name: str) -> None:
    tensors, config = without_tables()
    refused(tiny_net.weight_file({other: x for other, x in tensors.items() if other != name}, config))
    dtypes = (
        (np.uint8, np.int16, np.float16, bool) if tensors[name].dtype == np.int8 else (np.uint32, np.int64, np.float32)
    )
    if tensors[name].size:
        for dtype in dtypes:
            refused(tiny_net.weight_file(tensors | {name: tensors[name].astype(dtype)}, config))
        refused(tiny_net.weight_file(tensors | {name: tensors[name][1:]}, config))


def test_weights_beyond_the_budget_are_unsupported() -> None:
    tensors, config = without_tables()
    for name, value in (("head.multiplier", -1), ("layers.0.forget_bias", -1 << 21), ("layers.1.forget_bias", 1 << 21)):
        refused(tiny_net.weight_file(tensors | {name: np.full_like(tensors[name], value)}, config))
    down = np.full_like(tensors["layers.0.down.weight"], 127)
    largest = tiny_net.largest_multipliers(down)
    changed = {"layers.0.down.weight": down, "layers.0.down.multiplier": largest}
    weights.load_net(tiny_net.weight_file(tensors | changed, config), PATH)
    changed["layers.0.down.multiplier"] = largest + 1
    refused(tiny_net.weight_file(tensors | changed, config))


STRANGE = [None, True, -1, 0.5, 2**31 - 1, 2**31, 2**63, 10**400, 1e300, "32", "", [], [[]], {}, {"a": 1}]


@pytest.mark.parametrize("key", [key for key in tiny_net.CONFIG if key not in ("licence", "table_dim", "table_bits")])
def test_strange_metadata_is_refused(key: str) -> None:
    tensors, config = without_tables()
    refused(tiny_net.weight_file(tensors, {other: value for other, value in config.items() if other != key}))
    for value in STRANGE:
        if not (key == "name" and isinstance(value, str)) and not (key == "orders" and value in ("", [], {})):
            refused(tiny_net.weight_file(tensors, config | {key: value}))


@pytest.mark.parametrize("key", ["table_dim", "table_bits", "orders"])
def test_strange_tables_are_refused(key: str) -> None:
    tensors, config = tiny_net.tiny_net(orders=[2])
    wrong = [None, True, -1, 33, 2**31 - 1, 2**64, "16", [16], [2, 2], [3.0], ["2"], [2**31], [[2]], [True], [None]]
    for value in wrong:
        refused(tiny_net.weight_file(tensors, config | {key: value}))


def test_metadata_that_are_no_object() -> None:
    for entry in ("", "null", "[]", "7", '"bytelm-1"', "{", "{}", "NaN", '{"format": "bytelm-1"}', "1" * 5000):
        refused(file_with_entry(entry))
    for opening in ("[", '{"a":', '[{"format":'):
        refused(file_with_entry(opening * 50_000))
        refused(file_with_header(opening.encode() * 50_000))
    config = json.dumps(without_tables()[1])
    refused(save(without_tables()[0], {"other": config}))
    refused(save(without_tables()[0]))
    for header in ({}, [], 7, {"__metadata__": 7}, {"__metadata__": {"lmzip": 7}}, {"__metadata__": {"lmzip": config}}):
        refused(file_with_header(json.dumps(header).encode()))
    refused(file_with_header(b"\xff\xfe{}"))
    for size in (2**64 - 1, 2**63, 1 << 20, (1 << 20) + 1, 0):
        refused(size.to_bytes(8, "little") + b"{}")


def test_tensors_that_lie_about_their_place() -> None:
    file = tiny_net.weight_file(*without_tables())
    header_end = 8 + int.from_bytes(file[:8], "little")
    header, body = json.loads(file[8:header_end]), file[header_end:]
    assert weights.load_net(file_with_header(json.dumps(header).encode(), body), PATH)
    for offsets in (
        [0, 2**63],
        [2**64 - 1, 0],
        [-1, 5],
        [8192, 0],
        [0, len(body) + 1],
        [0, 0],
        [len(body), len(body)],
        [],
    ):
        refused(
            file_with_header(
                json.dumps(header | {"head.weight": header["head.weight"] | {"data_offsets": offsets}}).encode(), body
            )
        )
    for shape in ([2**32, 2**32], [256], [-256, -32], [0], "8192", [256.0, 32]):
        refused(
            file_with_header(
                json.dumps(header | {"head.weight": header["head.weight"] | {"shape": shape}}).encode(), body
            )
        )


def test_files_too_large_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(101))
    monkeypatch.setattr(weights, "MAX_FILE_SIZE", 101)
    assert weights.read(file) == bytes(101)
    monkeypatch.setattr(weights, "MAX_FILE_SIZE", 100)
    with pytest.raises(UnsupportedError):
        weights.read(file)


@pytest.mark.parametrize("size", [99, 101, 5000])
def test_files_that_change_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    file, fstat = tmp_path / "changing", os.fstat
    file.write_bytes(bytes(100))

    def change(fd: int) -> os.stat_result:
        status = fstat(fd)
        os.truncate(file, size)
        return status

    monkeypatch.setattr(os, "fstat", change)
    with pytest.raises(UnsupportedError, match="changed while it was read"):
        weights.read(file)
