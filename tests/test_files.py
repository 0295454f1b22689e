"""Files: checked without being written, replaced whole, with the permissions of any other."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from depthmask.errors import CheckpointError, OptionError, error_sentence
from depthmask.files import (
    check_file,
    check_files,
    checked_fingerprint,
    fingerprint,
    refuse_links,
    remove_drafts,
    renewed_sums,
    reservation,
    reserved,
    workplace,
    write_together,
    write_whole,
)
from tests.limits import failing_replace, files_of_at_most, no_locks


def test_a_look_changes_nothing_but_folders(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text("content")
    for path in (known, tmp_path / "new" / "file"):
        check_file(path)
    assert known.read_text() == "content"
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("target", ["known", "later", "link", "folder"])
def test_a_link_is_no_place_to_write(tmp_path: Path, target: str) -> None:
    (tmp_path / "known").write_text("content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match=r"link is a link, .* choose another folder\.$"):
        check_file(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "known", "link"]


def test_links_are_found_below_a_folder_only(tmp_path: Path) -> None:
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "shown").symlink_to("real")
    refuse_links(tmp_path / "shown", "a/b/c")
    (tmp_path / "real" / "a" / "b").symlink_to("..")
    with pytest.raises(ValueError, match="a/b is a link"):
        refuse_links(tmp_path / "shown", "a/b/c")


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_pipe_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_file(tmp_path / "pipe")  # opening it would wait for a reader


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(ValueError, match=r"cannot be written \(.+\); choose another\.$"):
            check_file(path)


@pytest.mark.skipif(sys.platform != "linux", reason="where /proc is")
def test_a_folder_that_takes_no_files() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        check_file(Path("/proc/x.json"))


@pytest.fixture
def umask() -> Iterator[int]:
    """A umask that is not the usual one, while a test runs."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_a_file_has_the_permissions_of_any_other(tmp_path: Path, umask: int) -> None:
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_file_reaches_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "file", []
    path.write_text("old")

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        written = [found.read_text() for found in sorted(tmp_path.iterdir())]
        flushed.append((is_folder, written))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"new", durable=True)
    assert flushed == [(False, ["new", "old"]), (True, ["new"])]


@pytest.mark.parametrize("shared", [False, True])
def test_links_and_drafts_in_the_way_are_replaced(tmp_path: Path, shared: bool) -> None:
    (tmp_path / "victim").write_text("victim")
    for name in ("file", ".file.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "file", b"content", shared=shared)
    (tmp_path / ".file.1234abcd.tmp").write_text("of a process that was killed")
    remove_drafts(tmp_path / "file")
    assert (tmp_path / "victim").read_text() == "victim"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "victim"]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    for path in (a, b):
        path.write_text("old")
    large = bytes(9000)
    attempts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("a", lambda: write_whole(a, large)),
        ("a", lambda: write_whole(a, large, durable=True, shared=True)),
        ("c", lambda: write_together({a: b"new", b: b"new", c: large})),
    )
    for name, write in attempts:
        with files_of_at_most(5000), pytest.raises(OSError, match="too large") as raised:
            write()
        told = error_sentence(raised.value)
        assert told.startswith(f"{tmp_path / name} could not be written (File too large)")
        assert told.endswith("free some space and give the same command again.")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "b": "old"}


@pytest.mark.parametrize("name", ["x" * 255, os.fsdecode(b"\xff" * 255)])
def test_a_name_may_be_as_long_as_any(tmp_path: Path, name: str) -> None:
    check_file(tmp_path / name)
    write_whole(tmp_path / name, b"content")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_workplace_is_made_anew_and_removed(tmp_path: Path) -> None:
    left = tmp_path / ".graph.onnx.tmp"
    left.mkdir()
    (left / "old").touch()
    with workplace(tmp_path / "graph.onnx") as folder:
        assert not list(folder.iterdir())
        (folder / "new").touch()
    assert not list(tmp_path.iterdir())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    left.symlink_to("elsewhere")
    with pytest.raises(RuntimeError), workplace(tmp_path / "graph.onnx"):
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["elsewhere", "file"]


def test_files_that_the_sums_name_are_compared(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin", "own.bin"):
        (tmp_path / name).write_text(name)
    first, second = (fingerprint(tmp_path / name) for name in ("a.bin", "b.bin"))
    (tmp_path / "SHA256SUMS").write_text(f"{first}  a.bin\n{second.upper()} *b.bin\n\nnonsense\n")
    assert checked_fingerprint(tmp_path / "a.bin") == first
    (tmp_path / "own.bin").write_text("changed")
    checked_fingerprint(tmp_path / "own.bin")  # is not named
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_text("changed")
        with pytest.raises(CheckpointError, match=f"{name} is damaged or was changed.*renew"):
            checked_fingerprint(tmp_path / name)


def test_sums_are_renewed_where_they_name_a_file(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    made, other = new / "made.bin", new / "other.bin"
    for path in (made, other):
        path.write_text(path.name)
    assert renewed_sums(tmp_path, [made]) is None
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  made.bin\n{'1' * 64}  z.bin\n")
    assert renewed_sums(tmp_path, [other]) is None
    sums = renewed_sums(tmp_path, [made, other])
    assert sums == f"{fingerprint(made)}  made.bin\n{'1' * 64}  z.bin\n".encode()


@pytest.mark.parametrize("error", [PermissionError, KeyboardInterrupt])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("links", [True, False])
def test_files_that_cannot_all_be_moved_stay_as_they_were(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    links: bool,
    error: type[BaseException],
) -> None:
    """Of three files one is new, and the disk may have no hard links."""
    before = {"a": "old a", "c": "old c"}
    for name, content in before.items():
        (tmp_path / name).write_text(content)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    contents = {tmp_path / name: b"new" for name in "abc"}
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", failing_replace(call, error()))
        with pytest.raises(error) as told:
            write_together(contents)
    if isinstance(told.value, OSError):
        assert Path(told.value.filename) in contents
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    write_together(contents)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        "abc", "new"
    )


def no_links(*arguments: object, **options: object) -> None:
    raise PermissionError


def test_a_folder_in_the_way_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b" / "inside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as told:
        write_together({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert told.value.filename == str(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "inside"]
    assert (tmp_path / "a").read_text() == "old"


TERMINATED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from depthmask.files import write_together
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and a shell
signal.signal(signal.SIGINT, signal.default_int_handler)  # has what it starts aside ignore this
replace = os.replace
def terminate(*paths):
    replace(*paths)
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])
os.replace = terminate
write_together({Path(sys.argv[1]) / name: b"new" for name in "abc"})
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_between_two_files_waits(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED, str(tmp_path), name], capture_output=True
    )
    assert done.returncode == -signal.Signals[name]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        "abc", "new"
    )


def test_a_pipe_is_written_together_with_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_together({tmp_path / "pipe": b"content", tmp_path / "file": b"more"})
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "file").read_bytes() == b"more"


def test_no_two_outputs_are_one_file(tmp_path: Path) -> None:
    check_files(tmp_path / "a", None, tmp_path / "b")
    check_files(Path(os.devnull), Path(os.devnull))
    with pytest.raises(OptionError, match="is given for two files; choose another"):
        check_files(tmp_path / "a", tmp_path / "folder" / ".." / "a")


HOLD = """
import sys
from contextlib import contextmanager
from pathlib import Path
from depthmask.files import reserved
with reserved(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(path: Path, part: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has reserved an output."""
    command = [sys.executable, "-c", HOLD, str(path), part]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        yield process
        if process.stdin:
            process.stdin.close()


@pytest.mark.skipif(os.name == "nt", reason="files are locked where fcntl is")
def test_one_run_writes_an_output(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with held(out) as other:
        for part in ("", "1-of-2"):
            with (
                pytest.raises(OptionError, match=r"Another run writes .*out at this"),
                reserved(out, part),
            ):
                pass
        other.kill()
        other.wait()
        with reserved(out) as sign:
            assert reservation(out).read_text() == sign
    assert not [*out.parent.iterdir()]


@pytest.mark.skipif(os.name == "nt", reason="files are locked where fcntl is")
def test_parts_of_an_output_are_written_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held(out, "1-of-2"):
        with reserved(out, "2-of-2"):
            pass
        for part in ("1-of-2", ""):
            with pytest.raises(OptionError, match="Another run"), reserved(out, part):
                pass
    assert not [*tmp_path.iterdir()]


@pytest.mark.skipif(os.name == "nt", reason="files are locked where fcntl is")
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    reservation(tmp_path / "out").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="links"), reserved(tmp_path / "out"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.skipif(os.name == "nt", reason="files are locked where fcntl is")
def test_a_disk_without_locks_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", no_locks)
    out = tmp_path / "out"
    for part in ("", "1-of-2"):
        with reserved(out, part) as sign, reserved(out, part):
            assert sign
    assert not [*tmp_path.iterdir()]
