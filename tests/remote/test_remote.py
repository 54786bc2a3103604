"""URLs: a real S3 server (moto's), a web server that counts, and what fails on the way (`make test-remote`)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from cli_tools import MAGIC, environment, long_text, run, start, wait_until
from conftest import SAMPLE

import lmzip
from lmzip.errors import InputChangedError, LmzipError, Skipped, VerifyError

needs = [name for name in ("fsspec", "s3fs", "moto", "flask", "aiohttp") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(needs), reason=f"not installed: {', '.join(needs)}")

TEXT = SAMPLE.read_bytes()[:20_000]


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def at(server, monkeypatch):
    """The environment in which s3:// leads to the server, here and in programs; a new bucket is at `s3://bucket`."""
    own = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    files = bucket()
    files.mkdir("bucket")
    yield environment(**own)
    for key in files.find("bucket"):
        files.rm_file(key)
    files.rmdir("bucket")


def bucket():
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False)


def uploads() -> list:
    """Return the uploads that are not complete."""
    return bucket().call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads", [])


def put(key: str, data: bytes) -> str:
    bucket().pipe_file(f"bucket/{key}", data)
    return f"s3://bucket/{key}"


def get(key: str) -> bytes:
    return bucket().cat_file(f"bucket/{key}")


def test_objects_are_compressed_and_come_back(at) -> None:
    url = put("a.txt", TEXT)
    done = run("lmzip", "-3", "-v", url, env=at)
    assert done.returncode == 0 and b"written to s3://bucket/a.txt.lmz" in done.stderr
    assert get("a.txt.lmz") == lmzip.compress(TEXT, 3)
    assert get("a.txt") == TEXT, "an object is kept unless --rm says otherwise"
    assert run("lmcat", url + ".lmz", env=at).stdout == TEXT
    assert run("lmzip", "-t", url + ".lmz", env=at).returncode == 0
    done = run("lmunzip", url + ".lmz", env=at)
    assert done.returncode == 1 and b"output s3://bucket/a.txt already exists; -f overwrites" in done.stderr
    bucket().rm_file("bucket/a.txt")
    assert run("lmunzip", url + ".lmz", env=at).returncode == 0 and get("a.txt") == TEXT


def test_rm_removes_what_was_read_back(at) -> None:
    url = put("a.txt", TEXT)
    done = run("lmzip", "-3", "-v", "--rm", url, env=at)
    assert done.returncode == 0 and b"verified, replaced with s3://bucket/a.txt.lmz" in done.stderr
    assert [os.path.basename(key) for key in bucket().find("bucket")] == ["a.txt.lmz"]
    assert lmzip.decompress(get("a.txt.lmz")) == TEXT


def test_files_go_to_urls_and_back(at, tmp_path) -> None:
    (tmp_path / "a").write_bytes(TEXT)
    url = "s3://bucket/folder/a.lmz"
    assert run("lmzip", "-3", "-o", url, tmp_path / "a", env=at).returncode == 0
    assert (tmp_path / "a").exists()
    assert run("lmunzip", "-o", tmp_path / "b", url, env=at).returncode == 0
    assert (tmp_path / "b").read_bytes() == TEXT and (tmp_path / "b").stat().st_mode & 0o400
    assert run("lmzip", "-3", "-o", url, tmp_path / "a", env=at).returncode == 1, "it is there"
    assert run("lmzip", "-4", "--rm", "-f", "-o", url, tmp_path / "a", env=at).returncode == 0
    assert not (tmp_path / "a").exists() and lmzip.decompress(get("folder/a.lmz")) == TEXT
    piped = run("lmzip", "-3", "-o", "s3://bucket/piped", data=b"", env=at)
    assert piped.returncode == 0 and lmzip.decompress(get("piped")) == b""


def test_large_objects_go_up_in_parts(at) -> None:
    """What comes to more than a part of the library's, 50 MiB."""
    data = os.urandom(1 << 20)
    url = put("parts.lmz", 60 * lmzip.compress(data, 1))
    assert run("lmunzip", url, env=at).returncode == 0
    assert get("parts") == 60 * data and not uploads()


def test_lists_ranges_and_estimates(at) -> None:
    data = long_text(400_000)
    url = put("a.lmz", lmzip.compress(data, 1, block_size=100_000))
    found = json.loads(run("lmzip", "-l", "--json", url, env=at).stdout)
    assert (found["name"], found["raw_size"], found["frames"][0]["blocks"]) == (url, len(data), 4)
    assert run("lmzip", "--range", "150000,99", url, env=at).stdout == data[150_000:150_099]
    assert b"bits/byte" in run("lmzip", "--estimate", "-1", put("a", data), env=at).stdout


def test_one_line_for_what_is_not_there(at, tmp_path) -> None:
    for arguments in (["-t", "s3://bucket/none"], ["s3://none/a"], ["-o", "s3://none/a", SAMPLE]):
        done = run("lmzip", *arguments, env=at)
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"No such file" in done.stderr
    done = run("lmzip", "-k", "-o", "none://bucket/a", SAMPLE, env=at)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    done = run("lmzip", "-k", "-o", at["AWS_ENDPOINT_URL"] + "/bucket/new", SAMPLE, env=at)
    assert done.returncode == 1 and b"no uploads to such URLs" in done.stderr
    assert run("lmcat", "http://127.0.0.1:1/a", env=at).returncode == 1


def test_damage_leaves_no_object(at) -> None:
    packed = bytearray(lmzip.compress(TEXT, 3))
    packed[len(packed) // 2] ^= 1
    done = run("lmunzip", put("a.lmz", bytes(packed)), env=at)
    assert done.returncode == 1 and b"a.lmz: " in done.stderr
    assert not bucket().exists("bucket/a") and not uploads()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_is_killed_leaves_no_object(at, number) -> None:
    """A part is up by then; a program that can clean up takes it back, else it stays invisible."""
    process = start("lmunzip", "-o", "s3://bucket/killed", env=at)
    frame = lmzip.compress(os.urandom(1 << 20), 1)
    threading.Thread(target=_feed, args=(process.stdin, frame), daemon=True).start()
    wait_until(lambda: uploads() or process.poll() is not None, "an upload")
    process.send_signal(number)
    assert process.wait(60) == -number
    assert not bucket().exists("bucket/killed")
    if number == signal.SIGTERM:
        assert not uploads()
    for upload in uploads():
        bucket().abort_mpu("bucket", upload["Key"], upload["UploadId"])


def _feed(stdin, data: bytes) -> None:
    try:
        while True:
            stdin.write(data)
    except OSError:
        pass


def test_an_object_that_changes_meanwhile_is_left_alone(at) -> None:
    from lmzip.remote import RemoteSource

    with RemoteSource(put("a", TEXT)) as source:
        assert source.read_all() == TEXT and not source.has_changed
        source.check_size()
        put("a", TEXT[::-1])
        with pytest.raises(InputChangedError):
            source.check_unchanged()
        with pytest.raises(Skipped, match="replaced"):
            source.remove()
        bucket().rm_file("bucket/a")
        with pytest.raises(Skipped, match="removed"):
            source.remove()


def test_what_arrives_otherwise_is_noticed(at) -> None:
    from lmzip.remote import RemoteTarget

    with RemoteTarget("s3://bucket/a", force=False) as target:
        target.create()
        target.write(TEXT)
        assert not bucket().exists("bucket/a"), "it appears when it is whole"
        target.publish()
        target.check_published()
        put("a", TEXT[:-1] + b"?")
        with pytest.raises(VerifyError):
            target.check_published()


def test_someone_elses_object_is_kept(at) -> None:
    from lmzip.remote import RemoteTarget

    with RemoteTarget("s3://bucket/a", force=False) as target:
        target.create()
        target.write(TEXT)
        put("a", b"theirs")
        with pytest.raises((LmzipError, OSError)):
            target.publish()
    assert get("a") == b"theirs" and not uploads()


class _Web(BaseHTTPRequestHandler):
    """A web server of some files that can do ranges, may be told to fail, and notes what it sent."""

    files: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[list[int]] = []
    failures: ClassVar[list[int]] = []

    def do_HEAD(self) -> None:  # noqa: N802 - the library's name
        self.answer(with_body=False)

    def do_GET(self) -> None:  # noqa: N802
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        data = self.files.get(self.path)
        if data is None or (self.failures and with_body):
            self.send_error(self.failures.pop() if data is not None else 404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = data[int(wanted[1]) : int(wanted[2]) + 1] if wanted else data
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self.wfile.write(part)
            self.sent.append(len(part))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Web.files.clear()
    _Web.sent.clear()
    _Web.failures.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_range_reads_the_blocks_that_it_needs(web) -> None:
    data = os.urandom(8 << 20)
    _Web.files["/a.lmz"] = packed = lmzip.compress(data, 1, block_size=1 << 20)
    done = run("lmzip", "--range", f"{5 << 20},1000", f"{web}/a.lmz")
    assert done.stdout == data[5 << 20 : (5 << 20) + 1000], done.stderr
    assert 1 << 20 < sum(_Web.sent) < (3 << 20) // 2 and len(packed) > 8 << 20, _Web.sent


def test_web_pages_are_read_and_failures_told(web) -> None:
    _Web.files["/a.lmz"] = lmzip.compress(TEXT, 3)
    assert run("lmcat", f"{web}/a.lmz").stdout == TEXT
    _Web.files["/plain"] = TEXT
    assert run("lmcat", f"{web}/plain").stdout == TEXT
    _Web.failures += [503] * 50
    done = run("lmcat", f"{web}/a.lmz")
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and not done.stdout


def test_a_local_name_is_no_url(tmp_path) -> None:
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "a").write_bytes(TEXT)
    assert run("lmzip", "-1", "./s3://a", cwd=tmp_path).returncode == 0
    assert (tmp_path / "s3:" / "a.lmz").read_bytes().startswith(MAGIC)


def test_nothing_of_it_is_loaded_for_files(tmp_path) -> None:
    import subprocess
    import sys

    code = "import sys, lmzip.cli.work, lmzip.cli.listing; print([m for m in ('fsspec', 's3fs') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_belongs_to_the_work_may_be_behind_urls_too(at, tmp_path) -> None:
    given = {"-D": put("words", TEXT[:9_000]), "--patch-from": put("old", TEXT[2_000:])}
    for option, url in given.items():
        name = tmp_path / option.strip("-")
        name.write_bytes(TEXT)
        (tmp_path / "here").write_bytes(get(url.removeprefix("s3://bucket/")))
        done = run("lmzip", "-1", "-c", option, url, name, env=at)
        assert done.returncode == 0, done.stderr
        assert done.stdout == run("lmzip", "-1", "-c", option, tmp_path / "here", name).stdout
        assert run("lmunzip", option, url, data=done.stdout, env=at).stdout == TEXT
        missing = run("lmzip", "-1", "-c", option, "s3://bucket/missing", name, env=at)
        assert (missing.returncode, missing.stdout) == (3, b"")
        assert missing.stderr.endswith(b"s3://bucket/missing: No such file or directory\n")
    names = put("names", f"{tmp_path / 'D'}\n{put('a.txt', TEXT)}\n".encode())
    done = run("lmzip", "-1", "--files-from", names, env=at)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "D.lmz").exists() and bucket().exists("bucket/a.txt.lmz")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="not installed: ray")
def test_a_cluster_takes_urls(at, tmp_path) -> None:
    urls = [put("a.txt", TEXT), put("b.txt", long_text(400_000))]
    options = ["--cluster", "local", "-T2", "-1", "--block-size", "50k"]
    done = run("lmzip", *options, "--rm", "--resume", tmp_path / "list", *urls, env=at)
    assert done.returncode == 0, done.stderr
    assert sorted(bucket().find("bucket")) == ["bucket/a.txt.lmz", "bucket/b.txt.lmz"]
    assert get("b.txt.lmz") == lmzip.compress(long_text(400_000), 1, block_size=50 << 10)
    again = run("lmzip", *options, "-v", "--rm", "--resume", tmp_path / "list", *urls, env=at)
    assert (again.returncode, again.stderr.count(b"\n")) == (0, 1), again.stderr
    assert run("lmunzip", "--cluster", "local", "--rm", *(f"{url}.lmz" for url in urls), env=at).returncode == 0
    assert get("a.txt") == TEXT and get("b.txt") == long_text(400_000)
