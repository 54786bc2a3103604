"""How many threads code blocks: what there is room for, what can be started; the output never depends on it."""

from __future__ import annotations

import io
import os
import resource
import threading

import pytest
from cli_tools import AS_NOBODY, compress, long_text, run, run_python
from codec_tools import FAST, LIGHT, pack, unpack
from conftest import painted

from lmzip import codec, native
from lmzip.block import BlockSpec
from lmzip.codec import compress as compressing
from lmzip.codec import memory
from lmzip.codec.workers import Workers
from lmzip.errors import LmzipError, MemoryLimitError

BLOCK_SIZE = 10_000
RAW = painted(85_000)
STATE = native.memory_size(BlockSpec(BLOCK_SIZE, FAST, False))
BLOCK = STATE + 3 * BLOCK_SIZE + 1  # that a block takes when compressed, whose body and payload may be as large
OPTIONS = {"level": 1, "block_size": BLOCK_SIZE}


@pytest.fixture
def room(monkeypatch):
    """A function that says what a machine with 8 processors has left; bytes, None where it does not tell."""

    def leave(idle: int | None = None, address_space: int | None = None) -> None:
        for module in (memory, compressing):
            monkeypatch.setattr(module, "available_threads", lambda: 8)
        monkeypatch.setattr(memory, "idle_memory", lambda: idle)
        monkeypatch.setattr(memory, "free_address_space", lambda: address_space)

    return leave


SPACES = [  # idle memory, address space -> threads
    (None, None, 8),
    (0, None, 1),
    (None, 0, 1),
    (40 * BLOCK, None, 8),
    ((3 * BLOCK + BLOCK_SIZE) * 4 // 3 + 1, None, 3),
    ((3 * BLOCK + BLOCK_SIZE) * 4 // 3 - 4, None, 2),
    (None, 3 * (BLOCK + memory._THREAD_SPACE) + BLOCK_SIZE, 3),
    (None, 3 * (BLOCK + memory._THREAD_SPACE) + BLOCK_SIZE - 1, 2),
    (40 * BLOCK, 2 * memory._THREAD_SPACE, 1),
]


@pytest.mark.parametrize(("idle", "address_space", "n_threads"), SPACES)
def test_the_default_is_what_there_is_room_for(room, idle, address_space, n_threads):
    room(idle, address_space)
    expected = pack(RAW, **OPTIONS, threads=1)[0]
    packed, summary = pack(RAW, **OPTIONS)
    assert (packed, summary.n_threads) == (expected, n_threads)
    raw, summary = unpack(packed)
    assert raw == RAW and n_threads <= summary.n_threads <= 8 and (summary.n_threads == 1) == (n_threads == 1)
    assert memory.encoding_threads(None, *codec.memory.settings_for(1, None, None)[::-1], BLOCK_SIZE) == n_threads
    assert codec.compress_memory(1, BLOCK_SIZE) == codec.compress_memory(1, BLOCK_SIZE, n_threads)


def test_what_a_caller_says_is_lowered_by_limits_only(room):
    room(0, None)
    assert pack(RAW, **OPTIONS, threads=3)[1].n_threads == 3
    assert pack(RAW, **OPTIONS, threads=3, memory_limit=2 * BLOCK + BLOCK_SIZE)[1].n_threads == 2
    assert unpack(pack(RAW, **OPTIONS)[0], threads=3)[1].n_threads == 3
    room(0, 2 * (BLOCK + memory._THREAD_SPACE) + BLOCK_SIZE)
    assert pack(RAW, **OPTIONS, threads=3)[1].n_threads == 2
    room(4 * BLOCK, None)
    assert pack(RAW, **OPTIONS, memory_limit=2 * BLOCK + BLOCK_SIZE)[1].n_threads == 2
    assert pack(RAW, **OPTIONS, memory_limit=9 * BLOCK)[1].n_threads == 2
    with pytest.raises(MemoryLimitError):
        pack(RAW, **OPTIONS, memory_limit=BLOCK - 1)


def test_what_was_free_is_asked_once(room, monkeypatch):
    """Memory that blocks take is not free any more, which is no reason to use fewer threads for the next."""
    packed = pack(RAW, **OPTIONS)[0] * 3
    room(20 * BLOCK, None)
    left = iter([20 * BLOCK])
    monkeypatch.setattr(memory, "idle_memory", lambda: next(left))
    raw, summary = unpack(packed)
    assert raw == 3 * RAW and summary.n_threads == 8


def test_weights_that_are_loaded_are_not_counted_again(room, tiny_path, tiny_model, always_the_net):
    options = {"level": 5, "block_size": BLOCK_SIZE, "model": str(tiny_path)}
    block = (
        max(tiny_model.memory_size(BlockSpec(BLOCK_SIZE, LIGHT, uses_model)) for uses_model in (False, True))
        + 4 * BLOCK_SIZE
        + 1
    )
    room((2 * block + BLOCK_SIZE) * 4 // 3 + 1, None)
    assert pack(RAW, **options)[1].n_threads == 2


@pytest.fixture
def few_start(monkeypatch):
    """A function: from now on only so many threads can be started."""
    start = threading.Thread.start

    def allow(n: int, error: BaseException = RuntimeError("can't start new thread")) -> None:  # noqa: B008
        left = iter(range(n))

        def limited(thread: threading.Thread) -> None:
            if next(left, None) is None:
                raise error
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)

    return allow


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()], ids=["number", "stack"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_threads_that_cannot_be_started(few_start, n, error):
    """Those that there are do the work, or the caller; verifying too, which is done in the background."""
    expected = pack(RAW, **OPTIONS, threads=1)[0]
    for verify in (None, True, "read back"):
        few_start(n, error)
        output = io.BytesIO()

        def read_at(size: int, offset: int, output: io.BytesIO = output) -> bytes:
            return output.getvalue()[offset : offset + size]

        check = read_at if verify == "read back" else verify
        summary = codec.compress_stream(io.BytesIO(RAW).read, output.write, **OPTIONS, threads=4, verify=check)
        assert (output.getvalue(), summary.n_threads) == (expected, max(1, n))
        assert summary.verified == bool(verify)
    few_start(n, error)
    raw, summary = unpack(expected, threads=4)
    assert (raw, summary.n_threads) == (RAW, max(1, n))
    few_start(n, error)
    with pytest.raises(LmzipError, match="damaged"):
        unpack(expected[:-40] + bytes(40), threads=4)


def test_only_as_many_threads_start_as_may_work(monkeypatch):
    """With a limit below the number that was asked for, the others would only take room for their stacks."""
    packed, started = pack(RAW, **OPTIONS)[0], []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread), start(thread)))
    with Workers(8) as workers:
        workers.limit = 2
        for number in range(20):
            workers.submit(lambda number=number: number, lambda number: None)
        workers.finish()
    assert len(started) == 2
    unpack(packed, threads=8, memory_limit=BLOCK)
    assert len(started) == 2, "a limit of one job needs none"


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_NPROC"), reason="no limit of processes here")
@pytest.mark.parametrize("options", [("-1", "--block-size=16k", "-T4"), ("-5", "-T2")], ids=["blocks", "one block"])
def test_a_user_who_may_start_no_thread(options, sample_text):
    """As with `ulimit -u` or pids.max: the same output in one thread, and not a word of it."""
    raw = sample_text[:70_000]
    expected = compress(raw, *options)
    code = f"""
import difflib, resource, threading  # click needs the first for joined options
from lmzip.cli import chosen_model
loaded = chosen_model.Registry()
loaded.default().load()
chosen_model.Registry = lambda _settings: loaded  # nobody may read the weights
{AS_NOBODY if os.geteuid() == 0 else "import lmzip.codec"}
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    os.write(2, b"none")
"""
    for arguments, data, output in ((options, raw, expected), (("-d", "-T4"), expected, raw)):
        process = run_python(code, *arguments, stdin=-1)
        assert process.communicate(data, timeout=60) == (output, b"none")
        assert process.returncode == 0


@pytest.mark.parametrize("option", ["-T0", "-T64"])
def test_an_address_space_too_small_for_the_threads(option):
    """Where a limit is there, they keep below it, however many processors there are or threads were asked for."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (350_000_000, 350_000_000))

    raw = long_text(500_000)
    code = "import os; os.sched_getaffinity = lambda _: set(range(64))"
    process = run_python(code, "-1", "--block-size=16k", option, stdin=-1, preexec_fn=limit)
    stdout, stderr = process.communicate(raw, timeout=60)
    assert (process.returncode, stderr) == (0, b"")
    process = run_python(code, "-d", option, stdin=-1, preexec_fn=limit)
    assert process.communicate(stdout, timeout=60) == (raw, b"")
    assert run("lmunzip", data=stdout).stdout == raw
