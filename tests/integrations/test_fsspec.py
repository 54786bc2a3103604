"""fsspec's "lmzip" and "infer", and what opens by it: pandas and dask; on its file system in memory."""

from __future__ import annotations

import pytest

import lmzip
from lmzip import integrations

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: make test-integrations")

ROWS = b"name,number\n" + b"".join(b"row %d,%d\n" % (n, n * n) for n in range(500))


@pytest.fixture
def memory():
    integrations.register("fsspec")
    file_system = fsspec.filesystem("memory")
    file_system.store.clear()
    file_system.pipe("/a.csv.lmz", lmzip.compress(ROWS, 1, block_size=700))
    return file_system


@pytest.mark.parametrize("compression", ["infer", "lmzip"])
def test_reading_and_writing(memory, compression):
    with fsspec.open("memory://a.csv.lmz", compression=compression) as file:
        assert file.read(7) == ROWS[:7]
        assert file.seek(3000) == 3000 and file.read(50) == ROWS[3000:3050]
    with fsspec.open("memory://b.txt.lmz", "wt", compression=compression, encoding="utf-8") as file:
        file.write("größer\n" * 100)
    assert lmzip.decompress(memory.cat("/b.txt.lmz")).decode() == "größer\n" * 100
    with fsspec.open("memory://b.txt.lmz", "rt", compression=compression, encoding="utf-8") as file:
        assert file.readlines() == ["größer\n"] * 100


def test_on_disk_and_many_files(memory, tmp_path):
    names = [f"{tmp_path}/{n}.lmz" for n in range(3)]
    for name, opened in zip(names, fsspec.open_files(names, "wb", compression="infer"), strict=True):
        with opened as file:
            file.write(name.encode())
    for name, opened in zip(names, fsspec.open_files(f"{tmp_path}/*.lmz", compression="infer"), strict=True):
        with opened as file, lmzip.open(name) as other:
            assert file.read() == other.read() == name.encode()


def test_pandas_reads_and_writes(memory):
    """pandas infers no format that it does not know itself: fsspec is told by storage_options."""
    pandas = pytest.importorskip("pandas", reason="needs pandas: make test-integrations")
    options = {"storage_options": {"compression": "infer"}}
    frame = pandas.read_csv("memory://a.csv.lmz", **options)
    assert frame.number.tolist() == [n * n for n in range(500)]
    frame.to_csv("memory://b.csv.lmz", index=False, **options)
    assert lmzip.decompress(memory.cat("/b.csv.lmz")) == ROWS


def test_dask_reads_and_writes(memory):
    dataframe = pytest.importorskip("dask.dataframe", reason="needs dask: make test-integrations")
    memory.pipe("/b.csv.lmz", lmzip.compress(ROWS, 1))
    frame = dataframe.read_csv("memory://*.csv.lmz", compression="infer", blocksize=None)
    assert frame.npartitions == 2 and int(frame.number.sum().compute()) == 2 * sum(n * n for n in range(500))
    frame.to_csv("memory://out/*.csv.lmz", compression="lmzip", index=False)
    parts = [lmzip.decompress(memory.cat(name)) for name in memory.ls("/out", detail=False)]
    assert parts == [ROWS, ROWS]


def test_dask_bags_of_text(memory):
    bag = pytest.importorskip("dask.bag", reason="needs dask: make test-integrations")
    lines = bag.read_text("memory://a.csv.lmz", compression="infer")
    assert lines.count().compute(scheduler="threads") == 501


def test_other_processes_register_too(tmp_path):
    """As docs say: workers that were started anew know nothing of what was registered in this process."""
    bag = pytest.importorskip("dask.bag", reason="needs dask: make test-integrations")
    import dask

    (tmp_path / "a.csv.lmz").write_bytes(lmzip.compress(ROWS, 1))
    integrations.register("fsspec")
    lines = bag.read_text(str(tmp_path / "a.csv.lmz"), compression="infer")
    with dask.config.set({"multiprocessing.initializer": integrations.register}):
        assert lines.count().compute(scheduler="processes", num_workers=1) == 501
