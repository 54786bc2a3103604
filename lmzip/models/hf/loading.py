"""From a model's files to a module of torch: no code from a directory, no pickles, nothing left to chance.

transformers sees a directory of links to what the digest counts, and nothing that lies beside it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmzip.errors import NumericsError, UnsupportedError
from lmzip.models.hf.directory import GGUF_NAME, ModelFiles, check_gguf, tensor_sizes
from lmzip.models.hf.numerics import MAX_THREADS, Numerics, plain_version
from lmzip.packages import needed
from lmzip.weights.temporary import temporary_folder
from lmzip.weights.values import first_line


@contextmanager
def staged(links: dict[str, Path]) -> Iterator[str]:
    """Give a directory of links by these names to absolute paths; raises OSError.

    Whatever else lies beside them (adapters, code, other weights) changes what transformers does with a directory.
    """
    with temporary_folder() as folder:
        for name, file in links.items():
            os.symlink(file, folder / name)
        yield str(folder)


_NEED = "models of Hugging Face need"
# transformers takes accelerate wherever it is installed, and cannot do without it for GGUF.
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
_MAX_CPU_NAME = 6
_MAX_BUFFERS = 1 << 26  # numbers that a module has beside its weights, more only where there are as many of those


def quiet_torch() -> Any:
    """Return torch; raises UnsupportedError where it, or what transformers needs, is missing or of another version."""
    # What cuBLAS needs to be deterministic is read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with needed(_NEED, *_PACKAGES):
        import torch
    return torch


def quiet_transformers() -> Any:
    """Return transformers, which prints nothing and stays off the network; raises UnsupportedError without it."""
    quiet_torch()
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when it is imported; a download that was allowed is over by then
    os.environ["USE_HUB_KERNELS"] = "0"  # programs that transformers would fetch for some layers
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with needed(_NEED, *_PACKAGES), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def resolve_device(wanted: str) -> str:
    """Return the device to use, by its name in torch; wanted: as Settings have it.

    Raises UnsupportedError where it is not here.
    """
    torch = quiet_torch()
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = "cuda" if n_cuda else "cpu"
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdecimal() or wanted == kind):
        raise UnsupportedError(f"there is no device {wanted}")
    if kind == "cpu":
        return kind
    if not n_cuda:
        raise UnsupportedError("no CUDA device that torch can use is here; --device cpu does without")
    index = int(number or 0)
    if index >= n_cuda:
        raise UnsupportedError(f"there is no CUDA device {index} here, only {n_cuda}")
    return f"cuda:{index}"


def numerics_of(device: str, dtype: str | None, threads: int) -> Numerics:
    """Return what this machine computes with; dtype None: what is usual on the device."""
    torch, transformers = quiet_torch(), quiet_transformers()
    if device == "cpu":
        name = torch.backends.cpu.get_cpu_capability().lower()
        name = "base" if name == "default" else "".join(c for c in name if c.isalnum())[:_MAX_CPU_NAME]
        kind, usual = f"cpu/{name}", "float32"
    else:
        major, minor = torch.cuda.get_device_capability(device)
        kind, usual = f"cuda/sm{major}{minor}", "bfloat16"
    versions = plain_version(torch.__version__), plain_version(transformers.__version__)
    return Numerics(kind, dtype or usual, max(1, min(threads, MAX_THREADS)), *versions)


def load_module(files: ModelFiles, device: str, dtype: str) -> Any:
    """Return the model in evaluation mode; raises UnsupportedError, MemoryError, OSError."""
    torch, transformers = quiet_torch(), quiet_transformers()
    with warnings.catch_warnings(), staged(files.links) as folder:
        warnings.simplefilter("ignore")
        try:
            config = _config(torch, transformers, files, folder)
            module = _load(transformers, files, folder, config, getattr(torch, dtype)).eval().to(device)
        except (UnsupportedError, OSError, MemoryError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever torch and transformers raise for what they do not take
            raise failure(error, f"{files.path}: transformers cannot load it", folder) from None
    if device == "cpu":
        from lmzip.models.hf.parts import put_weights_first

        put_weights_first(module)
    return module


def failure(error: BaseException, what: str, folder: str = "") -> Exception:
    """Return the error to raise for one of torch or transformers; folder: that of staged(), which it may name."""
    text, line = str(error), first_line(error)
    if folder:
        line = line.replace(folder + os.sep, "").replace(folder, "the model")
    line = line if len(line) <= 160 else line[:157] + "..."
    if type(error).__name__ == "OutOfMemoryError" or "not enough memory" in text or "can't allocate memory" in text:
        return MemoryError()
    if "does not have a deterministic implementation" in text:
        return NumericsError(f"{what}: it computes something that is not the same each time there ({line})")
    return UnsupportedError(f"{what} ({line})")


def _config(torch: Any, transformers: Any, files: ModelFiles, folder: str) -> Any:
    """Return the configuration of a model.

    Raises UnsupportedError where the files hold fewer numbers than it asks for, before anything is allocated:
    transformers would make up what is missing.
    """
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if files.is_gguf:
        check_gguf(files)
        with needed("models of Hugging Face in GGUF need", "gguf", "accelerate"):
            import accelerate  # noqa: F401
            import gguf  # noqa: F401
        options["gguf_file"] = GGUF_NAME
    sizes = tensor_sizes(files)
    config = transformers.AutoConfig.from_pretrained(folder, **options)
    config._attn_implementation = "eager"  # not what the file says, which may need other packages
    if getattr(config, "use_mamba_kernels", False):  # nor these, without which older versions refuse to run on CPUs
        config.use_mamba_kernels = False
    with torch.device("meta"), _at_most(32 * len(sizes) + 1000):
        module = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    module.tie_weights()  # what is there once counts once: older versions do so only when weights are loaded
    wanted = sum(p.numel() for p in module.parameters())
    there = f"{files.path}: its files hold {sum(sizes)} weights, its configuration asks for"
    if wanted > sum(sizes):
        raise UnsupportedError(f"{there} {wanted}")
    if sum(b.numel() for b in module.buffers()) > max(_MAX_BUFFERS, sum(sizes)):
        raise UnsupportedError(f"{there} far more memory")
    return config


@contextmanager
def _at_most(limit: int) -> Iterator[None]:
    """Within: a module of more parts and parameters than limit is given up: one line can ask for billions."""
    from torch.nn.modules import module as place

    n_made = 0

    def count(*_: Any) -> None:
        nonlocal n_made
        n_made += 1
        if n_made > limit:
            raise UnsupportedError("its configuration asks for many more layers than its files of weights hold")

    hooks = [place.register_module_module_registration_hook(count)]
    hooks.append(place.register_module_parameter_registration_hook(count))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _no_bar() -> Iterator[None]:
    """Within: transformers does not draw how far it is with a GGUF file, which it does whatever it was told."""
    try:
        from transformers import modeling_gguf_pytorch_utils as place
    except ImportError:
        yield
        return
    before = getattr(place, "tqdm", None)
    place.tqdm = lambda tensors, **_: tensors
    try:
        yield
    finally:
        place.tqdm = before


def _load(transformers: Any, files: ModelFiles, folder: str, config: Any, dtype: Any) -> Any:
    options: dict[str, Any] = {
        "dtype": dtype,
        "config": config,
        "local_files_only": True,
        "trust_remote_code": False,
        "output_loading_info": True,
    }
    options |= {"gguf_file": GGUF_NAME} if files.is_gguf else {"use_safetensors": True}
    for attention in ("sdpa", "eager"):
        try:
            with _no_bar():
                module, info = transformers.AutoModelForCausalLM.from_pretrained(
                    folder, attn_implementation=attention, **options
                )
            break
        except ValueError as error:
            if attention == "eager" or "scaled_dot_product_attention" not in str(error):
                raise
    for what in ("missing_keys", "mismatched_keys", "error_msgs"):
        if info.get(what):
            first = sorted(map(str, info[what]))[0]
            raise UnsupportedError(f"{files.path}: its weights are not those of its configuration ({what}: {first})")
    return module
