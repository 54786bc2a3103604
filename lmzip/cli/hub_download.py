"""One of three places that use the network: huggingface_hub fetches a model directory to be imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzip.cli.messages import Reporter
from lmzip.cli.model_download import INTERVAL, size_below, temporary_folder
from lmzip.cli.options import Options
from lmzip.cli.progress import Meter
from lmzip.errors import LmzipError

if TYPE_CHECKING:
    from lmzip.models.importing.known import HubModel

_FILES = ["config.json", "tokenizer.json", "*.safetensors", "model.safetensors.index.json"]
# Nothing beside the folder, nothing on the terminal, nothing told of this machine.
_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
}


@contextmanager
def downloaded_directory(model: HubModel, revision: str, options: Options, reporter: Reporter) -> Iterator[Path]:
    """Give the model directory of one commit, which is gone at the end; raises LmzipError, OSError."""
    fetch = _snapshot_download()
    with temporary_folder() as folder:
        with Meter(reporter, model.name, ("download",), None, options.progress) as meter:
            _download(fetch, model, revision, folder, meter)
        yield folder / model.name


def _snapshot_download() -> Callable[..., Any]:
    os.environ.update(_SETTINGS)  # read when the module is loaded
    from lmzip.models.packages import needed

    with needed("a download from the Hugging Face hub needs", "huggingface_hub"):
        from huggingface_hub import snapshot_download
    return snapshot_download


def _download(fetch: Callable[..., Any], model: HubModel, revision: str, folder: Path, meter: Meter) -> None:
    """Have the files of a model put into a folder; raises LmzipError."""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(
            fetch,
            model.repository,
            revision=revision,
            local_dir=folder / model.name,
            cache_dir=folder / "cache",
            allow_patterns=_FILES,
            token=False,  # these are public: nobody need know who asks
        )
        n_counted = 0
        while not wait([job], INTERVAL).done:
            size = size_below(folder)
            meter.advance("download", max(0, size - n_counted))
            n_counted = max(size, n_counted)
    error = job.exception()
    if error is not None:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LmzipError(f"{model.repository} at {revision} could not be downloaded: {line[:200]}") from None
