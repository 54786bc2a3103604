"""The tests do not depend on who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from conftest import ROOT

NUMBERS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGXCPU, signal.SIGCHLD)
GRANDCHILD = """
import os, signal
print([int(n) for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN])
print(list(signal.pthread_sigmask(signal.SIG_BLOCK, ())), oct(os.umask(0)), os.environ.get("COLUMNS"))
"""
CHILD = f"""
import os, signal, subprocess, sys
import surroundings
surroundings.settle()
os.kill(os.getpid(), signal.SIGHUP)
sys.exit(subprocess.run([sys.executable, "-c", {GRANDCHILD!r}]).returncode)
"""


def upset() -> None:
    """Do what `nohup` does, a job in the background of a script, and runners of CI."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR1))
    os.umask(0o077)


def test_children_find_what_a_shell_gives():
    """Nothing ignored but what Python ignores, nothing blocked, new files for all to read; yet SIGHUP ends no tests."""
    environment = os.environ | {"COLUMNS": "40", "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, preexec_fn=upset, capture_output=True, text=True, timeout=60
    )
    of_python = sorted(map(int, (signal.SIGPIPE, signal.SIGXFSZ)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{of_python}\n[] 0o22 None\n"
