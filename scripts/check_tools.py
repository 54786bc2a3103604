"""Say what is missing on this machine before an installation would fail in the middle of a long message.

Runs on any Python 3 with nothing installed, so it uses no newer syntax and imports nothing but the standard library.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig

MINIMUM_PYTHON = (3, 10)
INSTALL = "apt-get install python3 python3-venv python3-dev gcc make"


def compiler_command():
    """Return the C compiler that a build of the kernel will call, as a list of words."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return command if shutil.which(command[0]) else ["cc"]


def compiles(source):
    """Tell whether the compiler accepts this C source with Python's include folder; nothing is written."""
    include = sysconfig.get_paths()["include"]
    command = compiler_command() + ["-fsyntax-only", "-I" + include, "-x", "c", "-"]
    try:
        return subprocess.run(command, input=source.encode(), stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def missing_tools():
    """Return one sentence for each thing that is missing, in the order in which they matter."""
    problems = []
    if sys.version_info < MINIMUM_PYTHON:
        problems.append("Python {}.{} or newer; this is {}".format(*MINIMUM_PYTHON, sys.version.split()[0]))
    try:
        import ensurepip  # noqa: F401 - Debian's python3 comes without it; venv needs it
        import venv  # noqa: F401
    except ImportError:
        problems.append("Python's venv and ensurepip modules (Debian package python3-venv)")
    if not compiles("#include <stdint.h>\n"):
        problems.append("a C compiler with the C library's headers (Debian packages gcc and libc6-dev)")
    elif not compiles("#include <Python.h>\n"):
        problems.append("Python's C headers (Debian package python3-dev)")
    return problems


def main():
    """Print what is missing and how to install it; return the exit status."""
    problems = missing_tools()
    for problem in problems:
        print("lmzip needs " + problem, file=sys.stderr)
    if problems:
        print("On Debian or Ubuntu: " + INSTALL, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
