"""lmzip-models list and bench: which models are here, and what they are worth."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_tools import compress, environment, run
from tiny_llama import save_directory, tiny_llama
from tiny_net import tiny_weights

from lmzip.convert import import_model
from lmzip.models import registry
from lmzip.models.hf.directory import digest_of, find_files

SMALL = {"orders": [2, 0], "byte_dim": 30, "table_dim": 1}  # 170 kB of weights
SHIPPED = Path(registry.__file__).with_name("data") / f"{registry.default_name()}{registry.SUFFIX}"
needs_shipped = pytest.mark.skipif(not SHIPPED.exists(), reason="the weights are not in this checkout")


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """The weight file of a tiny net, in a folder of its own."""
    path = tmp_path_factory.mktemp("nets") / "tiny.safetensors"
    path.write_bytes(tiny_weights(0, **SMALL))
    return path


@pytest.fixture(scope="module")
def transformer(tmp_path_factory) -> Path:
    """The weight file of a tiny transformer."""
    folder = tmp_path_factory.mktemp("transformers")
    tensors, config = tiny_llama(0)
    import_model(save_directory(folder / "m", tensors, config), folder / "w.safetensors", name="little")
    return folder / "w.safetensors"


def here(*places: Path) -> dict[str, str]:
    """Return an environment in which the models at these places are here, and no user's own."""
    return environment(LMZIP_MODEL_PATH=os.pathsep.join(map(str, places)), XDG_DATA_HOME="/nonexistent")


def rows(*arguments, env: dict[str, str]) -> dict[str, dict]:
    """Return the objects of list or bench with --json by the names of the models."""
    done = run("lmzip-models", *arguments, "--json", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# list


def test_list_in_columns(net, transformer):
    done = run("lmzip-models", "list", env=here(net, transformer))
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["name", "kind", "sha256", "size", "licence", "path"]
    assert lines[1].split() == ["ngram", "base", "-", "-", "-", "-"]
    row = next(line for line in lines if line.startswith("tiny "))
    assert row.split() == ["tiny", "net", sha256(net)[:12], str(net.stat().st_size), "Apache-2.0", str(net)]
    for word in ("kind", "sha256", "licence", "path"):  # columns start at the same place in every line
        at = lines[0].index(word)
        assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)


def test_list_as_json(net, transformer):
    found = rows("list", env=here(net, transformer))
    assert next(iter(found)) == "ngram"
    assert found["ngram"] == {
        "name": "ngram",
        "kind": "base",
        "sha256": None,
        "size": 0,
        "licence": None,
        "path": None,
    }
    for name, kind, path, licence in (
        ("tiny", "net", net, "Apache-2.0"),
        ("little", "transformer", transformer, "unknown"),
    ):
        assert found[name] == {
            "name": name,
            "kind": kind,
            "sha256": sha256(path),
            "size": path.stat().st_size,
            "licence": licence,
            "path": str(path),
        }


@needs_shipped
def test_list_has_the_shipped_one_once(tmp_path):
    (tmp_path / "copy.safetensors").write_bytes(SHIPPED.read_bytes())
    lines = run("lmzip-models", "list", "--json", env=here(tmp_path)).stdout.splitlines()
    found = [row for row in map(json.loads, lines) if row["sha256"] == sha256(SHIPPED)]
    assert [(row["name"], row["path"]) for row in found] == [("bytelm3", str(SHIPPED))] and found[0]["licence"]


def test_list_passes_over_what_is_no_model(net, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(net.read_bytes()[:20])
    (tmp_path / "garbage.safetensors").write_bytes(b"no weights at all")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "dangling.safetensors").symlink_to("nowhere")
    found = rows("list", env=here(tmp_path, Path("/nowhere"), net))
    assert {"ngram", "tiny"} <= set(found) <= {"ngram", "tiny", "bytelm-s", "bytelm3"}


def test_list_has_models_of_hugging_face(net, tmp_path):
    """Their digest only where that is quick; what is damaged is passed over."""
    tensors, config = tiny_llama(0)
    small = save_directory(tmp_path / "small", tensors, config)
    large = save_directory(tmp_path / "large", tensors, config)
    os.truncate(large / "model.safetensors", 65 << 20)
    broken = save_directory(tmp_path / "broken", tensors, config)
    (broken / "config.json").write_text("{")
    env = here(tmp_path, net)
    found = rows("list", env=env)
    assert "hf:broken" not in found
    for name, path in (("small", small), ("large", large)):
        row = found[f"hf:{name}"]
        assert (row["kind"], row["path"], row["licence"]) == ("float", str(path), None)
        assert row["size"] == (path / "model.safetensors").stat().st_size
    assert found["hf:large"]["sha256"] is None
    assert bytes.fromhex(found["hf:small"]["sha256"]) == digest_of(find_files(small))
    text = run("lmzip-models", "list", env=env).stdout.decode()
    shown = {line.split()[0]: line.split()[2] for line in text.splitlines()}
    assert shown["hf:small"] == found["hf:small"]["sha256"][:12] and shown["hf:large"] == "-"
    assert not any(name.startswith("hf:") for name in rows("bench", env=env))


@pytest.mark.parametrize("arguments", [["list"], ["bench"]])
def test_names_cannot_steer_the_terminal(arguments, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(tiny_weights(0, name="a\x1b[31m\n", licence="b\x07", **SMALL))
    done = run("lmzip-models", *arguments, env=here(tmp_path))
    assert done.returncode == 0 and b"\x1b" not in done.stdout and b"\x07" not in done.stdout
    assert b"a\\x1b[31m\\n " in done.stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_list_loads_no_kernel(options, net, transformer):
    code = "import sys; from lmzip.cli import models_main; status = models_main(); print(status, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "list", *options], capture_output=True, env=here(net, transformer), check=True
    )
    status, *modules = done.stdout.decode().splitlines()[-1].split()
    assert (status, done.stderr) == ("0", b"") and b"little" in done.stdout
    assert not {"lmzip.native", "lmzip.native._kernel", "lmzip.codec", "lmzip.models.llama", "torch"} & set(modules)


# bench


def test_bench_in_columns(net):
    done = run("lmzip-models", "bench", env=here(net))
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    words = ("name", "levels", "memory a thread", "kB/s a thread", "bits/byte of 1000 bytes")
    assert all(word in lines[0] for word in words)
    assert lines[1].startswith("ngram ") and "-1 to -4" in lines[1]
    assert sum(line.startswith("tiny ") for line in lines) == 1


def test_bench_as_json(net, transformer):
    found = rows("bench", env=here(net, transformer))
    assert next(iter(found)) == "ngram" and {"tiny", "little"} <= set(found)
    assert (found["ngram"]["levels"], found["ngram"]["sha256"], found["ngram"]["path"]) == ([1, 2, 3, 4], None, None)
    assert (found["tiny"]["levels"], found["tiny"]["sha256"], found["tiny"]["path"]) == ([], sha256(net), str(net))
    for row in found.values():
        assert row["level"] == 6 and row["kb_per_second"] > 0 and row["memory_per_thread"] > 1 << 20
        assert 0 < row["bits_per_byte"] <= 8
    assert found["little"]["memory_per_thread"] > transformer.stat().st_size


def test_bench_of_some_by_name_and_path(net, transformer):
    assert list(rows("bench", "ngram", env=here(net))) == ["ngram"]
    assert list(rows("bench", "tiny", "ngram", "tiny", env=here(net))) == ["tiny", "ngram"]
    assert list(rows("bench", transformer, env=here())) == ["little"]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("gpt", 3, "no model gpt here"), ("/nonexistent.safetensors", 3, "No such file"), ("hf:x", 1, "lmzip --bench")],
)
def test_bench_of_what_is_not_here(name, status, words):
    done = run("lmzip-models", "bench", "ngram", name, env=here())
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1)
    assert words in done.stderr.decode()


def test_bench_warns_of_weights_that_are_not_whole(net, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(net.read_bytes()[:-1000])
    done = run("lmzip-models", "bench", "--json", env=here(tmp_path))
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1 and b"passed over" in done.stderr
    assert b"tiny" not in done.stdout and b"ngram" in done.stdout
    assert run("lmzip-models", "bench", "-q", env=here(tmp_path)).stderr == b""


def test_bits_per_byte_are_those_of_the_same_text_for_all():
    from lmzip.cli.models.measuring import bundled_text

    measured = [rows("bench", env=here()) for _ in range(2)]
    bits = [{name: row["bits_per_byte"] for name, row in table.items()} for table in measured]
    assert bits[0] == bits[1] and 2 < bits[0]["ngram"] < 6
    text = bundled_text()[:1000]
    assert abs(8 * (len(compress(text, "--model=ngram")) - 16) / len(text) - bits[0]["ngram"]) < 0.01
    assert "bytelm3" not in bits[0] or bits[0]["bytelm3"] < bits[0]["ngram"]


@needs_shipped
def test_bench_has_the_default_levels_of_the_shipped_ones():
    found = rows("bench", "bytelm-s", "bytelm3", env=here())
    assert {name: row["levels"] for name, row in found.items()} == {"bytelm-s": [5], "bytelm3": [6, 7, 8, 9]}


def test_another_model_of_the_same_name_is_no_default(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(tiny_weights(0, name=registry.default_name(), licence=None, **SMALL))
    lines = run("lmzip-models", "bench", "--json", env=here(path)).stdout.splitlines()
    row = next(row for row in map(json.loads, lines) if row["path"] == str(path))
    assert (row["name"], row["levels"]) == (registry.default_name(), [])
    lines = run("lmzip-models", "list", "--json", env=here(path)).stdout.splitlines()
    assert next(row for row in map(json.loads, lines) if row["path"] == str(path))["licence"] is None


@pytest.mark.parametrize("level", [1, 3, 6, 9])
def test_the_speed_of_transformers_is_measured_with_few_bytes(transformer, monkeypatch, level):
    from lmzip.cli.models import measuring

    model, sizes = registry.Registry().model(str(transformer)), []
    monkeypatch.setattr(model, "encode", lambda raw, *_: sizes.append(len(raw)))
    assert measuring._measure(model, level, 1.0) > 0 and max(sizes) == 1 << 10
