"""What is compressed comes back, whatever the bytes, settings, threads and the way the stream arrives."""

from __future__ import annotations

import io
import random
import threading
import time

import pytest
from codec_tools import pack, pieces_reader, unpack
from conftest import painted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lmzip
from lmzip import codec, levels, native
from lmzip.codec import compress
from lmzip.codec.settings import settings_for
from lmzip.errors import VerifyError
from lmzip.format.block import HEAD_SIZE
from lmzip.format.trailer import content_hash

contents = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=300).map(str.encode),
    st.builds(lambda piece, n: piece * n, st.binary(min_size=1, max_size=20), st.integers(1, 60)),
    st.builds(lambda seed, n: random.Random(seed).randbytes(n), st.integers(0, 99), st.integers(0, 600)),
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(
    raw=contents,
    level=st.integers(1, 9),
    block_size=st.integers(1, 700),
    lanes_log2=st.integers(0, 7),
    threads=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_any_bytes_come_back_with_any_settings(raw, level, block_size, lanes_log2, threads, sizes):
    """Any bytes, level, block size, lanes, threads and pieces; and the output does not depend on the last two."""
    options = {"level": level, "block_size": block_size, "n_lanes": 1 << lanes_log2}
    output = io.BytesIO()
    codec.compress_stream(pieces_reader(raw, sizes), output.write, threads=threads, **options)
    packed, summary = pack(raw, threads=1, **options)
    assert output.getvalue() == packed
    assert summary.raw_size == len(raw) and summary.compressed_size == len(packed)
    assert unpack(packed, threads=threads)[0] == raw
    back = io.BytesIO()
    codec.decompress_stream(pieces_reader(packed, sizes), back.write, threads=threads)
    assert back.getvalue() == raw


@quick
@given(st.lists(contents, min_size=1, max_size=4), st.integers(0, 70))
def test_joined_frames_and_padding(parts, n_nul):
    joined = b"".join(pack(part, level=1, block_size=100)[0] for part in parts)
    content, summary = unpack(joined + bytes(n_nul))
    assert content == b"".join(parts)
    assert summary.n_frames == len(parts)


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("size", [0, 1, 2, 1023, 1024, 1025, 2048])
def test_sizes_around_a_block_come_back(level, size):
    raw = painted(size)
    packed, summary = pack(raw, level=level, block_size=1024)
    assert unpack(packed)[0] == raw
    assert summary.n_blocks == max(1, -(-size // 1024))


def test_threads_do_not_change_the_output(sample_text):
    """With blocks that take different times, so that they finish out of order."""
    raw = sample_text[:20000] + bytes(40000) + random.Random(5).randbytes(20000) + sample_text[20000:30000]
    outputs = {pack(raw, level=1, block_size=4000, threads=n)[0] for n in (1, 2, 3, 8)}
    assert len(outputs) == 1
    (packed,) = outputs
    assert all(unpack(packed, threads=n)[0] == raw for n in (1, 2, 3, 8))


@pytest.mark.parametrize("how", ["stream", "file"])
def test_settings_and_model_are_chosen_once(how, monkeypatch):
    chosen = []
    for place in ("lmzip.codec.compress.settings_for", "lmzip.stream.writing.settings_for"):
        monkeypatch.setattr(
            place, lambda *arguments: chosen.append(arguments) or settings_for(*arguments), raising=False
        )
    if how == "stream":
        pack(painted(300), level=1)
    else:
        with lmzip.open(io.BytesIO(), "wb", level=1) as file:
            file.write(painted(300))
    assert [arguments[:2] for arguments in chosen] == [(1, None)]


def test_incompressible_data_is_stored():
    raw = random.Random(1).randbytes(200_000)
    packed, summary = pack(raw, level=1)
    assert summary.n_stored == summary.n_blocks == 1
    assert len(packed) - len(raw) == 45 <= len(raw) // 1000 + 64
    assert unpack(packed)[1].n_stored == 1


@pytest.mark.parametrize("level", range(1, 10))
def test_growth_is_bounded_for_any_size(level):
    """Every size grows by at most 0.1 % and 64 bytes with the level's own blocks: 16 bytes up to 65,535, then 45; of
    several blocks 25 each, and 123 for the name of a model that none of them needs in the end."""
    block_size = levels.get_level(level).block_size
    assert (123 + 25) / block_size < 0.001
    for size in (0, 1, 2, 3, 10, 100, 1000, 65535, 65536):
        raw = random.Random(size).randbytes(size)
        assert len(pack(raw, level=level)[0]) <= size + (16 if size < 65536 else 45)


@pytest.mark.parametrize("level", [1, 4])
@pytest.mark.parametrize("size", [0, 1, 2, 100, 65534, 65535, 65536, 65537])
def test_small_inputs_become_short_frames(level, size):
    raw = painted(size)
    packed, summary = pack(raw, level=level)
    (frame,) = codec.list_frames(io.BytesIO(packed))
    assert frame.header.is_short == (size <= 65535) and len(frame.blocks) == 1
    assert len(packed) == frame.blocks[0].head.payload_size + (16 if size <= 65535 else 45)
    back, summary_back = unpack(packed)
    assert back == raw and summary.content_hash == summary_back.content_hash


def test_several_blocks_never_make_a_short_frame():
    for size in (101, 200, 201):
        (frame,) = codec.list_frames(io.BytesIO(pack(painted(size), level=1, block_size=100)[0]))
        assert not frame.header.is_short


def test_a_frame_is_followed_by_another_when_full(monkeypatch):
    monkeypatch.setattr(compress, "MAX_BLOCKS", 3)
    raw = painted(700)
    packed, summary = pack(raw, level=1, block_size=100, threads=2)
    assert summary.n_frames == 3 and summary.n_blocks == 7 and summary.content_hash is None
    assert unpack(packed)[0] == raw
    assert [len(frame.blocks) for frame in codec.list_frames(io.BytesIO(packed))] == [3, 3, 1]
    packed, summary = pack(raw[:300], level=1, block_size=100)
    assert summary.n_frames == 1, "no empty frame behind a full one"
    assert unpack(packed)[0] == raw[:300]


def test_the_real_limit_of_blocks():
    raw = painted(65536)
    packed, summary = pack(raw, level=1, block_size=1, threads=1)
    assert summary.n_frames == 2 and summary.n_blocks == 65536
    assert unpack(packed, threads=1)[0] == raw


def test_the_summary_counts_both_directions(sample_text):
    raw = sample_text[:9000]
    packed, summary = pack(raw, level=1, block_size=4000)
    _, back = unpack(packed)
    for each in (summary, back):
        assert (each.raw_size, each.compressed_size, each.n_frames, each.n_blocks) == (9000, len(packed), 1, 3)
    hash_ = content_hash()
    hash_.update(raw)
    assert summary.content_hash == back.content_hash == hash_.digest()
    assert summary.bits_per_byte == 8 * len(packed) / 9000
    assert unpack(pack(b"")[0])[1].bits_per_byte == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_counts_every_byte(sample_text, threads):
    raw = sample_text[:30000] + random.Random(2).randbytes(9000)
    done = {"compress": 0, "verify": 0, "decompress": 0}

    def progress(phase, n):
        done[phase] += n

    packed, _ = pack(raw, level=1, block_size=5000, threads=threads, progress=progress, verify=True)
    unpack(packed, threads=threads, progress=progress)
    assert set(done.values()) == {len(raw)}


def test_blocks_are_written_while_the_input_waits():
    """A pipe that pauses after the byte behind the second block: two blocks must come out meanwhile."""
    raw, written, waited = painted(1000), [], []
    done = threading.Event()

    def write(data):
        written.append(bytes(data))
        if sum(map(len, written)) >= 2 * HEAD_SIZE + 5 and len(written) >= 5:
            done.set()

    def read(size, state={"at": 0}):  # noqa: B006 - the state is meant to last
        if state["at"] == 401:
            waited.append(done.wait(20))
        end = min(state["at"] + size, len(raw), 401 if state["at"] < 401 else len(raw))
        piece, state["at"] = raw[state["at"] : end], end
        return piece

    codec.compress_stream(read, write, level=1, block_size=200, threads=2)
    assert waited == [True]
    assert unpack(b"".join(written))[0] == raw


def test_blocks_in_flight_are_bounded(monkeypatch):
    """However slow the kernel, no more than threads + 1 blocks are read ahead of what is written."""
    n_read = n_written = most = 0
    encode = native.encode_block

    def slow(*arguments, **options):
        time.sleep(0.005)
        return encode(*arguments, **options)

    monkeypatch.setattr(native, "encode_block", slow)

    def read(size):
        nonlocal n_read, most
        if n_read == 40 * 100:
            return b""
        n_read += size
        most = max(most, n_read // 100 - n_written)
        return bytes(size)

    def write(data):
        nonlocal n_written
        n_written += bytes(data[:1]) in (b"\x89", b"\x01")  # a header or the head of a block of the base

    codec.compress_stream(read, write, level=1, block_size=100, threads=3)
    assert 3 <= most <= 3 + 2  # the byte of look-ahead begins one more


@pytest.mark.parametrize("threads", [1, 3])
def test_verification_reads_back(sample_text, threads):
    output = io.BytesIO()
    lock = threading.Lock()
    n_reads = 0

    def write(data):
        with lock:
            output.seek(0, 2)
            output.write(data)

    def read_at(size, offset):
        nonlocal n_reads
        with lock:
            n_reads += 1
            output.seek(offset)
            return output.read(size)

    read = io.BytesIO(sample_text[:30000]).read
    summary = codec.compress_stream(read, write, level=1, block_size=4000, threads=threads, verify=read_at)
    assert summary.verified and n_reads == 8 + 2  # blocks, header and trailer
    assert unpack(output.getvalue())[0] == sample_text[:30000]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("at", [0, 4, 8, 20, 60, 3000, -20, -1])
def test_verification_sees_what_the_disk_lost(sample_text, threads, at):
    raw = sample_text[:15000]
    packed, _ = pack(raw, level=1, block_size=4000)
    changed = bytearray(packed)
    changed[at] ^= 4

    def read_at(size, offset):
        return bytes(changed[offset : offset + size])

    with pytest.raises(VerifyError):
        pack(raw, level=1, block_size=4000, threads=threads, verify=read_at)


@pytest.mark.parametrize("model", ["ngram", "tiny"])
def test_verification_sees_what_the_disk_lost_of_a_short_frame(sample_text, model, tiny_path, always_the_net):
    """Every byte of header, head and payload; with a net, of the model's record."""
    options = {"level": 5, "model": str(tiny_path) if model == "tiny" else model, "threads": 1}
    raw = sample_text[:150]
    packed, _ = pack(raw, **options)
    assert len(codec.list_frames(io.BytesIO(packed))[0].header.packed) == (129 if model == "tiny" else 6)
    assert pack(raw, **options, verify=lambda size, offset: packed[offset : offset + size])[1].verified
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 4

        def read_at(size, offset, changed=bytes(changed)):
            return changed[offset : offset + size]

        with pytest.raises(VerifyError):
            pack(raw, **options, verify=read_at)


@pytest.mark.parametrize("threads", [1, 3])
def test_verification_sees_sound_blocks_in_each_others_place(threads):
    """Every check in the file is right but the hash of the content, which needs no block's bytes to be compared."""
    raw = random.Random(4).randbytes(400)
    packed, summary = pack(raw, level=1, block_size=100)
    assert summary.n_stored == 4
    one, two = 6, 6 + HEAD_SIZE + 100
    swapped = packed[:one] + packed[two : 2 * two - one] + packed[one:two] + packed[2 * two - one :]
    with pytest.raises(VerifyError):
        pack(raw, level=1, block_size=100, threads=threads, verify=lambda size, at: swapped[at : at + size])


@pytest.mark.parametrize("verify", [True, None])
def test_verification_sees_a_kernel_that_errs(monkeypatch, sample_text, verify):
    """A predictor that does not decode its own output is what verification is for."""
    encode = native.encode_block

    def wrong(raw, *arguments, **options):
        changed = bytearray(raw)
        changed[len(raw) // 2] ^= 1
        return encode(changed, *arguments, **options)

    monkeypatch.setattr(native, "encode_block", wrong)
    if verify:
        with pytest.raises(VerifyError):
            pack(sample_text[:5000], level=1, verify=True)
    else:
        assert not pack(sample_text[:5000], level=1)[1].verified


@pytest.mark.parametrize(
    "options",
    [{"level": 0}, {"level": 10}, {"block_size": 0}, {"block_size": (1 << 30) + 1}, {"n_lanes": 3}, {"n_lanes": 256}],
)
def test_bad_arguments_are_value_errors(options):
    with pytest.raises(ValueError):
        pack(b"abc", **options)
