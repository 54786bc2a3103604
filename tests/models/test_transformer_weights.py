"""Weight files of transformers (TRANSFORMER 11): whatever is wrong with one, it is unsupported."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from tiny_llama import byte_tokens, tokenizer_json
from tiny_net import Tensors, largest_multipliers, weight_file
from tiny_transformer import CONFIG, tiny_transformer

from lmzip.errors import UnsupportedError
from lmzip.models import transformer_file, weights

SMALL = {"n_embd": 64, "n_hidden": 64, "n_head": 2, "n_kv_head": 1, "n_layer": 1, "n_vocab": 258}
STRANGE = [None, True, -1, 0.5, 10**9, 2**31, 2**63, 10**400, 1e300, "32", "", [], [[]], {}, {"a": 1}]


@cache
def sound() -> tuple[Tensors, dict[str, Any]]:
    """A transformer of some 60 kB, quick to damage many times; with a head, biases and a tokenizer."""
    tensors, config = tiny_transformer(1, tied=False, bias=True, **SMALL)
    numbers = {token: number for number, token in enumerate(byte_tokens()[2:258])}
    tokenizer = tokenizer_json() | {"added_tokens": [], "decoder": None}
    tokenizer["model"] |= {"vocab": numbers, "merges": []}
    return tensors | {"tokenizer": np.frombuffer(json.dumps(tokenizer).encode(), np.uint8)}, config


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "w.safetensors"


def load(path: Path, file: bytes) -> None:
    """Do with a file what is done with a model: its header, its weights, its tokenizer."""
    path.write_bytes(file)
    config, _ = weights.inspect(path)
    if config["format"] != weights.TRANSFORMER_FORMAT:
        raise UnsupportedError("a net, which test_weights.py is about")
    transformer_file.load(path, config)
    transformer_file.tokenizer(path, config).sizes(b"some text \xff")


def refused(path: Path, file: bytes) -> None:
    with pytest.raises(UnsupportedError):
        load(path, file)


def changed(**tensors: Any) -> bytes:
    """Return the file with other tensors (names with __ for a dot), None for none."""
    others = {name.replace("__", "."): value for name, value in tensors.items()}
    return weight_file({n: v for n, v in (sound()[0] | others).items() if v is not None}, sound()[1])


def split(file: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the rest of a file."""
    end = 8 + int.from_bytes(file[:8], "little")
    return json.loads(file[8:end]), file[end:]


def joined(header: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_cut_files_are_refused(path):
    file = weight_file(*sound())
    load(path, file)
    end = 8 + int.from_bytes(file[:8], "little")
    for size in {0, 1, 7, 8, 9, 100, end - 1, end, end + 1, len(file) // 2, len(file) - 1}:
        refused(path, file[:size])
    refused(path, file + b"\0")


def test_any_changed_header_loads_or_is_unsupported(path):
    file = weight_file(*sound())
    end = 8 + int.from_bytes(file[:8], "little")
    rng, loaded = random.Random(12), 0
    for _ in range(600):
        damaged = bytearray(file)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(end)] = rng.choice((rng.randrange(256), *b'0123456789"{}[],:'))
        with contextlib.suppress(UnsupportedError):
            load(path, bytes(damaged))
            loaded += 1
    assert 0 < loaded < 300


@pytest.mark.parametrize("name", [*sound()[0]])
def test_missing_mistyped_and_misshapen_tensors(path, name):
    tensors, config = sound()
    values = tensors[name]
    if name not in ("layers.0.qkv.bias", "lm_head.weight"):  # a model may do without
        refused(path, weight_file({other: x for other, x in tensors.items() if other != name}, config))
    others: list[np.ndarray] = [values.astype(np.float32)]
    if name != "tokenizer":
        others += [values.astype(np.int64), values[1:], values[None], np.concatenate([values, values[:1]])]
    for other in others:
        refused(path, weight_file(tensors | {name: other}, config))


def test_multipliers_beyond_the_budget(path):
    tensors, _ = sound()
    for matrix in ("lm_head", "layers.0.qkv", "layers.0.o", "layers.0.gate_up", "layers.0.down"):
        full = np.full_like(tensors[f"{matrix}.weight"], 127)
        largest = largest_multipliers(full)
        load(path, changed(**{f"{matrix}.weight": full, f"{matrix}.multiplier": largest}))
        beyond = largest.copy()
        beyond[-1] += 1
        refused(path, changed(**{f"{matrix}.weight": full, f"{matrix}.multiplier": beyond}))
    for matrix in ("embed", "lm_head", "layers.0.down"):
        refused(path, changed(**{f"{matrix}.multiplier": tensors[f"{matrix}.multiplier"] * -1}))
    refused(path, changed(gain_shifts=np.full_like(tensors["gain_shifts"], 25)))


def test_vocabularies_that_are_none(path):
    tensors, _ = sound()
    ends = np.cumsum(tensors["vocabulary.size"], dtype=int).tolist()
    data = tensors["vocabulary"].tobytes()
    strings = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def vocabulary(strings: list[bytes], n_more: int = 0) -> bytes:
        sizes = np.array([len(string) for string in strings], np.uint8)
        return changed(vocabulary=np.frombuffer(b"".join(strings) + bytes(n_more), np.uint8), vocabulary__size=sizes)

    load(path, vocabulary(strings))
    refused(path, vocabulary([strings[1], strings[0], *strings[2:]]))
    refused(path, vocabulary(strings[::-1]))
    refused(path, vocabulary([*strings[:-1], strings[-2]]))
    refused(path, vocabulary([b"", *strings[1:]]))
    refused(path, vocabulary(sorted([*(s for s in strings if s != b"A"), b"AAA"])))
    refused(path, vocabulary(strings[:-1]))
    refused(path, vocabulary(strings, 1))
    refused(path, changed(vocabulary=tensors["vocabulary"][:-1]))


@pytest.mark.parametrize("key", [key for key in CONFIG if key != "licence"])
def test_strange_metadata_is_refused(path, key):
    tensors, config = sound()
    refused(path, weight_file(tensors, {other: value for other, value in config.items() if other != key}))
    for value in STRANGE:
        is_sound = (key == "name" and value == "32") or (key == "int15" and value == [])
        if not is_sound and not (key == "epsilon" and type(value) is int and 0 <= value <= 2**32):
            refused(path, weight_file(tensors, config | {key: value}))


def test_tensors_that_lie_about_their_place(path):
    header, body = split(weight_file(*sound()))
    load(path, joined(header, body))
    embed, head = header["embed.weight"], header["lm_head.weight"]
    for offsets in (
        [0, 2**63],
        [2**64 - 1, 0],
        [-1, 5],
        [8256, 0],
        [0, len(body) + 1],
        [0, 0],
        [],
        head["data_offsets"],
    ):
        refused(path, joined(header | {"embed.weight": embed | {"data_offsets": offsets}}, body))
    both = {**head, "shape": embed["shape"], "data_offsets": embed["data_offsets"]}
    refused(path, joined(header | {"layers.0.o.weight": both}, body))  # over another one
    for shape in ([2**32, 2**32], [2**40, 32], [259], [-259, -32], [0], "8288", [259.0, 32], [259] * 60):
        refused(path, joined(header | {"embed.weight": embed | {"shape": shape}}, body))


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB only there")
def test_a_small_file_that_claims_a_huge_model_takes_little_memory(path):
    """Norms of 128 layers of width 8192 are there, matrices of 60 GB are not."""
    tensors, config = sound()
    huge = {"n_embd": 8192, "n_hidden": 8192, "n_layer": 128, "n_head": 64, "n_kv_head": 64, "head_dim": 128}
    norms = {f"layers.{i}.{name}.norm": np.ones(8192, np.int16) for i in range(128) for name in ("qkv", "gate_up")}
    norms |= {"lm_head.norm": np.ones(8192, np.int16), "gain_shifts": np.zeros(257, np.uint8)}
    norms["inv_freq"] = np.zeros(64, np.uint32)
    path.write_bytes(weight_file(tensors | norms, config | huge))
    code = """
import resource, sys
from pathlib import Path
from lmzip.errors import UnsupportedError
from lmzip.models import transformer_file, weights
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    transformer_file.load(path, weights.inspect(path)[0])
except UnsupportedError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 50 << 10, done


def test_tokenizers_that_are_none(path):
    sound_one = sound()[0]["tokenizer"].tobytes()
    for text in (
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model":' * 10_000,
        sound_one[:-1],
        sound_one[:900],
    ):
        refused(path, changed(tokenizer=np.frombuffer(text, np.uint8)))
    rng = random.Random(2)
    for _ in range(150):
        damaged = bytearray(sound_one)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.choice((rng.randrange(256), *b'0123456789"{}[],:'))
        with contextlib.suppress(UnsupportedError):
            load(path, changed(tokenizer=np.frombuffer(bytes(damaged), np.uint8)))
