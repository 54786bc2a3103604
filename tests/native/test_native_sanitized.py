"""The kernel by itself, under sanitizers and in small stacks: the short run of fuzz/sanitize_test.c, and its seeds."""

from __future__ import annotations

import fcntl
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
    """Compile build/TARGET as the Makefile says, in one process at a time; return its path."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "CC")}
    command = ["make", "--no-print-directory", f"CC={compiler}", f"build/{target}"]
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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


def build_plainly() -> str:
    """Compile build/kernel_test; return its path."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        pytest.skip("no C compiler")
    return build("kernel_test", compiler)


@pytest.mark.timeout(1200)
def test_kernel_runs_in_small_stacks():
    """The same in threads of 128 KiB, musl's default, and no function takes much of that (-Wframe-larger-than)."""
    program = build_plainly()
    check_clean(["sh", "-c", 'ulimit -s 128 && exec "$0"', program])


@pytest.mark.timeout(1200)
def test_fuzzing_starts_from_every_unit_and_content(tmp_path):
    """Seeds are of all that a payload may be of, in the input format of fuzz/decode_fuzzer.c."""
    subprocess.run([build_plainly(), "seeds", str(tmp_path)], check=True)
    heads = [path.read_bytes()[:4] for path in tmp_path.iterdir()]
    kinds = [(head[0] // 3 + 1, head[0] % 3, head[3] >> 4 & 3, head[1]) for head in heads]  # profile, unit, content
    assert {(profile, unit) for profile, unit, content, _ in kinds if not content} == {
        *((profile, 0) for profile in range(1, 7)), (4, 1), (5, 1), (6, 1), (6, 2)
    }  # fmt: skip
    found = {(content, profile, 1 + (bits & 7), 1 + (bits >> 3 & 3)) for profile, _, content, bits in kinds if content}
    pixels = {(1, profile, channels, size) for profile in (1, 2, 4) for channels in range(1, 5) for size in (1, 2)}
    sound = {(2, profile, channels, size) for profile in (1, 2, 4) for channels in range(1, 9) for size in range(1, 5)}
    assert found == pixels | sound
    floats = {bits >> 5 for _, _, content, bits in kinds if content == 2 and bits >> 5 in (4, 5)}
    assert floats == {4, 5}  # the flag of floating point, with either order of bytes
