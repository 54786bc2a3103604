"""Which model a frame gets: that of its number or digest and no other, or an exact refusal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from codec_tools import RAW, coded, frame_of, frame_with, record_of, unpack

from lmzip import codec, container
from lmzip.errors import ModelMissingError, NumericsError, UnsupportedError
from lmzip.models import registry

NUMBERED, NUMBERED_SHORT = 0x41, 0x61


def numbered(version, number, digest):
    """Return a header with a number, whether the format knows it or not."""
    return container.FrameHeader(container.MAGIC + bytes([version, number]) + digest[:4])


@pytest.fixture
def asked(monkeypatch):
    """The digests that the registry is asked for."""
    digests, by_digest = [], registry.by_digest

    def noting(digest, name):
        digests.append(digest)
        return by_digest(digest, name)

    monkeypatch.setattr(registry, "by_digest", noting)
    return digests


@pytest.mark.parametrize("version", [NUMBERED, NUMBERED_SHORT])
@pytest.mark.parametrize("number", [0, 1, 8, 254])
def test_an_unknown_number_is_refused_even_with_the_digest_of_a_model_that_is_here(
    number, version, tiny_model, tiny_is_registered, asked
):
    header = numbered(version, number, tiny_model.digest)
    data = frame_of(*coded(RAW, 6, model=tiny_model), header)
    start = tiny_model.digest[:4].hex()
    for threads in (1, 2):
        with pytest.raises(UnsupportedError, match=rf"needs a newer lmzip: model number {number} \(sha256 {start}"):
            unpack(data, threads=threads)
    with pytest.raises(UnsupportedError, match=f"number {number} "):
        list(codec.read_range(io.BytesIO(data), 0, 1))
    assert asked == []
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert frame.model.name == f"number {number}" and frame.raw_size == len(RAW)


@pytest.mark.parametrize("version", [NUMBERED, NUMBERED_SHORT])
def test_number_255_is_refused_without_looking_further(version, tiny_model):
    """What follows may be a header of another size, so neither a check nor the end of the file says anything."""
    header = numbered(version, 255, tiny_model.digest)
    data = frame_of(*coded(RAW, 4), header)
    for changed in (data, data[:10], data[:6], data[:20] + b"?" + data[21:], frame_with(RAW, 30, 1) + data):
        with pytest.raises(UnsupportedError, match="needs a newer lmzip: model number 255"):
            unpack(changed)
        with pytest.raises(UnsupportedError, match="number 255"):
            codec.list_frames(io.BytesIO(changed))


def test_a_number_stands_for_the_whole_digest(tiny_model, tiny_is_registered, asked):
    header = container.pack_header(record_of(tiny_model))
    assert len(header.packed) == container.REGISTERED_HEADER_SIZE
    assert unpack(frame_with(RAW, len(RAW), 6, header=header, model=tiny_model))[0] == RAW
    assert asked == [tiny_model.digest]


def test_another_model_whose_digest_starts_alike_is_not_taken(tiny_model, monkeypatch):
    """Numbers carry four bytes of the digest; the table has the others."""
    digest = tiny_model.digest[:4] + bytes(28)
    monkeypatch.setattr(container, "REGISTERED", {7: ("late", digest.hex())})
    data = frame_with(RAW, len(RAW), 6, header=numbered(NUMBERED, 7, digest), model=tiny_model)
    with pytest.raises(ModelMissingError, match=rf"late \(sha256 {digest.hex()}\)"):
        unpack(data)


RECORDS = {
    "language model": (
        {"kind": 2},
        UnsupportedError,
        "needs a newer lmzip: model tiny .* kind 2, exact language model",
    ),
    "numerics": ({"kind": 3, "numerics": "cuda, bf16"}, NumericsError, "model tiny .* its arithmetic.*: cuda, bf16"),
    "fingerprint": ({"fingerprint": b"\1" * 16}, NumericsError, f"model tiny .*fingerprint {'01' * 16}"),
    "both": ({"kind": 2, "fingerprint": bytes(15) + b"\1"}, NumericsError, "model tiny "),
}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("short", [True, False])
def test_a_model_that_is_here_is_not_taken_for_one_of_another_kind_or_arithmetic(name, short, tiny_model, asked):
    """The digest alone does not say what was computed with the weights (FORMAT 3.2)."""
    changes, error, words = RECORDS[name]
    record = replace(record_of(tiny_model), **changes)
    data = frame_with(RAW, len(RAW), 6, header=container.pack_header(record, short=short), model=tiny_model)
    for threads in (1, 2):
        with pytest.raises(error, match=words):
            unpack(data, threads=threads)
    with pytest.raises(error):
        list(codec.read_range(io.BytesIO(data), 0, 1))
    with pytest.raises(error):
        list(codec.decoded_blocks(io.BytesIO(data).read))
    sound = frame_with(RAW, 30, 1)
    content, summary = unpack(sound + data + sound, salvage=True)
    assert content == 2 * RAW and len(summary.holes) == 1
    assert asked == [] and codec.list_frames(io.BytesIO(data))[0].model == record


# --- salvage of files that need what is not here ----------------------------------------------------------------------

GONE = container.ModelRecord(1, bytes(31) + b"\1", bytes(16), "gone", "")
HEADERS = {
    "record": container.pack_header(GONE),
    "short": container.pack_header(GONE, short=True),
    "number": numbered(NUMBERED, 254, GONE.digest),
}


def frame_of_gone(name, model, method=6):
    """Return a sound frame of RAW whose model is not here, in one block or, in a long frame, three."""
    size = len(RAW) if name == "short" else -(-len(RAW) // 3)
    return frame_with(RAW, size, method, header=HEADERS[name], model=model)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", HEADERS)
def test_salvage_passes_over_frames_whose_model_is_missing(name, threads, tiny_model):
    sound, foreign = frame_with(RAW, 30, 1), frame_of_gone(name, tiny_model)
    content, summary = unpack(sound + foreign + sound, salvage=True, threads=threads)
    assert content == 2 * RAW
    assert {hole.raw_offset for hole in summary.holes} == {len(RAW)}
    assert sum(hole.raw_size for hole in summary.holes) == len(RAW)
    assert summary.holes[0].offset == len(sound) + len(HEADERS[name].packed)
    assert f"block 1 at byte {summary.holes[0].offset}: needs " in summary.holes[0].reason
    for part in (sound + foreign, foreign + sound, foreign + foreign + sound):
        assert unpack(part, salvage=True, threads=threads)[0] == RAW


@pytest.mark.parametrize("threads", [1, 3])
def test_salvage_decodes_what_needs_no_weights(threads, tiny_model):
    """Stored blocks of any frame, and what the built-in model codes where the missing one is a net."""
    parts = [bytes([i]) * 4 + RAW for i in range(7)]
    methods = [6, 0, 1, 5, 4, 0, 2]
    blocks = [
        coded(part, method, last=part is parts[-1], model=tiny_model)
        if method
        else (container.BlockHead(False, 0, 1, len(part), len(part), container.data_check(0, part, part)), part)
        for part, method in zip(parts, methods, strict=True)
    ]
    hash_ = container.content_hash()
    hash_.update(b"".join(parts))
    trailer = container.Trailer(tuple(head.payload_size for head, _ in blocks), hash_.digest())
    records = {
        "net": (container.pack_header(GONE), (0, 1, 2, 4)),
        "number": (HEADERS["number"], (0,)),
        "language model": (container.pack_header(replace(GONE, kind=2)), (0,)),
        "numerics": (container.pack_header(replace(GONE, kind=3)), (0,)),
        "fingerprint": (container.pack_header(replace(GONE, fingerprint=b"\1" * 16)), (0,)),
        "flags": (container.FrameHeader(b"\x89LMZ\x81\1\1" + bytes(121)), (0,)),
    }
    for name, (header, saved) in records.items():
        data = header.packed + b"".join(head.pack(header) + payload for head, payload in blocks) + trailer.pack(header)
        content, summary = unpack(data, salvage=True, threads=threads)
        assert content == b"".join(p for p, m in zip(parts, methods, strict=True) if m in saved), name
        assert len(summary.holes) == sum(method not in saved for method in methods), name
        for changes in ({}, {"threads": 2}):
            with pytest.raises((ModelMissingError, UnsupportedError, NumericsError)):
                unpack(data, **changes)


def test_salvage_of_a_frame_that_needs_no_weights_is_whole():
    content, summary = unpack(frame_with(RAW, len(RAW), 4, header=HEADERS["short"]), salvage=True)
    assert content == RAW and summary.holes == []


def test_salvage_passes_over_methods_of_later_versions(tiny_model):
    sound = frame_with(RAW, 30, 1)
    head, payload = coded(RAW, 6, model=tiny_model)
    content, summary = unpack(frame_of(head, payload) + sound, salvage=True)
    (hole,) = summary.holes
    assert content == RAW and hole.raw_size == len(RAW) and "needs a newer lmzip: method 6" in hole.reason


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
