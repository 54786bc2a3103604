"""Models of Hugging Face as predictors: any architecture gives any bytes back, by its own arithmetic or not at all."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_hf
from codec_tools import LARGE, pack, record_of, unpack, written_before_error
from conftest import ROOT
from kernel_tools import beside

from lmzip import codec
from lmzip.errors import DamagedError, ModelMissingError, NumericsError, VerifyError
from lmzip.format import outside
from lmzip.format.block import BASE, WITH_MODEL
from lmzip.format.header import FLOAT_KIND, FrameHeader, header_size
from lmzip.models.hf.numerics import Settings
from lmzip.stream import shared

torch = pytest.importorskip("torch", reason="torch is not installed: make test-hf")
pytest.importorskip("transformers", reason="transformers is not installed: make test-hf")

TEXT = b"the thin thing in the inn, then <s> the \xc3\xa9 in </s>" * 4

ONE_THREAD = Settings(device="cpu", threads=1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory):
    """A function that returns the directory of a tiny model of a kind, made when it is first asked for."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = tiny_hf.save(tmp_path_factory.mktemp("hf") / f"tiny-{kind}", kind)
        return made[kind]

    return folder


@pytest.fixture(autouse=True)
def run_with(new_registry):
    """Every test starts with one thread, and knows of no model: so does what follows a call of this."""

    def use(settings: Settings = ONE_THREAD) -> None:
        new_registry(settings)

    use()
    return use


def packed(folder: Path, data: bytes = TEXT, **options) -> bytes:
    return pack(data, model=f"hf:{folder}", threads=1, **options)[0]


def modes_of(frames: bytes) -> list[int]:
    return [block.head.mode for frame in codec.list_frames(io.BytesIO(frames)) for block in frame.blocks]


def header_of(frame: bytes) -> FrameHeader:
    return FrameHeader(frame[: header_size(frame)])


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", tiny_hf.CONFIGS)
def test_every_architecture_gives_all_bytes_back(folders, always_the_net, kind: str) -> None:
    """With a window that slides, lanes of different lengths, special tokens as text, and what is no text at all."""
    data = TEXT[:150] + random.Random(3).randbytes(20) + b"\0" * 30
    frame = packed(folders(kind), data, n_lanes=2)
    assert modes_of(frame) == [WITH_MODEL]
    assert unpack(frame, threads=1)[0] == data


@pytest.mark.parametrize("n_lanes", [1, 4, 64])
def test_any_number_of_lanes_comes_back(folders, always_the_net, n_lanes: int) -> None:
    data = TEXT + b"the in " * 40
    frame = packed(folders("llama"), data, n_lanes=n_lanes)
    assert modes_of(frame) == [WITH_MODEL] and unpack(frame, threads=1)[0] == data


@pytest.mark.parametrize("n_lanes", [1, 2, 8])
def test_payloads_begin_with_the_bytes_in_no_token(tmp_path: Path, n_lanes: int) -> None:
    """Where the number takes two bytes, of which the coded part must leave room."""
    import tiny_llama

    tokenizer = tiny_llama.tokenizer_json()
    del tokenizer["model"]["vocab"]["z"]
    folder = tiny_hf.save(tmp_path / "without", "gpt2", tokenizer=tokenizer)
    model = shared.registry.model(f"hf:{folder}")
    raw = b"buzz" * 100
    spec = beside(len(raw), LARGE, n_lanes)
    payload = model.encode(raw, spec)
    assert payload is not None and outside.parse(payload, len(raw)) == (200, 2)
    assert bytes(model.decode(payload, spec)) == raw
    for changed in (b"", payload[:1], b"\x80" * 5 + payload, b"\xff\x7f" + payload):
        with pytest.raises(DamagedError):
            model.decode(changed, spec)
    outcomes = [model.encode(b"buz" * n, beside(3 * n, LARGE)) for n in range(1, 12)]
    assert outcomes[0] is None and outcomes[-1] is not None
    assert all(len(found) < 3 * n for n, found in enumerate(outcomes, 1) if found is not None)


def test_blocks_in_several_threads(folders, always_the_net) -> None:
    """One block at a time is coded with a model, whatever the codec's threads do; the bytes are the same."""
    frames = {
        pack(TEXT, model=f"hf:{folders('gpt2')}", block_size=80, threads=threads, verify=True)[0] for threads in (1, 3)
    }
    assert len(frames) == 1
    (frame,) = frames
    assert unpack(frame, threads=3)[0] == TEXT


def test_what_does_not_pay_needs_no_model(folders, run_with) -> None:
    """Random weights predict nothing: the encoder leaves them out, and the frame names no model."""
    frame = packed(folders("gpt2"), TEXT)
    assert modes_of(frame) == [BASE]
    run_with()
    assert unpack(frame)[0] == TEXT
    assert len(packed(folders("gpt2"), b"")) < 40


def test_bytes_as_a_vocabulary(tmp_path: Path, always_the_net) -> None:
    """Without any tokenizer, numbers 0 .. 255 are bytes; ByT5's come behind three that are none."""
    for name, n_vocab, tokenizer in (("plain", 256, None), ("more", 260, None), ("byt5", 384, "ByT5Tokenizer")):
        folder = tiny_hf.save(tmp_path / name, "gpt2", vocab_size=n_vocab)
        (folder / "tokenizer.json").unlink()
        if tokenizer:
            (folder / "tokenizer_config.json").write_text(f'{{"tokenizer_class": "{tokenizer}"}}')
        data = bytes(range(256)) + b"the in " * 20 + bytes(80)
        frame = packed(folder, data, n_lanes=2)
        assert modes_of(frame) == [WITH_MODEL] and unpack(frame)[0] == data
        model = shared.registry.model(f"hf:{folder}")
        numbers = dict(model._load().tokens.vocabulary)
        assert numbers[b"A"] == (68 if tokenizer else 65) and len(numbers) == 256


def test_a_gguf_file_comes_back(tmp_path: Path, always_the_net) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate only")
    import tiny_llama

    tensors, config = tiny_llama.tiny_llama()
    path = tiny_llama.save_gguf(tmp_path / "tiny.gguf", tensors, config)
    frame = packed(path, TEXT, n_lanes=2)
    assert modes_of(frame) == [WITH_MODEL] and unpack(frame)[0] == TEXT
    assert record_of(shared.registry.model(f"hf:{path}")).name == "tiny"


def test_several_shards_are_one_model(folders, tmp_path: Path, always_the_net) -> None:
    import transformers

    module = transformers.AutoModelForCausalLM.from_pretrained(folders("llama"))
    module.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert (tmp_path / "shards" / "model.safetensors.index.json").exists()
    (tmp_path / "shards" / "tokenizer.json").write_bytes((folders("llama") / "tokenizer.json").read_bytes())
    frame = packed(tmp_path / "shards")
    assert modes_of(frame) == [WITH_MODEL] and unpack(frame)[0] == TEXT


def test_levels_differ_in_how_far_they_see(tmp_path: Path, always_the_net) -> None:
    """The window, half of it, a quarter and an eighth: blocks differ from where the shorter one slides."""
    folder = tiny_hf.save(tmp_path / "long", "llama", max_position_embeddings=2048)
    data = random.Random(5).choices(b"xyz", k=520)  # a token each
    frames = {level: packed(folder, bytes(data), level=level, n_lanes=1) for level in (1, 3, 6, 9)}
    assert all(modes_of(frame) == [WITH_MODEL] for frame in frames.values())
    assert [header_of(frame).context for frame in frames.values()] == [3, 2, 1, 0]
    assert all(unpack(frame)[0] == bytes(data) for frame in frames.values())
    model = shared.registry.model(f"hf:{folder}")

    def payload(raw: bytes, context: int) -> bytes | None:
        return model.encode(raw, beside(len(raw), LARGE, 1, context))

    assert len({payload(bytes(data), context) for context in range(4)}) == 4
    assert len({payload(bytes(data[:120]), context) for context in (0, 3)}) == 1
    needs = [model.memory_size(beside(1000, LARGE, 8, context)) for context in range(4)]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) == 4


@pytest.mark.parametrize(
    ("window", "halves"), [(1024, [1024, 512, 256, 128]), (1022, [1022, 510, 254, 128]), (200, [200, 128]), (32, [32])]
)
def test_windows_are_halved_down_to_128(window: int, halves: list[int]) -> None:
    from lmzip.models.hf.stepping import halved

    assert [halved(window, n) for n in range(4)] == (halves + 3 * halves[-1:])[:4]


def test_a_gpu_gets_many_lanes(folders, monkeypatch: pytest.MonkeyPatch) -> None:
    from lmzip.codec.settings import settings_for

    model = shared.registry.model(f"hf:{folders('gpt2')}")
    usual = settings_for(6, model, shared.registry)[0].n_lanes(1 << 20)
    monkeypatch.setattr(model, "prefers_batching", True)
    assert usual < settings_for(6, model, shared.registry)[0].n_lanes(1 << 20) == 64


# --- a window that slides is the model run again ----------------------------------------------------------------------


def reference(module, start: int, numbers: list[int], window: int) -> list[np.ndarray]:
    """Return the logits before each token of one lane, each from a run of its own over all tokens that it may see."""
    found, seen = [], [start]
    for number in numbers:
        with torch.no_grad():
            found.append(module(torch.tensor([seen])).logits[0, -1].numpy())
        if len(seen) == window:
            seen = [start, *seen[window // 2 + 1 :]]
        seen.append(number)
    return found


@pytest.mark.parametrize("kind", ["gpt2", "gemma3", "mamba", "opt"])
def test_steps_predict_what_the_model_does(folders, kind: str) -> None:
    """Beside transformers without any cache, as close as floating point gets."""
    from lmzip.models.hf.probe import fixed
    from lmzip.models.hf.stepping import Lanes

    runner = shared.registry.model(f"hf:{folders(kind)}")._load().runner
    assert runner.window == tiny_hf.WINDOW or kind == "mamba"
    rng, n_steps = random.Random(1), 60
    tokens = [[rng.randrange(runner.n_vocab) for _ in range(n_steps)] for _ in range(2)]
    window = 10**9 if kind == "mamba" else runner.window
    expected = [reference(runner.module, runner.bos_id, [int(runner.fed[t]) for t in lane], window) for lane in tokens]
    lanes = Lanes(runner, 2, runner.window)
    with fixed(1, "cpu"):
        last = [runner.n_vocab] * 2
        for step in range(n_steps):
            found = lanes.predict([0, 1], last).astype(float)
            for lane in (0, 1):
                logits = expected[lane][step][np.delete(runner.kept.numpy(), runner.missing)].astype(float)
                p = np.exp(logits - logits.max())
                there = np.delete(found[lane], runner.missing) / found[lane].max()
                assert np.abs(there - p).max() < 1e-4, (kind, step)
            last = [tokens[0][step], tokens[1][step]]


# --- what binds a frame to its arithmetic -----------------------------------------------------------------------------


def bound(folder: Path) -> bytes:
    return packed(folder, TEXT, n_lanes=2)


def test_the_record_names_model_and_arithmetic(folders, always_the_net) -> None:
    record = header_of(bound(folders("gpt2"))).model()
    assert record is not None and record.kind == FLOAT_KIND and any(record.fingerprint)
    assert record.name == "tiny-gpt2"
    assert record.numerics.startswith("cpu/") and " f32 1t torch" in record.numerics
    assert record == record_of(shared.registry.model(f"hf:{folders('gpt2')}"))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (Settings(threads=2), "the number of threads"),
        (Settings(dtype="bfloat16"), "--dtype"),
        (Settings(dtype="float16"), "--dtype"),
    ],
)
def test_another_arithmetic_is_refused(folders, always_the_net, run_with, settings: Settings, what: str) -> None:
    frame = bound(folders("gpt2"))
    assert unpack(frame)[0] == TEXT
    run_with(settings)
    shared.registry.add_path(f"hf:{folders('gpt2')}")
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError) and error.exit_status == 3
    assert f"different: {what};" in str(error) and "the file is sound" in str(error) and "\n" not in str(error)


def test_a_device_that_is_not_here_is_refused(
    folders, always_the_net, run_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = bound(folders("gpt2"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run_with(Settings(device="cuda"))
    shared.registry.add_path(f"hf:{folders('gpt2')}")
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError) and "no CUDA device" in str(error)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_other_types_are_found_in_the_frame(folders, always_the_net, run_with, dtype: str) -> None:
    """The decoder takes type and threads from the frame, not from what it would do itself."""
    run_with(Settings(device="cpu", dtype=dtype, threads=2))
    frame = bound(folders("llama"))
    run_with(Settings())
    shared.registry.add_path(f"hf:{folders('llama')}")
    assert modes_of(frame) == [WITH_MODEL] and unpack(frame)[0] == TEXT


def test_another_probe_is_refused(folders, always_the_net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is told differs, but other numbers come out."""
    frame = bound(folders("gpt2"))
    record = header_of(frame).model()
    model = shared.registry.model(f"hf:{folders('gpt2')}")
    loaded = model._load()
    monkeypatch.setattr(model, "_loaded", replace(loaded, fingerprint=bytes(16)))
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError)
    assert record.numerics in str(error) and "nothing that is known differs" in str(error)


@pytest.mark.parametrize("text", ["", "cpu f32", "cpu/avx2 f64 1t torch2 tf5", "cpu/avx2 f32 0t torch2 tf5", "a" * 41])
def test_an_unknown_grammar_is_refused(folders, always_the_net, text: str) -> None:
    record = header_of(bound(folders("gpt2"))).model()
    with pytest.raises(NumericsError, match="arithmetic that is not known here"):
        shared.registry.of_record(replace(record, numerics=text))


def test_without_the_model(folders, always_the_net, run_with) -> None:
    frame = bound(folders("gpt2"))
    run_with()
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, ModelMissingError) and error.exit_status == 3
    assert "tiny-gpt2" in str(error) and "hf:PATH" in str(error)
    shared.registry.add_path(f"hf:{folders('gpt2')}")
    assert unpack(frame)[0] == TEXT


def test_found_where_models_are(folders, always_the_net, run_with, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is named itself, or lies in a folder that is."""
    folder = folders("gpt2")
    frame = bound(folder)
    model = shared.registry.model(f"hf:{folder}")
    for place in (folder, folder.parent):
        monkeypatch.setenv("LMZIP_MODEL_PATH", f"/nonexistent:{place}")
        run_with()
        assert unpack(frame)[0] == TEXT and shared.registry.is_installed(model.digest)
    monkeypatch.delenv("LMZIP_MODEL_PATH")
    assert not shared.registry.is_installed(model.digest)


def test_any_changed_file_is_another_model(folders, tmp_path: Path) -> None:
    from lmzip.models.hf.directory import digest_of, find_files

    folder = tmp_path / "copy"
    folder.mkdir()
    for file in folders("gpt2").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    digests = [digest_of(find_files(folders("gpt2"))), digest_of(find_files(folder))]
    assert digests[0] == digests[1], "where it lies says nothing"
    (folder / "README.md").write_text("says nothing either")
    digests.append(digest_of(find_files(folder)))
    assert len(set(digests)) == 1
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data + b" ")
        digests.append(digest_of(find_files(folder)))
        (folder / name).write_bytes(data)
    (folder / "tokenizer_config.json").write_text("{}")
    digests.append(digest_of(find_files(folder)))
    assert len(set(digests)) == 5


# --- noise is noticed -------------------------------------------------------------------------------------------------


def with_noise(monkeypatch: pytest.MonkeyPatch, after: int, size: float = 1e-3) -> None:
    """From the step `after` on, logits differ a little from those that they should be."""
    from lmzip.models.hf.stepping import Runner

    forward, steps = Runner.forward, iter(range(10**9))

    def noisy(self, tokens, cache):
        logits, kept = forward(self, tokens, cache)
        if next(steps) >= after:
            logits = logits + size * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
        return logits, kept

    monkeypatch.setattr(Runner, "forward", noisy)


@pytest.mark.parametrize("after", [0, 1, 30, 60])
def test_noise_in_the_decoder_is_noticed(folders, always_the_net, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    frame = bound(folders("gpt2"))
    with_noise(monkeypatch, after, 0.1)
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, DamagedError)


def test_noise_in_the_probe_is_noticed(folders, always_the_net, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = bound(folders("gpt2"))
    model = shared.registry.model(f"hf:{folders('gpt2')}")
    monkeypatch.setattr(model, "_loaded", None)
    with_noise(monkeypatch, 20, 1e-5)
    written, error = written_before_error(frame)
    assert written == b"" and isinstance(error, NumericsError)


def test_noise_in_the_encoder_is_noticed_by_verification(
    folders, always_the_net, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.registry.model(f"hf:{folders('gpt2')}").fingerprint  # noqa: B018 - loads it
    with_noise(monkeypatch, 50)
    with pytest.raises(VerifyError):
        packed(folders("gpt2"), verify=True)


def test_the_script_that_measures(folders, tmp_path: Path, monkeypatch, capsys, always_the_net) -> None:
    import importlib
    import json

    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module("bench_hf")
    (tmp_path / "a").write_bytes(TEXT)
    options = ["--model", f"hf:{folders('gpt2')}", "--device=cpu", "--threads=1", "--limit=99", str(tmp_path / "a")]
    assert script.main([*options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["raw_size"] == 99 and found["bits_per_byte"] == 8 * found["compressed_size"] / 99
    assert script.main(options) == 0 and "the same bytes" in capsys.readouterr().out
    assert script.main(["--model=hf:/nonexistent", "x"]) == 1 and "there is no" in capsys.readouterr().err


# --- integers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 1.0, 10.0, 40.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_integers_lose_nothing_to_speak_of(spread: float, dtype: str) -> None:
    """Against -sum log2 p of the softmax in float64, of tokens drawn from it: under 0.1 %."""
    from lmzip.models.hf.stepping import token_weights_of

    rng = np.random.default_rng(7)
    values = torch.from_numpy((spread * rng.standard_normal((40, 50_000))).astype(np.float32)).to(getattr(torch, dtype))
    kept = torch.arange(0, 50_000, 2)
    e = token_weights_of(values, kept)
    assert e.dtype == np.uint32 and e.min() >= 1 and e.max() <= 1 << 31
    logits = values.double().numpy()[:, ::2]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    tokens = [rng.choice(p.shape[1], p=row) for row in p]
    best = -np.log2(p[np.arange(40), tokens]).sum()
    ours = -np.log2(e[np.arange(40), tokens] / e.sum(1, dtype=np.uint64)).sum()
    assert ours <= best * 1.001 + 1e-3


def test_what_is_no_number_does_no_harm() -> None:
    from lmzip.models.hf.stepping import token_weights_of

    nan, inf = float("nan"), float("inf")
    logits = torch.tensor([[nan] * 4, [inf, 0, -inf, nan], [-inf] * 4, [inf, inf, 1, 2]])
    e = token_weights_of(logits, torch.arange(4))
    assert e.min() >= 1 and e.max() < 1 << 31
    assert e[1].tolist() == [2**31 - 128, 1, 1, 1] and len(set(e[0].tolist())) == 1
