"""The list of inputs that are done, on the disk, from which a call that was cut off goes on (--resume).

A line of JSON each, written before an output gets its name and when the work on an input has ended; the first line says
what the work is.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from lmzip.cli.inputs import STDIN
from lmzip.cli.messages import CallError, printable, reason
from lmzip.fileio import Closing, LocalSource, Source, is_url

_PUBLISHING, _DONE = "publishing", "done"


class Journal(Closing):
    """An open list, which no other process may use meanwhile; may be used by several threads."""

    def __init__(self, path: str, work: str) -> None:
        """work: what is done with the inputs.  Raises CallError for what is no such list, or is in use."""
        self._path, self._records, self._lock = path, dict[str, dict[str, Any]](), threading.Lock()
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(work)
        except BlockingIOError:
            self.close()
            raise CallError(f"{printable(path)} is in use by another call") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.close()
            text = reason(error) if isinstance(error, OSError) else "is no list of what --resume has done"
            raise CallError(f"{printable(path)}: {text}") from None
        except CallError:
            self.close()
            raise

    def _read(self, work: str) -> None:
        with open(self._fd, "rb", closefd=False) as file:
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]  # the last line may be torn
        first = json.dumps({"work": work}).encode()
        if not whole and not first.startswith(data):
            raise ValueError
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0]["work"] != work:
            raise CallError(f"{printable(self._path)} is of a call to {lines[0]['work']}, this one is to {work}")
        self._records = {line["name"]: line for line in lines[1:]}
        os.ftruncate(self._fd, len(whole))
        if not lines:
            self._write({"work": work})

    def _write(self, record: dict[str, Any]) -> None:
        with self._lock:
            os.write(self._fd, json.dumps(record).encode() + b"\n")

    def left(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the names of the inputs that are still to be worked on."""
        return (name for name in names if name == STDIN or not self._is_done(name))

    def _is_done(self, name: str) -> bool:
        """Return whether an input was done, and is not another one by now.

        Where only a name remained to be given, it may have been given or not.
        """
        record = self._records.get(_key(name))
        if record is None:
            return False
        if record["state"] == _PUBLISHING:
            return record["output"] is not None and os.path.lexists(record["output"])
        if record["identity"] is None:
            return True
        try:
            status = os.stat(name)
        except OSError:
            return True  # it made room for its output
        return [status.st_size, status.st_mtime_ns] == record["identity"]

    def publishing(self, source: Source, output: str | None) -> None:
        """Note that an output is whole and about to get its name."""
        if source.name is not None:
            self._note(source, _PUBLISHING, output)

    def done(self, source: Source) -> None:
        """Note that the work on an input is done."""
        if source.name is not None:
            self._note(source, _DONE, None)

    def _note(self, source: Source, state: str, output: str | None) -> None:
        identity = None
        if isinstance(source, LocalSource):
            identity = [source.status.st_size, source.status.st_mtime_ns]
        assert source.name is not None
        # What has the name already, and is about to be overwritten, tells nothing later of whether that happened.
        is_telling = output is not None and not is_url(output) and not os.path.lexists(output)
        place = os.path.abspath(output) if output is not None and is_telling else None
        self._write({"name": _key(source.name), "state": state, "output": place, "identity": identity})

    def close(self) -> None:
        """Let others use it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _key(name: str) -> str:
    """Return what an input is called from wherever the call is made."""
    return name if is_url(name) else os.path.abspath(name)
