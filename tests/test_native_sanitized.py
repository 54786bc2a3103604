"""The kernel by itself under AddressSanitizer and UndefinedBehaviorSanitizer: the short run of fuzz/sanitize_test.c."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from conftest import ROOT

FLAGS = ["-fsanitize=address,undefined"]


def sanitizing_compiler(folder) -> str:
    """Return a compiler whose sanitized programs run here; skip the test where there is none."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    for compiler in filter(shutil.which, ("clang", "gcc", "cc")):
        commands = [[compiler, *FLAGS, "-o", str(folder / "probe"), str(source)], [str(folder / "probe")]]
        if all(subprocess.run(command, capture_output=True).returncode == 0 for command in commands):
            return compiler
    pytest.skip("no compiler with AddressSanitizer and UndefinedBehaviorSanitizer")


@pytest.mark.timeout(1200)  # it takes a minute, but many on a busy machine
def test_kernel_is_clean(tmp_path):
    """Round trips, small capacities and damaged payloads over methods, lanes and variants (FORMAT, ARITHMETIC)."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    compiler = sanitizing_compiler(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "CC")}
    build = ["make", "--no-print-directory", f"CC={compiler}", "build/sanitize_test"]
    built = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([ROOT / "build" / "sanitize_test"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("clean\n")
