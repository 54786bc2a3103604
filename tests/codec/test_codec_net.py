"""Frames with a net: round trips, headers, verification and models that are not here, with a tiny net from a seed."""

from __future__ import annotations

import io
import random
import threading
import time

import pytest
import tiny_net
from codec_tools import LIGHT, MAX, frame_with, header_for, pack, unpack
from conftest import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmzip import codec, native
from lmzip.codec.block import decode_block
from lmzip.errors import ModelMissingError, UnsupportedError, VerifyError
from lmzip.format import header as format_header
from lmzip.format.block import WITH_MODEL

contents = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=300).map(str.encode),
    st.builds(lambda piece, n: piece * n, st.binary(min_size=1, max_size=20), st.integers(1, 60)),
)


def heads_of(packed):
    return [block.head for frame in codec.list_frames(io.BytesIO(packed)) for block in frame.blocks]


@pytest.mark.parametrize("referenced", [True, False], ids=["reference", "record"])
@pytest.mark.parametrize("level", [5, 6, 7, 8, 9])
@pytest.mark.parametrize("block_size", [None, 3000], ids=["short", "long"])
@pytest.mark.usefixtures("always_the_net")
def test_frames_with_a_net(sample_text, tiny_path, tiny_model, monkeypatch, level, block_size, referenced):
    """The same bytes for any number of threads, verified in memory and from the file, and back."""
    if referenced:
        monkeypatch.setattr(format_header, "REFERENCED", {tiny_model.digest.hex(): ("tiny", format_header.NET_KIND)})
    raw, outputs = sample_text[:7000], set()
    options = {"level": level, "model": str(tiny_path), "block_size": block_size}
    for threads in (1, 2, 3):
        packed, summary = pack(raw, **options, threads=threads, verify=True)
        assert summary.verified
        outputs.add(packed)
    assert len(outputs) == 1
    assert pack(raw, **options, verify=lambda size, at: packed[at : at + size])[1].verified
    assert [head.mode for head in heads_of(packed)] == [WITH_MODEL] * (3 if block_size else 1)
    assert packed[4] == (0x21 if referenced else 0x41) | (0 if block_size else 0x10)
    assert len(codec.list_frames(io.BytesIO(packed))[0].header.packed) == (10 if referenced else 129)
    for threads in (1, 2, 3):
        assert unpack(packed, threads=threads)[0] == raw


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=contents,
    level=st.integers(1, 9),
    block_size=st.integers(1, 700),
    lanes_log2=st.integers(0, 7),
    threads=st.integers(1, 3),
)
def test_round_trip_with_a_net(tiny_path, raw, level, block_size, lanes_log2, threads):
    """A net that predicts nothing is chosen for some blocks and not for others: frames of both kinds."""
    options = {"level": level, "model": str(tiny_path), "block_size": block_size, "n_lanes": 1 << lanes_log2}
    packed, _ = pack(raw, threads=threads, verify=True, **options)
    assert pack(raw, threads=1, **options)[0] == packed
    assert unpack(packed, threads=threads)[0] == raw


def test_the_level_gives_the_lanes(sample_text, tiny_path, always_the_net):
    """Without a net one, with one more in longer blocks."""
    for size in (65536, 65537):
        raw = sample_text[:size]
        for model, lanes in ((str(tiny_path), 1 if size == 65536 else 8), ("ngram", 1)):
            packed, _ = pack(raw, level=5, model=model)
            assert [head.n_lanes for head in heads_of(packed)] == [lanes]
            assert unpack(packed)[0] == raw


def test_a_frame_names_a_model_only_if_a_block_needs_it(sample_text, tiny_path, always_the_net):
    noise = random.Random(6).randbytes(500)
    text, model = sample_text[:500], str(tiny_path)
    for raw, names_it in ((text, True), (noise, False), (b"", False), (b"a", False)):
        packed, _ = pack(raw, level=9, model=model)
        assert (codec.list_frames(io.BytesIO(packed))[0].model is not None) == names_it
    packed, _ = pack(noise + noise, level=9, model=model, block_size=500)
    assert codec.list_frames(io.BytesIO(packed))[0].model, "with several blocks that is not known when it begins"


def test_a_frame_whose_model_is_not_here(sample_text, tmp_path, always_the_net, monkeypatch, new_registry):
    path = tmp_path / "gone.safetensors"
    path.write_bytes(tiny_net.tiny_weights(seed=77, name="gone", **TINY))
    packed, _ = pack(sample_text[:500], level=9, model=str(path))
    assert unpack(packed)[0] == sample_text[:500]
    digest = codec.list_frames(io.BytesIO(packed))[0].model.digest
    new_registry()
    with pytest.raises(ModelMissingError, match=f"gone .sha256 {digest.hex()}"):
        unpack(packed)
    monkeypatch.setenv("LMZIP_MODEL_PATH", str(tmp_path))
    assert unpack(packed)[0] == sample_text[:500]


def test_a_model_that_is_none(tmp_path):
    (tmp_path / "none.safetensors").write_bytes(b"{}")
    with pytest.raises(UnsupportedError):
        pack(b"abc", model=str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelMissingError):
        pack(b"abc", model=str(tmp_path / "missing.safetensors"))
    with pytest.raises(ModelMissingError):
        pack(b"abc", model="unheard-of")


def test_progress_of_blocks_with_a_net(sample_text, tiny_path, always_the_net):
    raw, done = sample_text[:70_000], {"compress": 0, "verify": 0, "decompress": 0}

    def progress(phase, n):
        done[phase] += n

    for threads in (1, 2):
        packed, _ = pack(raw, level=5, model=str(tiny_path), threads=threads, progress=progress, verify=True)
        unpack(packed, threads=threads, progress=progress)
        assert set(done.values()) == {threads * len(raw)}

    def stop(_phase, _n):
        raise KeyboardInterrupt

    for threads in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            pack(raw, level=5, model=str(tiny_path), threads=threads, progress=stop)
        with pytest.raises(KeyboardInterrupt):
            unpack(packed, threads=threads, progress=stop)


def test_verification_sees_a_net_that_errs(monkeypatch, sample_text, tiny_path, always_the_net):
    """A net that predicts otherwise when it decodes, as one whose arithmetic is not exact would."""
    decode = native.decode_block

    def wrong(payload, *arguments, **options):
        raw = bytearray(decode(payload, *arguments, **options))
        raw[-1] ^= 1
        return raw

    monkeypatch.setattr(native, "decode_block", wrong)
    with pytest.raises(VerifyError):
        pack(sample_text[:5000], level=9, model=str(tiny_path), verify=True)


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_more_threads_work_than_were_asked_for(threads, tiny_model, monkeypatch):
    """Frames of one block may use a second thread for the net, but not beside other frames that use up all."""
    raw, lock, working, most, pairs = b"round and round the mulberry bush " * 30, threading.Lock(), 0, 0, []

    def decode(model, header, head, payload, name, report, n_threads, early):
        nonlocal working, most
        with lock:
            working += n_threads
            most = max(most, working)
            pairs.append(n_threads)
        time.sleep(0.005)
        try:
            return decode_block(model, header, head, payload, name, report, n_threads, early)
        finally:
            with lock:
                working -= n_threads

    monkeypatch.setattr("lmzip.codec.jobs.decode_block", decode)
    header = header_for(LIGHT, tiny_model, short=True, n_lanes=2)
    frame = frame_with(raw, len(raw), LIGHT, 2, header=header, model=tiny_model)
    for n_frames in (1, 2, 30):
        most, pairs = 0, []
        assert unpack(n_frames * frame, threads=threads)[0] == n_frames * raw
        assert most <= threads and len(pairs) == n_frames
        if n_frames == 1:
            assert pairs == [min(2, threads)]
        elif n_frames == 30:
            assert most == threads, "and they are used"
    frames = frame_with(raw, len(raw), MAX, 2) * 9  # without a net there is nothing to share
    pairs = []
    assert unpack(frames, threads=threads)[0] == raw * 9 and set(pairs) == {1}


def test_an_error_gives_the_second_thread_back(tiny_model):
    raw = b"round and round the mulberry bush " * 30
    header = header_for(LIGHT, tiny_model, short=True, n_lanes=2)
    frame = frame_with(raw, len(raw), LIGHT, 2, header=header, model=tiny_model)
    damaged = frame[:-1] + bytes([frame[-1] ^ 1])
    content, summary = unpack((frame + damaged) * 10, threads=2, salvage=True)
    assert content == raw * 10 and len(summary.holes) == 10
