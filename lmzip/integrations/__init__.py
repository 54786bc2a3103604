"""Has other libraries read and write lmzip format: one module for each, which imports it; `import lmzip` needs none.

zarr and numcodecs find the codec "lmzip" by the entry points of the package; register() is for the rest.
"""

from __future__ import annotations

import importlib

NAMES = ("fsspec", "joblib", "kombu", "mimetypes", "shutil", "smart_open")


def register(*names: str) -> tuple[str, ...]:
    """Have libraries know lmzip format from now on in this process; return the names of those that do.

    names: some of NAMES; by default all of them that are installed.  To do so twice does no harm.  Raises ValueError
    for other names, ImportError for one that is asked for and not installed.
    """
    if unknown := set(names) - set(NAMES):
        raise ValueError(f"no such integration: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return tuple(name for name in names or NAMES if _register(name, is_wanted=bool(names)))


def _register(name: str, *, is_wanted: bool) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if is_wanted or error.name != name:
            raise
        return False
    importlib.import_module(f"lmzip.integrations.{name}").register()
    return True
