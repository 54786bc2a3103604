"""The files in share/examples do what they say, run by the programs that they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time

import pytest
from cli_tools import MAGIC, TIMEOUT, environment
from conftest import ROOT, find_program

import lmzip

EXAMPLES = ROOT / "share" / "examples"
CONTENT = b"2026-11-27 03:17:00 something happened\n" * 200
SYSTEM = environment(PATH=f"{find_program('lmzip').parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@pytest.fixture
def logs(tmp_path):
    """A folder in the place of /var/log/app: a log, one turned long ago, one turned now, one that is done."""
    folder = tmp_path / "app"
    folder.mkdir(mode=0o755)
    for name in ("a.log", "a.log.1", "b.log.2", "other.txt"):
        (folder / name).write_bytes(CONTENT)
    (folder / "c.log.3.lmz").write_bytes(lmzip.compress(CONTENT, 1))
    long_ago = time.time() - 7200
    for name in ("a.log.1", "c.log.3.lmz", "other.txt"):
        os.utime(folder / name, (long_ago, long_ago))
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def example(name, folder):
    """Return the text of an example for another folder."""
    text = (EXAMPLES / name).read_text()
    assert "/var/log/app" in text
    return text.replace("/var/log/app", str(folder))


def check_turned_logs(command, folder):
    """Run a command twice: the second time there is nothing to do, which is no error."""
    for _ in range(2):
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=TIMEOUT, env=SYSTEM, check=True)
        assert (done.stdout, done.stderr) == (b"", b"")
        assert names(folder) == ["a.log", "a.log.1.lmz", "b.log.2", "c.log.3.lmz", "other.txt"]
    assert lmzip.decompress((folder / "a.log.1.lmz").read_bytes()) == CONTENT


def test_cron(logs):
    (line,) = [line for line in example("cron", logs).splitlines() if not line.startswith("#")]
    fields = line.split(None, 6)
    assert fields[:6] == ["17", "3", "*", "*", "*", "root"] and "%" not in line  # which cron takes for an end of line
    check_turned_logs(fields[6], logs)


def test_the_command_of_the_unit(logs):
    (command,) = re.findall(r'^ExecStart=/bin/sh -c "(.*)"$', example("lmzip-logs.service", logs), re.MULTILINE)
    assert not set(command) & set('"$%\\')  # which systemd takes for its own
    check_turned_logs(command, logs)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path):
    units = [shutil.copy(EXAMPLES / name, tmp_path) for name in ("lmzip-logs.service", "lmzip-logs.timer")]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, text=True, env=SYSTEM, check=False)
    assert done.returncode == 0 and "lmzip-logs" not in done.stderr, done.stderr
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", (EXAMPLES / "lmzip-logs.timer").read_text(), re.MULTILINE)
    subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True, timeout=TIMEOUT, check=True)


@pytest.mark.skipif(not shutil.which("logrotate", path=SYSTEM["PATH"]), reason="logrotate is not installed")
def test_logrotate(tmp_path, logs):
    for path in logs.iterdir():
        if path.name != "a.log":
            path.unlink()
    text = example("logrotate", logs)
    for program in ("lmzip", "lmunzip"):
        text = text.replace(f"/usr/bin/{program}", str(find_program(program)))
    (tmp_path / "conf").write_text(text)
    (tmp_path / "conf").chmod(0o644)
    for turn in (1, 2, 3):
        (logs / "a.log").write_bytes(b"turn %d\n" % turn + CONTENT)
        command = ["logrotate", "--force", "--state", tmp_path / "state", tmp_path / "conf"]
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, env=SYSTEM, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert names(logs) == ["a.log.1", "a.log.2.lmz", "a.log.3.lmz"]
    assert (logs / "a.log.1").read_bytes() == b"turn 3\n" + CONTENT
    for turn, name in ((1, "a.log.3.lmz"), (2, "a.log.2.lmz")):
        packed = (logs / name).read_bytes()
        assert packed.startswith(MAGIC) and lmzip.decompress(packed) == b"turn %d\n" % turn + CONTENT


def test_the_container_takes_what_an_installation_needs() -> None:
    """It is built where there is a tool for that, not by tests; but what it copies is there."""
    text = (ROOT / "share" / "container" / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "setup.py", "lmzip_launcher.py", "lmzip", "share"} <= set(copied)
