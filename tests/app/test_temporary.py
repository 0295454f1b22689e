"""The folder for uploads is the server's own, bounded, and emptied in time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depthmask.app import temporary
from depthmask.app.temporary import (
    ENOUGH,
    FULL,
    HOUR_S,
    KEEP_S,
    KEEP_WHEN_FULL_S,
    VISITOR_BYTES,
    VISITOR_UPLOADS,
    TemporaryFolder,
    UploadQuota,
)
from depthmask.errors import LaunchError
from tests.limits import no_locks

DAY_S = 24 * HOUR_S


def write(path: Path, *, age: float = 0.0, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    for aged in (path, path.parent):
        os.utime(aged, (time.time() - age,) * 2)
    return path


def set_clock(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    """Sets the computer's clock by some seconds, which moves no file's time."""
    before = time.time
    monkeypatch.setattr(time, "time", lambda: before() + by)


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path)
    for path in (folder.path, folder.path.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    folder.close()
    assert not folder.path.exists()


def test_what_is_old_goes_whatever_it_is(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path)
    old = [
        write(folder.path / "a" / "upload.png", age=KEEP_S + 60),
        write(folder.path / "tmp1234", age=KEEP_S + 60, size=0),
        write(folder.path / "b" / "c" / "result.png", age=KEEP_S + 60),
    ]
    used = write(folder.path / "d" / "used.png", age=KEEP_S - 60)
    folder.sweep()
    assert used.exists() and not any(path.exists() for path in old)
    folder.sweep(now=time.time() + 2 * KEEP_S)  # folders are as old as the last change in them
    assert [path.name for path in folder.path.iterdir()] == [".lock"]
    folder.close()


def test_a_new_start_removes_what_a_killed_server_left(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from depthmask.app.temporary import TemporaryFolder\n"
        "folder = TemporaryFolder(Path(sys.argv[1]))\n"
        "(folder.path / 'upload.png').write_text('private')\n"
        "print(folder.path, flush=True); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True)
    left = Path(done.stdout.strip())
    assert (left / "upload.png").exists()
    running = TemporaryFolder(tmp_path)
    assert not left.exists()
    other = TemporaryFolder(tmp_path)
    assert running.path.exists()  # its server lives
    running.close()
    other.close()


def test_without_locks_only_what_is_old_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", no_locks)
    running = TemporaryFolder(tmp_path)
    old = write(running.path / "a" / "upload.png", age=KEEP_S + 60)
    used = write(running.path / "b" / "upload.png", age=KEEP_S - 60)
    other = TemporaryFolder(tmp_path)
    assert used.exists() and not old.exists()
    running.close()
    other.close()


def test_a_folder_that_another_server_takes_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "lock", lambda _: False)
    with pytest.raises(LaunchError, match="start this one again"):
        TemporaryFolder(tmp_path)


def test_a_folder_that_cannot_be_used_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"depthmask-{os.getuid()}").write_text("a file stands in the way")
    folder = TemporaryFolder(tmp_path)
    assert folder.path.is_dir() and tmp_path not in folder.path.parents
    folder.close()
    folder.path.parent.rmdir()


def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    (tmp_path / f"depthmask-{os.getuid()}").symlink_to(tmp_path / "trap")
    folder = TemporaryFolder(tmp_path)
    assert (tmp_path / "trap") not in folder.path.resolve().parents
    folder.close()
    folder.path.parent.rmdir()


def test_room_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TemporaryFolder(tmp_path)
    monkeypatch.setattr(temporary, "MAX_FILES", 3)  # with the lock
    monkeypatch.setattr(temporary, "MAX_BYTES", 1000)
    monkeypatch.setattr(temporary, "MIN_FREE_BYTES", 0)
    assert folder.has_room()
    write(folder.path / "a" / "one", size=10)
    assert folder.has_room()
    write(folder.path / "b" / "two", size=10)
    assert not folder.has_room()
    monkeypatch.setattr(temporary, "MAX_FILES", 10)
    assert folder.has_room()
    write(folder.path / "a" / "one", size=1000)
    assert not folder.has_room()
    monkeypatch.setattr(temporary, "MAX_BYTES", 10**6)
    assert folder.has_room()
    monkeypatch.setattr(temporary, "MIN_FREE_BYTES", 2**60)
    assert not folder.has_room()
    folder.close()


@pytest.mark.parametrize("by", [-DAY_S, DAY_S])
def test_a_clock_that_is_set_keeps_nothing_longer_and_deletes_nothing_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    folder = TemporaryFolder(tmp_path)
    old = write(folder.path / "a" / "old.png", age=KEEP_S + 60)
    used = write(folder.path / "b" / "used.png", age=KEEP_S - 60)
    set_clock(monkeypatch, by)
    new = write(folder.path / "c" / "new.png")
    folder.sweep()
    assert not old.exists() and used.exists() and new.exists()
    folder.sweep(now=time.time() + 120)
    assert not used.exists() and new.exists()
    folder.sweep(now=time.time() + KEEP_S + 60)
    assert not new.exists()
    folder.close()


def test_files_make_room_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "MAX_FILES", 3)  # with the lock
    monkeypatch.setattr(temporary, "MIN_FREE_BYTES", 0)
    folder = TemporaryFolder(tmp_path)
    photos = [folder.path / str(number) / "photo.jpg" for number in range(2)]
    for photo, age in zip(photos, (60, 120), strict=True):
        write(photo, age=age)
    monkeypatch.setattr(temporary, "FREED_SHARE", 1 / 3)
    set_clock(monkeypatch, -DAY_S)
    assert folder.has_room()
    assert [photo.exists() for photo in photos] == [True, False]
    folder.close()


def test_what_a_clock_that_was_set_back_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = TemporaryFolder(tmp_path)
    home = first.path.parent
    first.close()
    (home / "server-left").mkdir()  # by one that was killed before it had a lock
    TemporaryFolder(tmp_path).close()
    assert (home / "server-left").exists(), "it may be about to be locked"
    set_clock(monkeypatch, -DAY_S)
    TemporaryFolder(tmp_path).close()
    assert not (home / "server-left").exists()


def test_an_address_may_upload_so_much_an_hour() -> None:
    now = [0.0]
    quota = UploadQuota(lambda: True, clock=lambda: now[0])
    assert not quota.refuse("a", VISITOR_BYTES - 10)
    assert quota.refuse("a", 20) == ENOUGH
    assert not quota.refuse("a", 10) and not quota.refuse("b", 20)
    now[0] = HOUR_S + 1
    assert not quota.refuse("a", 20)


def test_an_address_may_upload_so_often_an_hour() -> None:
    quota = UploadQuota(lambda: True, clock=lambda: 0.0)
    assert not any(quota.refuse("a", 1) for _ in range(VISITOR_UPLOADS))
    assert quota.refuse("a", 1) == ENOUGH


def test_the_oldest_files_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "MAX_FILES", 5)  # with the lock
    monkeypatch.setattr(temporary, "MIN_FREE_BYTES", 0)
    folder = TemporaryFolder(tmp_path)
    photos = [folder.path / str(number) / "photo.jpg" for number in range(4)]
    for photo in photos:
        write(photo, size=10)
    assert not folder.has_room(), "all are in use"
    for photo, age in zip(photos, (20, 40, 30, 0), strict=True):
        used = time.time() - KEEP_WHEN_FULL_S - age + 1
        os.utime(photo, (used, used))
    assert folder.has_room()
    assert [photo.exists() for photo in photos] == [True, False, False, True]
    folder.close()


def test_visitors_behind_a_proxy_share_the_room_alone() -> None:
    quota = UploadQuota(lambda: True)
    assert not any(quota.refuse("127.0.0.1", VISITOR_BYTES) for _ in range(3))
    assert UploadQuota(lambda: False).refuse("127.0.0.1", 1) == FULL


def test_no_room_is_said() -> None:
    assert UploadQuota(lambda: False).refuse("a", 1) == FULL
