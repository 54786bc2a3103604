"""--json-progress: what a program that runs a batch is told, and where."""

from __future__ import annotations

import json

from cli_tools import long_text, run
from conftest import SAMPLE

DATA = SAMPLE.read_bytes()[:3000]


def told(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_each_file_begins_and_is_done_or_fails(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "b.lmz").write_bytes(DATA)
    done = run("lmzip", "-1", "--json-progress", "a", "none", "b.lmz", cwd=tmp_path)
    begun, finished, missing, left_alone = told(done.stdout)
    assert begun == {"event": "begin", "name": "a", "total": len(DATA), "phases": ["compress", "verify"]}
    assert (finished["event"], finished["name"], finished["raw_size"]) == ("done", "a", len(DATA))
    assert missing == {"event": "failed", "name": "none", "error": "No such file or directory", "exit_status": 1}
    assert (left_alone["event"], left_alone["name"], left_alone["exit_status"]) == ("failed", "b.lmz", 2)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 2, "people are told as well"
    (record,) = told(run("lmzip", "-t", "--json", "a.lmz", cwd=tmp_path).stdout)
    assert "event" not in record


def test_events_are_not_among_the_data(tmp_path):
    (tmp_path / "a.lmz").write_bytes(run("lmzip", "-1", data=DATA).stdout)
    done = run("lmcat", "-q", "--json-progress", "a.lmz", cwd=tmp_path)
    assert done.stdout == DATA and [record["event"] for record in told(done.stderr)] == ["begin", "done"]
    done = run("lmzip", "-d", "--json-progress", data=(tmp_path / "a.lmz").read_bytes())
    assert done.stdout == DATA and [record["name"] for record in told(done.stderr)] == [None, None]
    done = run("lmcat", "-qq", "--json-progress", "none", cwd=tmp_path)
    assert not done.stdout and [record["event"] for record in told(done.stderr)] == ["failed"]


def test_what_takes_long_says_how_far_it_is(tmp_path):
    """Long enough for some seconds at a level that no machine does in one."""
    (tmp_path / "a").write_bytes(long_text(2_000_000))
    records = told(run("lmzip", "-4", "--no-verify", "-T1", "--json-progress", tmp_path / "a").stdout)
    steps = [record["done"]["compress"] for record in records if record["event"] == "progress"]
    assert steps == sorted(steps) and steps[0] > 0 and steps[-1] <= 2_000_000 and records[-1]["event"] == "done"
