"""Models of others on the command line: imported, downloaded, found again, and named where they are missing."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_tools import compress, environment, finish, names_in, run, run_python, wait_until
from conftest import SAMPLE
from tiny_llama import save_directory, save_gguf, save_shards
from tiny_llama import tiny_llama as make

from lmzip.convert import import_model
from lmzip.errors import ModelMissingError
from lmzip.models import transformer_file, weights
from lmzip.models.catalog import KNOWN
from lmzip.stream import shared

TEXT = SAMPLE.read_bytes()[:2000]
N_TOKENS = 300


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def one_line(done, status: int) -> str:
    """Expect a status, one line on standard error and nothing on standard output; return the line."""
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1), done
    return done.stderr.decode()


def liked_by(path: Path) -> bytes:
    """Return bytes that a transformer predicts well, and that follow no other rule."""
    model = transformer_file.load(path, weights.inspect(path)[0])
    strings, rng, tokens = transformer_file.tokenizer(path, {})._token_bytes, random.Random(0), []
    for _ in range(N_TOKENS):
        exponentials = np.asarray(model.run([*tokens, 0]))[-len(strings) :]
        tokens.append(int(rng.choice(np.argsort(exponentials)[-2:])))
    return b"".join(strings[token] for token in tokens)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A folder with the models `tiny`, a directory, and `tiny.gguf`, and with what is none."""
    folder = tmp_path_factory.mktemp("sources")
    tensors, config = make(0)
    save_directory(folder / "tiny", tensors, config)
    save_gguf(folder / "tiny.gguf", tensors, config)
    gguf = (folder / "tiny.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(gguf[: len(gguf) // 2])
    (folder / "garbage.gguf").write_bytes(b"no model at all")
    (folder / "empty.gguf").write_bytes(b"")
    (folder / "nothing").mkdir()
    save_directory(folder / "mamba", tensors, config | {"model_type": "mamba"})
    save_directory(folder / "odd", tensors, config | {"hidden_size": 65})
    (save_directory(folder / "no_tokenizer", tensors, config) / "tokenizer.json").unlink()
    save_shards(save_directory(folder / "no_shard", tensors, config), tensors)
    (folder / "no_shard" / "model-00002-of-00002.safetensors").unlink()
    # The tensor that is read last: most of the output is written by then.
    tensors["model.layers.1.mlp.down_proj.weight"][5, 5] = np.nan
    save_directory(folder / "nan", tensors, config)
    return folder


@pytest.fixture(scope="module")
def tiny(sources, tmp_path_factory) -> Path:
    """The weight file of the model directory."""
    path = tmp_path_factory.mktemp("weights") / "any.safetensors"
    import_model(sources / "tiny", path)
    return path


@pytest.fixture(scope="module")
def data(tiny) -> bytes:
    return liked_by(tiny)


def home(tmp_path: Path, **changes: str) -> dict[str, str]:
    """Return an environment whose user has a folder of models below tmp_path, still to be made."""
    return environment(XDG_DATA_HOME=str(tmp_path / "home"), **changes)


# Importing


@pytest.mark.parametrize("source", ["tiny", "tiny.gguf"])
def test_import_and_use_by_name(source, sources, tiny, data, tmp_path):
    env, path = home(tmp_path), tmp_path / "home" / "lmzip" / "models" / "tiny.safetensors"
    done = run("lmzip-models", "import", sources / source, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{path}: tiny, {path.stat().st_size} bytes, sha256 {sha256(path)}\n"
    assert names_in(path.parent) == ["tiny.safetensors"]
    if source == "tiny":
        assert path.read_bytes() == tiny.read_bytes()
    (tmp_path / "a").write_bytes(data)
    for option in (["--model", "tiny"], ["--ultra"]):
        done = run("lmzip", *option, tmp_path / "a", env=env)
        said = b"lmzip: --ultra takes tiny, the largest model here\n" if option == ["--ultra"] else b""
        assert (done.returncode, done.stderr, names_in(tmp_path)) == (0, said, ["a.lmz", "home"])
        assert b" tiny " in run("lmzip", "-l", tmp_path / "a.lmz").stdout
        assert sha256(path) in one_line(run("lmunzip", tmp_path / "a.lmz"), 3)
        done = run("lmunzip", tmp_path / "a.lmz", env=env)
        assert (done.returncode, done.stderr, names_in(tmp_path)) == (0, b"", ["a", "home"])
        assert (tmp_path / "a").read_bytes() == data


def test_import_into_a_file_and_json(sources, tiny, tmp_path):
    done = run("lmzip-models", "import", "--json", sources / "tiny", "-o", "x", cwd=tmp_path, env=home(tmp_path))
    assert (done.returncode, done.stderr, names_in(tmp_path)) == (0, b"", ["x"])
    assert json.loads(done.stdout) == {
        "path": "x",
        "name": "tiny",
        "size": tiny.stat().st_size,
        "sha256": sha256(tiny),
        "licence": weights.inspect(tiny)[0]["licence"],
    }
    umask = (tmp_path / "x").stat().st_mode & 0o777
    assert umask & 0o600 == 0o600 and not umask & 0o111


def test_import_under_another_name(sources, tmp_path):
    env, path = home(tmp_path), tmp_path / "home" / "lmzip" / "models" / "mine.safetensors"
    done = run("lmzip-models", "import", "--name=mine", sources / "tiny", env=env)
    assert (done.returncode, done.stderr) == (0, b"") and f"{path}: mine, " in done.stdout.decode()
    assert b"\nmine " in run("lmzip-models", "list", env=env).stdout
    for name, status in (("x" * 33, 3), ("a/b", 1), ("../x", 1), ("a\n", 1), (b"\xff", 1)):
        one_line(run("lmzip-models", "import", "--name", name, sources / "tiny", env=env), status)
    assert names_in(path.parent) == ["mine.safetensors"]


def test_overwriting_takes_f(sources, tiny, tmp_path):
    env, path = home(tmp_path), tmp_path / "home" / "lmzip" / "models" / "tiny.safetensors"
    path.parent.mkdir(parents=True)
    for options, name in (([], path), (["-o", tmp_path / "x"], tmp_path / "x")):
        name.write_bytes(b"old")
        assert "already exists; -f" in one_line(run("lmzip-models", "import", sources / "tiny", *options, env=env), 1)
        assert name.read_bytes() == b"old"
        assert run("lmzip-models", "import", "-f", sources / "tiny", *options, env=env).returncode == 0
        assert name.read_bytes() == tiny.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("x")
    for name, status in (("folder", 1), ("link", 1), ("missing/x", 1), ("x/y", 1), ("/dev/null", 1)):
        one_line(run("lmzip-models", "import", sources / "tiny", "-o", name, cwd=tmp_path, env=env), status)
    one_line(run("lmzip-models", "import", "-f", sources / "tiny", "-o", "folder", cwd=tmp_path, env=env), 1)
    assert run("lmzip-models", "import", "-f", sources / "tiny", "-o", "link", cwd=tmp_path, env=env).returncode == 0
    assert not (tmp_path / "link").is_symlink(), "the link makes room, not what it leads to"
    assert names_in(tmp_path) == ["folder", "home", "link", "x"] and names_in(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("missing", 1, "No such file"),
        ("cut.gguf", 3, "truncated"),
        ("garbage.gguf", 3, "not a GGUF file"),
        ("empty.gguf", 3, "truncated"),
        ("nothing", 3, "config.json"),
        ("mamba", 3, "mamba"),
        ("odd", 3, "65"),
        ("no_tokenizer", 3, "tokenizer.json"),
        ("no_shard", 3, "model-00002"),
        ("nan", 3, "down"),
        ("/dev/null", 3, "regular"),
    ],
)
def test_what_cannot_be_imported(source, status, words, sources, tmp_path):
    for options in ([], ["-f"], ["-ox"]):
        done = run("lmzip-models", "import", *options, sources / source, cwd=tmp_path, env=home(tmp_path))
        assert words in one_line(done, status)
        assert names_in(tmp_path) == []
    (tmp_path / "x").write_bytes(b"old")
    run("lmzip-models", "import", "-f", "-ox", sources / source, cwd=tmp_path)
    assert (tmp_path / "x").read_bytes() == b"old" and names_in(tmp_path) == ["x"]


def test_without_the_package_gguf_a_line_says_so(sources, tmp_path):
    block = "sys.modules['gguf'] = None"
    for arguments in (["import", sources / "tiny.gguf"], ["get", "smollm2"]):
        status, stdout, stderr = finish(
            run_python(block, *arguments, main="models_main", env=home(tmp_path), cwd=tmp_path)
        )
        assert (status, stdout, stderr.count(b"\n")) == (3, b"", 1) and b"pip install 'gguf>=" in stderr
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", ""],
        ["import", "x", "y"],
        ["import", "x", "-c"],
        ["import", "x", "-o", "-"],
        ["import", "x", "-o", ""],
        ["import", "x", "--name", ""],
        ["get"],
        ["get", "smollm2", "x"],
        ["get", "smollm2", "-o", "-"],
        ["get", "smollm2", "-o", ""],
        ["get", "smollm2", "--name", "x"],
        ["get", "gpt"],
        ["get", ""],
    ],
    ids=" ".join,
)
def test_calls_that_cannot_be_meant(arguments, tmp_path):
    one_line(run("lmzip-models", *arguments, cwd=tmp_path, env=home(tmp_path)), 1)
    assert names_in(tmp_path) == []


def test_report_and_progress(sources, tmp_path):
    done = run("lmzip-models", "import", "-v", "-ox", sources / "tiny", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1 == done.stdout.count(b"\n")
    for words in (b"tiny: ", b" bits/byte on ", b"15 bits", b"float model"):
        assert words in done.stderr
    done = run("lmzip-models", "import", "--progress", "-f", "-ox", sources / "tiny", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), "lines come every ten seconds"
    assert names_in(tmp_path) == ["x"]


STUCK = """
from lmzip.convert import llama as convert
from lmzip.stream import shared
import time
convert._write_weights = lambda *_: [print(flush=True), time.sleep(60)][:0]
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(number, sources, tmp_path):
    process = run_python(STUCK, "import", "-o", tmp_path / "x", sources / "tiny", main="models_main")
    assert process.stdout.readline() == b"\n" and len(names_in(tmp_path)) == 1
    process.send_signal(number)
    assert finish(process)[0] == -number
    assert names_in(tmp_path) == []


def test_a_name_that_is_taken_meanwhile_is_kept(sources, tmp_path):
    process = run_python(
        STUCK.replace("time.sleep(60)", "sys.stdin.read()"),
        "import",
        "-o",
        tmp_path / "x",
        sources / "tiny",
        main="models_main",
        stdin=-1,
    )
    process.stdout.readline()
    (tmp_path / "x").write_bytes(b"theirs")
    status, _, stderr = finish(process)
    assert status == 1 and b"exists" in stderr
    assert names_in(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"theirs"


# Downloading: pip is another one here, and the catalog has a tiny model

PIP = """
import os, shutil, sys, time
arguments = sys.argv[1:]
assert arguments[0] == "download" and "--no-deps" in arguments and "--only-binary=:all:" in arguments
assert arguments[-1] == "tiny==1.0"
folder = arguments[arguments.index("--dest") + 1]
assert os.getcwd() == folder == os.environ["TMPDIR"]
what = os.environ["PIP_DOES"]
if what == "fail":
    print("WARNING: Retrying")
    print("ERROR: Could not find a version that satisfies\\nERROR: No matching distribution\\nnotice")
    sys.exit(1)
if what == "wait":
    open(f"{folder}/part", "wb").write(bytes(1000))
    time.sleep(60)
if what != "nothing":
    shutil.copy(what, f"{folder}/tiny-1.0-py3-none-any.whl")
"""


@pytest.fixture(scope="module")
def wheels(sources, tmp_path_factory) -> Path:
    """A folder with wheels, good and bad, and with a pip."""
    folder = tmp_path_factory.mktemp("wheels")
    good = (sources / "tiny.gguf").read_bytes()
    contents = {"good": good, "changed": good[:-1] + bytes([good[-1] ^ 1]), "longer": good + b"\0", "none": None}
    for name, content in contents.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("tiny/__init__.py", "")
            if content is not None:
                wheel.writestr("tiny/tiny.gguf", content)
    for name, order in {"halves": ("first", "second"), "swapped": ("second", "first")}.items():
        with zipfile.ZipFile(folder / name, "w") as wheel:  # for both parts, each of which has a member of it
            for member, half in zip(order, (good[:5000], good[5000:]), strict=True):
                wheel.writestr(f"tiny/{member}", half)
    (folder / "cut").write_bytes((folder / "good").read_bytes()[:-30])
    packed = bytearray((folder / "good").read_bytes())
    packed[len(packed) // 2] ^= 255
    (folder / "damaged").write_bytes(packed)
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(PIP)
    return folder


WHOLE = (("tiny==1.0", 1000, "tiny/tiny.gguf"),)
HALVES = (("tiny==1.0", 500, "tiny/first"), ("tiny==1.0", 500, "tiny/second"))


def get(
    wheels: Path,
    sources: Path,
    tmp_path: Path,
    what: str,
    *arguments,
    digest: str = "",
    name="tiny",
    parts=WHOLE,
    licence="Apache-2.0",
):
    """Start lmzip-models where the model that is known is the tiny one, and pip does `what`."""
    file = sources / "tiny.gguf"
    code = f"from lmzip.models.catalog import KNOWN, KnownModel, Part\nparts = [Part(*part) for part in {parts!r}]\n"
    rest = (file.stat().st_size, sha256(file), digest, licence)
    code += f"KNOWN.clear()\nKNOWN[{name!r}] = KnownModel({name!r}, 'tiny.gguf', parts, *{rest!r})"
    (tmp_path / "tmp").mkdir(exist_ok=True)
    does = str(wheels / what) if (wheels / what).is_file() else what
    env = home(tmp_path, PYTHONPATH=str(wheels), PIP_DOES=does, TMPDIR=str(tmp_path / "tmp"))
    return run_python(code, *arguments, main="models_main", env=env, cwd=tmp_path)


def test_get_downloads_and_imports(wheels, sources, tmp_path):
    path = tmp_path / "home" / "lmzip" / "models" / "little.safetensors"
    import_model(sources / "tiny.gguf", tmp_path / "expected", name="little")
    digest = sha256(tmp_path / "expected")
    line = f"{path}: little, {(tmp_path / 'expected').stat().st_size} bytes, sha256 {digest}\n".encode()
    (tmp_path / "expected").unlink()

    def got(what: str, *options: str):
        process = get(wheels, sources, tmp_path, what, "get", *options, "little", digest=digest, name="little")
        result = finish(process)
        assert names_in(tmp_path / "tmp") == [] and names_in(tmp_path) == ["home", "tmp"]
        return result

    assert got("good") == (0, line, b"") and sha256(path) == digest
    assert got("fail") == (0, line, b""), "what is here is not downloaded again"
    path.write_bytes(b"old")
    status, stdout, stderr = got("good")
    assert (status, stdout, stderr.count(b"\n")) == (1, b"", 1) and b"-f" in stderr and path.read_bytes() == b"old"
    assert got("fail", "-f")[0] == 1 and path.read_bytes() == b"old"
    assert got("good", "-f") == (0, line, b"") and sha256(path) == digest
    assert names_in(path.parent) == [path.name]


def test_parts_are_joined(wheels, sources, tmp_path):
    path = tmp_path / "home" / "lmzip" / "models" / "tiny.safetensors"
    digest = import_model(sources / "tiny.gguf", tmp_path / "expected", name="tiny").hex()
    status, _, stderr = finish(get(wheels, sources, tmp_path, "halves", "get", "tiny", parts=HALVES, digest=digest))
    assert (status, stderr) == (0, b"") and sha256(path) == digest and names_in(tmp_path / "tmp") == []
    status, _, stderr = finish(get(wheels, sources, tmp_path, "swapped", "get", "-f", "tiny", parts=HALVES))
    assert status == 1 and b"tiny==1.0, tiny==1.0 has another SHA-256" in stderr and sha256(path) == digest


def test_terms_are_accepted_before_a_download(wheels, sources, tmp_path):
    def got(what: str, *options: str):
        return finish(get(wheels, sources, tmp_path, what, "get", *options, "tiny", licence="gemma", digest="0"))

    status, stdout, stderr = got("good")
    assert (status, stdout, stderr.count(b"\n")) == (1, b"", 1) and names_in(tmp_path) == ["tmp"]
    for words in (b"https://ai.google.dev/gemma/terms", b"Prohibited Use Policy", b"--accept-license gemma"):
        assert words in stderr
    assert got("good", "--accept-license", "apache")[0] == 1
    assert got("good", "--accept-license", "gemma")[0] == 0
    process = get(wheels, sources, tmp_path, "fail", "import", "-f", sources / "tiny.gguf", licence="gemma")
    assert finish(process)[0] == 0, "who has the file has accepted them elsewhere"


def test_a_known_file_gets_its_name_however_it_came(wheels, sources, tmp_path):
    process = get(wheels, sources, tmp_path, "fail", "import", sources / "tiny.gguf", name="little")
    status, stdout, stderr = finish(process)
    assert status == 0 and b": little, " in stdout
    assert b"not what others get" in stderr, "the digest is not that in the catalog"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("fail", b"pip could not download tiny==1.0: No matching distribution"),
        ("nothing", b"not the wheel"),
        ("none", b"not the wheel"),
        ("cut", b"not the wheel"),
        ("damaged", b"tiny==1.0"),
        ("changed", b"another SHA-256"),
        ("longer", b"another SHA-256"),
    ],
)
def test_downloads_that_fail(what, words, wheels, sources, tmp_path):
    status, stdout, stderr = finish(get(wheels, sources, tmp_path, what, "get", "tiny"))
    assert (status, stdout, stderr.count(b"\n")) == (1, b"", 1) and words in stderr
    assert names_in(tmp_path) == ["tmp"] and names_in(tmp_path / "tmp") == []


def test_a_signal_ends_the_download(wheels, sources, tmp_path):
    process = get(wheels, sources, tmp_path, "wait", "get", "tiny")
    wait_until(lambda: list((tmp_path / "tmp").glob("*/part")), "pip to begin")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == -signal.SIGTERM
    assert names_in(tmp_path) == ["tmp"] and names_in(tmp_path / "tmp") == []


def test_only_get_runs_pip(wheels, sources, tmp_path):
    """Nothing else loads the module that does."""
    code = "import atexit; atexit.register(lambda: print(end='ran' if 'lmzip.models.download' in sys.modules else '-'))"
    (tmp_path / "a").write_bytes(TEXT)
    for arguments in (["-k", "a"], ["-t", "a.lmz"], ["--model", "smollm2", "a"]):
        assert finish(run_python(code, *arguments, cwd=tmp_path, env=home(tmp_path)))[1].endswith(b"-")
    for arguments in (["list"], ["bench", "ngram"], ["import", sources / "tiny"]):
        process = run_python(code, *arguments, main="models_main", cwd=tmp_path, env=home(tmp_path))
        assert finish(process)[1].endswith(b"-")


# The hub: huggingface_hub is another one here

COMMIT = "0123456789abcdef" * 2 + "01234567"
HUB = """
import fnmatch, pathlib, shutil, time, types
def snapshot_download(repo_id, *, revision, local_dir, cache_dir, allow_patterns, token):
    assert (repo_id, revision, token) == ("HuggingFaceTB/SmolLM2-135M", COMMIT, False)
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    folder = pathlib.Path(local_dir)
    folder.mkdir()
    pathlib.Path(cache_dir).mkdir()
    (folder / "config.json").touch()
    if DOES == "wait":
        time.sleep(60)
    if DOES == "fail":
        raise OSError("404 Client Error.\\n\\nRevision Not Found")
    for path in pathlib.Path(DOES).iterdir():
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
            shutil.copy(path, folder)
    return str(folder)
sys.modules["huggingface_hub"] = types.SimpleNamespace(snapshot_download=snapshot_download) if DOES else None
"""


def from_hub(tmp_path: Path, does, *arguments, name: str = f"smollm2-135m-base@{COMMIT}"):
    """Start lmzip-models where the hub does something, or gives the model directory `does`."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    code = f"COMMIT, DOES = {COMMIT!r}, {does and str(does)!r}\n{HUB}"
    env = home(tmp_path, TMPDIR=str(tmp_path / "tmp"))
    return run_python(code, "get", *arguments, name, main="models_main", env=env, cwd=tmp_path)


def test_get_a_model_of_the_hub(sources, tmp_path):
    path = tmp_path / "home" / "lmzip" / "models" / "smollm2-135m-base.safetensors"
    (sources / "tiny" / "pytorch_model.bin").write_bytes(b"not to be copied")
    digest = import_model(sources / "tiny", tmp_path / "expected", name="smollm2-135m-base").hex()
    (tmp_path / "expected").unlink()
    status, stdout, stderr = finish(from_hub(tmp_path, sources / "tiny"))
    assert (status, stderr) == (0, b"") and sha256(path) == digest and digest.encode() in stdout
    assert names_in(tmp_path / "tmp") == [] and names_in(path.parent) == [path.name]
    status, _, stderr = finish(from_hub(tmp_path, "fail"))
    assert status == 1 and b"already exists; -f" in stderr, "what is there is not downloaded over"
    assert finish(from_hub(tmp_path, sources / "tiny", "-f", "-q"))[0] == 0 and sha256(path) == digest


@pytest.mark.parametrize(
    ("does", "status", "words"),
    [
        ("fail", 1, b"could not be downloaded: 404 Client Error.\n"),
        ("mamba", 3, b"mamba"),
        (None, 3, b"needs the package huggingface_hub: pip install 'huggingface_hub>="),
    ],
)
def test_downloads_from_the_hub_that_fail(does, status, words, sources, tmp_path):
    result = finish(from_hub(tmp_path, sources / does if does == "mamba" else does))
    assert result[:2] == (status, b"") and result[2].count(b"\n") == 1 and words in result[2]
    assert names_in(tmp_path) == ["tmp"] and names_in(tmp_path / "tmp") == []


def test_a_signal_ends_a_download_from_the_hub(tmp_path):
    process = from_hub(tmp_path, "wait")
    wait_until(lambda: list((tmp_path / "tmp").glob("lmzip-*/*/config.json")), "the download to begin")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == -signal.SIGTERM
    assert names_in(tmp_path / "tmp") == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smollm2-135m-base", "https://huggingface.co/HuggingFaceTB/SmolLM2-135M/commits/main"),
        ("smollm2-360m-base", "SmolLM2-360M/commits/main"),
        ("smollm2-135m-base@", "smollm2-135m-base@REVISION"),
        ("smollm2-135m-base@main", "40 hexadecimal digits"),
        (f"smollm2-135m-base@{COMMIT[:-1]}", "40 hexadecimal digits"),
        (f"smollm2-135m-base@{COMMIT}\n", "40 hexadecimal digits"),
        (f"smollm2-135m-base@{COMMIT.upper()}", "40 hexadecimal digits"),
        (f"smollm2@{COMMIT}", "no revisions"),
        (f"gpt@{COMMIT}", "there is smollm2, gemma3-270m, smollm2-135m-base@REVISION, "),
    ],
)
def test_a_model_of_the_hub_takes_a_whole_revision(name, words, tmp_path):
    status, stdout, stderr = finish(from_hub(tmp_path, "fail", name=name))
    assert (status, stdout, stderr.count(b"\n")) == (1, b"", 1) and words in stderr.decode()
    assert names_in(tmp_path / "tmp") == []


# Models that are missing


def test_a_missing_model_that_is_known_is_named_with_its_command(tmp_path):
    (tmp_path / "a").write_bytes(TEXT)
    for name in KNOWN:
        line = one_line(run("lmzip", "--model", name, "a", cwd=tmp_path, env=home(tmp_path)), 3)
        assert line.endswith(f"; lmzip-models get {name} installs it\n")
    assert "lmzip-models" not in one_line(run("lmzip", "--model", "gpt", "a", cwd=tmp_path, env=home(tmp_path)), 3)
    with pytest.raises(ModelMissingError, match="lmzip-models get smollm2 installs it$"):
        shared.registry.of_digest(bytes.fromhex(KNOWN["smollm2"].digest), "smollm2")
    with pytest.raises(ModelMissingError, match="can give it$"):
        shared.registry.of_digest(bytes(32), "smollm2")  # another model of that name
    with pytest.raises(ModelMissingError, match="can give it$"):
        shared.registry.of_digest(bytes.fromhex(KNOWN["smollm2"].digest), "another name")


def test_ultra_without_a_transformer(tmp_path, tiny_path):
    (tmp_path / "a").write_bytes(TEXT)
    env = home(tmp_path, LMZIP_MODEL_PATH=str(tiny_path))
    line = one_line(run("lmzip", "--ultra", "a", cwd=tmp_path, env=env), 3)
    command = line.split("lmzip-models ")[-1].split()
    assert command[0] == "get" and command[1] in KNOWN
    assert names_in(tmp_path) == ["a"]
    assert run("lmzip", "-k", "--ultra", "--model=ngram", "a", cwd=tmp_path, env=env).returncode == 0
    one_line(run("lmzip", "-f", "--model=ngram", "--ultra", "a", cwd=tmp_path, env=env), 3)
    assert run("lmunzip", "-f", "--ultra", "a.lmz", cwd=tmp_path, env=env).returncode == 0
    done = run("lmzip", "-1", data=TEXT, env=env | {"LMZIP_MODEL": "ultra"})
    assert (done.returncode, done.stdout) == (0, compress(TEXT, "-1")) and done.stderr.count(b"\n") == 1


def test_ultra_takes_the_largest(tmp_path, sources, tiny, data):
    larger, config = make(1, num_hidden_layers=3)
    import_model(save_directory(tmp_path / "m", larger, config), tmp_path / "larger.safetensors", name="larger")
    (tmp_path / "broken.safetensors").write_bytes(b"x")
    env = home(tmp_path, LMZIP_MODEL_PATH=f"{tiny}:{tmp_path}")
    (tmp_path / "a").write_bytes(data)
    done = run("lmzip", "--ultra", "--estimate", "--json", "a", cwd=tmp_path, env=env)
    assert done.stderr == b"lmzip: --ultra takes larger, the largest model here\n", "it says which"
    record = json.loads(done.stdout)
    assert (record["model"], record["exact"]) == ("larger", True)
    assert b"larger" in run("lmzip", "-q", "--ultra", "--estimate", "a", cwd=tmp_path, env=env).stdout
    done = run("lmzip", "-q", "-k", "--ultra", "a", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / "a").write_bytes(SAMPLE.read_bytes())
    record = json.loads(run("lmzip", "--ultra", "--estimate", "--json", "a", cwd=tmp_path, env=env).stdout)
    assert (record["model"], record["exact"]) == ("larger", False)
