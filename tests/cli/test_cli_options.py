"""Every option, joined and repeated, by the installed programs."""

from __future__ import annotations

import json
import random
import subprocess

import click
import pytest
from cli_tools import MAGIC, compress, decompress, environment, names_in, run

from lmzip.cli.option_types import SuffixType

DATA = b"The quick brown fox jumps over the lazy dog. " * 140


@pytest.fixture
def file(tmp_path):
    """A file `a` with DATA in a folder of its own."""
    path = tmp_path / "a"
    path.write_bytes(DATA)
    return path


@pytest.fixture(scope="module")
def packed():
    """DATA, compressed."""
    return compress(DATA)


def ok(*arguments, **options):
    """Run, expect status 0 and silence on standard error; return standard output."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_plain_call_replaces_silently(file):
    assert ok("lmzip", file) == b""
    assert names_in(file.parent) == ["a.lmz"]
    assert ok("lmunzip", f"{file}.lmz") == b""
    assert names_in(file.parent) == ["a"]
    assert file.read_bytes() == DATA


@pytest.mark.parametrize("option", ["-d", "--decompress", "--uncompress"])
def test_decompress_options_decompress(file, option):
    ok("lmzip", file)
    ok("lmzip", option, f"{file}.lmz")
    assert file.read_bytes() == DATA


def test_compress_undoes_decompress(file):
    ok("lmzip", "-dz", file)
    ok("lmunzip", "-z", "-d", f"{file}.lmz")
    ok("lmunzip", "-z", file)
    assert names_in(file.parent) == ["a.lmz"]


@pytest.mark.parametrize("option", ["-c", "--stdout", "--to-stdout"])
def test_stdout_keeps_the_input(file, option):
    packed = ok("lmzip", option, file)
    assert packed.startswith(MAGIC) and decompress(packed) == DATA
    assert names_in(file.parent) == ["a"]


def test_stdout_of_several_files_is_joined_members(file, tmp_path):
    (tmp_path / "b").write_bytes(b"second")
    (tmp_path / "empty").write_bytes(b"")
    assert decompress(ok("lmzip", "-c", file, tmp_path / "empty", tmp_path / "b")) == DATA + b"second"


def test_keep_and_rm_the_last_wins(file):
    ok("lmzip", "--rm", "-k", file)
    assert names_in(file.parent) == ["a", "a.lmz"]
    ok("lmzip", "-f", "-k", "--rm", file)
    assert names_in(file.parent) == ["a.lmz"]
    ok("lmunzip", "--keep", f"{file}.lmz")
    assert names_in(file.parent) == ["a", "a.lmz"]


def test_output_file_gets_the_output_and_input_stays(file, tmp_path):
    ok("lmzip", "-o", tmp_path / "out", file)
    assert names_in(tmp_path) == ["a", "out"]
    ok("lmunzip", "-o", tmp_path / "back", tmp_path / "out")
    assert (tmp_path / "back").read_bytes() == DATA
    done = run("lmzip", "-o", tmp_path / "out", file)
    assert done.returncode == 1 and b"exists" in done.stderr
    before = (tmp_path / "out").read_bytes()
    ok("lmzip", "-f9o", tmp_path / "out", file, "--rm")
    assert names_in(tmp_path) == ["back", "out"] and decompress((tmp_path / "out").read_bytes()) == DATA
    assert before.startswith(MAGIC)


def test_output_from_stdin(tmp_path):
    ok("lmzip", "-o", tmp_path / "out", data=DATA)
    ok("lmzip", "-do", tmp_path / "back", data=(tmp_path / "out").read_bytes())
    assert (tmp_path / "back").read_bytes() == DATA


def test_output_and_stdout_the_last_wins(file, tmp_path):
    assert ok("lmzip", "-o", tmp_path / "out", "-c", file).startswith(MAGIC)
    assert names_in(tmp_path) == ["a"]
    assert ok("lmzip", "-c", "-o", tmp_path / "out", file) == b""
    assert ok("lmzip", "-o", "-", file).startswith(MAGIC)


@pytest.mark.parametrize("arguments", [["-o", "out", "a", "a"], ["-o", "out", "-r", "a"], ["-o", "", "a"]])
def test_output_takes_one_input(file, arguments):
    done = run("lmzip", *arguments, cwd=file.parent)
    assert done.returncode == 1 and names_in(file.parent) == ["a"]


def test_output_must_not_be_the_input(file, tmp_path):
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link", "./a"):
        done = run("lmzip", "-f", "-o", name, "a", cwd=tmp_path)
        assert done.returncode == 1 and b"same file" in done.stderr
    assert file.read_bytes() == DATA


def test_test_checks_and_writes_nothing(file, packed, tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(packed)
    assert ok("lmzip", "-t", path) == b""
    assert ok("lmunzip", "-t", "-d", "--rm", path) == b""
    assert ok("lmzip", "-t", data=packed) == b""
    done = run("lmzip", "-tv", path)
    assert done.returncode == 0 and done.stderr.startswith(str(path).encode() + b": ok")
    assert names_in(tmp_path) == ["a", "a.lmz"]
    path.write_bytes(packed[:-1])
    assert run("lmzip", "-t", path).returncode == 1
    assert run("lmzip", "-t", file).returncode == 1


def test_verbose_is_one_line_on_stderr(file):
    done = run("lmzip", "-v", file)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.count(b"\n") == 1
    for word in (b"bits/byte", b"kB/s", b"verified", b"replaced with", b"%d -> " % len(DATA)):
        assert word in done.stderr
    done = run("lmunzip", "-kv", f"{file}.lmz")
    assert done.stderr.count(b"\n") == 1 and b"written to" in done.stderr and b"verified" not in done.stderr


def test_quiet_changes_no_status(file, tmp_path):
    (tmp_path / "b.lmz").write_bytes(b"")
    for options, warnings, errors in (([], 1, 1), (["-q"], 0, 1), (["-qq"], 0, 0), (["-qqv"], 0, 0)):
        assert len(run("lmzip", *options, tmp_path / "b.lmz").stderr.splitlines()) == warnings
        assert run("lmzip", *options, tmp_path / "b.lmz").returncode == 2
        done = run("lmzip", *options, tmp_path / "missing")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, errors)


def test_suffix_takes_the_place_of_lmz(file, tmp_path):
    ok("lmzip", "-S", ".x", file)
    assert names_in(tmp_path) == ["a.x"]
    assert run("lmunzip", tmp_path / "a.x").returncode == 2
    ok("lmunzip", "-S.x", tmp_path / "a.x")
    assert names_in(tmp_path) == ["a"]
    for bad in ("", "/", "a/b"):
        assert run("lmzip", "-S", bad, file).returncode == 1
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("suffix", ["", "/", "a/b", "\0"])
def test_suffixes_that_make_no_name(suffix):
    with pytest.raises(click.BadParameter, match="suffix"):
        SuffixType().convert(suffix, None, None)


def test_names_and_times_are_never_stored(file):
    assert ok("lmzip", "-nc", file) == ok("lmzip", "-Nc", file) == ok("lmzip", "-c", data=DATA)


def test_all_levels_come_back(tmp_path):
    options = [*(f"-{level}" for level in range(1, 10)), "--fast", "--best"]
    packed = {option: compress(DATA, option) for option in options}
    assert packed["--fast"] == packed["-1"] and packed["--best"] == packed["-9"]
    assert packed["-6"] == compress(DATA)
    for number, data in enumerate(packed.values()):
        (tmp_path / f"{number}.lmz").write_bytes(data)
    ok("lmunzip", *sorted(tmp_path.iterdir()))  # no option is needed to decompress
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {DATA}
    assert compress(DATA, "-1", "-9") == packed["-9"] and compress(DATA, "-9", "-1") == packed["-1"]


def test_threads_do_not_change_the_output(sample_text):
    outputs = {compress(sample_text, "-1", "--block-size=16k", *threads) for threads in ([], ["-T1"], ["-T", "3"])}
    assert len(outputs) == 1
    for threads in ("-T1", "-T3", "--threads=0"):
        assert decompress(*outputs, threads) == sample_text
    for bad in ("x", "-1", "99999"):
        assert run("lmzip", f"-T{bad}", data=b"").returncode == 1


def test_memory_limit_both_ways(file):
    packed = compress(DATA)
    for program, data in (("lmzip", DATA), ("lmunzip", packed)):
        done = run(program, "-M", "1k", data=data)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"needs" in done.stderr and b"--memlimit" in done.stderr
        assert run(program, "-M", "1g", data=data).returncode == 0
        assert run(program, "--memlimit=90%", data=data).returncode == 0
    done = run("lmzip", "-M1k", file)
    assert done.returncode == 1 and names_in(file.parent) == ["a"]
    assert run("lmzip", "-M", "much", file).returncode == 1


def test_files0_from_reads_names_ended_by_nul(file, tmp_path):
    (tmp_path / "new\nline").write_bytes(b"x")
    (tmp_path / "list").write_bytes(f"{file}\0{tmp_path}/new\nline\0".encode())
    ok("lmzip", "--files0-from", tmp_path / "list")
    assert names_in(tmp_path) == ["a.lmz", "list", "new\nline.lmz"]
    ok("lmunzip", "--files0-from=-", data=f"{file}.lmz".encode())
    assert file.read_bytes() == DATA
    assert ok("lmzip", "--files0-from=-", data=b"") == b""  # nothing to do
    assert run("lmzip", "--files0-from", tmp_path / "missing").returncode == 1
    assert run("lmzip", "--files0-from", tmp_path / "list", file).returncode == 1
    done = run("lmzip", "--files0-from=-", data=b"\0" + bytes(file))
    assert done.returncode == 1 and names_in(tmp_path).count("a.lmz") == 1  # the empty name is told of, the other done


def test_files_from_reads_a_name_a_line(file, tmp_path):
    ok("lmzip", "--files-from=-", data=f"{file}\n".encode())
    assert names_in(tmp_path) == ["a.lmz"]


def test_sync_writes_the_file(file):
    ok("lmzip", "--sync", file)
    assert names_in(file.parent) == ["a.lmz"]


@pytest.mark.parametrize("size", ["0", "1k", "4095", "1025m"])
def test_block_sizes_that_are_refused(file, size):
    """Smaller blocks would let data grow by more than half a per cent."""
    done = run("lmzip", f"--block-size={size}", file)
    assert done.returncode == 1 and b"the block size must be 4 KiB to 1 GiB" in done.stderr
    assert names_in(file.parent) == ["a"]


def test_the_smallest_blocks_add_hardly_more_than_half_a_per_cent():
    data = random.Random(1).randbytes(200_000)
    assert len(compress(data, "-1", "--block-size=4k")) < len(data) * (1 + 25 / 4096) + 64


def test_range_writes_a_part(file, tmp_path):
    ok("lmzip", "--block-size=4k", file)
    path = f"{file}.lmz"
    assert ok("lmzip", "-dc", "--range=4000,200", path) == DATA[4000:4200]
    assert ok("lmunzip", "--range=1k,0", path) == b""
    assert ok("lmcat", f"--range={len(DATA) - 5},100", path) == DATA[-5:]
    ok("lmzip", "--range=3,4", "-o", tmp_path / "part", path)
    assert (tmp_path / "part").read_bytes() == DATA[3:7]
    assert run("lmzip", "--range=3,4", data=b"x").returncode == 1
    assert run("lmzip", "--range=3", path).returncode == 1
    assert names_in(tmp_path) == ["a.lmz", "part"]


def test_verification_is_on_where_the_input_is_removed(file, tmp_path):
    assert b"verified" in run("lmzip", "-vk", "--verify", file).stderr
    assert b"verified" not in run("lmzip", "-vkf", file).stderr
    assert b"verified" not in run("lmzip", "-vfc", file).stderr
    done = run("lmzip", "-vc", "--verify", file)
    assert b"verified" in done.stderr and decompress(done.stdout) == DATA
    assert b"verified" not in run("lmzip", "-vf", "--no-verify", file).stderr
    assert names_in(tmp_path) == ["a.lmz"]


def test_model_and_device(file):
    for option, status in (
        ("--model=ngram", 0),
        ("--model=auto", 0),
        ("--device=cpu", 0),
        ("--device=auto", 0),
        ("--model=gpt", 3),
        ("--device=cuda:99", 3),
        ("--device=abacus", 1),
    ):
        done = run("lmzip", "-c", option, file)
        assert (done.returncode, len(done.stderr.splitlines())) == (status, min(status, 1))


def test_environment_sets_defaults_and_bad_values_are_ignored(file):
    expected = compress(DATA)
    for name, good, bad in (
        ("LMZIP_THREADS", "1", "many"),
        ("LMZIP_MODEL", "auto", "gpt"),
        ("LMZIP_DEVICE", "cpu", "abacus"),
        ("LMZIP_MODEL_PATH", "/nowhere", None),
    ):
        assert ok("lmzip", "-c", file, env=environment(**{name: good})) == expected
        if bad:
            done = run("lmzip", "-c", file, env=environment(**{name: bad}))
            assert (done.returncode, done.stdout) == (0, expected)
            assert done.stderr.count(b"\n") == 1 and name.encode() in done.stderr
            assert ok("lmzip", "-qc", file, env=environment(**{name: bad})) == expected
    assert ok("lmzip", "-c", "-T1", file, env=environment(LMZIP_THREADS="many")) == expected  # the option wins
    assert ok("lmzip", "-c", file, env=environment(LMZIP="-d", LMZIP_OPT="-f")) == expected


def test_estimate_and_max_time(file, tmp_path):
    text = ok("lmzip", "--estimate", file)
    assert text.count(b"\n") == 1 and b"bits/byte" in text and b"xz -9" in text
    expected = json.loads(ok("lmzip", "--estimate", "--json", file))
    assert expected["exact"] and expected["compressed_size"] == len(compress(DATA))
    done = run("lmzip", "--max-time=0.0001s", file)
    assert done.returncode == 1 and b"--max-time" in done.stderr and names_in(tmp_path) == ["a"]
    assert run("lmzip", "--max-time=soon", file).returncode == 1
    ok("lmzip", "--max-time=2h", file)
    assert run("lmzip", "--estimate", data=DATA).returncode == 1


def test_bench_compresses_and_decompresses_in_memory(file):
    text = ok("lmzip", "--bench", file)
    assert b"same bytes" in text and text.count(b"kB/s") == 2
    record = json.loads(ok("lmzip", "--bench", "--json", "-1", file))
    assert record["compressed_size"] == len(compress(DATA, "-1")) and record["level"] == 1
    assert names_in(file.parent) == ["a"]


def test_json_summary_tells_of_both_directions(file):
    done = run("lmzip", "--json", file)
    record = json.loads(done.stdout)
    assert record["raw_size"] == len(DATA) and record["verified"] and record["input_removed"]
    assert record["output"] == f"{file}.lmz"
    record = json.loads(ok("lmzip", "-t", "--json", f"{file}.lmz"))
    assert record["action"] == "test" and record["raw_size"] == len(DATA)
    done = run("lmcat", "--json", f"{file}.lmz")
    assert done.stdout == DATA and json.loads(done.stderr)["action"] == "decompress"


@pytest.mark.parametrize("option", ["-h", "--help", "-V", "--version"])
def test_help_and_version(option):
    for program in ("lmzip", "lmunzip", "lmcat", "lmzip-models"):
        assert program.encode() in ok(program, option)
    with open("/dev/full", "wb") as full:
        assert run("lmzip", option, stdout=full).returncode == 1


def test_version_loads_nothing_heavy(tmp_path, file):
    """-V, -l and refusals need neither kernel nor libraries of numbers."""
    import sys

    ok("lmzip", "-k", file)
    code = "import sys; from lmzip.cli import lmzip_main; status = lmzip_main(); print(status, *sys.modules)"
    for arguments, expected in ((["-V"], 0), (["-l", "a.lmz"], 0), (["a"], 1), (["missing"], 1), (["-d", "a"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, env=environment(), check=True
        )
        status, *modules = done.stdout.decode().splitlines()[-1].split()
        assert int(status) == expected
        assert not {"numpy", "tqdm", "torch", "lmzip.native", "lmzip.native._kernel"} & set(modules), arguments


@pytest.mark.parametrize(
    "arguments",
    [["--nope"], ["-Z"], ["--threads"], ["-S"], ["-c", "--dec", "x"], ["--completion", "tcsh"], ["--list-models"]],
)
def test_usage_errors_have_status_1(arguments, tmp_path):
    done = run("lmzip", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"lmzip: ") and done.stderr.count(b"\n") == 1


def test_options_after_names_joined_and_double_dash(file, tmp_path):
    ok("lmzip", file, "-k", "-9")
    assert ok("lmzip", f"{file}.lmz", "-dck") == DATA
    (tmp_path / "-x").write_bytes(DATA)
    ok("lmzip", "--", "-x", cwd=tmp_path)
    assert "-x.lmz" in names_in(tmp_path)
    ok("lmzip", "-d", "--", "-x.lmz", cwd=tmp_path)
    assert "-x" in names_in(tmp_path)


def test_dash_is_standard_input(file, packed):
    assert ok("lmzip", "-", data=DATA) == packed
    assert ok("lmcat", "-", file, data=packed) == DATA + DATA
    assert ok("lmcat", file, data=packed) == DATA


def test_no_library_speaks_and_nothing_is_drawn_off_a_terminal(file):
    assert ok("lmzip", file, env=environment(PYTHONWARNINGS="always")) == b""
    done = run("lmunzip", "-v", "--progress", f"{file}.lmz")
    assert b"\r" not in done.stderr and b"\x1b" not in done.stderr


def test_unbuffered_python_changes_nothing(file, packed):
    assert ok("lmzip", "-c", file, env=environment(PYTHONUNBUFFERED="1")) == packed
