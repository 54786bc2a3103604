"""Headers of frames: what is packed is parsed, their size follows from byte 4, what is unknown is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from format_tools import FLOAT, HEADERS, KNOWN, KNOWN_DIGEST, LONG, NET, SHORT, TRANSFORMER, with_bits
from hypothesis import given
from hypothesis import strategies as st

from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError, NotLmzipError, UnsupportedError
from lmzip.format import header as header_
from lmzip.format.header import MAGIC, FrameHeader, ModelRecord, header_size, pack_header, record_of_dictionary

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
records = st.builds(
    ModelRecord,
    kind=st.sampled_from([1, 2, 3]),
    digest=st.binary(min_size=32, max_size=32),
    fingerprint=st.binary(min_size=16, max_size=16).filter(any),
    name=texts.filter(lambda text: len(text.encode()) <= 32),
    numerics=texts.filter(lambda text: len(text.encode()) <= 41),
).map(lambda record: record if record.kind == 3 else replace(record, fingerprint=bytes(16)))


def test_layout_is_the_one_in_the_specification():
    """FORMAT's tables once more, by hand."""
    assert LONG.packed == b"\x89LMZ\x01\x03"
    assert pack_header(5, short=True, n_lanes=8).packed == b"\x89LMZ\x11\xc5"
    assert pack_header(4, KNOWN).packed == b"\x89LMZ\x21\x04" + KNOWN_DIGEST[:4]
    assert pack_header(4, KNOWN, short=True, n_lanes=2).packed == b"\x89LMZ\x31\x44" + KNOWN_DIGEST[:4]
    packed = pack_header(6, FLOAT, context=3).packed
    assert len(packed) == 129 and packed[:6] == b"\x89LMZ\x41\x36"
    assert packed[6:56] == b"\x03\x00" + FLOAT.digest + FLOAT.fingerprint
    assert packed[56:88].rstrip(b"\0") == "naïve-v1".encode()
    assert packed[88:].rstrip(b"\0") == b"cuda/sm90 bf16 1t torch2.13.0 tf5.23.0"
    assert pack_header(6, TRANSFORMER, short=True).packed[:6] == b"\x89LMZ\x51\x06"


@given(
    st.integers(1, 15),
    st.one_of(st.none(), st.just(KNOWN), records),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 3),
)
def test_headers_come_back(profile, model, context, short, lanes_log2):
    context = context if model and model.is_of_tokens else 0
    n_lanes = 1 << lanes_log2 if short else 1
    header = pack_header(profile, model, context=context, short=short, n_lanes=n_lanes)
    assert header_size(header.packed[: header_.START_SIZE]) == len(header.packed)
    parsed = FrameHeader(header.packed)
    parsed.check_known()
    assert (parsed.profile, parsed.model(), parsed.context) == (profile, model, context)
    assert (parsed.is_short, parsed.n_lanes, parsed.dictionary) == (short, n_lanes, None)
    assert parsed.names_model == (model is not None)


def test_the_size_follows_from_byte_4():
    sizes = {0: 6, 1: 10, 2: 129, 3: 16}
    for byte in range(256):
        start = MAGIC + bytes([byte])
        if byte & 15 == 1:
            size = header_size(start)
            of_dictionary = (5 if byte & 16 else 33) * (byte >> 7)
            assert size == sizes[byte >> 5 & 3] + of_dictionary <= header_.MAX_HEADER_SIZE
        else:
            with pytest.raises(UnsupportedError):
                header_size(start)
    with pytest.raises(NotLmzipError):
        header_size(b"\x1f\x8b\x08\x00\x00")


def test_models_known_by_reference_are_told_apart():
    """Rows are for ever, and four bytes of the digest say which it is."""
    digests = list(header_.REFERENCED)
    assert len({digest[:8] for digest in digests}) == len(digests)
    for digest, (name, kind) in header_.REFERENCED.items():
        assert digest == bytes.fromhex(digest).hex() and len(digest) == 64
        assert 0 < len(name.encode()) <= 32 and kind in (1, 2), "one in floating point needs a fingerprint"
        record = ModelRecord(kind, bytes.fromhex(digest), name=name)
        assert FrameHeader(pack_header(1, record).packed).model() == record
    assert KNOWN.is_referenced and not NET.is_referenced


def test_a_reference_of_a_later_version_is_no_record():
    """It is not refused here: a file of it can be listed, and its damage told from its model's absence."""
    header = FrameHeader(b"\x89LMZ\x21\x3f\x01\x02\x03\x04")
    header.check_known()
    record = header.model()
    assert record and not record.is_known and record.digest == b"\1\2\3\4" and record.name == "reference 01020304"
    assert NET.is_known


@pytest.mark.parametrize(
    "header",
    {
        "profile 0": with_bits(LONG, 5, 3),
        "profile 0 short": with_bits(SHORT, 5, 3),
        "context without a model": with_bits(LONG, 5, 0x10),
        "context of a net": with_bits(HEADERS["net"], 5, 0x20),
        "context of a net by reference": with_bits(HEADERS["reference short"], 5, 0x20),
        "kind 0": with_bits(HEADERS["net"], 6, 1),
        "kind 4": with_bits(HEADERS["net"], 6, 5),
        "flags": with_bits(HEADERS["net"], 7, 1),
        "net with a fingerprint": with_bits(HEADERS["net"], 55, 1),
        "transformer with a fingerprint": with_bits(HEADERS["transformer"], 40, 128),
        "floating point without": FrameHeader(HEADERS["transformer"].packed[:6] + b"\3" + bytes(122)),
        "dictionary too small": FrameHeader(with_bits(LONG, 4, 0x80).packed + b"\x09" + bytes(range(32))),
        "dictionary too large": FrameHeader(with_bits(SHORT, 4, 0x80).packed + b"\x1c" + bytes(range(4))),
        "dictionary in floating point": FrameHeader(
            with_bits(pack_header(6, FLOAT), 4, 0x80).packed + b"\x0a" + bytes(range(32))
        ),
        "original of tokens": FrameHeader(
            with_bits(HEADERS["transformer"], 4, 0x80).packed + b"\x8a" + bytes(range(32))
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_unknown_is_unsupported(header):
    assert header_size(header[1].packed[:5]) == len(header[1].packed)
    with pytest.raises(UnsupportedError, match="^needs a newer lmzip: "):
        header[1].check_known()


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("model", [None, KNOWN, NET, TRANSFORMER], ids=["alone", "reference", "record", "tokens"])
def test_a_dictionary_is_found(short, model):
    dictionary = Dictionary(b"some bytes")
    header = pack_header(6, model, short=short, dictionary=record_of_dictionary(dictionary))
    header.check_known()
    assert header_size(header.packed[:5]) == len(header.packed)
    record = header.dictionary
    assert record and record.size_log == 10 and header.model() == model
    assert record.digest == dictionary.digest[: 4 if short else 32]
    assert record.names(dictionary) and not record.names(Dictionary(b"other bytes"))
    assert pack_header(4, model, short=short).dictionary is None
    with pytest.raises(ValueError, match="floats"):
        pack_header(6, FLOAT, short=short, dictionary=record_of_dictionary(dictionary))


@pytest.mark.parametrize("at", [56, 88])
@pytest.mark.parametrize("text", [b"a\0b", b"\xff"], ids=["NUL inside", "not UTF-8"])
def test_texts_that_are_none(at, text):
    packed = bytearray(HEADERS["float short"].packed)
    packed[at : at + 32] = text.ljust(32, b"\0")
    header = FrameHeader(bytes(packed))
    header.check_known()
    with pytest.raises(DamagedError, match="damaged model record"):
        header.model()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": b"short"},
        {"fingerprint": b""},
        {"fingerprint": bytes(16)},
        {"name": "x" * 33},
        {"numerics": "é" * 21},
        {"name": "a\0"},
        {"kind": 0},
        {"kind": 1},
        {"kind": 4},
    ],
    ids=str,
)
def test_records_that_do_not_fit(change):
    with pytest.raises(ValueError):
        pack_header(6, replace(FLOAT, **change))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((0,), {}),
        ((16,), {}),
        ((3,), {"context": 1}),
        ((3, NET), {"context": 1}),
        ((6, TRANSFORMER), {"context": 4}),
        ((3,), {"n_lanes": 2}),
        ((3,), {"n_lanes": 16, "short": True}),
        ((3,), {"n_lanes": 3, "short": True}),
    ],
    ids=str,
)
def test_headers_that_cannot_be(arguments, options):
    with pytest.raises(ValueError):
        pack_header(*arguments, **options)
