"""What is the same for all integrations: what register() does, entry points, and that nothing is imported unasked."""

from __future__ import annotations

import mimetypes
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from conftest import ROOT

import lmzip
from lmzip import integrations

LIBRARIES = {"fsspec", "joblib", "kombu", "numcodecs", "smart_open", "zarr"}


def loaded_after(statement):
    program = f"import sys; {statement}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import lmzip", "import lmzip.integrations", "import lmzip; lmzip.decompress(lmzip.compress(b'x'))"],
)
def test_nothing_is_imported_unasked(statement):
    loaded = loaded_after(statement)
    assert "lmzip" in loaded and not loaded & LIBRARIES
    assert {name for name in loaded if name.startswith("lmzip.integrations")} <= {"lmzip.integrations"}


def test_registering_one_imports_no_other():
    loaded = loaded_after("import lmzip.integrations; lmzip.integrations.register('mimetypes')")
    assert "lmzip.integrations.mimetypes" in loaded and not loaded & (LIBRARIES | {"lmzip.integrations.shutil"})


def test_all_that_are_installed_are_registered():
    names = integrations.register()
    assert {"mimetypes", "shutil"} <= set(names) <= set(integrations.NAMES)
    for name in set(integrations.NAMES) - set(names):
        with pytest.raises(ModuleNotFoundError):
            __import__(name)
    assert integrations.register() == names == tuple(sorted(names))


def test_one_that_is_missing_is_told_where_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "kombu", None)
    monkeypatch.delitem(sys.modules, "lmzip.integrations.kombu", raising=False)
    assert "kombu" not in integrations.register()
    with pytest.raises(ImportError, match="kombu"):
        integrations.register("kombu")


def test_one_that_does_not_exist():
    with pytest.raises(ValueError, match="no such integration: pickle; there are fsspec, joblib"):
        integrations.register("shutil", "pickle")


@pytest.mark.parametrize("group", ["numcodecs.codecs", "zarr.codecs"])
def test_entry_points_name_what_is_there(group):
    (entry,) = entry_points(group=group, name="lmzip")
    library = group.split(".")[0]
    assert entry.value == f"lmzip.integrations.{library}:LmzCodec"
    pytest.importorskip(library, reason=f"needs {library}: make test-integrations")
    assert entry.load().__name__ == "LmzCodec"


def test_types_of_files_are_guessed():
    integrations.register("mimetypes")
    assert mimetypes.guess_type("a/b.csv.lmz") == ("text/csv", "lmzip")
    assert mimetypes.guess_type("a.tlmz") == mimetypes.guess_type("a.tar.lmz") == ("application/x-tar", "lmzip")
    assert mimetypes.guess_type("a.csv.gz") == ("text/csv", "gzip")


def test_the_type_is_that_of_the_desktop():
    from lmzip.integrations.mimetypes import MIME_TYPE

    assert f'type="{MIME_TYPE}"' in (ROOT / "share/mime/lmzip.xml").read_text()


def test_names_are_those_of_the_modules():
    there = {path.stem for path in (ROOT / "lmzip/integrations").glob("*.py")} - {"__init__", "numcodecs", "zarr"}
    assert there == set(integrations.NAMES) and lmzip.integrations is integrations
