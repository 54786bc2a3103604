"""Shows lmzip at work on the bundled text: in place and back, verified, then its size beside gzip's and xz's.

Run by `make demo`; ends with status 1 if anything does not come back as it was.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "harriet-shelley.txt"
LEVELS = (1, 3, 6)
PEERS = (("gzip -9", ["gzip", "-9", "-n", "-c"]), ("xz -9e", ["xz", "-9e", "-c"]))
SEARCH_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def show(*words: str, folder: Path) -> None:
    """Print a command as one would type it and run it; raises CalledProcessError if it fails."""
    print(f"$ {shlex.join(words)}", flush=True)
    subprocess.run(words, cwd=folder, check=True, env=os.environ | {"PATH": SEARCH_PATH}, stderr=subprocess.STDOUT)


def in_place_and_back(folder: Path) -> bool:
    """Compress the sample in place, list, test and decompress it; return whether the same bytes came back."""
    name = SAMPLE.name
    shutil.copyfile(SAMPLE, folder / name)
    before = sha256(folder / name)
    show("lmzip", "-v", name, folder=folder)
    show("lmzip", "-l", f"{name}.lmz", folder=folder)
    show("lmzip", "-tv", f"{name}.lmz", folder=folder)
    show("lmunzip", "-v", f"{name}.lmz", folder=folder)
    after = sha256(folder / name)
    print(f"\nSHA-256 before {before}\nSHA-256 after  {after}  {'the same' if before == after else 'NOT THE SAME'}\n")
    return before == after


def compressed_size(command: list[str]) -> tuple[int, float] | None:
    """Return the size of a command's output for the sample and the seconds it took, None if it is not installed."""
    if not shutil.which(command[0], path=SEARCH_PATH):
        return None
    start = time.perf_counter()
    environment = os.environ | {"PATH": SEARCH_PATH}
    output = subprocess.run([*command, str(SAMPLE)], capture_output=True, check=True, env=environment).stdout
    return len(output), time.perf_counter() - start


def print_table() -> None:
    """Print a line for each level and peer: bytes, bits per byte, seconds."""
    raw_size = SAMPLE.stat().st_size
    print(f"{SAMPLE.name}, {raw_size:,} bytes of English\n")
    print(f"{'program':<12}{'bytes':>10}{'bits per byte':>16}{'seconds':>10}")
    ours = [(f"lmzip -{level}", ["lmzip", f"-{level}", "-c"]) for level in LEVELS]
    for name, command in [*PEERS, *ours]:
        result = compressed_size(command)
        if result is None:
            print(f"{name:<12}  not installed")
        else:
            size, seconds = result
            print(f"{name:<12}{size:>10,}{8 * size / raw_size:>16.3f}{seconds:>10.2f}")


def main() -> int:
    """Run the demonstration; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="lmzip-demo-") as folder:
        if not in_place_and_back(Path(folder)):
            return 1
    print_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
