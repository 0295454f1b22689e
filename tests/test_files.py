"""Files: checked without being written, replaced whole, with the permissions of any other."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthmask.files import check_file, replace_durably


def test_a_look_changes_nothing_but_folders(tmp_path: Path) -> None:
    known, link = tmp_path / "known", tmp_path / "link"
    known.write_text("content")
    link.symlink_to(tmp_path / "later")
    for path in (known, link, tmp_path / "new" / "file"):
        check_file(path)
    assert known.read_text() == "content"
    assert link.is_symlink() and not link.exists()
    assert list((tmp_path / "new").iterdir()) == []


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


def test_a_replaced_file_has_the_permissions_of_a_new_one(tmp_path: Path, umask: int) -> None:
    draft, path = tmp_path / "draft", tmp_path / "file"
    draft.touch(0o600)
    replace_durably(draft, path)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_file_reaches_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, path = tmp_path / "draft", tmp_path / "file"
    draft.write_text("new")
    path.write_text("old")
    names = {file.stat().st_ino: file.name for file in (draft, tmp_path)}
    flushed = []

    def fsync(handle: int) -> None:
        flushed.append((names[os.fstat(handle).st_ino], path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace_durably(draft, path)
    assert flushed == [("draft", "old"), (tmp_path.name, "new")]
    assert not draft.exists()


def test_other_threads_keep_their_umask(tmp_path: Path, umask: int) -> None:
    """The umask belongs to the process: who changes it, changes it for all threads."""
    (tmp_path / "draft").touch()

    def replace_slowly() -> None:
        sys.setprofile(pause_after_calls)
        replace_durably(tmp_path / "draft", tmp_path / "file")

    def pause_after_calls(_frame: object, event: str, function: object) -> None:
        if event == "c_return" and getattr(function, "__module__", "") == os.name:
            time.sleep(0.05)  # after a call of the system

    thread = threading.Thread(target=replace_slowly)
    thread.start()
    modes = set()
    while thread.is_alive():
        (tmp_path / "new").touch()
        modes.add((tmp_path / "new").stat().st_mode & 0o777)
        (tmp_path / "new").unlink()
    assert modes == {0o666 & ~umask}
