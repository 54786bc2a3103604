"""What the parent of the tests may have set for them, brought to what every test takes for granted."""

from __future__ import annotations

import os
import resource
import signal

# The first two Python ignores itself, and subprocess restores them; the others are a background job's own business.
_LEFT_ALONE = {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU}


def settle() -> None:
    """Make signals, modes of new files, limits and variables those of a user at a shell, here and in all children."""
    settle_signals()
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for name in ("COLUMNS", "LINES"):  # widths of help and progress
        os.environ.pop(name, None)
    os.environ["XDG_DATA_HOME"] = "/dev/null/models"  # those that the user has installed are not the tests' own


def settle_signals() -> None:
    """Let children die of the signals that `nohup`, a background job or a CI runner ignores or blocks.

    This process goes on ignoring them, by a handler: unlike SIG_IGN it does not outlive an exec.
    """
    for number in signal.valid_signals() - _LEFT_ALONE:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
