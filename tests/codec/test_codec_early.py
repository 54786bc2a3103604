"""What a block gives before its end: checked bytes go out, no more is decoded than is asked for, the rest is saved."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import replace

import pytest
from cli_tools import run
from codec_tools import FAST, QUICK, coded, frame_with, header_for, join, stored, unpack, written_before_error
from conftest import painted

import lmzip
from lmzip import codec, native
from lmzip.codec.workers import CancelledError, Workers
from lmzip.errors import DamagedError, LmzipError
from lmzip.format.block import STRIPE_SIZE, stripe_width
from lmzip.stream import shared

N_STRIPES = 4
LANES = [1, 8]


@pytest.fixture(scope="module")
def raw():
    """Bytes of four stripes and a half, none of which is like another."""
    return b"".join(b"%d bottles of beer, %d\n" % (i, i * i % 9973) for i in range(90_000))[
        : N_STRIPES * STRIPE_SIZE + STRIPE_SIZE // 2
    ]


@pytest.fixture(scope="module")
def frames(raw):
    """By the number of lanes: the content in one block."""
    return {n_lanes: frame_with(raw, len(raw), FAST, n_lanes) for n_lanes in LANES}


def damaged(data: bytes, part: float) -> bytes:
    """Return the frame with a bit turned in the payload, at a part of it."""
    changed = bytearray(data)
    changed[int(len(data) * part)] ^= 8
    return bytes(changed)


# --- the first lane's bytes go out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_lanes", LANES)
def test_checked_bytes_of_the_first_lane_go_out_before_the_block_is_complete(raw, frames, n_lanes, threads):
    events, done = [], 0

    def progress(_phase, n):
        nonlocal done
        done += n

    def write(data):
        events.append((len(data), done))
        content.extend(data)

    content = bytearray()
    codec.decompress_stream(
        io.BytesIO(frames[n_lanes]).read,
        write,
        registry=shared.registry,
        threads=threads,
        progress=progress,
    )
    assert content == raw and done == len(raw)
    width, sizes = stripe_width(n_lanes), [size for size, _ in events]
    assert sizes[:-1] == [width] * N_STRIPES and sizes[-1] == len(raw) - N_STRIPES * width
    for k, (_, done_then) in enumerate(events[:-1]):
        # When a stripe of all lanes is complete, and not much later.
        assert (k + 1) * STRIPE_SIZE <= done_then <= (k + 1.3) * STRIPE_SIZE


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_early_bytes_keep_the_order_of_blocks(raw, threads):
    """Several blocks of several stripes at once: only the one that is next in line hands bytes out."""
    block_size = 2 * STRIPE_SIZE + 5
    data = frame_with(raw, block_size, FAST)
    assert unpack(data * 2, threads=threads)[0] == raw * 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("n_lanes", LANES)
def test_behind_damage_nothing_comes_out(raw, frames, n_lanes, part, threads):
    """Exactly the stripes of the first lane that are sound, then the error, as often as it is tried."""
    data = damaged(frames[n_lanes], part)
    written, error = written_before_error(data, threads=threads)
    assert isinstance(error, DamagedError) and "block 1 at byte 6" in str(error)
    width = stripe_width(n_lanes)
    assert raw.startswith(written) and len(written) % width == 0
    assert abs(len(written) // width - part * N_STRIPES) < 1.3
    assert written_before_error(data, threads=threads)[0] == written


@pytest.mark.parametrize("n_lanes", LANES)
def test_a_wrong_check_of_a_stripe_ends_the_block_there(raw, frames, n_lanes):
    """Each of the checks that the payload begins with, in turn."""
    for k in range(N_STRIPES):
        changed = bytearray(frames[n_lanes])
        changed[6 + 17 + 4 * k] ^= 1
        written, error = written_before_error(bytes(changed))
        assert written == raw[: k * stripe_width(n_lanes)]
        assert isinstance(error, DamagedError) and f"stripe {k + 1}" in str(error)


def test_lmcat_writes_what_is_checked_of_a_damaged_block(tmp_path, raw, frames):
    path = tmp_path / "a.lmz"
    path.write_bytes(damaged(frames[1], 0.99))
    done = run("lmcat", path)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert done.stdout == raw[: 4 * STRIPE_SIZE], "four stripes of four and a half"
    assert run("lmunzip", path).returncode == 1 and not (tmp_path / "a").exists(), "a file comes whole or not at all"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n_lanes", LANES)
def test_a_closed_pipe_ends_the_work_early(frames, raw, n_lanes, threads):
    done = 0

    def progress(_phase, n):
        nonlocal done
        done += n

    def closed(_data):
        raise BrokenPipeError

    for _ in range(2):
        done = 0
        with pytest.raises(BrokenPipeError):
            codec.decompress_stream(
                io.BytesIO(frames[n_lanes] * 3).read,
                closed,
                registry=shared.registry,
                threads=threads,
                progress=progress,
            )
        assert done <= threads * 1.5 * STRIPE_SIZE < threads * len(raw)


@pytest.mark.parametrize("size", [1 << 14, 1 << 30])
def test_what_is_sound_does_not_depend_on_how_many_bytes_a_call_decodes(raw, monkeypatch, size):
    """The calls are as long as a processor is fast: also one that decodes all lets the sound stripes out."""
    for name in ("_FIRST_RUN", "_MAX_RUN"):
        monkeypatch.setattr(native, name, size)
    some = raw[: 2 * STRIPE_SIZE + 100]
    data = frame_with(some, len(some), FAST)
    end = 6 + 17 + codec.list_frames(io.BytesIO(data))[0].blocks[0].head.payload_size
    wrong = data[: end - 3] + bytes(3) + data[end:]
    assert written_before_error(wrong)[0] == some[: 2 * STRIPE_SIZE]
    head, payload = coded(some, FAST)
    payload = payload[: len(payload) * 7 // 10]  # the coder notices itself that it is used up
    short = join(header_for(FAST), [(replace(head, payload_size=len(payload)), payload)], some)
    written, error = written_before_error(short)
    assert written == some[:STRIPE_SIZE] and isinstance(error, DamagedError)


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    """A list: the raw bytes decoded of each block."""
    counts, decode = [], native.decode_block

    def counting(payload, spec, expert, run, **options):
        counts.append(0)

        def progress(n):
            counts[-1] += n

        return decode(payload, spec, expert, replace(run, progress=progress), **options)

    monkeypatch.setattr(native, "decode_block", counting)
    return counts


def places(raw, n_lanes):
    """Yield (offset, size, stripes to decode) within lanes and across them."""
    chunk, width = -(-len(raw) // n_lanes), stripe_width(n_lanes)
    for lane in {0, 1, n_lanes - 1} & set(range(n_lanes)):
        for within, size, n in ((0, 1, 1), (width - 1, 1, 1), (width - 1, 2, 2), (width, 100, 2), (3 * width, 5, 4)):
            yield lane * chunk + within, size, n
    yield 0, len(raw), None
    yield len(raw) - 10, 100, None
    if n_lanes > 1:
        yield chunk - 1, 2, None  # from the end of a lane


@pytest.mark.parametrize("n_lanes", LANES)
def test_a_range_decodes_the_stripes_that_it_needs(raw, frames, decoded, n_lanes):
    for offset, size, n_stripes in places(raw, n_lanes):
        decoded.clear()
        file = io.BytesIO(frames[n_lanes])
        pieces = codec.read_range(file, offset, size, registry=shared.registry)
        assert b"".join(pieces) == raw[offset : offset + size]
        (done,) = decoded
        assert done == len(raw) if n_stripes is None else done < (n_stripes + 0.3) * STRIPE_SIZE, (offset, size)


@pytest.mark.parametrize("n_lanes", LANES)
def test_a_seek_decodes_what_is_read_there(raw, frames, decoded, n_lanes):
    """In whatever order: places that were not decoded when another place was are not taken for content."""
    chunk = -(-len(raw) // n_lanes)
    with lmzip.open(io.BytesIO(frames[n_lanes])) as file:
        for offset in (5, (n_lanes - 1) * chunk + 9, chunk - 500, 7, len(raw) - 3, 2 * STRIPE_SIZE + 1, 0):
            decoded.clear()
            assert file.seek(offset) == offset
            assert file.read(100) == raw[offset : offset + 100], offset
    with lmzip.open(io.BytesIO(frames[n_lanes])) as file:
        decoded.clear()
        file.seek(10)
        assert file.read(10) == raw[10:20]
        # The buffer of 128 KiB is filled: of one lane that takes a stripe, of eight all that a lane has.
        assert decoded[0] < 1.3 * STRIPE_SIZE if n_lanes == 1 else decoded == [len(raw)]
        assert file.read() == raw[20:], "reading on"
        assert len(decoded) == (2 if n_lanes == 1 else 1), "once more, and then to the end"
    with lmzip.open(io.BytesIO(frames[n_lanes])) as file:
        decoded.clear()
        assert b"".join(iter(lambda: file.read(10_000), b"")) == raw
        assert decoded == [len(raw)], "from the start on each block once"


def test_the_end_of_a_short_last_lane_is_not_taken_for_the_whole(raw, decoded, monkeypatch):
    """It is checked with the first stripe, before the last bytes of the other lanes are decoded."""
    size = 8 * (stripe_width(8) + 1) - 7
    data = frame_with(raw[:size], size, FAST, 8)
    for name in ("_FIRST_RUN", "_MAX_RUN"):
        monkeypatch.setattr(native, name, 8)  # bytes at a time: one of each lane
    with lmzip.open(io.BytesIO(data)) as file:
        for offset in (size - 5, stripe_width(8) - 5, size - 40_000, 0):
            file.seek(offset)
            assert file.read(10) == raw[:size][offset : offset + 10]
    assert decoded[0] < size


def test_a_range_before_damage_comes_out(raw, frames):
    data = damaged(frames[1], 0.9)
    for offset in (0, STRIPE_SIZE - 50, STRIPE_SIZE):
        pieces = codec.read_range(io.BytesIO(data), offset, 50, registry=shared.registry)
        assert b"".join(pieces) == raw[offset : offset + 50]
    with pytest.raises(DamagedError):
        list(codec.read_range(io.BytesIO(data), len(raw) - 5, 5, registry=shared.registry))


# --- salvage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["damaged", "cut"])
@pytest.mark.parametrize("n_lanes", LANES)
def test_salvage_keeps_the_sound_beginning_of_a_block(raw, frames, n_lanes, kind, threads):
    data = frames[n_lanes]
    sound = frame_with(painted(500), 500, QUICK)
    changed = damaged(data, 0.7) + sound if kind == "damaged" else data[: int(len(data) * 0.7)]
    content, summary = unpack(changed, salvage=True, threads=threads)
    behind = painted(500) if kind == "damaged" else b""
    saved = content[: len(content) - len(behind)]
    width = stripe_width(n_lanes)
    assert content.endswith(behind) and raw.startswith(saved)
    assert len(saved) in (2 * width, 3 * width, 4 * width)
    hole = summary.holes[0]
    assert (hole.raw_offset, hole.raw_size) == (len(saved), len(raw) - len(saved))
    assert "block 1 at byte 6" in hole.reason and hole.offset == 6


def test_salvage_finds_blocks_behind_a_damaged_header(raw):
    """Whatever the profile was: what most frames begin with is tried."""
    for profile in range(1, 7):
        data = frame_with(painted(3000), 1000, profile)
        for at in (0, 4, 5):
            changed = bytearray(data)
            changed[at] ^= 0x02
            content, summary = unpack(bytes(changed), salvage=True)
            assert content == painted(3000), (profile, at)
            assert [hole.raw_offset for hole in summary.holes][:1] == [0]


# --- blocks of any sizes ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sizes():
    """(file, content): a frame whose blocks differ in size, in lanes and in how they are coded."""
    raw, at, blocks = painted(9000), 0, []
    for size, n_lanes in ((1000, 1), (1, 0), (3000, 4), (17, 0), (4982, 2)):
        piece, last = raw[at : at + size], at + size == 9000
        blocks.append(coded(piece, QUICK, n_lanes, last=last) if n_lanes else stored(piece, last=last))
        at += size
    return join(header_for(QUICK), blocks, raw), raw


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_blocks_of_different_sizes(sizes, threads):
    data, raw = sizes
    assert unpack(data, threads=threads)[0] == raw
    content, summary = unpack(data, threads=threads, salvage=True)
    assert (content, summary.holes, summary.n_blocks, summary.n_stored) == (raw, [], 5, 2)


def test_places_in_blocks_of_different_sizes(sizes):
    data, raw = sizes
    (frame,) = codec.list_frames(io.BytesIO(data))
    assert [block.head.raw_size for block in frame.blocks] == [1000, 1, 3000, 17, 4982] and frame.block_size == 4982
    with lmzip.open(io.BytesIO(data)) as file:
        for offset in (8999, 0, 999, 1000, 1001, 4000, 4001, 4017, 4018, 4019):
            assert (
                b"".join(codec.read_range(io.BytesIO(data), offset, 30, registry=shared.registry)) == raw[offset:][:30]
            )
            file.seek(offset)
            assert file.read(30) == raw[offset:][:30]


# --- workers ----------------------------------------------------------------------------------------------------------


def test_early_parts_come_in_the_order_of_jobs():
    """A job that is not the next in line is told that its part was not taken."""
    out: list[str] = []
    first_is_out, may_end, second_tried = (threading.Event() for _ in range(3))

    def first(early):
        assert early("1a")
        first_is_out.set()
        assert second_tried.wait(30)
        assert early("1b")
        return "1"

    def second(early):
        assert first_is_out.wait(30)
        assert not early("2a")
        second_tried.set()
        assert may_end.wait(30)
        while not early("2b"):  # until the first one's result is delivered
            time.sleep(0.001)
        return "2"

    def sink(result):
        out.append(result)
        may_end.set()

    with Workers(2) as workers:
        for job in (first, second):
            workers.submit(job, sink, early_sink=out.append)
        workers.finish()
    assert out == ["1a", "1b", "1", "2b", "2"]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_an_early_sink_raises_ends_everything(n_threads):
    out = []

    def job(early):
        early("part")
        raise AssertionError("what the sink raised ends the job")

    def refuse(_part):
        raise OSError("full")

    with pytest.raises(OSError, match="full"), Workers(n_threads) as workers:
        workers.submit(job, out.append, early_sink=refuse)
        workers.submit(lambda: "later", out.append)
        workers.finish()
    assert out == []


def test_nothing_is_handed_out_once_the_work_is_cancelled():
    out, started, go_on, tried = [], threading.Event(), threading.Event(), []

    def job(early):
        started.set()
        assert go_on.wait(30)
        tried.append(early("late"))
        report(0)
        raise AssertionError("a cancelled job goes on")

    with pytest.raises(LmzipError, match="stop"):  # noqa: SIM117
        with Workers(2) as workers:
            report = workers.report(None)
            workers.submit(job, out.append, early_sink=out.append)
            workers.submit(lambda: None, out.append)
            assert started.wait(30)
            threading.Timer(0.2, go_on.set).start()
            raise LmzipError("stop")
    assert tried == [False] and out == []
    with pytest.raises(CancelledError):
        report(0)
