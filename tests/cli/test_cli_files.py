"""Which files are taken, and which are left alone."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cli_tools import MAGIC, compress, decompress, environment, finish, names_in, run, run_python, start

DATA = b"contents of a file\n" * 30

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root, to make devices")


@pytest.fixture
def file(tmp_path):
    """A file `a` with DATA in a folder of its own."""
    path = tmp_path / "a"
    path.write_bytes(DATA)
    return path


@pytest.fixture(scope="module")
def packed():
    """DATA, compressed."""
    return compress(DATA)


def refused(status: int, *arguments, **options) -> bytes:
    """Run, expect the status, one line on standard error that names the file, nothing on standard output."""
    done = run(*arguments, **options)
    assert (done.returncode, done.stdout) == (status, b""), done.stderr
    assert done.stderr.count(b"\n") == 1
    return done.stderr


def test_existing_output_is_kept(file, packed):
    output = file.with_name("a.lmz")
    output.write_bytes(b"old")
    assert b"already exists" in refused(1, "lmzip", file)
    assert (output.read_bytes(), file.read_bytes()) == (b"old", DATA)
    assert run("lmzip", "-f", file).returncode == 0
    assert output.read_bytes() == packed


def test_existing_output_is_seen_before_anything_is_read(tmp_path):
    """A hundred gigabytes (of hole) would take days: the refusal comes before work."""
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate(100 << 30)
    (tmp_path / "huge.lmz").write_bytes(b"old")
    refused(1, "lmzip", tmp_path / "huge")


def test_forced_output_of_damaged_data_keeps_the_old_one(file, packed):
    file.with_name("a.lmz").write_bytes(packed[:-3])
    refused(1, "lmunzip", "-f", f"{file}.lmz")
    assert file.read_bytes() == DATA and names_in(file.parent) == ["a", "a.lmz"]


@pytest.mark.parametrize("name", ["b.lmz", "b.tlmz"])
def test_name_that_has_the_suffix_already(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(DATA)
    for options in ([], ["-f"]):
        assert b"suffix" in refused(2, "lmzip", *options, path)
    assert names_in(tmp_path) == [name]
    assert run("lmzip", "-c", path).stdout.startswith(MAGIC)


def test_unknown_suffixes_are_passed_over(tmp_path, packed):
    for name in ("b", "b.gz", ".lmz"):
        (tmp_path / name).write_bytes(packed)
        for options in ([], ["-f"], ["-k"]):
            assert b"suffix" in refused(2, "lmunzip", *options, tmp_path / name)
        assert run("lmunzip", "-c", tmp_path / name).stdout == DATA  # by magic
    assert names_in(tmp_path) == [".lmz", "b", "b.gz"]


def test_suffix_in_capitals(tmp_path, packed):
    for name, raw in (("A.LMZ", "A"), ("B.Lmz", "B"), ("C.TLMZ", "C.tar"), ("D.XX", "D")):
        (tmp_path / name).write_bytes(packed)
        assert name[1:].encode() + b", skipped" in refused(2, "lmzip", "-S.xX", tmp_path / name)
        assert run("lmunzip", "-S.xX", tmp_path / name).returncode == 0
        assert names_in(tmp_path) == [raw]
        (tmp_path / raw).unlink()
    (tmp_path / "E.LMZ").write_bytes(packed)
    assert (run("lmzip", "-r", tmp_path).stderr, names_in(tmp_path)) == (b"", ["E.LMZ"])
    assert (run("lmunzip", "-r", tmp_path).stderr, names_in(tmp_path)) == (b"", ["E"])


def test_name_without_the_suffix(tmp_path, packed):
    """What is there under the longer name only is what is meant, and what is named in messages."""
    path, short = tmp_path / "a.lmz", tmp_path / "a"
    path.write_bytes(packed)
    assert run("lmcat", short).stdout == DATA
    assert run("lmunzip", "-c", short).stdout == DATA
    assert run("lmzip", "--range=3,4", short).stdout == DATA[3:7]
    assert run("lmzip", "-tv", short).stderr.startswith(os.fsencode(path) + b": ok")
    assert run("lmzip", "-l", short).stdout.endswith(b" " + os.fsencode(path) + b"\n")
    for options, names in ((["-o", tmp_path / "out"], ["a.lmz", "out"]), (["-r"], ["a", "out"])):
        assert run("lmzip", "-d", *options, short).returncode == 0
        assert names_in(tmp_path) == names
    short.rename(path)
    assert path.name + ": not" in refused(1, "lmunzip", short).decode()  # it is a plain file
    path.write_bytes(packed)
    assert run("lmunzip", "--files0-from=-", data=os.fsencode(short)).returncode == 0
    assert names_in(tmp_path) == ["a", "out"]


def test_name_without_the_suffix_that_is_there_itself(tmp_path, file, packed):
    file.with_name("a.lmz").write_bytes(packed)
    file.write_bytes(b"plain")
    assert b"a: unknown suffix" in refused(2, "lmunzip", file)
    refused(1, "lmzip", "-t", file)
    assert run("lmcat", file).stdout == b"plain"
    assert names_in(tmp_path) == ["a", "a.lmz"]


def test_name_without_the_suffix_of_something_else(tmp_path, packed):
    (tmp_path / "b.lmz").symlink_to("a.lmz")
    (tmp_path / "a.lmz").write_bytes(packed)
    assert b"b.lmz: is a symbolic link" in refused(2, "lmunzip", tmp_path / "b")
    assert run("lmcat", tmp_path / "b").stdout == DATA
    (tmp_path / "c.x").write_bytes(packed)
    assert b"c: No such file" in refused(1, "lmunzip", tmp_path / "c")
    assert b"a: No such file" in refused(1, "lmzip", tmp_path / "a")  # only where one decompresses
    assert run("lmunzip", "-S.x", tmp_path / "c", tmp_path / "a").returncode == 0
    assert names_in(tmp_path) == ["a", "b.lmz", "c"]


def test_short_suffix_of_archives(tmp_path, packed):
    (tmp_path / "b.tlmz").write_bytes(packed)
    assert run("lmunzip", tmp_path / "b.tlmz").returncode == 0
    assert names_in(tmp_path) == ["b.tar"]


def test_plain_data_is_refused_or_copied(tmp_path, file, packed):
    file.with_suffix(".lmz").write_bytes(DATA)
    for arguments in (["lmunzip", "-c"], ["lmunzip"], ["lmunzip", "-f"], ["lmzip", "-t"], ["lmzip", "-l"]):
        refused(1, *arguments, file.with_suffix(".lmz"))
    refused(1, "lmunzip", "-c", file)
    assert run("lmunzip", "-cf", file).stdout == DATA
    assert run("lmcat", file).stdout == DATA
    assert run("lmunzip", "-f", data=DATA).stdout == DATA
    assert run("lmcat", data=b"").returncode == 0
    assert run("lmcat", data=packed).stdout == DATA
    done = run("lmcat", data=packed + DATA)  # compressed, then plain: an error, not copied
    assert done.returncode == 1 and not done.stdout.endswith(DATA[-10:] * 2) and b"%d" % len(packed) in done.stderr
    assert run("lmcat", data=MAGIC[:2]).returncode == 1  # a cut file is not taken for a plain one
    assert names_in(tmp_path) == ["a", "a.lmz"]


def test_symbolic_links_are_passed_over_unless_forced(tmp_path, file, packed):
    link = tmp_path / "link"
    link.symlink_to("a")
    assert b"symbolic link" in refused(2, "lmzip", link)
    refused(2, "lmzip", "-k", link)
    assert run("lmzip", "-c", link).stdout == packed
    assert run("lmzip", "-f", link).returncode == 0
    assert names_in(tmp_path) == ["a", "link.lmz"] and file.read_bytes() == DATA
    (tmp_path / "b.lmz").symlink_to("link.lmz")
    assert run("lmzip", "-t", tmp_path / "b.lmz").returncode == 0
    assert run("lmzip", "-l", tmp_path / "b.lmz").returncode == 0
    refused(2, "lmunzip", tmp_path / "b.lmz")
    (tmp_path / "dangling").symlink_to("nowhere")
    refused(2, "lmzip", tmp_path / "dangling")
    refused(1, "lmzip", "-f", tmp_path / "dangling")
    refused(1, "lmzip", "-c", tmp_path / "dangling")


def test_folders_are_passed_over(tmp_path, file):
    (tmp_path / "folder").mkdir()
    for options in ([], ["-f"], ["-c"], ["-t"], ["-l"]):
        assert b"directory" in refused(2, "lmzip", *options, tmp_path / "folder")
    refused(2, "lmzip", f"{tmp_path}/folder/")
    done = run("lmzip", tmp_path / "folder", file)
    assert done.returncode == 2 and names_in(tmp_path) == ["a.lmz", "folder"]


def test_hard_links_are_passed_over_unless_forced(tmp_path, file):
    os.link(file, tmp_path / "b")
    assert b"hard link" in refused(2, "lmzip", file)
    assert run("lmzip", "-c", file).returncode == 0
    assert run("lmzip", "-f", file).returncode == 0
    assert names_in(tmp_path) == ["a.lmz", "b"]


def test_set_id_bits(tmp_path, file):
    file.chmod(0o4755)
    assert b"set-user-ID" in refused(2, "lmzip", file)
    assert run("lmzip", "-f", file).returncode == 0
    assert stat.S_IMODE(file.with_name("a.lmz").stat().st_mode) == 0o755


def test_pipes_and_sockets_by_name(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for name in ("pipe", "socket"):
            for options in ([], ["-f"], ["-c"], ["-d"], ["-t"], ["-k"]):
                assert b"not a regular file" in refused(2, "lmzip", *options, tmp_path / name)
    assert names_in(tmp_path) == ["pipe", "socket"]


@needs_root
@pytest.mark.parametrize("numbers", [(1, 3), (1, 5), (1, 7)], ids=["null", "zero", "full"])
def test_devices_are_left_alone(tmp_path, numbers):
    """Devices are nodes that the test itself has made: a program with a fault here removes them."""
    node = tmp_path / "device"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(*numbers))
        os.close(os.open(node, os.O_RDONLY))
    except OSError as error:
        pytest.skip(f"no devices can be made here: {error}")
    (tmp_path / "link").symlink_to("device")
    for options in ([], ["-f"], ["-c"], ["-cf"], ["-t"], ["-l"], ["-k"]):
        refused(2, "lmzip", *options, node)
        refused(2, "lmzip", *options, tmp_path / "link")
    (tmp_path / "a").write_bytes(DATA)
    os.rename(node, tmp_path / "a.lmz")
    refused(1, "lmzip", "-f", tmp_path / "a")
    assert stat.S_ISCHR((tmp_path / "a.lmz").lstat().st_mode)


def test_pipes_of_the_shell(file, packed):
    """<(command) gives /dev/fd/N, a link to a pipe: to be read, not to be replaced."""
    reading, writing = os.pipe()
    os.write(writing, DATA)
    os.close(writing)
    done = run("lmzip", "-c", f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert (done.returncode, done.stdout) == (0, packed)


def made_up_files() -> list[str]:
    """Return names of files that the kernel makes up: their sizes, 0 or a page, are not those of their contents."""
    names = ["/proc/version", "/proc/filesystems", "/sys/class/net/lo/address", "/sys/kernel/mm/ksm/run"]
    return [name for name in names if os.access(name, os.R_OK)]


@pytest.mark.parametrize("name", made_up_files())
def test_files_that_are_made_up(tmp_path, name):
    with open(name, "rb") as file:
        data = file.read()
    link = tmp_path / "link"
    link.symlink_to(name)
    for arguments, output in (
        (["-c", name], None),
        (["-o", tmp_path / "out", name], tmp_path / "out"),
        (["-kf", "-o", tmp_path / "out", name], tmp_path / "out"),
        (["-kf", link], tmp_path / "link.lmz"),
    ):
        done = run("lmzip", *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        assert decompress(output.read_bytes() if output else done.stdout) == data
    with open(name, "rb") as stdin:
        assert decompress(run("lmzip", stdin=stdin).stdout) == data
    for arguments in ([name], ["-f", name], ["-f", link], ["--rm", "-fo", tmp_path / "out", name]):
        assert b"is made up by the system" in refused(2, "lmzip", *arguments)
    assert link.is_symlink() and names_in(tmp_path) == ["link", "link.lmz", "out"]


# fstat() tells another size of the file `a` than it has, as some file systems in user space do.
FALSE_SIZE = """
real = os.fstat
def fstat(fd):
    status = real(fd)
    if not os.readlink(f"/proc/self/fd/{fd}").endswith("/a"):
        return status
    fields = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
    return os.stat_result([*status[:6], SIZE, *status[7:]], fields)
os.fstat = fstat
"""


@pytest.mark.parametrize("size", [0, 100, 4096])
def test_files_whose_size_is_another(tmp_path, file, packed, size):
    code = f"SIZE = {size}\n{FALSE_SIZE}"
    assert finish(run_python(code, "-c", file)) == (0, packed, b"")
    with open(file, "rb") as stdin:
        assert finish(run_python(code, stdin=stdin)) == (0, packed, b"")
    for options in (["-k"], ["-fo", tmp_path / "a.lmz"]):
        assert finish(run_python(code, *options, file)) == (0, b"", b"")
        assert file.with_name("a.lmz").read_bytes() == packed
    file.with_name("a.lmz").unlink()
    status, _, stderr = finish(run_python(code, file))
    assert (status, stderr.count(b"\n"), names_in(tmp_path)) == (2, 1, ["a"])
    assert b"%d bytes were read where its size is %d, left alone" % (len(DATA), size) in stderr


def test_output_name_is_a_link(tmp_path, file):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    output = tmp_path / "a.lmz"
    output.symlink_to("victim")
    refused(1, "lmzip", file)
    assert run("lmzip", "-f", file).returncode == 0
    assert victim.read_bytes() == b"precious" and not output.is_symlink()


def test_output_name_is_a_folder(tmp_path, file):
    (tmp_path / "a.lmz").mkdir()
    for options in ([], ["-f"]):
        refused(1, "lmzip", *options, file)
    assert names_in(tmp_path) == ["a", "a.lmz"] and (tmp_path / "a.lmz").is_dir()


def test_names_of_the_greatest_length(tmp_path):
    (tmp_path / ("x" * 251)).write_bytes(DATA)
    assert run("lmzip", tmp_path / ("x" * 251)).returncode == 0
    assert names_in(tmp_path) == ["x" * 251 + ".lmz"]
    assert run("lmunzip", tmp_path / ("x" * 251 + ".lmz")).returncode == 0
    (tmp_path / ("y" * 252)).write_bytes(DATA)
    refused(1, "lmzip", tmp_path / ("y" * 252))
    assert names_in(tmp_path) == ["x" * 251, "y" * 252]


def test_same_file_twice(file):
    done = run("lmzip", file, file)
    assert done.returncode == 1 and names_in(file.parent) == ["a.lmz"]
    assert run("lmunzip", f"{file}.lmz", f"{file}.lmz").returncode == 1
    assert file.read_bytes() == DATA


def test_missing_and_damaged_files_among_others(tmp_path, packed):
    for name in ("1", "3", "5"):
        (tmp_path / f"{name}.lmz").write_bytes(packed)
    (tmp_path / "4.lmz").write_bytes(packed[:-1])
    done = run("lmunzip", *(f"{number}.lmz" for number in range(1, 6)), cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 2
    assert b"2.lmz: No such file" in done.stderr and b"4.lmz: " in done.stderr
    assert names_in(tmp_path) == ["1", "3", "4.lmz", "5"]


def test_an_error_outranks_a_warning(tmp_path, file):
    (tmp_path / "folder").mkdir()
    assert run("lmzip", tmp_path / "missing", tmp_path / "folder").returncode == 1
    assert run("lmzip", tmp_path / "folder", tmp_path / "missing", file).returncode == 1


def test_recursive_takes_files_below_and_no_links(tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    for name in ("a", "deep/b", "deep/er/c", "done.lmz"):
        (tree / name).write_bytes(DATA)
    (tmp_path / "outside").write_bytes(DATA)
    (tree / "link").symlink_to("../outside")
    (tree / "loop").symlink_to(".")
    os.mkfifo(tree / "pipe")
    done = run("lmzip", "-r", tree)
    assert (done.returncode, done.stderr) == (0, b"")
    found = sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    assert found == ["a.lmz", "deep/b.lmz", "deep/er/c.lmz", "done.lmz"]
    assert run("lmzip", "-r", tree).returncode == 0  # nothing to do
    (tree / "done.lmz").unlink()
    assert run("lmunzip", "-r", tree).returncode == 0
    assert (tree / "deep" / "er" / "c").read_bytes() == DATA and (tmp_path / "outside").exists()


ODD_NAMES = [b"new\nline", b"\x1b[31mred", b"caf\xe9", b"-dash", b" space ", b"\xe2\x80\xaereversed", b"[x]", b"%s{}"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=[repr(name)[2:-1] for name in ODD_NAMES])
def test_odd_names_work(tmp_path, name):
    folder = os.fsencode(tmp_path)
    path = folder + b"/" + name
    with open(path, "wb") as file:
        file.write(DATA)
    done = run("lmzip", "-v", "--", name, cwd=folder)
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1
    listing = run("lmzip", "-l", "--", name + b".lmz", cwd=folder)
    assert listing.returncode == 0 and listing.stdout.count(b"\n") == 2
    again = run("lmzip", "--", name, name + b".lmz", cwd=folder)  # one is missing, one has the suffix
    assert again.returncode == 1 and again.stderr.count(b"\n") == 2
    for text in (done.stderr, listing.stdout, again.stderr):
        assert b"\x1b" not in text and b"\r" not in text and b"\xe2\x80\xae" not in text
        text.decode()  # valid in the locale
    assert run("lmunzip", "--", name + b".lmz", cwd=folder).returncode == 0
    with open(path, "rb") as file:
        assert file.read() == DATA
    assert run("lmzip", "--json", "--", name, cwd=folder).returncode == 0


def test_names_in_a_locale_without_their_letters(tmp_path):
    (tmp_path / "naïve").write_bytes(DATA)
    for locale in ("C", "POSIX"):
        done = run("lmzip", "-kfv", "naïve", cwd=tmp_path, env=environment(LC_ALL=locale))
        assert done.returncode == 0 and done.stderr.count(b"\n") == 1


def test_empty_and_one_byte(tmp_path):
    for data in (b"", b"x"):
        path = tmp_path / "small"
        path.write_bytes(data)
        assert run("lmzip", path).returncode == 0
        assert (tmp_path / "small.lmz").stat().st_size <= len(data) + 64
        assert run("lmunzip", f"{path}.lmz").returncode == 0
        assert path.read_bytes() == data


def test_a_file_beside_the_package_is_not_run(tmp_path):
    """A click.py in the current folder is not ours."""
    (tmp_path / "click.py").write_text("print('run!')")
    (tmp_path / "struct.py").write_text("print('run!')")
    (tmp_path / "a").write_bytes(DATA)
    done = run("lmzip", "a", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_tar_calls_it_both_ways(tmp_path):
    """`tar -I lmzip` both ways; tar appends -d."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(DATA)
    program = str(start("lmzip", "-V").args[0])
    for options in ("", " --device cpu -1"):
        subprocess.run(["tar", "-I", program + options, "-cf", "x.tar.lmz", "tree"], cwd=tmp_path, check=True)
        assert (tmp_path / "x.tar.lmz").read_bytes().startswith(MAGIC)
        subprocess.run(["tar", "-I", program + options, "-xf", "x.tar.lmz"], cwd=tmp_path, check=True)
        assert (tmp_path / "tree" / "a").read_bytes() == DATA


def test_a_pipe_gives_its_first_bytes_before_it_has_all(tmp_path):
    """Both directions stream: what is behind the first block is not waited for."""
    compressor = start("lmzip", "-1", "--block-size=4k")
    block = bytes(range(256)) * 16
    compressor.stdin.write(block + b"x")
    compressor.stdin.flush()
    head = os.read(compressor.stdout.fileno(), 5)
    assert head.startswith(MAGIC)
    status, rest, _ = finish(compressor)
    assert status == 0
    packed = head + rest
    decompressor = start("lmunzip", "-c")
    decompressor.stdin.write(packed[:-40])  # the last block and the trailer are still missing
    decompressor.stdin.flush()
    first = os.read(decompressor.stdout.fileno(), 1 << 16)
    assert block.startswith(first) and first
    decompressor.stdin.write(packed[-40:])
    status, rest, _ = finish(decompressor)
    assert (status, first + rest) == (0, block + b"x")


def test_pipes_that_do_not_block(sample_text):
    """Whoever made the pipes may have made them non-blocking: neither reads nor writes fail by that."""
    data_in, data_out = os.pipe(), os.pipe()
    for fd in (data_in[0], data_out[1]):
        os.set_blocking(fd, False)
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)  # so that it is soon full
    process = start("lmzip", "-1", "--block-size=4k", stdin=data_in[0], stdout=data_out[1])
    os.close(data_in[0])
    os.close(data_out[1])
    with ThreadPoolExecutor(1) as pool, open(data_in[1], "wb") as feed, open(data_out[0], "rb") as result:
        time.sleep(0.5)  # the pipe is empty while the program begins to read
        fed = pool.submit(lambda: (feed.write(sample_text), feed.close()))
        time.sleep(0.5)  # and full while it writes
        packed = result.read()
        fed.result()
    status, _, stderr = finish(process)
    assert (status, stderr) == (0, b"") and decompress(packed) == sample_text
