"""A transformer as a model of the codec: text is cut as its tokenizer does, frames name it and find it or refuse."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_llama
import token_tools
from codec_tools import LARGE, coded, frame_of, frame_with, header_for, pack, record_of, unpack
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import codec
from lmzip.block import BlockSpec
from lmzip.convert import import_model
from lmzip.dictionary import Dictionary
from lmzip.errors import DictionaryMissingError, MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.format.block import STORED, WITH_MODEL, BlockHead
from lmzip.format.header import pack_header
from lmzip.levels import get_level
from lmzip.models import transformer_file
from lmzip.models.llama import LlamaModel
from lmzip.stream import shared
from lmzip.tokenizers.tokenizer import Tokenizer

pytest.importorskip("tokenizers")

TEXT = "the thin thing in the inn, then <s> the \u00e9 in ".encode() * 40
SPEC = BlockSpec(len(TEXT), LARGE, True)


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weight file of a tiny transformer with a byte-level BPE tokenizer; it expects nothing in particular."""
    folder = tmp_path_factory.mktemp("tiny")
    tensors, config = tiny_llama.tiny_llama()
    tensors["model.norm.weight"] /= 128
    source = tiny_llama.save_directory(folder / "tiny", tensors, config)
    import_model(source, folder / "tiny.safetensors", name="tiny-tokens", window=128)
    return folder / "tiny.safetensors"


@pytest.fixture
def model(imported: Path) -> LlamaModel:
    return LlamaModel(imported)


def pieces(data: bytes, sizes: bytes) -> list[bytes]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# --- cutting ----------------------------------------------------------------------------------------------------------


def test_text_is_cut_as_the_tokenizer_does(model: LlamaModel) -> None:
    data = "in the thin <s>\u00e9 tin".encode()
    expected = [b"in", b" the", b" ", b"th", b"in", b" ", b"<", b"s", b">", b"\xc3", b"\xa9", b" ", b"t", b"in"]
    assert pieces(data, model.tokenizer.sizes(data)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\xff", [b"\xff"]),
        (b"th\xffth", [b"th", b"\xff", b"th"]),
        (b"\xc3", [b"\xc3"]),  # the first half of a character, then the second
        (b"\xa9the", [b"\xa9", b"the"]),
        (b"the\xe2\x82", [b"the", b"\xe2", b"\x82"]),
        (b"\xed\xb2\x80in", [b"\xed", b"\xb2", b"\x80", b"in"]),  # a surrogate, which is no UTF-8
        (b"in\0in\r\n", [b"in", b"\0", b"in", b"\r", b"\n"]),
    ],
)
def test_what_is_no_text_is_cut_into_bytes(model: LlamaModel, data: bytes, expected: list[bytes]) -> None:
    assert pieces(data, model.tokenizer.sizes(data)) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=40).map(str.encode),
        st.lists(
            st.sampled_from(
                [b"the", b" the", b"th", b"in", b"\xc3", b"\xa9", b"\xff", b"<s>", b"</s>", b"[PAD1]", b" "]
            )
        ).map(b"".join),
    )
)
def test_any_bytes_are_cut_into_tokens(imported: Path, data: bytes) -> None:
    model = shared.registry.model(str(imported))
    assert isinstance(model, LlamaModel)
    sizes = model.tokenizer.sizes(data)
    assert sum(sizes) == len(data)
    assert set(pieces(data, sizes)) <= model.tokenizer._known


STRINGS = sorted({*token_tools.BYTES, b"th", b"the", b" the", b"in", b"The"})


def tokenizer_with(**changes) -> Tokenizer:
    """A tokenizer of STRINGS whose tokenizer has other parts than the tiny model's."""
    tokens = tiny_llama.byte_characters()
    names = ["".join(tokens[byte] for byte in string) for string in STRINGS]
    source = tiny_llama.tokenizer_json() | {"added_tokens": [], "decoder": None}
    source["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    return Tokenizer(STRINGS, json.dumps(source | changes).encode())


def test_a_tokenizer_that_changes_text_is_not_followed() -> None:
    """The longest tokens then, from the left: the tokenizer would join nothing here but t and h first."""
    data = b"The thin the"
    assert pieces(data, tokenizer_with().sizes(data)) == [b"T", b"h", b"e", b" ", b"th", b"in", b" the"]
    lower = tokenizer_with(normalizer={"type": "Lowercase"})
    assert pieces(data, lower.sizes(data)) == [b"The", b" ", b"th", b"in", b" the"]
    assert pieces(b"the", lower.sizes(b"the")) == [b"the"]
    composing = tokenizer_with(normalizer={"type": "NFC"})
    assert pieces("e\u0301".encode(), composing.sizes("e\u0301".encode())) == [b"e", b"\xcc", b"\x81"]


@pytest.mark.parametrize("tokenizer", [b"", b"{", b"{}", b"\xff", b"[1, 2]", b'{"model": {"type": "?"}}'])
def test_a_broken_tokenizer_is_refused(tokenizer: bytes) -> None:
    with pytest.raises(UnsupportedError, match="tokenizer cannot be used"):
        Tokenizer(STRINGS, tokenizer)


def test_the_package_is_missing(model: LlamaModel, monkeypatch: pytest.MonkeyPatch, always_the_net) -> None:
    """Compressing needs it and says so; decompressing does not."""
    payload = model.encode(TEXT, SPEC)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    fresh = LlamaModel(model.path)
    with pytest.raises(UnsupportedError, match="needs the package tokenizers: pip install 'tokenizers>="):
        fresh.encode(TEXT, SPEC)
    assert payload is not None and fresh.decode(payload, SPEC) == TEXT


def test_a_file_without_a_tokenizer(tmp_path: Path) -> None:
    data, config = token_tools.tiny()
    path = tmp_path / "no-tokenizer.safetensors"
    path.write_bytes(data)
    with pytest.raises(UnsupportedError, match="does not say how to cut"):
        transformer_file.tokenizer(path, config)
    with pytest.raises(UnsupportedError, match="does not say how to cut"):
        pack(TEXT, model=str(path))
    raw = b"then the " * 40
    payload = token_tools.encode(raw, token_tools.cut(raw, 4, max), 4)
    assert LlamaModel(path).decode(payload, BlockSpec(len(raw), LARGE, True, 4)) == raw


# --- frames -----------------------------------------------------------------------------------------------------------


def modes_of(frames: bytes) -> list[int]:
    return [block.head.mode for frame in codec.list_frames(io.BytesIO(frames)) for block in frame.blocks]


@pytest.mark.parametrize("level", [1, 6])
def test_round_trip_in_several_blocks(imported: Path, level: int, always_the_net) -> None:
    data = TEXT + random.Random(3).randbytes(30) + "\u20ac".encode() * 100
    frames = {pack(data, model=str(imported), level=level, block_size=500, threads=threads)[0] for threads in (1, 2)}
    assert len(frames) == 1
    (frame,) = frames
    assert modes_of(frame) == [WITH_MODEL] * -(-len(data) // 500)
    (found,) = codec.list_frames(io.BytesIO(frame))
    settings = get_level(level, uses_model=True, has_tokens=True)
    assert (found.header.profile, found.header.context) == (LARGE, settings.context)
    for threads in (1, 2):
        assert unpack(frame, threads=threads)[0] == data


@pytest.mark.parametrize("n_lanes", [1, 2, 64])
def test_lanes_cut_where_characters_are_not_whole(imported: Path, n_lanes: int, always_the_net) -> None:
    data = "\u20ac\u00e9the ".encode() * 80
    frame = pack(data, model=str(imported), n_lanes=n_lanes)[0]
    assert modes_of(frame) == [WITH_MODEL] and unpack(frame)[0] == data


def test_what_does_not_compress_takes_no_tokens(imported: Path) -> None:
    for size in (1, 2, 300, 20_000):
        data = random.Random(size).randbytes(size)
        frame = pack(data, model=str(imported))[0]
        assert modes_of(frame) == [STORED] and unpack(frame)[0] == data
    assert len(pack(b"", model=str(imported))[0]) < 40


def test_too_many_lanes_are_refused(model: LlamaModel, imported: Path) -> None:
    """A frame may say 128 lanes; a transformer has at most 64 (TRANSFORMER 12)."""
    head, payload = coded(TEXT, LARGE, 64, model=model)
    header = header_for(LARGE, model)
    shared.registry.model(str(imported))
    assert unpack(frame_with(TEXT, len(TEXT), LARGE, 64, header=header, model=model))[0] == TEXT
    many = BlockHead(True, WITH_MODEL, 128, head.raw_size, head.payload_size, head.data_check)
    for threads in (1, 2):
        with pytest.raises(UnsupportedError, match="128 lanes"):
            unpack(frame_of(many, payload, header), threads=threads)
    with pytest.raises(ValueError, match="lanes must be 1 to 64, not 128"):
        pack(TEXT, model=str(imported), n_lanes=128)


def test_kinds_of_models_are_not_taken_for_each_other(model: LlamaModel, tiny_model, imported: Path) -> None:
    shared.registry.model(str(imported))
    for kind, other in ((1, model), (2, tiny_model)):
        record = replace(record_of(other), kind=kind)
        head, payload = coded(TEXT, LARGE, model=other)
        with pytest.raises(UnsupportedError, match=f"of kind {kind}"):
            unpack(frame_of(head, payload, pack_header(LARGE, record)))
    with pytest.raises(UnsupportedError, match="profile 4"):
        unpack(frame_of(head, payload, pack_header(4, record_of(model))))
    assert unpack(frame_with(TEXT, len(TEXT), 4, header=header_for(4, model)))[0] == TEXT, "its base has that profile"


def test_without_the_model(imported: Path, new_registry, always_the_net) -> None:
    frame = pack(TEXT, model=str(imported))[0]
    digest = LlamaModel(imported).digest.hex()
    assert unpack(frame)[0] == TEXT, "the library was told of the file"
    new_registry()
    with pytest.raises(ModelMissingError, match=digest) as caught:
        unpack(frame)
    assert caught.value.exit_status == 3 and "tiny-tokens" in str(caught.value)


def test_the_file_changes(imported: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.safetensors"
    path.write_bytes(imported.read_bytes())
    model = LlamaModel(path)
    assert len(model.digest) == 32
    data = bytearray(imported.read_bytes())
    data[-1] ^= 1  # of the vocabulary: it is damaged, too
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    for load in (model.expert, lambda: model.tokenizer):
        with pytest.raises(ModelMissingError, match="changed meanwhile"):
            load()
    path.write_bytes(imported.read_bytes())
    with pytest.raises(ModelMissingError, match="changed meanwhile"):
        model.encode(TEXT, SPEC)
    path.unlink()
    with pytest.raises(ModelMissingError, match="cannot read the model"):
        model.encode(TEXT, SPEC)
    assert model.encode(TEXT, replace(SPEC, uses_model=False)) is not None, "what needs no weights goes on"


def test_memory_is_reckoned_before(imported: Path, model: LlamaModel) -> None:
    assert model.memory_size(replace(SPEC, n_lanes=8)) > model.memory_size(SPEC) > 1 << 20
    assert model.weights_size() >= imported.stat().st_size
    with pytest.raises(MemoryLimitError):
        pack(TEXT, model=str(imported), memory_limit=1 << 20)


# --- dictionaries -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("always_the_net")
def test_blocks_behind_a_dictionary(model: LlamaModel) -> None:
    """Blocks in threads, a range, and what is saved of a damaged file: all as with other models."""
    text = b" ".join(random.Random(2).choices(TEXT.split(), k=500))
    dictionary, raw = Dictionary(text[:900]), text[900:1500]
    given = {"model": model, "dictionary": dictionary}
    made = {pack(raw, level=6, block_size=300, threads=n, verify=True, **given)[0] for n in (1, 2)}
    (data,) = made
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.header.dictionary and {block.head.mode for block in frame.blocks} == {WITH_MODEL}
    assert len(data) < len(pack(raw, level=6, block_size=300, model=model)[0])
    registry = shared.registry
    assert registry.model(str(model.path)).digest == model.digest
    for threads in (1, 2):
        assert unpack(data, dictionary=dictionary, threads=threads)[0] == raw
    part = codec.read_range(io.BytesIO(data), 250, 100, registry=registry, dictionary=dictionary)
    assert b"".join(part) == raw[250:350]
    damaged = bytearray(data)
    damaged[frame.blocks[1].offset + 40] ^= 1
    content, summary = unpack(bytes(damaged), dictionary=dictionary, salvage=True)
    assert content == raw[:300] and [hole.raw_size for hole in summary.holes] == [300]
    with pytest.raises(DictionaryMissingError):
        unpack(data)
    short, _ = pack(raw[:200], level=6, **given)
    assert unpack(short, dictionary=dictionary)[0] == raw[:200]
