"""The choice of a method for each block: by samples, for small blocks by both payloads, and the same each time."""

from __future__ import annotations

import io
import random
import tarfile
import threading
import time

import pytest
from cli_tools import liked_by
from codec_tools import pack, unpack
from conftest import painted

from lmzip import codec, levels
from lmzip.codec.auto import encode_auto
from lmzip.models import registry
from lmzip.models.base import Model
from lmzip.models.bytelm import ByteLmModel

MAX_NET = levels.get_level(6).method
NET, NGRAM = levels.Level(6, 4, 1 << 24, ((1 << 20, 1),)), levels.get_level(4)
SMALL, LARGE = 16 << 10, 100_000
SAMPLE_SIZE = 32 << 10


class Stub(Model):
    """A model whose payloads have chosen shares of the raw size, by method; notes what it is asked to do.

    sample_shares: of blocks of the size and the lanes of a sample; by default the same.
    """

    name, digest, methods = "stub", b"s" * 32, frozenset(range(1, 8))

    def __init__(self, shares, sample_shares=None):
        self.shares, self.sample_shares = shares, sample_shares or shares
        self.calls = []

    def encode_block(self, raw, method, n_lanes, progress, n_threads):
        is_sample = len(raw) == SAMPLE_SIZE and n_lanes == 4
        share = (self.sample_shares if is_sample else self.shares)[method]
        self.calls.append((len(raw), method, n_lanes, n_threads))
        if progress:
            progress(len(raw))
        return None if share is None else b"x" * int(share * len(raw))

    def decode_block(self, payload, raw_size, method, n_lanes, progress, n_threads):
        raise AssertionError("choosing a method decodes nothing")

    def memory_size(self, method, raw_size, n_lanes):
        return 1


def auto(model, raw, choice=NET, lanes=None, net_cost=0):
    """Return (share of the raw size or None, method, lanes, bytes reported)."""
    done = []
    payload, method, n_lanes = encode_auto(model, raw, choice, lanes, done.append, 2, net_cost)
    return payload and len(payload) / len(raw), method, n_lanes, sum(done)


# --- by the sizes that a stub gives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"a" * 100, b"a" * LARGE], ids=["small", "large"])
def test_without_a_net_there_is_no_choice(raw):
    model = Stub({4: 0.5})
    assert auto(model, raw, NGRAM) == (0.5, 4, 1, len(raw))
    assert model.calls == [(len(raw), 4, 1, 2)]
    assert auto(Stub({4: None}), raw, NGRAM)[0] is None


@pytest.mark.parametrize("size", [4, 100, SMALL])
@pytest.mark.parametrize(
    ("plain", "mixed", "method"),
    [(0.5, 0.25, 6), (0.25, 0.5, 4), (0.5, 0.5, 6), (None, 0.5, 6), (0.5, None, 4), (None, None, None)],
)
def test_small_blocks_are_coded_both_ways(size, plain, mixed, method):
    """The smaller payload wins, without a sample."""
    model = Stub({4: plain, 6: mixed})
    share, chosen, n_lanes, done = auto(model, b"a" * size)
    assert sorted(model.calls) == [(size, 4, 1, 2), (size, 6, 1, 2)]
    assert share == {6: mixed, 4: plain, None: None}[method] and n_lanes == 1
    assert method in (chosen, None) and done == size, "progress is that of one of the two"


@pytest.mark.parametrize("size", [SMALL + 1, SAMPLE_SIZE - 1, SAMPLE_SIZE, LARGE])
@pytest.mark.parametrize(
    ("plain", "mixed", "method"),
    [(0.5, 0.25, 6), (0.5, 0.375, 6), (0.5, 0.4975, 4), (0.5, 0.5, 4), (0.25, 0.5, 4), (0.25, None, 4), (None, 0.5, 6)],
)
def test_samples_decide_for_large_blocks(size, plain, mixed, method):
    """A net that saves a quarter of a sample is taken, one that saves less than one per cent is not tried."""
    model = Stub({4: plain, 6: mixed})
    share, chosen, n_lanes, done = auto(model, b"a" * size)
    assert chosen == method and share == pytest.approx({4: plain, 6: mixed}[method], abs=0.001)
    sample_size = min(size, SAMPLE_SIZE) // 4 * 4
    assert model.calls == [(sample_size, 4, 4, 2), (sample_size, 6, 4, 2), (size, method, n_lanes, 2)]
    assert done == size, "samples are not progress"


@pytest.mark.parametrize("sample", [0.376, 0.49], ids=["much", "little"])
@pytest.mark.parametrize(
    ("plain", "mixed", "method"),
    [
        (0.5, 0.25, 6),
        (0.5, 0.4949, 6),
        (0.5, 0.4951, 4),
        (0.25, 0.5, 4),
        (0.25, None, 4),
        (None, 0.5, 6),
        (0.01, 0.005, 6),
    ],
)
def test_the_whole_block_decides_where_a_sample_does_not(sample, plain, mixed, method):
    """A net that saves less than a quarter of a sample may lose on the whole: both payloads are compared."""
    model = Stub({4: plain, 6: mixed}, {4: 0.5, 6: sample})
    share, chosen, _, done = auto(model, b"a" * LARGE)
    assert chosen == method and share == pytest.approx({4: plain, 6: mixed}[method])
    assert [call[:2] for call in model.calls[2:]] == [(LARGE, 4), (LARGE, 6)] and done == LARGE


def test_a_net_is_not_tried_where_hardly_anything_is_left():
    model = Stub({4: 0.0099, 6: 0.005}, {4: 0.5, 6: 0.49})
    assert auto(model, b"a" * LARGE) == (0.0099, 4, 1, LARGE)
    assert [call[:2] for call in model.calls[2:]] == [(LARGE, 4)]


@pytest.mark.parametrize(
    ("plain", "mixed", "net_cost", "method"),
    [(0.5, 0.25, 250, 6), (0.5, 0.25, 251, 4), (0.5, 0.5, 1, 4), (None, 0.75, 250, 6), (None, 0.75, 251, None)],
)
def test_the_net_has_to_save_what_naming_it_costs(plain, mixed, net_cost, method):
    """In small blocks to the byte, where storing is the other choice too."""
    share, chosen, _, done = auto(Stub({4: plain, 6: mixed}), b"a" * 1000, net_cost=net_cost)
    assert share == {6: mixed, 4: plain, None: None}[method] and method in (chosen, None) and done == 1000


@pytest.mark.parametrize(("net_cost", "method"), [(0, 6), (1309, 6), (1313, 4)])
def test_samples_count_a_share_of_what_naming_the_net_costs(net_cost, method):
    """Of a block of four samples a fourth; the net saves 328 bytes of a sample, two per cent."""
    model = Stub({4: 0.5, 6: 0.25}, {4: 0.5, 6: 0.49})
    assert auto(model, b"a" * 4 * SAMPLE_SIZE, net_cost=net_cost)[1] == method


@pytest.mark.parametrize("sample", [None, 0.999, 0.996])
@pytest.mark.parametrize("probe", [None, 0.999])
def test_noise_is_given_up_after_a_probe(sample, probe):
    """Where no sample becomes smaller, the fastest method tells whether the block repeats itself at a distance."""
    model = Stub({1: probe}, {4: sample, 6: sample})
    share, method, n_lanes, _ = auto(model, b"a" * LARGE)
    assert (share, method, n_lanes) == (probe, 1, 1)
    assert [call[:2] for call in model.calls] == [(SAMPLE_SIZE, 4), (SAMPLE_SIZE, 6), (LARGE, 1)]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_whatever_is_tried_can_be_abandoned(size):
    """Samples, the probe and the payload that is only compared let through what progress raises, and count nothing."""
    sizes = {"sample": {4: 0.5, 6: 0.5}, "probe": {1: 0.9, 4: 0.5}}
    shares, samples = (sizes["sample"], None) if size == SMALL else (sizes["probe"], {4: None, 6: None})
    whole = Stub(shares, samples)
    assert auto(whole, b"a" * size)[3] == size
    for n_allowed in range(len(whole.calls)):
        model, left = Stub(shares, samples), iter(range(n_allowed))

        def progress(_n, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            encode_auto(model, b"a" * size, NET, None, progress, 1)
        assert model.calls == [(*call[:3], model.calls[i][3]) for i, call in enumerate(whole.calls[: n_allowed + 1])]


def test_an_error_in_another_block_ends_a_probe(monkeypatch):
    """The first block fails while the second is probed; nobody waits for the probe's end, which would not come."""
    probing, cancelled = threading.Event(), threading.Event()

    class Endless(Stub):
        def encode_block(self, raw, method, n_lanes, progress, n_threads):
            if raw[0] == ord("a"):
                assert probing.wait(120)
                raise OSError("no more")
            if method == 1:
                probing.set()
                end = time.monotonic() + 120
                while time.monotonic() < end:
                    try:
                        if progress:
                            progress(1)
                    except BaseException:
                        cancelled.set()
                        raise
                    time.sleep(0.001)
            return super().encode_block(raw, method, n_lanes, progress, n_threads)

    model = Endless({1: None}, {4: None, 6: None})
    monkeypatch.setattr("lmzip.codec.compress.choose", lambda level, name: (NET, model))
    with pytest.raises(OSError, match="no more"):
        pack(b"a" * LARGE + b"b" * LARGE, block_size=LARGE, threads=2)
    assert cancelled.is_set()


def test_a_probe_that_finds_repetition_speaks_for_the_ngram_method():
    model = Stub({1: 0.9, 4: 0.5}, {4: None, 6: None})
    assert auto(model, b"a" * LARGE) == (0.5, 4, 1, LARGE)


@pytest.mark.parametrize("lanes", [1, 2, 128])
def test_lanes_that_are_asked_for_hold_for_every_method(lanes):
    for shares, method in (({4: 0.5, 6: 0.2}, 6), ({4: 0.2, 6: 0.5}, 4)):
        for size in (100, LARGE):
            assert auto(Stub(shares), b"a" * size, lanes=lanes)[1:3] == (method, lanes)
    assert auto(Stub({1: None}, {4: None, 6: None}), b"a" * LARGE, lanes=lanes)[1:3] == (1, lanes)


def test_lanes_are_the_levels_for_a_net_only():
    choice = levels.get_level(5)
    model = Stub({4: 0.5, 5: 0.2})
    for size in (100, 65536, 65537, 300_000):
        assert auto(model, b"a" * size, choice)[1:3] == (5, levels.n_lanes(choice, size))
    assert auto(Stub({4: 0.2, 5: 0.5}), b"a" * 300_000, choice)[1:3] == (4, 1)


def test_a_sample_is_of_the_whole_block():
    """Four pieces, the first and the last at the block's ends."""
    seen = []

    class Noting(Stub):
        def encode_block(self, raw, method, n_lanes, progress, n_threads):
            seen.append(bytes(raw))
            return super().encode_block(raw, method, n_lanes, progress, n_threads)

    for make in (bytes, bytearray, memoryview):
        seen.clear()
        raw = painted(SAMPLE_SIZE // 4 * 31)
        auto(Noting({4: 0.5, 6: 0.6}), make(raw))
        sample, piece = seen[0], SAMPLE_SIZE // 4
        assert len(sample) == SAMPLE_SIZE and sample == seen[1] and seen[2] == raw
        assert sample[:piece] == raw[:piece] and sample[-piece:] == raw[-piece:]
        assert all(sample[at : at + piece] in raw for at in range(0, SAMPLE_SIZE, piece))
        assert len({raw.index(sample[at : at + piece]) for at in (0, piece)}) == 2


# --- with the net that ships ------------------------------------------------------------------------------------------


def tar_of_tiny_files(n):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for i in range(n):
            content = f"file number {i}\n".encode()
            member = tarfile.TarInfo(f"folder/file{i:05d}.txt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LEARNED = {
    "count": b"".join(b"%d\n" % i for i in range(60_000)),
    "count-table": b"".join(b"%8d %14d %d\n" % (i, i * i, i % 7) for i in range(14_000)),
    "tar-of-tiny-files": tar_of_tiny_files(350),
    "wide-csv": b"\n".join(b",".join(b"%d" % (i * j % 1000) for j in range(150)) for i in range(600)),
    "markup": b"".join(
        b'<item id="%d"><name>item %d</name><price>%d.99</price></item>\n' % (i, i, i % 100) for i in range(6000)
    ),
}


@pytest.mark.parametrize("level", [5, 6])
@pytest.mark.parametrize("kind", LEARNED)
def test_higher_levels_are_hardly_ever_larger(kind, level):
    """Files that `ngram` learns completely: a net seems to pay in samples of them, and costs in the whole."""
    raw = LEARNED[kind]
    assert len(raw) > levels.get_level(6).lanes[0][0], "several lanes"
    assert len(pack(raw, level=level)[0]) <= 1.005 * len(pack(raw, level=4)[0]) + 32


# --- with a real net that predicts nothing ----------------------------------------------------------------------------


def methods_of(packed):
    return [block.head.method for frame in codec.list_frames(io.BytesIO(packed)) for block in frame.blocks]


@pytest.mark.parametrize("level", [5, 6, 7, 8, 9])
def test_text_falls_back_where_the_net_predicts_nothing(level, sample_text, tiny_path):
    raw = sample_text[:40_000]
    packed, _ = pack(raw, level=level, model=str(tiny_path))
    assert methods_of(packed) == [levels.get_level(level).ngram_method]
    assert packed == pack(raw, level=level, model="ngram")[0], "nothing tells of the net"
    assert unpack(packed)[0] == raw


def test_small_text_takes_the_smaller(sample_text, tiny_path, tiny_model):
    ngram = registry.by_name("ngram")
    for at in range(0, 30_000, 3000):
        raw = sample_text[at : at + 1500]
        packed, _ = pack(raw, level=8, model=str(tiny_path))
        (head,) = (frame.blocks[0].head for frame in codec.list_frames(io.BytesIO(packed)))
        sizes = {
            4: len(ngram.encode_block(raw, 4, 1, None, 1)),
            MAX_NET: len(tiny_model.encode_block(raw, MAX_NET, 1, None, 1)),
        }
        with_header = {4: sizes[4], MAX_NET: sizes[MAX_NET] + 123}
        assert head.payload_size == sizes[head.method] and with_header[head.method] == min(with_header.values())


def header_sizes(packed):
    return [len(frame.header.packed) for frame in codec.list_frames(io.BytesIO(packed))]


@pytest.fixture(scope="module")
def liked(tiny_path):
    """Bytes that the tiny net predicts well: it saves tens of bytes in a hundred."""
    return liked_by(tiny_path.read_bytes(), 3000)


@pytest.mark.parametrize("registered", [True, False], ids=["number", "record"])
def test_small_files_are_never_larger_for_a_model(liked, tiny_path, registered, request):
    """The frame is plain until the net saves more than its name costs."""
    if registered:
        request.getfixturevalue("tiny_is_registered")
    used = []
    for size in (*range(10, 300, 10), *range(300, 1200, 100), 3000):
        packed, without = (pack(liked[:size], level=6, model=m)[0] for m in (str(tiny_path), "ngram"))
        assert len(packed) <= len(without) and (len(packed) == len(without) or methods_of(packed) == [MAX_NET])
        used.append(header_sizes(packed) == [10 if registered else 128])
        assert unpack(packed)[0] == liked[:size]
    assert not used[0] and used[-1] and used == sorted(used)


def test_a_frame_of_several_blocks_names_the_model_anyway(liked, tiny_path):
    """Small blocks then take what is smaller by itself."""
    packed, _ = pack(liked, level=6, model=str(tiny_path), block_size=100)
    assert header_sizes(packed) == [128] and MAX_NET in methods_of(packed)
    single, _ = pack(liked[:100], level=6, model=str(tiny_path))
    assert header_sizes(single) == [5] and methods_of(single) != [MAX_NET]


@pytest.mark.parametrize("level", [5, 8, 9])
@pytest.mark.parametrize("size", [1, 100, SMALL, SMALL + 1, LARGE])
def test_random_bytes_are_stored(level, size, tiny_path):
    raw = random.Random(size).randbytes(size)
    packed, summary = pack(raw, level=level, model=str(tiny_path))
    assert methods_of(packed) == [0] and summary.n_stored == 1
    assert len(packed) == size + (16 if size <= 65535 else 40), "the frame names no model"


def test_noise_that_comes_again_is_found(tiny_path):
    noise = random.Random(13).randbytes(LARGE)
    packed, _ = pack(noise + noise, level=8, model=str(tiny_path))
    assert methods_of(packed) == [4] and len(packed) < 1.02 * LARGE


def test_a_net_that_helps_is_used(sample_text, tiny_path, tiny_model, monkeypatch):
    """The tiny net with samples that flatter it: each block by itself, and the frame names the model."""

    class Flattered(ByteLmModel):
        def encode_block(self, raw, method, n_lanes, progress, n_threads):
            if len(raw) == SAMPLE_SIZE and method == MAX_NET and bytes(raw[:5]) != b"digit":
                return b"tiny"
            return super().encode_block(raw, method, n_lanes, progress, n_threads)

    model = Flattered(tiny_path)
    monkeypatch.setattr("lmzip.codec.compress.choose", lambda level, name: (levels.get_level(level), model))
    blocks = [sample_text[:40_000], b"digits" + sample_text[40_000:79_994], sample_text[:39_000]]
    raw = b"".join(blocks)
    outputs = {pack(raw, level=8, block_size=40_000, threads=threads)[0] for threads in (1, 2, 3)}
    assert len(outputs) == 1
    (packed,) = outputs
    assert methods_of(packed) == [MAX_NET, 4, MAX_NET]
    assert codec.list_frames(io.BytesIO(packed))[0].model.digest == tiny_model.digest
    assert unpack(packed)[0] == raw


@pytest.mark.parametrize("level", [5, 8, 9])
def test_the_choice_is_the_same_each_time(level, sample_text, tiny_path):
    """For any number of threads and any pieces of input: text, noise and tables in blocks of their own."""
    raw = (
        sample_text[:20_000]
        + random.Random(3).randbytes(20_000)
        + b"".join(b"%d;%d\n" % (i, i % 7) for i in range(3000))
    )
    options = {"level": level, "model": str(tiny_path), "block_size": 20_000}
    outputs = {pack(raw, threads=threads, **options)[0] for threads in (1, 2, 3)}
    for size in (1000, 20_001):
        output, source = io.BytesIO(), io.BytesIO(raw)
        codec.compress_stream(lambda n, s=source, size=size: s.read(min(n, size)), output.write, **options)
        outputs.add(output.getvalue())
    assert len(outputs) == 1
    assert unpack(outputs.pop())[0] == raw
