"""Which model a frame gets: that of its reference or digest and no other, or an exact refusal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from codec_tools import (
    FAST,
    FULL,
    MAX,
    QUICK,
    RAW,
    coded,
    frame_of,
    frame_with,
    header_for,
    join,
    record_of,
    stored,
    unpack,
)

from lmzip import codec
from lmzip.errors import ModelMissingError, NumericsError, UnsupportedError
from lmzip.format import header as format_header
from lmzip.format.header import FLOAT_KIND, NET_KIND, TRANSFORMER_KIND, FrameHeader, ModelRecord, pack_header
from lmzip.models.registry import Registry
from lmzip.stream import shared

MISSING = (ModelMissingError, UnsupportedError, NumericsError)


def referring(start: bytes, *, short: bool = False) -> FrameHeader:
    """Return a header with a reference, whether the format knows it or not."""
    return FrameHeader(format_header.MAGIC + bytes([0x31 if short else 0x21, MAX]) + start[:4])


@pytest.fixture
def asked(monkeypatch):
    """The digests that the registry is asked for."""
    digests, of_digest = [], Registry.of_digest

    def noting(registry, digest, name):
        digests.append(digest)
        return of_digest(registry, digest, name)

    monkeypatch.setattr(Registry, "of_digest", noting)
    return digests


@pytest.mark.parametrize("short", [False, True], ids=["long", "short"])
def test_an_unknown_reference_is_refused_even_with_the_digest_of_a_model_that_is_here(short, tiny_model, asked):
    data = frame_of(*coded(RAW, MAX, model=tiny_model), referring(tiny_model.digest, short=short))
    start = tiny_model.digest[:4].hex()
    for threads in (1, 2):
        with pytest.raises(UnsupportedError, match=rf"needs a newer lmzip: model reference {start} \(sha256 {start}"):
            unpack(data, threads=threads)
    with pytest.raises(UnsupportedError, match=f"reference {start} "):
        list(codec.read_range(io.BytesIO(data), 0, 1, registry=shared.registry))
    assert asked == []
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.model.name == f"reference {start}" and frame.raw_size == len(RAW)


def test_a_reference_stands_for_the_whole_digest(tiny_model, tiny_is_referenced, asked):
    header = header_for(MAX, tiny_model)
    assert len(header.packed) == 10
    assert unpack(frame_with(RAW, len(RAW), MAX, header=header, model=tiny_model))[0] == RAW
    assert asked == [tiny_model.digest]


def test_another_model_whose_digest_starts_alike_is_not_taken(tiny_model, monkeypatch):
    """References carry four bytes of the digest; the table has the others."""
    digest = tiny_model.digest[:4] + bytes(28)
    monkeypatch.setattr(format_header, "REFERENCED", {digest.hex(): ("late", NET_KIND)})
    data = frame_with(RAW, len(RAW), MAX, header=referring(digest), model=tiny_model)
    with pytest.raises(ModelMissingError, match=rf"late \(sha256 {digest.hex()}\)"):
        unpack(data)


RECORDS = {
    "transformer": ({"kind": TRANSFORMER_KIND}, UnsupportedError, "needs a newer lmzip: model tiny .* kind 2"),
    "float": (
        {"kind": FLOAT_KIND, "numerics": "cuda, bf16", "fingerprint": b"\1" * 16},
        MISSING,
        "tiny|numerics|cuda, bf16",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_model_that_is_here_is_not_taken_for_one_of_another_kind(name, tiny_model):
    """The digest alone does not say what was computed with the weights (FORMAT 3.2)."""
    changes, error, words = RECORDS[name]
    record = replace(record_of(tiny_model), **changes)
    profile = 6  # which all kinds have
    data = frame_with(RAW, len(RAW), profile, header=pack_header(profile, record), model=tiny_model)
    for threads in (1, 2):
        with pytest.raises(error, match=words):
            unpack(data, threads=threads)
    with pytest.raises(error):
        list(codec.read_range(io.BytesIO(data), 0, 1, registry=shared.registry))
    with pytest.raises(error):
        list(codec.decoded_blocks(io.BytesIO(data).read, registry=shared.registry))
    sound = frame_with(RAW, 30, FAST)
    content, summary = unpack(sound + data + sound, salvage=True)
    assert content == 2 * RAW and len(summary.holes) == 1
    if record.kind != FLOAT_KIND:  # its payload would begin with a number
        assert codec.list_frames(io.BytesIO(data))[0].model == record


# --- salvage of files that need what is not here ----------------------------------------------------------------------

GONE = ModelRecord(NET_KIND, bytes(31) + b"\1", name="gone")
HEADERS = {
    "record": pack_header(MAX, GONE),
    "short": pack_header(MAX, GONE, short=True),
    "reference": referring(GONE.digest),
}


def frame_of_gone(name, model):
    """Return a sound frame of RAW whose model is not here, in one block or, in a long frame, three."""
    size = len(RAW) if name == "short" else -(-len(RAW) // 3)
    return frame_with(RAW, size, MAX, header=HEADERS[name], model=model)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", HEADERS)
def test_salvage_passes_over_frames_whose_model_is_missing(name, threads, tiny_model):
    sound, other = frame_with(RAW, 30, FAST), frame_of_gone(name, tiny_model)
    content, summary = unpack(sound + other + sound, salvage=True, threads=threads)
    assert content == 2 * RAW
    assert {hole.raw_offset for hole in summary.holes} == {len(RAW)}
    assert sum(hole.raw_size for hole in summary.holes) == len(RAW)
    assert summary.holes[0].offset == len(sound) + len(HEADERS[name].packed)
    assert f"block 1 at byte {summary.holes[0].offset}: needs " in summary.holes[0].reason
    for part in (sound + other, other + sound, other + other + sound):
        assert unpack(part, salvage=True, threads=threads)[0] == RAW


@pytest.mark.parametrize("threads", [1, 3])
def test_salvage_decodes_what_needs_no_weights(threads, tiny_model):
    """Stored blocks, and what the base codes alone, in a frame of any model that is not here."""
    parts = [bytes([i]) * 4 + RAW for i in range(5)]
    models = [tiny_model, "stored", None, tiny_model, None]
    blocks = [
        stored(part, last=part is parts[-1])
        if model == "stored"
        else coded(part, 6, last=part is parts[-1], model=model)
        for part, model in zip(parts, models, strict=True)
    ]
    saved = b"".join(part for part, model in zip(parts, models, strict=True) if model is not tiny_model)
    for record in (
        GONE,
        replace(GONE, kind=TRANSFORMER_KIND),
        replace(GONE, kind=FLOAT_KIND, fingerprint=b"\1" * 16, numerics="cpu/avx2 f32 2t torch2.13.0 tf5.23.0"),
    ):
        data = join(pack_header(6, record), blocks, b"".join(parts))
        content, summary = unpack(data, salvage=True, threads=threads)
        assert content == saved and len(summary.holes) == 2, record
        for changes in ({}, {"threads": 2}):
            with pytest.raises(MISSING):
                unpack(data, **changes)


def test_salvage_passes_over_frames_of_later_versions(tiny_model):
    """What the header says is unknown, so nothing of its blocks is."""
    header = FrameHeader(b"\x89LMZ\x41\4\1\1" + bytes(121))  # a record with a flag
    blocks = [stored(RAW, last=False), coded(RAW, MAX)]
    content, summary = unpack(join(header, blocks, RAW + RAW) + frame_with(RAW, 30, FAST), salvage=True)
    assert content == RAW and sum("needs a newer lmzip" in hole.reason for hole in summary.holes) == 2


def test_salvage_passes_over_profiles_of_later_versions(tiny_model):
    sound = frame_with(RAW, 30, QUICK)
    head, payload = coded(RAW, FULL)
    content, summary = unpack(frame_of(head, payload, pack_header(15)) + sound, salvage=True)
    (hole,) = summary.holes
    assert content == RAW and hole.raw_size == len(RAW) and "needs a newer lmzip: profile 15" in hole.reason


@pytest.mark.parametrize("name", HEADERS)
def test_salvage_of_a_sound_file_whose_model_is_missing_says_so(name, tiny_model):
    """Nothing is damaged: it is the same error as without salvage, not a file full of holes."""
    data = frame_of_gone(name, tiny_model)
    errors = []
    for salvage in (False, True):
        with pytest.raises((ModelMissingError, UnsupportedError)) as caught:
            unpack(data + data, salvage=salvage)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


def test_salvage_of_a_damaged_file_whose_model_is_missing_leaves_holes(tiny_model):
    data = bytearray(frame_of_gone("record", tiny_model))
    data[-5] ^= 1  # in the trailer
    content, summary = unpack(bytes(data), salvage=True)
    assert content == b"" and len(summary.holes) > 3 and "trailer" in summary.holes[3].reason
