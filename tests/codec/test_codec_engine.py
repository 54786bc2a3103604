"""An engine codes blocks in the place of threads: the same bytes, every check made again, errors and ends passed on."""

from __future__ import annotations

import io
import pickle
import threading
import time
from dataclasses import replace

import pytest
from codec_tools import pack, unpack, written_before_error
from conftest import SAMPLE

from lmzip import codec
from lmzip.codec.encode import encode_block
from lmzip.codec.jobs import DecodeJob, EncodeJob
from lmzip.dictionary import Dictionary
from lmzip.errors import DamagedError, LmzipError, MemoryLimitError, VerifyError

TEXT = SAMPLE.read_bytes()[:40_000]


class Elsewhere:
    """Does jobs as another process would: from what can be sent alone.  Notes how many are on their way at once."""

    def __init__(self, n_jobs: int = 3, change=None) -> None:
        self.n_jobs, self.change = n_jobs, change or (lambda result: result)
        self.n_now = self.most = self.n_done = 0
        self.lock = threading.Lock()

    def do(self, job, check):
        with self.lock:
            self.n_now += 1
            self.most = max(self.most, self.n_now)
        try:
            check()
            return self.change(self.result(job))
        finally:
            with self.lock:
                self.n_now -= 1
                self.n_done += 1

    def result(self, job):
        model = job.model
        assert job.memory() > 1 << 16
        if isinstance(job, DecodeJob):
            sent = pickle.loads(pickle.dumps(replace(job, model=None, payload=bytes(job.payload))))
            return bytes(replace(sent, model=model).do())
        body = job.body and job.body._replace(coded=bytes(job.body.coded))
        sent: EncodeJob = pickle.loads(pickle.dumps(replace(job, model=None, raw=bytes(job.raw), body=body)))
        return replace(sent, model=model).do(encode_block)._replace(body=None)


CASES = [
    {"level": 1, "block_size": 9_000},
    {"level": 4, "block_size": 9_000, "verify": True},
    {"level": 6, "block_size": 3_000, "verify": True},
    {"level": 6},
    {"level": 1, "block_size": 5_000, "long": True, "verify": True},
    {"level": 4, "block_size": 9_000, "dictionary": Dictionary(TEXT[:3_000])},
]


@pytest.mark.parametrize("given", CASES, ids=lambda given: ",".join(given))
def test_the_same_bytes_both_ways(given) -> None:
    raw = TEXT[: 7_000 if given["level"] == 6 else None]
    raw += raw[:4_000]
    plain, _ = pack(raw, **given)
    there = Elsewhere()
    assert pack(raw, engine=there, **given)[0] == plain
    n_blocks = there.n_done
    assert n_blocks == sum(len(frame.blocks) for frame in codec.list_frames(io.BytesIO(plain)))
    assert unpack(plain, engine=there, dictionary=given.get("dictionary"))[0] == raw
    assert there.n_done == 2 * n_blocks
    assert there.most <= 3


def test_progress_counts_every_byte_of_each_phase() -> None:
    done = {"compress": 0, "verify": 0, "decompress": 0}

    def advance(phase: str, n: int) -> None:
        done[phase] += n

    data, _ = pack(TEXT, level=1, block_size=9_000, verify=True, engine=Elsewhere(), progress=advance)
    unpack(data, engine=Elsewhere(), progress=advance)
    assert done == dict.fromkeys(done, len(TEXT))


def with_other_payload(encoded):
    return encoded._replace(payload=bytes([encoded.payload[0] ^ 1]) + bytes(encoded.payload[1:]))


def test_what_arrives_changed_is_not_written() -> None:
    with pytest.raises(VerifyError, match="does not decode"):
        pack(TEXT, level=1, block_size=9_000, engine=Elsewhere(change=with_other_payload))
    data, _ = pack(TEXT, level=1, block_size=9_000)
    written, error = written_before_error(data, engine=Elsewhere(change=lambda raw: raw[:-1] + b"?"))
    assert isinstance(error, DamagedError)
    assert written == b""


def test_errors_come_back() -> None:
    def fail(_):
        raise LmzipError("no node")

    with pytest.raises(LmzipError, match="no node"):
        pack(TEXT, level=1, block_size=9_000, engine=Elsewhere(change=fail))
    data = bytearray(pack(TEXT, level=1, block_size=9_000)[0])
    data[len(data) // 2] ^= 1
    assert written_before_error(data, engine=Elsewhere())[0] == written_before_error(data)[0]
    assert str(written_before_error(data, engine=Elsewhere())[1]) == str(written_before_error(data)[1])


def test_one_failure_ends_those_behind_it() -> None:
    ended = threading.Event()

    class Failing(Elsewhere):
        def do(self, job, check):
            with self.lock:
                self.n_done += 1
                is_first = self.n_done == 1
            if is_first:
                while self.n_done < 2:
                    time.sleep(0.01)
                raise LmzipError("a node is gone")
            try:
                while True:
                    time.sleep(0.01)
                    check()
            finally:
                ended.set()

    with pytest.raises(LmzipError, match="a node is gone"):
        pack(TEXT, level=1, block_size=9_000, engine=Failing(n_jobs=2))
    assert ended.wait(60)


def test_memory_limits_what_is_on_its_way() -> None:
    there = Elsewhere(n_jobs=30)
    pack(bytes(TEXT) * 8, level=1, block_size=20_000, engine=there, memory_limit=7 * 20_000)
    assert 1 <= there.most <= 3
    with pytest.raises(MemoryLimitError):
        pack(TEXT, level=1, block_size=20_000, engine=there, memory_limit=20_000)


def test_more_jobs_where_the_cluster_grows() -> None:
    class Growing(Elsewhere):
        def do(self, job, check):
            self.n_jobs = 6
            time.sleep(0.05)
            return super().do(job, check)

    there = Growing(n_jobs=2)
    pack(TEXT * 4, level=1, block_size=5_000, engine=there)
    assert 2 < there.most <= 6


def test_nothing_is_salvaged_elsewhere() -> None:
    with pytest.raises(ValueError, match="salvages nothing"):
        unpack(pack(TEXT, level=1)[0], engine=Elsewhere(), salvage=True)
