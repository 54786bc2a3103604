"""Whether a block takes the model: by samples, for small blocks by both payloads, and the same each time."""

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
from lmzip.block import DEFAULT_RUN, BlockSpec, Run
from lmzip.codec.choice import code_block
from lmzip.format.block import BASE as BASE_MODE
from lmzip.format.block import STORED, WITH_MODEL
from lmzip.models.base import Model
from lmzip.models.bytelm import ByteLmModel
from lmzip.stream import shared

BASE, MODEL, PROBE = "base", "model", "probe"  # what codes a block
NET, NGRAM = levels.LevelSettings(levels.MAX, True, 1 << 24, ((1 << 20, 1),)), levels.get_level(4)
SMALL, LARGE = 16 << 10, 100_000
BOTH_WAYS = 32 << 10  # up to which a block is coded both ways
SAMPLE_SIZE, LARGE_SAMPLE = 8 << 10, 32 << 10  # of a block of up to 128 KiB, of at least 512 KiB


class Stub(Model):
    """A model whose payloads have chosen shares of the raw size, by what codes them; notes what it is asked to do.

    sample_shares: of blocks of the size and the lanes of a sample; by default the same.
    """

    name, digest, kind = "stub", b"s" * 32, 1

    def __init__(self, shares, sample_shares=None):
        self.shares, self.sample_shares = shares, sample_shares or shares
        self.calls = []

    def load(self):
        pass

    def takes(self, spec):
        return True

    def encode(self, raw, spec, run=DEFAULT_RUN):
        what = MODEL if spec.uses_model else PROBE if spec.profile == levels.FAST else BASE
        is_sample = len(raw) in (SAMPLE_SIZE, LARGE_SAMPLE) and spec.n_lanes == 4
        share = (self.sample_shares if is_sample else self.shares)[what]
        self.calls.append((len(raw), what, spec.n_lanes, run.n_threads))
        if run.progress:
            run.progress(len(raw))
        return None if share is None else b"x" * int(share * len(raw))

    def decode(self, payload, spec, run=DEFAULT_RUN):
        raise AssertionError("choosing decodes nothing")

    def memory_size(self, spec):
        return 1


def auto(model, raw, settings=NET, lanes=None, model_cost=0):
    """Return (share of the raw size or None, what codes the block, lanes, bytes reported)."""
    done = []
    payload, spec = code_block(model, raw, settings, lanes, Run(done.append, 2), model_cost)
    return payload and len(payload) / len(raw), MODEL if spec.uses_model else BASE, spec.n_lanes, sum(done)


# --- by the sizes that a stub gives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"a" * 100, b"a" * LARGE], ids=["small", "large"])
def test_without_a_net_there_is_no_choice(raw):
    model = Stub({BASE: 0.5})
    assert auto(model, raw, NGRAM) == (0.5, BASE, 1, len(raw))
    assert model.calls == [(len(raw), BASE, 1, 2)]
    assert auto(Stub({BASE: None}), raw, NGRAM)[0] is None


@pytest.mark.parametrize("size", [4, 100, SMALL, BOTH_WAYS])
@pytest.mark.parametrize(
    ("plain", "mixed", "mode"),
    [
        (0.5, 0.25, MODEL),
        (0.25, 0.5, BASE),
        (0.5, 0.5, MODEL),
        (None, 0.5, MODEL),
        (0.5, None, BASE),
        (None, None, None),
    ],
)
def test_small_blocks_are_coded_both_ways(size, plain, mixed, mode):
    """The smaller payload wins, without a sample."""
    model = Stub({BASE: plain, MODEL: mixed})
    share, chosen, n_lanes, done = auto(model, b"a" * size)
    assert sorted(model.calls) == [(size, BASE, 1, 2), (size, MODEL, 1, 2)]
    assert share == {MODEL: mixed, BASE: plain, None: None}[mode] and n_lanes == 1
    assert mode in (chosen, None) and done == size, "progress is that of one of the two"


@pytest.mark.parametrize("size", [BOTH_WAYS + 1, LARGE])
@pytest.mark.parametrize(
    ("plain", "mixed", "mode"),
    [
        (0.5, 0.25, MODEL),
        (0.5, 0.375, MODEL),
        (0.5, 0.4975, BASE),
        (0.5, 0.5, BASE),
        (0.25, 0.5, BASE),
        (0.25, None, BASE),
        (None, 0.5, MODEL),
    ],
)
def test_samples_decide_for_large_blocks(size, plain, mixed, mode):
    """A net that saves a quarter of a sample is taken, one that saves less than one per cent is not tried."""
    model = Stub({BASE: plain, MODEL: mixed})
    share, chosen, n_lanes, done = auto(model, b"a" * size)
    assert chosen == mode and share == pytest.approx({BASE: plain, MODEL: mixed}[mode], abs=0.001)
    assert model.calls == [(SAMPLE_SIZE, BASE, 4, 2), (SAMPLE_SIZE, MODEL, 4, 2), (size, mode, n_lanes, 2)]
    assert done == size, "samples are not progress"


@pytest.mark.parametrize(("size", "sure"), [(40_000, 0.2), (LARGE, 0.25), (1_000_000, 0.3), (4 << 20, 0.45)])
def test_the_larger_the_block_the_more_a_sample_must_show(size, sure):
    """The base learns meanwhile, so the net's gain shrinks: what is not sure is coded both ways."""
    for gain, is_sure in ((sure + 0.01, True), (sure - 0.01, False)):
        model = Stub({BASE: 0.5, MODEL: 0.51}, {BASE: 0.5, MODEL: 0.5 * (1 - gain)})
        assert auto(model, b"a" * size)[1] == (MODEL if is_sure else BASE)
        assert [call[1] for call in model.calls[2:]] == ([MODEL] if is_sure else [BASE, MODEL])


@pytest.mark.parametrize("sample", [0.376, 0.49], ids=["much", "little"])
@pytest.mark.parametrize(
    ("plain", "mixed", "mode"),
    [
        (0.5, 0.25, MODEL),
        (0.5, 0.4949, MODEL),
        (0.5, 0.4951, BASE),
        (0.25, 0.5, BASE),
        (0.25, None, BASE),
        (None, 0.5, MODEL),
        (0.01, 0.005, MODEL),
    ],
)
def test_the_whole_block_decides_where_a_sample_does_not(sample, plain, mixed, mode):
    """A net that saves less than a quarter of a sample may lose on the whole: both payloads are compared."""
    model = Stub({BASE: plain, MODEL: mixed}, {BASE: 0.5, MODEL: sample})
    share, chosen, _, done = auto(model, b"a" * LARGE)
    assert chosen == mode and share == pytest.approx({BASE: plain, MODEL: mixed}[mode])
    assert [call[:2] for call in model.calls[2:]] == [(LARGE, BASE), (LARGE, MODEL)] and done == LARGE


def test_a_net_is_not_tried_where_hardly_anything_is_left():
    model = Stub({BASE: 0.0099, MODEL: 0.005}, {BASE: 0.5, MODEL: 0.49})
    assert auto(model, b"a" * LARGE) == (0.0099, BASE, 1, LARGE)
    assert [call[:2] for call in model.calls[2:]] == [(LARGE, BASE)]


@pytest.mark.parametrize(
    ("plain", "mixed", "model_cost", "mode"),
    [
        (0.5, 0.25, 250, MODEL),
        (0.5, 0.25, 251, BASE),
        (0.5, 0.5, 1, BASE),
        (None, 0.75, 250, MODEL),
        (None, 0.75, 251, None),
    ],
)
def test_the_net_has_to_save_what_naming_it_costs(plain, mixed, model_cost, mode):
    """In small blocks to the byte, where storing is the other choice too."""
    share, chosen, _, done = auto(Stub({BASE: plain, MODEL: mixed}), b"a" * 1000, model_cost=model_cost)
    assert share == {MODEL: mixed, BASE: plain, None: None}[mode] and mode in (chosen, None) and done == 1000


@pytest.mark.parametrize(("model_cost", "mode"), [(0, MODEL), (1309, MODEL), (1313, BASE)])
def test_samples_count_a_share_of_what_naming_the_model_costs(model_cost, mode):
    """Of a block of sixteen samples a sixteenth; the net saves 82 bytes of a sample, two per cent."""
    model = Stub({BASE: 0.5, MODEL: 0.25}, {BASE: 0.5, MODEL: 0.49})
    assert auto(model, b"a" * 16 * SAMPLE_SIZE, model_cost=model_cost)[1] == mode


@pytest.mark.parametrize("sample", [None, 0.999, 0.996])
def test_noise_is_given_up_after_a_probe(sample):
    """Where no sample becomes smaller, the fastest profile tells whether the block repeats itself at a distance."""
    model = Stub({PROBE: None}, {BASE: sample, MODEL: sample})
    share, what, n_lanes, _ = auto(model, b"a" * LARGE)
    assert (share, what, n_lanes) == (None, BASE, 1), "it is stored"
    assert [call[:2] for call in model.calls] == [(SAMPLE_SIZE, BASE), (SAMPLE_SIZE, MODEL), (LARGE, PROBE)]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_whatever_is_tried_can_be_abandoned(size):
    """Samples, the probe and the payload that is only compared let through what progress raises, and count nothing."""
    sizes = {"sample": {BASE: 0.5, MODEL: 0.5}, "probe": {PROBE: 0.9, BASE: 0.5}}
    shares, samples = (sizes["sample"], None) if size == SMALL else (sizes["probe"], {BASE: None, MODEL: None})
    whole = Stub(shares, samples)
    assert auto(whole, b"a" * size)[3] == size
    for n_allowed in range(len(whole.calls)):
        model, left = Stub(shares, samples), iter(range(n_allowed))

        def progress(_n, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            code_block(model, b"a" * size, NET, None, Run(progress))
        assert model.calls == [(*call[:3], model.calls[i][3]) for i, call in enumerate(whole.calls[: n_allowed + 1])]


def test_an_error_in_another_block_ends_a_probe(monkeypatch):
    """The first block fails while the second is probed; nobody waits for the probe's end, which would not come."""
    probing, cancelled = threading.Event(), threading.Event()

    class Endless(Stub):
        def encode(self, raw, spec, run=DEFAULT_RUN):
            if raw[0] == ord("a"):
                assert probing.wait(120)
                raise OSError("no more")
            if spec.profile == levels.FAST:
                probing.set()
                end = time.monotonic() + 120
                while time.monotonic() < end:
                    try:
                        if run.progress:
                            run.progress(1)
                    except BaseException:
                        cancelled.set()
                        raise
                    time.sleep(0.001)
            return super().encode(raw, spec, run)

    model = Endless({PROBE: None}, {BASE: None, MODEL: None})
    monkeypatch.setattr("lmzip.codec.compress.settings_for", lambda *_: (NET, model))
    with pytest.raises(OSError, match="no more"):
        pack(b"a" * LARGE + b"b" * LARGE, block_size=LARGE, threads=2)
    assert cancelled.is_set()


def test_a_probe_that_finds_repetition_speaks_for_the_base():
    for probe in (0.9, 0.999):
        model = Stub({PROBE: probe, BASE: 0.5}, {BASE: None, MODEL: None})
        assert auto(model, b"a" * LARGE) == (0.5, BASE, 1, LARGE)


@pytest.mark.parametrize("lanes", [1, 2, 128])
def test_lanes_that_are_asked_for_hold_for_base_and_model(lanes):
    for shares, mode in (({BASE: 0.5, MODEL: 0.2}, MODEL), ({BASE: 0.2, MODEL: 0.5}, BASE)):
        for size in (100, LARGE):
            assert auto(Stub(shares), b"a" * size, lanes=lanes)[1:3] == (mode, lanes)


def test_lanes_are_the_levels_for_a_net_only():
    settings = levels.get_level(5)
    model = Stub({BASE: 0.5, MODEL: 0.2})
    for size in (100, 65536, 65537, 300_000):
        assert auto(model, b"a" * size, settings)[1:3] == (MODEL, settings.n_lanes(size))
    assert auto(Stub({BASE: 0.2, MODEL: 0.5}), b"a" * 300_000, settings)[1:3] == (BASE, 1)


@pytest.mark.parametrize(("size", "sample_size"), [(40_000, 8192), (256 << 10, 16384), (600_000, 32768)])
def test_a_sample_is_a_sixteenth_of_the_block(size, sample_size):
    model = Stub({BASE: 0.5, MODEL: 0.25})
    auto(model, b"a" * size)
    assert [call[0] for call in model.calls[:2]] == [sample_size] * 2


def test_a_sample_is_of_the_whole_block():
    """Four pieces, the first and the last at the block's ends."""
    seen = []

    class Noting(Stub):
        def encode(self, raw, spec, run=DEFAULT_RUN):
            seen.append(bytes(raw))
            return super().encode(raw, spec, run)

    for make in (bytes, bytearray, memoryview):
        seen.clear()
        raw = painted(SAMPLE_SIZE // 4 * 31)
        auto(Noting({BASE: 0.5, MODEL: 0.6}), make(raw))
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


def modes_of(packed):
    return [block.head.mode for frame in codec.list_frames(io.BytesIO(packed)) for block in frame.blocks]


@pytest.mark.parametrize("level", [5, 6, 7, 8, 9])
def test_text_falls_back_where_the_net_predicts_nothing(level, sample_text, tiny_path):
    raw = sample_text[:40_000]
    packed, _ = pack(raw, level=level, model=str(tiny_path))
    assert modes_of(packed) == [BASE_MODE]
    assert packed == pack(raw, level=level, model="ngram")[0], "nothing tells of the net"
    assert unpack(packed)[0] == raw


def test_small_text_takes_the_smaller(sample_text, tiny_path, tiny_model):
    ngram = shared.registry.model("ngram")
    for at in range(0, 30_000, 3000):
        raw = sample_text[at : at + 1500]
        packed, _ = pack(raw, level=8, model=str(tiny_path))
        (head,) = (frame.blocks[0].head for frame in codec.list_frames(io.BytesIO(packed)))
        sizes = {
            BASE_MODE: len(ngram.encode(raw, BlockSpec(len(raw), levels.MAX, False))),
            WITH_MODEL: len(tiny_model.encode(raw, BlockSpec(len(raw), levels.MAX, True))),
        }
        with_header = {BASE_MODE: sizes[BASE_MODE], WITH_MODEL: sizes[WITH_MODEL] + 123}
        assert head.payload_size == sizes[head.mode] and with_header[head.mode] == min(with_header.values())


def header_sizes(packed):
    return [len(frame.header.packed) for frame in codec.list_frames(io.BytesIO(packed))]


@pytest.fixture(scope="module")
def liked(tiny_path):
    """Bytes that the tiny net predicts well: it saves tens of bytes in a hundred."""
    return liked_by(tiny_path.read_bytes(), 3000)


@pytest.mark.parametrize("referenced", [True, False], ids=["reference", "record"])
def test_small_files_are_never_larger_for_a_model(liked, tiny_path, referenced, request):
    """The frame is plain until the net saves more than its name costs."""
    if referenced:
        request.getfixturevalue("tiny_is_referenced")
    used = []
    for size in (*range(10, 300, 10), *range(300, 1200, 100), 3000):
        packed, without = (pack(liked[:size], level=6, model=m)[0] for m in (str(tiny_path), "ngram"))
        assert len(packed) <= len(without) and (len(packed) == len(without) or modes_of(packed) == [WITH_MODEL])
        used.append(header_sizes(packed) == [10 if referenced else 129])
        assert unpack(packed)[0] == liked[:size]
    assert not used[0] and used[-1] and used == sorted(used)


def test_a_frame_of_several_blocks_names_the_model_anyway(liked, tiny_path):
    """Small blocks then take what is smaller by itself."""
    packed, _ = pack(liked, level=6, model=str(tiny_path), block_size=100)
    assert header_sizes(packed) == [129] and WITH_MODEL in modes_of(packed)
    single, _ = pack(liked[:100], level=6, model=str(tiny_path))
    assert header_sizes(single) == [6] and modes_of(single) != [WITH_MODEL]


@pytest.mark.parametrize("level", [5, 8, 9])
@pytest.mark.parametrize("size", [1, 100, SMALL, BOTH_WAYS, BOTH_WAYS + 1, LARGE])
def test_random_bytes_are_stored(level, size, tiny_path):
    raw = random.Random(size).randbytes(size)
    packed, summary = pack(raw, level=level, model=str(tiny_path))
    assert modes_of(packed) == [STORED] and summary.n_stored == 1
    assert len(packed) == size + (16 if size <= 65535 else 45), "the frame names no model"


def test_noise_that_comes_again_is_found(tiny_path):
    noise = random.Random(13).randbytes(LARGE)
    packed, _ = pack(noise + noise, level=8, model=str(tiny_path))
    assert modes_of(packed) == [BASE_MODE] and len(packed) < 1.02 * LARGE


def test_a_net_that_helps_is_used(sample_text, tiny_path, tiny_model, monkeypatch):
    """The tiny net with samples that flatter it: each block by itself, and the frame names the model."""

    class Flattered(ByteLmModel):
        def encode(self, raw, spec, run=DEFAULT_RUN):
            if len(raw) == SAMPLE_SIZE and spec.uses_model and bytes(raw[:5]) != b"digit":
                return b"tiny"
            return super().encode(raw, spec, run)

    model = Flattered(tiny_path)
    monkeypatch.setattr("lmzip.codec.compress.settings_for", lambda level, *_: (levels.get_level(level), model))
    blocks = [sample_text[:40_000], b"digits" + sample_text[40_000:79_994], sample_text[:39_000]]
    raw = b"".join(blocks)
    outputs = {pack(raw, level=8, block_size=40_000, threads=threads)[0] for threads in (1, 2, 3)}
    assert len(outputs) == 1
    (packed,) = outputs
    assert modes_of(packed) == [WITH_MODEL, BASE_MODE, WITH_MODEL]
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
        found = options | {"model": shared.find_model(options["model"])}
        codec.compress_stream(lambda n, s=source, size=size: s.read(min(n, size)), output.write, **found)
        outputs.add(output.getvalue())
    assert len(outputs) == 1
    assert unpack(outputs.pop())[0] == raw
