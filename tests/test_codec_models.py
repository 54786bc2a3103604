"""Which model a frame gets: that of its number or digest and no other, or an exact refusal."""

from __future__ import annotations

import io

import pytest
from codec_tools import RAW, coded, frame_of, frame_with, record_of, unpack

from lmzip import codec, container
from lmzip.errors import ModelMissingError, UnsupportedError
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
