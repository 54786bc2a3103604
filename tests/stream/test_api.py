"""The package's own face: compress, decompress, names, version, errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import lmzip
from lmzip import errors


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 9))
def test_any_bytes_come_back(data, level):
    assert lmzip.decompress(lmzip.compress(data, level)) == data


def test_buffers_of_any_kind():
    for data in (b"abc" * 50, bytearray(b"abc" * 50), memoryview(b"abc" * 50)):
        packed = lmzip.compress(data)
        assert packed == lmzip.compress(b"abc" * 50) and isinstance(packed, bytes)
        assert lmzip.decompress(type(data)(packed)) == b"abc" * 50


def test_text_is_compressed(sample_text):
    """Less than half is no accident: the model learns.  The higher level is the stronger."""
    sizes = [len(lmzip.compress(sample_text[:30000], level)) for level in (1, 9)]
    assert sizes[1] < sizes[0] < len(sample_text[:30000]) / 2


def test_every_name_is_there():
    for name in lmzip.__all__:
        assert getattr(lmzip, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lmzip.nothing


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    assert lmzip.__version__ == version("lmzip-cli")


def test_errors_have_their_exit_status():
    status = {
        "NotLmzipError": 1,
        "DamagedError": 1,
        "TruncatedError": 1,
        "TrailingGarbageError": 1,
        "UnsupportedError": 3,
        "ModelMissingError": 3,
        "NumericsError": 3,
        "MemoryLimitError": 1,
        "InputChangedError": 1,
        "VerifyError": 1,
        "Skipped": 2,
    }
    assert {name: getattr(errors, name).exit_status for name in status} == status
    assert all(issubclass(getattr(errors, name), lmzip.LmzipError) for name in status)
    assert errors.TrailingGarbageError("x", 5).offset == 5


def test_importing_loads_no_kernel():
    program = "import sys, lmzip; print(any(name.startswith(('lmzip.native', 'lmzip.codec')) for name in sys.modules))"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout == "False\n"


def test_python_m_is_the_command():
    command = [sys.executable, "-m", "lmzip", "-V"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert lmzip.__version__ in output


def test_the_typing_marker_ships():
    assert (ROOT / "lmzip" / "py.typed").exists()
