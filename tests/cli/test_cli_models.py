"""Models on the command line: choosing and finding them, and files whose model is not here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from cli_tools import MAGIC, compress, environment, liked_by, names_in, run
from conftest import SAMPLE
from format_tools import coded, frame
from tiny_net import tiny_weights

from lmzip.codec import list_frames
from lmzip.format.block import BASE, STORED, WITH_MODEL
from lmzip.format.header import FrameHeader
from lmzip.levels import PROFILE_NAMES
from lmzip.models import registry

TEXT = SAMPLE.read_bytes()[:3000]
SMALL = {"orders": [2, 0], "byte_dim": 30, "table_dim": 1}  # 170 kB of weights
WEIGHTS = tiny_weights(0, **SMALL)
DATA = liked_by(WEIGHTS, 1500)
SHIPPED = Path(registry.__file__).with_name("data") / f"{registry.default_name()}{registry.SUFFIX}"
needs_shipped = pytest.mark.skipif(not SHIPPED.exists(), reason="the weights are not in this checkout")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder `tiny.safetensors`, `other.safetensors` of the same shape, and files that are no models."""
    path = tmp_path_factory.mktemp("weights")
    (path / "tiny.safetensors").write_bytes(WEIGHTS)
    (path / "other.safetensors").write_bytes(tiny_weights(1, **SMALL))
    broken = path / "broken"
    broken.mkdir()
    (broken / "cut.safetensors").write_bytes(WEIGHTS[: len(WEIGHTS) // 2])
    (broken / "garbage.safetensors").write_bytes(b"no weights at all")
    (broken / "empty.safetensors").write_bytes(b"")
    (broken / "folder.safetensors").mkdir()
    (broken / "dangling.safetensors").symlink_to("nowhere")
    return path


@pytest.fixture(scope="module")
def tiny(folder) -> Path:
    """The weight file of a tiny net."""
    return folder / "tiny.safetensors"


@pytest.fixture(scope="module")
def packed(tiny) -> bytes:
    """DATA, compressed with the tiny net."""
    data = compress(DATA, "--model", str(tiny))
    assert codings(data) == {"max+model"}, "the net has to be of use on DATA, or nothing here needs it"
    return data


def codings(packed: bytes) -> set[str]:
    """Return by which profiles the blocks of a compressed file are coded, and whether with the model."""
    names = {STORED: "stored", BASE: "{}", WITH_MODEL: "{}+model"}
    return {
        names[block.head.mode].format(PROFILE_NAMES[frame.header.profile])
        for frame in list_frames(BytesIO(packed))
        for block in frame.blocks
    }


def one_line(done, status: int) -> str:
    """Expect a status, one line on standard error and nothing on standard output; return the line."""
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1), done
    return done.stderr.decode()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Choosing


@pytest.mark.parametrize("level", ["-1", "-4", "-5", "-6", "-9"])
def test_ngram_is_there_at_every_level(level):
    packed = compress(TEXT, "--model=ngram", level)
    assert codings(packed) <= {"stored", "fast", "light", "max", "large"}
    assert packed[4] & 0x60 == 0, "needs no weights, so names no model"


@needs_shipped
def test_auto_is_what_the_level_says():
    assert compress(TEXT, "-6", "--model=auto") == compress(TEXT, "-6") == compress(TEXT, "-6", "--model=bytelm3")
    assert compress(TEXT, "-4", "--model=auto") == compress(TEXT, "-4") == compress(TEXT, "-4", "--model=ngram")
    assert codings(compress(TEXT, "-6")) == {"max+model"}
    assert codings(compress(TEXT, "-4")) == {"max"}


def test_round_trip_with_a_path(tiny, packed, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    assert run("lmzip", "-k", "--model", tiny, tmp_path / "a").returncode == 0
    assert (tmp_path / "a.lmz").read_bytes() == packed
    assert run("lmunzip", "-f", "--model", tiny, tmp_path / "a.lmz").returncode == 0
    assert names_in(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == DATA
    assert run("lmzip", "--model", "./tiny.safetensors", data=DATA, cwd=tiny.parent).stdout == packed
    assert run("lmzip", "--model", "tiny.safetensors", data=DATA, cwd=tiny.parent).stdout == packed


# lmunzip needs no option, ever: what only --model finds is no reason to remove an input


def test_inputs_are_kept_where_only_the_option_finds_the_model(tiny, packed, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "b").write_bytes(DATA)
    home = tmp_path / "home"
    env = environment(XDG_DATA_HOME=str(home))
    for options in ([], ["--rm"], ["-f"]):
        done = run("lmzip", "-v", *options, "--model", tiny, "a", "b", cwd=tmp_path, env=env)
        warning, *told = done.stderr.decode().splitlines()  # the warning comes with the first file, and once
        assert done.returncode == 2 and len(told) == 2 and all("written to" in line for line in told)
        for words in ("lmzip: lmunzip will not find the model", str(tiny), "kept", str(home / "lmzip" / "models")):
            assert words in warning
        assert names_in(tmp_path) == ["a", "a.lmz", "b", "b.lmz"]
        for name in ("a.lmz", "b.lmz"):
            assert (tmp_path / name).read_bytes() == packed
            (tmp_path / name).unlink()
    done = run("lmzip", "-q", "--json", "--model", tiny, "a", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr, json.loads(done.stdout)["input_removed"]) == (2, b"", False)


@pytest.mark.parametrize("arguments", [["-kf", "a", "a"], ["-c", "a", "a"], ["-oout", "a"], ["-"]])
def test_where_nothing_would_be_removed_it_is_only_a_warning(arguments, tiny, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    done = run("lmzip", "--model", tiny, *arguments, cwd=tmp_path, data=DATA)
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1
    assert b"LMZIP_MODEL_PATH" in done.stderr and b"kept" not in done.stderr


@pytest.mark.parametrize("how", ["folder of the user", "path", "variable", "not needed", "ngram"])
def test_inputs_go_where_the_model_is_found_again(how, tiny, tmp_path):
    (tmp_path / "a").write_bytes(DATA if how != "not needed" else b"abc")
    models, changes, model = tmp_path / "home" / "lmzip" / "models", {"XDG_DATA_HOME": str(tmp_path / "home")}, tiny
    if how == "folder of the user":
        models.mkdir(parents=True)
        (models / "any.safetensors").write_bytes(tiny.read_bytes())
    elif how == "path":
        changes["LMZIP_MODEL_PATH"] = str(tiny.parent)
    elif how == "variable":
        changes["LMZIP_MODEL"] = str(tiny)
    env = environment(**changes)
    arguments = [] if how == "variable" else ["--model", "ngram" if how == "ngram" else model]
    done = run("lmzip", *arguments, "a", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "a" not in names_in(tmp_path)
    assert run("lmunzip", "a.lmz", cwd=tmp_path, env=env).returncode == 0


def test_a_net_at_a_level_without_one(tiny):
    packed = compress(DATA, "-1", "--model", str(tiny))
    assert codings(packed) == {"light+model"}
    assert run("lmunzip", "--model", tiny, data=packed).stdout == DATA


def test_environment_names_the_model(tiny, packed):
    assert run("lmzip", data=DATA, env=environment(LMZIP_MODEL=str(tiny))).stdout == packed
    by_name = environment(LMZIP_MODEL="tiny", LMZIP_MODEL_PATH=str(tiny))
    assert run("lmzip", data=DATA, env=by_name).stdout == packed
    assert run("lmzip", "--model=tiny", data=DATA, env=environment(LMZIP_MODEL_PATH=str(tiny))).stdout == packed
    done = run("lmzip", "--model=ngram", data=DATA, env=environment(LMZIP_MODEL=str(tiny)))
    assert done.stdout == compress(DATA, "--model=ngram") and not done.stderr
    assert run("lmunzip", data=packed, env=environment(LMZIP_MODEL=str(tiny))).stdout == DATA


@pytest.mark.parametrize("value", ["gpt", "/nowhere/x.safetensors", "bro\x1bken/cut.safetensors"])
def test_wrong_environment_is_warned_of_and_ignored(value, tmp_path):
    done = run("lmzip", "-1", data=DATA, env=environment(LMZIP_MODEL=value))
    assert (done.returncode, done.stdout) == (0, compress(DATA, "-1"))
    assert done.stderr.count(b"\n") == 1 and b"LMZIP_MODEL=" in done.stderr and b"\x1b" not in done.stderr
    assert not run("lmzip", "-1q", data=DATA, env=environment(LMZIP_MODEL=value)).stderr
    assert not run("lmzip", "-1", "--model=auto", data=DATA, env=environment(LMZIP_MODEL=value)).stderr
    (tmp_path / "a.lmz").write_bytes(done.stdout)
    assert not run("lmzip", "-l", tmp_path / "a.lmz", env=environment(LMZIP_MODEL=value)).stderr


# Refusals, before anything is read or written


@pytest.mark.parametrize("model", ["gpt", "", "..", "x" * 300, "a\nb", "/nowhere/x.safetensors", "/", "."])
@pytest.mark.parametrize("program", ["lmzip", "lmunzip"])
def test_unknown_models_are_refused(program, model, tmp_path):
    name = "a" if program == "lmzip" else "a.lmz"
    (tmp_path / name).write_bytes(b"whatever it is")
    assert one_line(run(program, "--model", model, name, cwd=tmp_path), 3).startswith(f"{program}: ")
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["cut", "garbage", "empty", "folder", "dangling"])
def test_what_is_no_weight_file_is_refused(folder, name, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    model = folder / "broken" / f"{name}.safetensors"
    for arguments in ([], ["-k"], ["-c"], ["--estimate"], ["--bench"]):
        assert name in one_line(run("lmzip", *arguments, "--model", model, tmp_path / "a"), 3)
    with open(tmp_path / "a", "rb") as read:
        one_line(run("lmzip", "--model", model, stdin=read), 3)
        assert os.lseek(read.fileno(), 0, os.SEEK_CUR) == 0, "read something"
    assert names_in(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize("model", ["cut", "garbage"])
def test_no_model_is_looked_at_where_there_is_nothing_to_do(folder, model, packed, tmp_path):
    """An output that is there, an input that is not, or is none to work on: these need no model and take no time."""
    weights = folder / "broken" / f"{model}.safetensors"
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a.lmz").write_bytes(packed)
    for program, name, status, words in (
        ("lmzip", "a", 1, "a.lmz already exists"),
        ("lmunzip", "a.lmz", 1, "a already exists"),
        ("lmzip", "missing", 1, "No such file"),
        ("lmzip", ".", 2, "is a directory"),
        ("lmunzip", "a", 2, "suffix"),
    ):
        for model in ({"env": environment(LMZIP_MODEL=str(weights))}, {}):
            arguments = [] if model else ["--model", weights]
            assert words in one_line(run(program, *arguments, name, cwd=tmp_path, **model), status)
    done = run("lmzip", "--model", weights, "a", "missing", cwd=tmp_path)
    assert done.returncode == 1 and b"exists" in done.stderr and b"broken" not in done.stderr
    done = run("lmzip", "--model", weights, "missing", "-f", "a", "a", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count(b"broken") == 1, "the first file that needs it ends the call"
    assert names_in(tmp_path) == ["a", "a.lmz"] and (tmp_path / "a.lmz").read_bytes() == packed


def test_random_and_damaged_weights_are_never_taken(tiny, tmp_path):
    weights = tiny.read_bytes()
    at = int.from_bytes(weights[:8], "little") + 8
    header = weights[8:at]
    variants = [
        Random(1).randbytes(1000),
        weights[:at],
        weights[:-1],
        weights + b"\0",
        header,
        weights[:8] + b"[" * (at - 8) + weights[at:],
        weights.replace(b'n_embd\\": 32', b'n_embd\\": 33'),
        weights.replace(b'n_layer\\": 2', b'n_layer\\": 9'),
        weights.replace(b'n_layer\\": 2', b'n_layer\\":-2'),
        weights.replace(b"bytelm-1", b"bytelm-9"),
        b"\xff" * 8 + weights[8:],
    ]
    path = tmp_path / "x.safetensors"
    for number, data in enumerate(variants):
        path.write_bytes(data)
        assert data != weights, number
        one_line(run("lmzip", "--model", path, data=DATA), 3)


# Files whose model is not here


@pytest.mark.parametrize(
    "options", [["-d"], ["-dk"], ["-t"], ["-dc"], ["--range=5,10"], ["--salvage"], ["-d", "-oout"]]
)
def test_model_that_is_not_here(options, tiny, packed, tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(packed)
    line = one_line(run("lmzip", *options, path, cwd=tmp_path), 3)
    for word in (str(path), "tiny", sha256(tiny), "--model", "LMZIP_MODEL_PATH"):
        assert word in line
    assert names_in(tmp_path) == ["a.lmz"] and path.read_bytes() == packed
    for number, place in enumerate((str(tiny), str(tiny.parent), f"/nowhere:{tiny.parent}")):
        done = run("lmzip", *options, "-kf", path, cwd=tmp_path, env=environment(LMZIP_MODEL_PATH=place))
        assert (done.returncode, done.stderr) == (0, b""), number
    assert run("lmzip", *options, "-kf", "--model", tiny, path, cwd=tmp_path).returncode == 0


def test_wrong_weights_are_refused(folder, tiny, packed, tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(packed)
    other = folder / "other.safetensors"
    assert sha256(tiny) in one_line(run("lmunzip", "--model", other, path), 3)
    assert sha256(tiny) in one_line(run("lmunzip", path, env=environment(LMZIP_MODEL_PATH=str(other))), 3)
    assert run("lmunzip", "-k", path, env=environment(LMZIP_MODEL_PATH=str(folder))).returncode == 0
    assert (tmp_path / "a").read_bytes() == DATA


def test_standard_input_without_its_model(tiny, packed):
    assert sha256(tiny) in one_line(run("lmunzip", data=packed), 3)
    assert sha256(tiny) in one_line(run("lmcat", data=packed), 3)


def test_one_without_its_model_stops_no_other(packed, tmp_path):
    for name, data in (("a", packed), ("b", compress(DATA, "-1"))):
        (tmp_path / f"{name}.lmz").write_bytes(data)
    done = run("lmunzip", "a.lmz", "b.lmz", cwd=tmp_path)
    assert done.returncode == 3 and done.stderr.count(b"\n") == 1
    assert names_in(tmp_path) == ["a.lmz", "b"] and (tmp_path / "b").read_bytes() == DATA


def test_old_output_is_kept(packed, tmp_path):
    (tmp_path / "a.lmz").write_bytes(packed)
    (tmp_path / "a").write_bytes(b"old")
    one_line(run("lmunzip", "-f", tmp_path / "a.lmz"), 3)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_referenced_model_that_this_version_does_not_know(tmp_path):
    header = FrameHeader(MAGIC + b"\x21\x04" + bytes(range(4)))
    (tmp_path / "a.lmz").write_bytes(frame(header, [coded(TEXT[:100], bytes(range(50)), WITH_MODEL)]))
    done = run("lmzip", "-lv", tmp_path / "a.lmz")
    assert done.returncode == 0 and b"sha256 00010203..." in done.stdout
    assert "00010203" in one_line(run("lmunzip", tmp_path / "a.lmz"), 3)
    assert names_in(tmp_path) == ["a.lmz"]


def test_salvage_saves_what_needs_no_missing_model(tiny, packed, tmp_path):
    """What was saved has holes, which is status 1; where all is sound and nothing can be read, it is 3."""
    plain = compress(TEXT, "-1")
    (tmp_path / "a.lmz").write_bytes(plain + packed + plain)
    for options in (["-d"], ["-t"]):
        done = run("lmzip", *options, "--salvage", "a.lmz", cwd=tmp_path)
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1
        assert sha256(tiny) in done.stderr.decode() and b"; %d bytes are missing" % len(DATA) in done.stderr
    assert (tmp_path / "a").read_bytes() == 2 * TEXT
    (tmp_path / "b.lmz").write_bytes(packed + packed)
    assert sha256(tiny) in one_line(run("lmunzip", "--salvage", "b.lmz", cwd=tmp_path), 3)
    (tmp_path / "b.lmz").write_bytes(packed + b"?")
    done = run("lmunzip", "--salvage", "b.lmz", cwd=tmp_path)
    assert done.returncode == 1 and b"nothing could be saved" in done.stderr
    assert names_in(tmp_path) == ["a", "a.lmz", "b.lmz"]


# Listing files


def test_listing_names_model_profile_and_modes(tiny, packed, tmp_path):
    path = tmp_path / "a.lmz"
    path.write_bytes(
        packed
        + compress(Random(1).randbytes(256), "-1")
        + compress(SAMPLE.read_bytes()[:9000], "-1", "--block-size=4k")
    )
    table = run("lmzip", "-l", path).stdout.decode()
    assert table.splitlines()[1].split()[5] == "tiny,ngram"
    text = run("lmzip", "-lv", path).stdout.decode()
    assert f"model tiny, sha256 {sha256(tiny)}" in text and text.count("model ngram (built in)") == 2
    for words in (
        "profile max, blocks 1 (1 model) of 1500 bytes",
        "profile fast, blocks 1 (1 stored) of 256 bytes",
        "profile fast, blocks 3 (3 base) of 4096",
    ):
        assert words in text
    frames = json.loads(run("lmzip", "-l", "--json", path).stdout)["frames"]
    assert [frame["model"] for frame in frames] == ["tiny", "ngram", "ngram"]
    assert [(frame["profile"], frame["modes"]) for frame in frames] == [
        ("max", {"model": 1}),
        ("fast", {"stored": 1}),
        ("fast", {"base": 3}),
    ]
    assert [frame["model_sha256"] for frame in frames] == [sha256(tiny), None, None]


def test_modes_are_counted(tmp_path):
    text = SAMPLE.read_bytes()[:4096]
    data = text + Random(1).randbytes(4096) + text
    (tmp_path / "a.lmz").write_bytes(compress(data, "-1", "--block-size=4k"))
    assert b"blocks 3 (2 base, 1 stored) of 4096 bytes" in run("lmzip", "-lv", tmp_path / "a.lmz").stdout
    frame = json.loads(run("lmzip", "-l", "--json", tmp_path / "a.lmz").stdout)["frames"][0]
    assert frame["modes"] == {"base": 2, "stored": 1}


@pytest.mark.parametrize("options", [["-l"], ["-lvv"], ["-l", "--json"], ["-l", "--model=gpt"]])
def test_listing_loads_neither_kernel_nor_model(options, packed, tiny, tmp_path):
    (tmp_path / "a.lmz").write_bytes(packed)
    code = "import sys; from lmzip.cli import lmzip_main; status = lmzip_main(); print(status, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *options, "a.lmz"],
        cwd=tmp_path,
        capture_output=True,
        env=environment(LMZIP_MODEL=str(tiny), LMZIP_MODEL_PATH=str(tiny.parent)),
        check=True,
    )
    status, *modules = done.stdout.decode().splitlines()[-1].split()
    assert (status, done.stderr) == ("0", b"")
    assert not {"lmzip.native", "lmzip.models.bytelm", "safetensors", "numpy"} & set(modules)


# What is no model, and what it calls itself


def test_broken_files_in_the_path_are_passed_over(folder, tiny, packed):
    env = environment(
        LMZIP_MODEL_PATH=f"{folder / 'broken'}:{folder / 'broken' / 'empty.safetensors'}:{tiny}::/nowhere"
    )
    assert run("lmunzip", data=packed, env=env).stdout == DATA
    assert run("lmzip", "-1", data=DATA, env=env).stderr == b""


def test_names_of_models_cannot_steer_the_terminal(tmp_path):
    path, data = tmp_path / "x.safetensors", tmp_path / "a"
    data.write_bytes(TEXT)
    path.write_bytes(tiny_weights(0, name="a\x1b[31m\n", licence="b\x07", **SMALL))
    for arguments in (["--estimate", "--model", path, data], ["--bench", "--model", path, data]):
        done = run("lmzip", *arguments, env=environment(LMZIP_MODEL_PATH=str(path)))
        assert done.returncode == 0 and b"\x1b" not in done.stdout and b"\x07" not in done.stdout


# Memory and speed


def test_estimate_goes_by_the_model(tiny, packed, tmp_path):
    (tmp_path / "a").write_bytes(DATA)

    def expected(*options):
        return json.loads(run("lmzip", "--estimate", "--json", *options, tmp_path / "a").stdout)

    net, ngram = expected("--model", tiny), expected("--model=ngram")
    assert (net["model"], ngram["model"]) == ("tiny", "ngram")
    assert net["compressed_size"] == len(packed) and net["exact"]
    assert ngram["compressed_size"] == len(compress(DATA, "--model=ngram"))
    assert net["memory"] > ngram["memory"]
    text = run("lmzip", "--estimate", "--model", tiny, tmp_path / "a").stdout
    assert b"model tiny" in text and text.count(b"\n") == 1


def test_estimate_of_a_long_file_goes_by_samples(tiny, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(SAMPLE.read_bytes() * 4)
    expected = json.loads(run("lmzip", "--estimate", "--json", "--model", tiny, path).stdout)
    assert not expected["exact"] and expected["raw_size"] == path.stat().st_size and expected["seconds"] > 0


def test_memory_limit_counts_the_net(tiny, packed):
    done = run("lmzip", "-M1m", "--model", tiny, data=DATA)
    assert done.returncode == 1 and b"--memlimit" in done.stderr and not done.stdout
    assert run("lmunzip", "-M1m", "--model", tiny, data=packed).returncode == 1
    assert run("lmunzip", "-M500m", "--model", tiny, data=packed).stdout == DATA


def test_bench_names_the_model(tiny, packed, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    record = json.loads(run("lmzip", "--bench", "--json", "--model", tiny, tmp_path / "a").stdout)
    assert (record["model"], record["compressed_size"]) == ("tiny", len(packed))
    record = json.loads(run("lmzip", "--bench", "--json", "-2", tmp_path / "a").stdout)
    assert record["model"] == "ngram"


def test_max_time_goes_by_the_model(tiny, tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    assert run("lmzip", "--max-time=0.0001s", "--model", tiny, tmp_path / "a").returncode == 1
    assert run("lmzip", "-k", "--max-time=2h", "--model", tiny, tmp_path / "a").returncode == 0
    assert names_in(tmp_path) == ["a", "a.lmz"]
