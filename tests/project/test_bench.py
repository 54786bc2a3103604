"""scripts/bench.py: a small comparison end to end, and the parts that could flatter a program."""

from __future__ import annotations

import csv
import importlib
import lzma
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from lmzip import native

SCRIPTS = ROOT / "scripts"


@pytest.fixture
def bench(monkeypatch):
    """The script's modules, imported as the script itself imports them."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return {name: importlib.import_module(name) for name in ("bench", "bench_peers", "bench_report", "bench_run")}


def small_text(n_lines: int) -> bytes:
    return b"".join(b"line %d: the quick brown fox jumps over the lazy dog\n" % (i * i) for i in range(n_lines))


def run_script(*arguments, path=None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / "bench.py"), *map(str, arguments)]
    environment = {"PATH": path} if path else None
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_comparison_end_to_end(lmzip_path, tmp_path):
    (tmp_path / "a.txt").write_bytes(small_text(60))
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(small_text(300)))
    output = tmp_path / "results"
    files = [tmp_path / "a.txt", tmp_path / "b.txt.xz"]
    done = run_script(
        "--levels", "1,6", "--peers", "gzip", "--runs", "2", "--unpack-xz", "--output-dir", output, "--files", *files
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((output / "bench.csv").read_text().splitlines()))
    programs = ["lmzip -1", "lmzip -6"] + (["gzip -9"] if shutil.which("gzip") else [])
    assert [(row["file"], row["program"]) for row in rows] == [(f, p) for f in ("a.txt", "b.txt") for p in programs]
    for row in rows:
        assert int(row["raw_size"]) == len(small_text(60 if row["file"] == "a.txt" else 300))
        assert 0 < int(row["compressed_size"]) < int(row["raw_size"])
        assert float(row["compress_seconds"]) > 0 and int(row["n_runs"]) == 2
    markdown = (output / "bench.md").read_text()
    assert "| **lmzip -1** |" in markdown and "| a.txt |" in markdown and "checked by SHA-256" in markdown


def test_levels_end_to_end(tmp_path):
    """A row for each level, and both speeds for each variant."""
    (tmp_path / "a.txt").write_bytes(small_text(60))
    variants = list(dict.fromkeys((native.simd_variants()[0], native.simd_variants()[-1])))
    command = [sys.executable, str(SCRIPTS / "measure_levels.py"), str(tmp_path / "a.txt"), "--levels=1,6", "--runs=1"]
    done = subprocess.run([*command, "--variants", ",".join(variants)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| `-")]
    assert [row[0].strip() for row in rows] == ["`-1`", "`-6`"]
    for row in rows:
        assert 0 < int(row[4].replace(",", "")) < len(small_text(60)), row
        assert len(row) == 6 + len(variants) and all(speed.count("/") == 1 for speed in row[6:])


def test_missing_programs_are_reported(bench, monkeypatch):
    monkeypatch.setattr(bench["bench_peers"].sys, "executable", "/nonexistent/python")
    monkeypatch.setenv("PATH", "/nonexistent")
    installed, missing = bench["bench_peers"].select([1], ["xz", "zpaq -m5"], 1)
    assert installed == [] and missing == ["lmzip -1", "xz -9e", "zpaq -m5"]
    assert bench["bench_peers"].select([6], [], 1, "other")[1] == ["lmzip -6", "lmzip other -6"]


def test_unknown_peer_and_level_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    unknown = run_script("--peers", "rar", "--output-dir", tmp_path / "o", "--files", tmp_path / "a")
    assert unknown.returncode == 1 and "no such peer: rar" in unknown.stderr
    assert run_script("--levels", "10", "--files", tmp_path / "a").returncode == 2


def test_a_program_that_loses_data_is_not_measured(bench, tmp_path):
    """A peer whose round trip fails is left out, lmzip's failure stops everything."""
    source = tmp_path / "input.txt"
    source.write_bytes(small_text(20))
    program, measure = bench["bench_peers"].Program, bench["bench_run"].measure
    compress = (sys.executable, "-c", "import sys; sys.stdout.write('x')")
    messages = []
    liar = program("liar", compress, compress)
    assert measure([liar], source, "input.txt", 1, messages.append) == []
    assert any("does not give input.txt back" in message for message in messages)
    failing = program("failing", (sys.executable, "-c", "raise SystemExit(3)"), compress)
    assert measure([failing], source, "input.txt", 1, messages.append) == []
    assert any("exit status 3" in message for message in messages)
    with pytest.raises(bench["bench_run"].RoundTripError):
        measure([program("ours", compress, compress, ours=True)], source, "input.txt", 1, messages.append)


def test_runs_are_interleaved(bench, tmp_path, monkeypatch):
    order = []

    def record(program, source, digest, measurement):
        order.append(program.name)

    monkeypatch.setattr(bench["bench_run"], "measure_once", record)
    source = tmp_path / "x"
    source.write_bytes(b"x")
    programs = [bench["bench_peers"].Program(name, (name,), (name,)) for name in "ab"]
    bench["bench_run"].measure(programs, source, "x", 3, lambda text: None)
    assert order == list("ababab")


def measurement(bench, program, file, raw_size, compressed_size, seconds):
    run = bench["bench_run"].Run
    runs = [run(second, 1 << 20) for second in seconds]
    return bench["bench_run"].Measurement(program, file, raw_size, compressed_size, runs, runs)


def test_totals_are_of_sums_and_medians(bench):
    """Bits per byte of a set is 8 * sum / sum, not the mean of the files'; times are medians."""
    rows = [
        measurement(bench, "p", "a", 1000, 500, [1, 2, 30]),
        measurement(bench, "p", "b", 3000, 300, [2, 2, 2]),
        measurement(bench, "incomplete", "a", 1000, 1, [1]),
    ]
    (total,) = bench["bench_report"].totals(rows)
    assert total.program == "p" and total.compress_seconds == 4
    assert total.bits_per_byte == pytest.approx(8 * 800 / 4000)
    assert total.compress_speed == pytest.approx(1.0)


def test_peak_memory_is_the_commands_own(bench, tmp_path):
    """A command that touches 64 MiB is seen to do so."""
    program = "import time; x = bytearray(b'1') * (64 << 20); time.sleep(0.1)"
    run = bench["bench_run"].run_command((sys.executable, "-c", program), tmp_path, "output")
    assert 64 << 20 <= run.memory < 200 << 20 and run.seconds >= 0.1


def test_documents_are_changed_between_markers_only(bench):
    replace = bench["bench_report"].replace_between
    text = "before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n"
    once = replace(text, "bench", ["| new |"])
    assert once == "before\n<!-- bench:begin -->\n\n| new |\n\n<!-- bench:end -->\nafter\n"
    assert replace(once, "bench", ["| new |"]) == once
    with pytest.raises(ValueError, match="once each"):
        replace("no markers", "bench", [])


def test_documents_have_the_markers(bench):
    for path in (ROOT / "README.md", ROOT / "docs" / "RESULTS.md"):
        assert bench["bench_report"].replace_between(path.read_text(), "bench", ["x"])


@pytest.mark.skipif(not shutil.which("zstd"), reason="compares with zstd")
def test_patches_are_compared_with_zstd(tmp_path):
    (tmp_path / "old").write_bytes(small_text(600))
    (tmp_path / "new").write_bytes(small_text(500) + b"something else" + small_text(600))
    pair = ["--pair", tmp_path / "old", tmp_path / "new"]
    arguments = ["--rows", "100", "--level", "1", "--level", "3", *pair, "--out", tmp_path]
    script = [sys.executable, str(SCRIPTS / "bench_patches.py"), *map(str, arguments)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "patches.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pair"] for row in rows] == ["a dump of a table, JSON", "a text, one third new", "new from old"]
    for row in rows:
        assert all(0 < int(row[program]) < int(row["raw_size"]) / 5 for program in ("zstd", "lmzip1", "lmzip3"))
    assert "-3 / zstd" in done.stdout


@pytest.mark.skipif(not shutil.which("zstd"), reason="compares with zstd")
def test_small_messages_are_compared_with_zstd(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_bytes(small_text(600))
    arguments = ["--messages", "160", "--size", "1k", "--logs", folder, "--out", tmp_path]
    script = [sys.executable, str(SCRIPTS / "bench_dictionaries.py"), *map(str, arguments)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "dictionaries.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["messages"] for row in rows] == ["events, JSON", "pages, HTML", "log lines", "a.log"]
    for row in rows:
        assert int(row["n_messages"]) in (15, 20)
        for program in ("zstd", "lmzip3", "lmzip6"):
            assert 0 < int(row[f"{program}_with"]) < int(row[f"{program}_without"]) < int(row["raw_size"])
    assert "-6 -D / zstd -D" in done.stdout
