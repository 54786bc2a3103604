"""A transformer as a model of the codec: text is cut as its tokenizer does, frames name it and find it or refuse."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from pathlib import Path

import pytest
import tiny_llama
import token_tools
from codec_tools import coded, frame_of, frame_with, pack, record_of, unpack
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzip import codec, container, native
from lmzip.container import BlockHead
from lmzip.errors import MemoryLimitError, ModelMissingError, UnsupportedError
from lmzip.levels import DEFAULT_LEVEL, get_level
from lmzip.models import registry, transformer_file
from lmzip.models.cutting import Cutter
from lmzip.models.importing import import_model
from lmzip.models.transformer import TransformerModel

pytest.importorskip("tokenizers")

METHOD = native.TOKEN_METHOD
TEXT = "the thin thing in the inn, then <s> the \u00e9 in ".encode() * 40


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
def model(imported: Path) -> TransformerModel:
    return TransformerModel(imported)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that was told of no file, and is told of none in the end."""

    def forget() -> None:
        for cached in (registry.by_name, registry.by_digest, registry._load):
            cached.cache_clear()

    monkeypatch.setattr(registry, "_given", [])
    forget()
    monkeypatch.setattr(registry, "forget", forget, raising=False)


def pieces(data: bytes, sizes: bytes) -> list[bytes]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# --- cutting ----------------------------------------------------------------------------------------------------------


def test_text_is_cut_as_the_tokenizer_does(model: TransformerModel) -> None:
    data = "in the thin <s>\u00e9 tin".encode()
    expected = [b"in", b" the", b" ", b"th", b"in", b" ", b"<", b"s", b">", b"\xc3", b"\xa9", b" ", b"t", b"in"]
    assert pieces(data, model.cutter.sizes(data)) == expected


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
def test_what_is_no_text_is_cut_into_bytes(model: TransformerModel, data: bytes, expected: list[bytes]) -> None:
    assert pieces(data, model.cutter.sizes(data)) == expected


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
    model = registry.by_name(str(imported))
    assert isinstance(model, TransformerModel)
    sizes = model.cutter.sizes(data)
    assert sum(sizes) == len(data)
    assert set(pieces(data, sizes)) <= model.cutter._known


STRINGS = sorted({*token_tools.BYTES, b"th", b"the", b" the", b"in", b"The"})


def cutter_with(**changes) -> Cutter:
    """A cutter of STRINGS whose tokenizer has other parts than the tiny model's."""
    tokens = tiny_llama.byte_characters()
    names = ["".join(tokens[byte] for byte in string) for string in STRINGS]
    source = tiny_llama.tokenizer_json() | {"added_tokens": [], "decoder": None}
    source["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    return Cutter(STRINGS, json.dumps(source | changes).encode())


def test_a_tokenizer_that_changes_text_is_not_followed() -> None:
    """The longest tokens then, from the left: the tokenizer would join nothing here but t and h first."""
    data = b"The thin the"
    assert pieces(data, cutter_with().sizes(data)) == [b"T", b"h", b"e", b" ", b"th", b"in", b" the"]
    lower = cutter_with(normalizer={"type": "Lowercase"})
    assert pieces(data, lower.sizes(data)) == [b"The", b" ", b"th", b"in", b" the"]
    assert pieces(b"the", lower.sizes(b"the")) == [b"the"]
    composing = cutter_with(normalizer={"type": "NFC"})
    assert pieces("e\u0301".encode(), composing.sizes("e\u0301".encode())) == [b"e", b"\xcc", b"\x81"]


@pytest.mark.parametrize("tokenizer", [b"", b"{", b"{}", b"\xff", b"[1, 2]", b'{"model": {"type": "?"}}'])
def test_a_broken_tokenizer_is_refused(tokenizer: bytes) -> None:
    with pytest.raises(UnsupportedError, match="tokenizer cannot be used"):
        Cutter(STRINGS, tokenizer)


def test_the_package_is_missing(model: TransformerModel, monkeypatch: pytest.MonkeyPatch, always_the_net) -> None:
    """Compressing needs it and says so; decompressing does not."""
    payload = model.encode_block(TEXT, METHOD)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    fresh = TransformerModel(model.path)
    with pytest.raises(UnsupportedError, match="needs the package tokenizers: pip install 'tokenizers>="):
        fresh.encode_block(TEXT, METHOD)
    assert payload is not None and fresh.decode_block(payload, len(TEXT), METHOD) == TEXT


def test_a_file_without_a_tokenizer(tmp_path: Path, forgetful) -> None:
    data, config = token_tools.tiny()
    path = tmp_path / "no-tokenizer.safetensors"
    path.write_bytes(data)
    with pytest.raises(UnsupportedError, match="does not say how to cut"):
        transformer_file.cutter(path, config)
    with pytest.raises(UnsupportedError, match="does not say how to cut"):
        pack(TEXT, model=str(path))
    raw = b"then the " * 40
    payload = token_tools.encode(raw, token_tools.cut(raw, 4, max), 4)
    assert TransformerModel(path).decode_block(payload, len(raw), METHOD, 4) == raw


# --- frames -----------------------------------------------------------------------------------------------------------


def methods_of(frames: bytes) -> list[int]:
    return [block.head.method for frame in codec.list_frames(io.BytesIO(frames)) for block in frame.blocks]


@pytest.mark.parametrize("level", [1, 6])
def test_round_trip_in_several_blocks(imported: Path, level: int, always_the_net) -> None:
    data = TEXT + random.Random(3).randbytes(30) + "\u20ac".encode() * 100
    frames = {pack(data, model=str(imported), level=level, block_size=500, threads=threads)[0] for threads in (1, 2)}
    assert len(frames) == 1
    (frame,) = frames
    method = get_level(level, tokens=True).method
    assert methods_of(frame) == [method] * -(-len(data) // 500)
    for threads in (1, 2):
        assert unpack(frame, threads=threads)[0] == data


@pytest.mark.parametrize("n_lanes", [1, 2, 64])
def test_lanes_cut_where_characters_are_not_whole(imported: Path, n_lanes: int, always_the_net) -> None:
    data = "\u20ac\u00e9the ".encode() * 80
    frame = pack(data, model=str(imported), n_lanes=n_lanes)[0]
    assert methods_of(frame) == [get_level(DEFAULT_LEVEL, tokens=True).method] and unpack(frame)[0] == data


def test_what_does_not_compress_takes_no_tokens(imported: Path) -> None:
    for size in (1, 2, 300, 20_000):
        data = random.Random(size).randbytes(size)
        frame = pack(data, model=str(imported))[0]
        assert METHOD not in methods_of(frame) and unpack(frame)[0] == data
    assert len(pack(b"", model=str(imported))[0]) < 40


def test_too_many_lanes_are_refused(model: TransformerModel, imported: Path) -> None:
    """A frame may say 128 lanes; a transformer has at most 64 (ARITHMETIC 9.10)."""
    head, payload = coded(TEXT, METHOD, 64, model=model)
    header = container.pack_header(record_of(model))
    registry.by_name(str(imported))
    assert unpack(frame_with(TEXT, len(TEXT), METHOD, 64, header=header, model=model))[0] == TEXT
    many = BlockHead(True, METHOD, 128, head.raw_size, head.payload_size, head.data_check)
    for threads in (1, 2):
        with pytest.raises(UnsupportedError, match="128 lanes"):
            unpack(frame_of(many, payload, header), threads=threads)
    with pytest.raises(UnsupportedError, match="128 lanes"):
        pack(TEXT, model=str(imported), n_lanes=128)


def test_methods_with_a_net_are_not_those_of_a_transformer(model: TransformerModel, tiny_model, imported: Path) -> None:
    head, payload = coded(TEXT, native.NET_METHOD, model=tiny_model)
    registry.by_name(str(imported))
    with pytest.raises(UnsupportedError, match=f"method {native.NET_METHOD}"):
        unpack(frame_of(head, payload, container.pack_header(record_of(model))))
    head, payload = coded(TEXT, METHOD, model=model)
    with pytest.raises(UnsupportedError, match=f"method {METHOD}"):
        unpack(frame_of(head, payload, container.pack_header(record_of(tiny_model))))
    header = container.pack_header(record_of(model))
    assert unpack(frame_with(TEXT, len(TEXT), 4, header=header, model=model))[0] == TEXT


def test_without_the_model(imported: Path, forgetful, always_the_net) -> None:
    frame = pack(TEXT, model=str(imported))[0]
    digest = TransformerModel(imported).digest.hex()
    assert unpack(frame)[0] == TEXT, "this process was told of the file"
    registry._given.clear()
    registry.forget()
    with pytest.raises(ModelMissingError, match=digest) as caught:
        unpack(frame)
    assert caught.value.exit_status == 3 and "tiny-tokens" in str(caught.value)


def test_the_file_changes(imported: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.safetensors"
    path.write_bytes(imported.read_bytes())
    model = TransformerModel(path)
    assert len(model.digest) == 32
    data = bytearray(imported.read_bytes())
    data[-1] ^= 1  # of the vocabulary: it is damaged, too
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    for part in ("transformer", "cutter"):
        with pytest.raises(ModelMissingError, match="changed meanwhile"):
            getattr(model, part)
    path.write_bytes(imported.read_bytes())
    with pytest.raises(ModelMissingError, match="changed meanwhile"):
        model.encode_block(TEXT, METHOD)
    path.unlink()
    with pytest.raises(ModelMissingError, match="cannot read the model"):
        model.encode_block(TEXT, METHOD)
    assert model.encode_block(TEXT, 4) is not None, "what needs no weights goes on"


def test_memory_is_reckoned_before(imported: Path, model: TransformerModel) -> None:
    assert model.memory_size(METHOD, 1000, 8) > model.memory_size(METHOD, 1000, 1) > 1 << 20
    assert model.shared_size(METHOD) >= imported.stat().st_size and model.shared_size(4) == 0
    with pytest.raises(MemoryLimitError):
        pack(TEXT, model=str(imported), memory_limit=1 << 20)
