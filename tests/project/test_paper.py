"""scripts/paper: every experiment's quick run end to end, and the parts that could flatter a compressor."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, SAMPLE
from tiny_llama import save_directory, tiny_llama

from lmzip.convert import import_model

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
needs_tokenizers = pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="no tokenizers")
needs_plots = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
needs_pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


def module(name: str):
    return importlib.import_module(f"paper.{name}")


def run(name: str, *arguments: object) -> str:
    """Return what an experiment prints."""
    done = CliRunner().invoke(module(name).main, [*map(str, arguments), "--quick"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """The weight file of a tiny transformer with some tokens of several bytes."""
    folder = tmp_path_factory.mktemp("tiny")
    import_model(save_directory(folder / "tiny", *tiny_llama()), folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


@pytest.fixture
def pictures(tmp_path) -> Path:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    y, x = np.mgrid[:70, :130]
    pixels = np.stack([x + y, x, 2 * y], -1).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    return folder


@needs_tokenizers
@needs_pillow
def test_table_1_on_some_chunks_and_not_again(tmp_path, pictures, weights) -> None:
    arguments = ("--text", SAMPLE, "--images", pictures, "--model", weights, "--out", tmp_path)
    assert "text" in run("table1", *arguments)
    found = rows(tmp_path / "table1.csv")
    assert {row["set"] for row in found} == {"text", "images", "random"}
    assert {"gzip", "LZMA2", "PNG, lines of 64", "lmzip -6", "tiny alone"} <= {row["row"] for row in found}
    for row in found:
        assert int(row["raw_size"]) == 2048 * int(row["n_chunks"]) > 0
        assert 0 < int(row["compressed_size"]) <= int(row["whole_files"])
    before = (tmp_path / "table1.csv").read_bytes()
    run("table1", *arguments)
    assert (tmp_path / "table1.csv").read_bytes() == before


@needs_plots
@needs_tokenizers
def test_context_and_predictor(tmp_path, weights) -> None:
    run("context", "--text", SAMPLE, "--model", weights, "--out", tmp_path)
    assert (tmp_path / "context.svg").read_text().count("<svg") == 1
    assert "ppm" in run("predictor", "--text", SAMPLE, "--model", weights, "--out", tmp_path)
    for row in rows(tmp_path / "predictor.csv"):
        assert 0 <= 8 * int(row["payload_size"]) - float(row["bits"]) < 9


def test_generation_goes_on_where_it_ended(tmp_path) -> None:
    run("generate", "--text", SAMPLE, "--out", tmp_path)
    text = (tmp_path / "generated.txt").read_text()
    assert all(f"\n{name} " in text for name in ("gzip", "LZMA", "lmzip, ngram"))
    run("generate", "--text", SAMPLE, "--out", tmp_path)
    assert (tmp_path / "generated.txt").read_text() == text


def test_a_compressor_generates_what_it_has_seen(tmp_path) -> None:
    import zlib

    generate = module("generate").by_growth(lambda data: len(zlib.compress(data, 9)), 1)
    drawn = generate(b"abcdefgh" * 30, 40, "bytes")
    assert b"abcdefgh" in drawn + b"abcdefgh" and len(drawn) == 40
    assert generate(b"abcdefgh" * 30, 40, "bytes") == drawn


def test_other_kinds_of_data(tmp_path) -> None:
    table = tmp_path / "series.csv"
    table.write_text(
        "# made here\nday,level\n" + "".join(f"2020-01-{i % 28 + 1:02},{i * i % 97}\n" for i in range(400))
    )
    run("modalities", table, "--out", tmp_path)
    assert {row["set"] for row in rows(tmp_path / "modalities.csv")} == {"series.csv", "series.sqlite"}


@needs_torch
@needs_plots
@needs_tokenizers
def test_trainings_are_imported_and_coded(tmp_path) -> None:
    assert "too few points" in run("scaling", SAMPLE, "--out", tmp_path)
    (row,) = rows(tmp_path / "scaling.csv")
    assert int(row["parameters"]) == 21632 and int(row["compressed_size"]) < int(row["raw_size"]) * 1.2
    run("tokenization", SAMPLE, "--held-out", SAMPLE, "--out", tmp_path)
    assert [row["vocabulary"] for row in rows(tmp_path / "tokenization.csv")] == ["256", "300"]


@needs_torch
def test_a_training_goes_on_exactly(tmp_path) -> None:
    import torch

    training = module("training_run")
    tokens = np.frombuffer(SAMPLE.read_bytes(), np.uint8)
    config = module("llama").SIZES["20K"]
    schedule = training.Schedule(tokens_a_step=256, windows=((0.5, 32), (1.0, 64)))
    whole, first, second = (training.TrainingRun(config, schedule, tokens) for _ in range(3))
    for step in range(6):
        whole.step(step / 6)
    for step in range(3):
        first.step(step / 6)
    first.save(tmp_path / "checkpoint.pt")
    second.load(tmp_path / "checkpoint.pt")
    for step in range(3, 6):
        second.step(step / 6)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])
    other = training.TrainingRun(module("llama").SIZES["50K"], schedule, tokens)
    with pytest.raises(ValueError, match="another config"):
        other.load(tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged"):
        first.load(tmp_path / "checkpoint.pt")


@needs_torch
def test_the_exact_engine_gives_the_float_models_bits(tmp_path) -> None:
    """The same text costs what it costs in torch, within what 8-bit weights change."""
    import torch

    llama, training = module("llama"), module("training_run")
    torch.manual_seed(0)
    model = llama.Llama(llama.SIZES["50K"])
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    llama.save_directory(model, tmp_path / "model", "made")
    import_model(
        tmp_path / "model", tmp_path / "made.safetensors", window=2048, int15=module("train_transformer").ALL_INT15
    )
    alone, text = module("alone").Alone(tmp_path / "made.safetensors"), SAMPLE.read_bytes()[:300]
    nats = training.nats_by_position(model, np.frombuffer(text, np.uint8)[None]).sum()
    assert alone.code_length(text) == pytest.approx(training.bits(nats), rel=0.02)


@needs_tokenizers
def test_a_transformer_alone_decodes_what_it_encodes(weights) -> None:
    alone = module("alone").Alone(weights)
    chunks = [SAMPLE.read_bytes()[i * 50 : i * 50 + 40] for i in range(3)] + [bytes(range(216, 256))]
    codes = alone.encode(chunks)
    assert alone.decode(codes, 40) == chunks
    assert alone.encode(chunks[2:3]) == codes[2:3], "the other chunks do not matter"
    for chunk, code in zip(chunks, codes, strict=True):
        assert 0 < 8 * len(code) - alone.code_length(chunk) < 9
    with pytest.raises(ValueError):
        alone.decode([codes[0][:-12]], 40)


def test_the_papers_mapping_is_undone() -> None:
    lmzip_rows = module("lmzip_rows")
    data = bytes(range(256)) * 8
    text, bits = lmzip_rows.to_ascii(data)
    assert max(text) < 128 and len(bits) == 256 and lmzip_rows.from_ascii(text, bits) == data


@needs_pillow
def test_patches_are_the_papers() -> None:
    data = module("data")
    pixels = np.random.default_rng(1).integers(0, 256, (65, 130, 3), np.uint8)
    patches = list(data.grey_patches(pixels))
    assert len(patches) == 4 and {len(patch) for patch in patches} == {2048}
    assert patches[1][0] == int(pixels[0, 64].astype(float).mean())
    assert module("classical").closest_factors(2048) == (32, 64)


def test_a_compressor_that_loses_something_is_found() -> None:
    lossy = module("classical").Compressor("lossy", lambda data: data[:-1], lambda packed: packed, lambda packed: 0)
    with pytest.raises(ValueError, match="lossy"):
        lossy.chunked([b"abc"])
