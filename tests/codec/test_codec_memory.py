"""Memory: little of it for sizes that are only claimed, and the limit that the caller sets."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import time

import pytest
from cli_tools import run
from codec_tools import (
    FAST,
    LARGE,
    LIGHT,
    MAX,
    RAW,
    frame_of,
    header_for,
    pack,
    unpack,
    written_before_error,
)
from conftest import ROOT, painted

from lmzip import codec, levels, native
from lmzip.block import BlockSpec
from lmzip.codec import memory
from lmzip.errors import MemoryLimitError
from lmzip.format.block import BASE, STORED, WITH_MODEL, BlockHead
from lmzip.format.header import pack_header
from lmzip.models.bytelm import ByteLmModel
from lmzip.models.ngram import NgramModel

GIB = 1 << 30
CHECKS = 4 * (GIB // (1 << 18) - 1)  # bytes of the checks of stripes of such a block
FEW = CHECKS + 50
FIRST, MOST, SHORT = pack_header(FAST), pack_header(MAX), pack_header(FAST, short=True)
SHORT_LANES = pack_header(MAX, short=True, n_lanes=8)
HOSTILE = {
    "promises a payload": FIRST.packed + BlockHead(True, BASE, 1, GIB, GIB - 1, 0).pack(FIRST) + bytes(100),
    "promises stored bytes": FIRST.packed + BlockHead(True, STORED, 1, GIB, GIB, 0).pack(FIRST) + bytes(100),
    "a few bytes claim a GiB": frame_of(BlockHead(True, BASE, 1, GIB, FEW, 0), b"\x55" * FEW, MOST),
    "128 lanes claim a GiB": frame_of(BlockHead(True, BASE, 128, GIB, FEW, 0), b"\xaa" * FEW, MOST),
    "not the last": frame_of(BlockHead(False, BASE, 1, GIB, FEW, 0), b"\x99" * FEW, FIRST),
    "short, promises a payload": SHORT.packed + BlockHead(True, BASE, 1, 65535, 65534, 0).pack(SHORT) + bytes(100),
    "short, a few bytes claim all": frame_of(BlockHead(True, BASE, 8, 65535, 50, 0), b"\xaa" * 50, SHORT_LANES),
    "with a net": b"",  # made in the test
}
PROBE = """
import io, resource, sys
from lmzip import codec, levels, native
from lmzip.block import BlockSpec
from lmzip.models.registry import Registry
Registry().models()
from lmzip.errors import LmzipError
spec = BlockSpec(1000, 1, False)
native.decode_block(native.encode_block(bytes(1000), spec), spec)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (lambda: codec.decompress_stream(open(sys.argv[1], "rb").read, lambda data: None, threads=2),
             lambda: codec.list_frames(open(sys.argv[1], "rb"))):
    try:
        read()
    except LmzipError as error:
        print(type(error).__name__, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB only there")
@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded_by_what_is_there(name, tmp_path, tiny_path, tiny_model):
    """Sizes with right checks and nothing behind them: memory for one block's state may be touched, no more."""
    header = header_for(MAX, tiny_model)
    data = HOSTILE[name] or frame_of(BlockHead(True, WITH_MODEL, 128, GIB, FEW, 0), b"\xaa" * FEW, header)
    (tmp_path / "hostile.lmz").write_bytes(data)
    command = [sys.executable, "-c", PROBE, str(tmp_path / "hostile.lmz")]
    environment = os.environ | {"LMZIP_MODEL_PATH": str(tiny_path)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "DamagedError" in result.stderr or "TruncatedError" in result.stderr
    state = tiny_model.memory_size(BlockSpec(GIB, MAX, True, 128))
    assert int(result.stdout) * 1024 < state + (32 << 20)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("net", [False, True], ids=["ngram", "net"])
def test_the_memory_limit_is_checked_before_work(threads, net, sample_text, tiny_model, tiny_path, always_the_net):
    raw, model = sample_text[:8000], tiny_model if net else NgramModel()
    data = pack(raw, level=9, model=model)[0]
    (frame,) = codec.list_frames(io.BytesIO(data))
    head = frame.blocks[0].head
    assert head.mode == (WITH_MODEL if net else BASE) and frame.header.profile == LARGE
    need = tiny_model.memory_size(head.spec(frame.header)) + head.raw_size + 2 * head.payload_size
    need += 2 * tiny_model.size if net else 0
    assert unpack(data, threads=threads, memory_limit=need)[0] == raw
    written, error = written_before_error(data, threads=threads, memory_limit=need - 1)
    assert written == b"" and isinstance(error, MemoryLimitError)
    assert "--memlimit" in str(error) and "MiB" in str(error)
    output = io.BytesIO()
    with pytest.raises(MemoryLimitError):
        codec.compress_stream(io.BytesIO(raw).read, output.write, level=9, model=model, memory_limit=need)
    assert output.getvalue() == b""


def test_a_memory_limit_takes_threads_before_it_refuses(sample_text):
    raw = sample_text[:30000]
    block = native.memory_size(BlockSpec(10000, FAST, False)) + 3 * 10000 + 1  # raw bytes, body, payload
    for memory_limit, n_threads in ((block, 1), (2 * block + 10000, 2), (2 * block + 9999, 1), (9 * block, 3)):
        data, summary = pack(raw, level=1, block_size=10000, threads=3, memory_limit=memory_limit)
        assert summary.n_threads == n_threads
        assert unpack(data, threads=3, memory_limit=memory_limit)[0] == raw


def test_a_limit_of_one_block_reads_nothing_ahead(monkeypatch):
    """Threads are there, memory for one block is: while it is decoded, the next one is not read."""
    data = pack(painted(900), level=1, block_size=100)[0]
    n_decoding, decode = 0, native.decode_block
    source = io.BytesIO(data)

    def slow(*arguments, **options):
        nonlocal n_decoding
        n_decoding += 1
        time.sleep(0.01)
        raw = decode(*arguments, **options)
        n_decoding -= 1
        return raw

    def read(size):
        time.sleep(0.001)  # long enough for a worker to begin, if there were work
        assert n_decoding == 0
        return source.read(min(size, 10))

    monkeypatch.setattr(native, "decode_block", slow)
    head = codec.list_frames(io.BytesIO(data))[0].blocks[0].head
    need = native.memory_size(BlockSpec(100, FAST, False)) + 100 + 2 * head.payload_size + 20
    summary = codec.decompress_stream(read, lambda raw: None, threads=3, memory_limit=need)
    assert summary.n_threads == 1 and summary.raw_size == 900


def test_compress_memory_is_what_a_limit_must_allow(sample_text):
    need = codec.compress_memory(1, 5000, 2)
    assert pack(sample_text[:30000], level=1, block_size=5000, threads=2, memory_limit=need)[1].n_threads == 2
    assert pack(sample_text[:30000], level=1, block_size=5000, threads=2, memory_limit=need - 1)[1].n_threads == 1


def test_compress_memory_counts_the_net(sample_text, tiny_path, tiny_model):
    options = {"level": 5, "block_size": 5000, "threads": 2, "model": tiny_model}
    need = codec.compress_memory(**options)
    state = max(tiny_model.memory_size(BlockSpec(5000, LIGHT, uses_model)) for uses_model in (False, True))
    block = state + 4 * 5000 + 1  # it is coded both ways, and both payloads are held beside raw bytes and body
    assert need == 2 * tiny_model.size + 2 * block + 5000
    assert codec.compress_memory(**options | {"threads": 1}) == (need - 5000) // 2 + tiny_model.size, "weights once"
    assert need > codec.compress_memory(**options | {"model": NgramModel()})
    assert pack(sample_text[:20000], **options, memory_limit=need)[1].n_threads == 2
    assert pack(sample_text[:20000], **options, memory_limit=need - 1)[1].n_threads == 1


@pytest.mark.parametrize("model", ["ngram", "tiny"])
def test_no_memory_is_a_typed_error(monkeypatch, model, tiny_path, always_the_net):
    model = str(tiny_path) if model == "tiny" else model
    data = pack(RAW, model=model)[0]

    def none_left(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(native, "decode_block", none_left)
    monkeypatch.setattr(native, "encode_block", none_left)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        unpack(data)
    with pytest.raises(MemoryLimitError, match=f"{len(RAW)} bytes"):
        pack(RAW, model=model)


def in_space(size: int):
    """Return a function for a child to call before it becomes the program: its address space may have size bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


in_little_space = in_space(300_000_000)  # what 22 bytes may take at any level


@pytest.mark.skipif(sys.platform != "linux", reason="not every system counts address space")
@pytest.mark.parametrize("level", range(1, 10))
def test_a_few_bytes_need_little_address_space(level, tmp_path):
    """As under `ulimit -v`: a file is replaced, so that it is verified; then with threads, whose arenas are large."""
    raw = b"a line of 22 bytes: 1\n"
    path = tmp_path / "a"
    path.write_bytes(raw)
    assert len(raw) == 22
    for arguments in (("lmzip", f"-{level}", path), ("lmzip", "-t", f"{path}.lmz"), ("lmunzip", f"{path}.lmz")):
        done = run(*arguments, preexec_fn=in_little_space)
        assert (done.returncode, done.stderr) == (0, b"")
    assert path.read_bytes() == raw
    packed = run("lmzip", f"-{level}", "-T8", data=raw, preexec_fn=in_little_space).stdout
    done = run("lmunzip", "-T8", data=packed, preexec_fn=in_little_space)
    assert (done.returncode, done.stdout, done.stderr) == (0, raw, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="not every system counts address space")
@pytest.mark.parametrize("name", ["bytelm3-6-3000.lmz", "bytelm3-6-lanes-70000.lmz"])
def test_the_net_needs_little_address_space(name):
    """Frames that cannot be decoded without it: one lane, and several on two threads."""
    packed = (ROOT / "tests" / "golden" / name).read_bytes()
    done = run("lmunzip", data=packed, preexec_fn=in_little_space)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == run("lmunzip", data=packed).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="not every system counts address space")
@pytest.mark.parametrize("megabytes", [48, 56, 64])
def test_too_little_address_space_for_the_net_is_known_beforehand(megabytes):
    """What parses weight files panics or hangs where memory ends meanwhile."""
    done = run("lmzip", "-6", data=b"hello", preexec_fn=in_space(megabytes * 1_000_000))
    if done.returncode:
        assert done.returncode == 1 and done.stdout == b"" and done.stderr.count(b"\n") == 1
        assert b"the model bytelm3 needs " in done.stderr and b" MiB are free" in done.stderr


def test_a_net_that_does_not_fit_is_not_loaded(monkeypatch, tiny_path, sample_text):
    model = ByteLmModel(tiny_path)
    need, output = model.loading_size(), io.BytesIO()
    assert need > 3 * model.size
    monkeypatch.setattr(memory, "free_memory", lambda: need - 1)
    for work in (
        lambda: codec.compress_stream(io.BytesIO(sample_text).read, output.write, level=5, model=model),
        lambda: codec.compress_memory(5, model=model),
        lambda: memory.encoding_threads(1, model, levels.get_level(5), 1000),
    ):
        with pytest.raises(MemoryLimitError, match="MiB are free"):
            work()
    assert output.getvalue() == b""
    monkeypatch.setattr(memory, "free_memory", lambda: need)
    assert codec.compress_memory(5, model=model) > 0
    assert model.loading_size() == 0, "it is there by now"
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    codec.compress_stream(io.BytesIO(sample_text[:5000]).read, output.write, level=5, model=model)
