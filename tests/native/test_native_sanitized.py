"""The kernel by itself, under sanitizers and in threads with small stacks: the short run of fuzz/sanitize_test.c."""

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


def build(target: str, compiler: str) -> str:
    """Compile build/TARGET as the Makefile says; return its path."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "CC")}
    command = ["make", "--no-print-directory", f"CC={compiler}", f"build/{target}"]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return str(ROOT / "build" / target)


def check_clean(command: list[str]) -> None:
    """Run a program to its end; fail unless it found all clean."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr[-4000:])
    assert "clean\n" in done.stdout


@pytest.mark.timeout(1200)  # it takes a minute, but many on a busy machine
def test_kernel_is_clean(tmp_path):
    """Round trips, small capacities and damaged payloads over profiles, lanes and variants (FORMAT, ARITHMETIC)."""
    check_clean([build("sanitize_test", sanitizing_compiler(tmp_path))])


@pytest.mark.timeout(1200)
def test_kernel_runs_in_small_stacks():
    """The same in threads of 128 KiB, musl's default, and no function takes much of that (-Wframe-larger-than)."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        pytest.skip("no C compiler")
    program = build("kernel_test", compiler)
    check_clean(["sh", "-c", 'ulimit -s 128 && exec "$0"', program])
