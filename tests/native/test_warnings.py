"""The kernel compiles without a warning, with each C compiler that is here: what `make lint-c` asks, without code."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest import ROOT

SOURCE = ROOT / "lmzip" / "native" / "src"
FLAGS = ["-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_kernel_has_no_warnings(compiler):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    command = [compiler, *FLAGS, *sorted(map(str, SOURCE.glob("*.c")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
