"""Whether a file can be written is found out without writing it."""

import os
import sys
from pathlib import Path

import pytest

from depthmask.files import check_file


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
