"""The folder for uploads and results: the server's own, bounded, and emptied in time.

Gradio deletes the files it knows of. It does not know of uploads that broke off, of empty folders,
or of what an earlier server left that was killed. `TemporaryFolder` deletes by age whatever lies in
its folder, and when it begins it deletes the folders of servers that are gone.
"""

import os
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from depthmask.errors import LaunchError
from depthmask.files import lock

KEEP_S = 3000.0  # since a file was last used
SWEEP_S = 300.0  # from one look to the next: all is gone within the hour
MAX_BYTES, MAX_FILES = 4 * 2**30, 5000  # of all visitors
MIN_FREE_BYTES = 2**30  # of the disk, left to others
# The oldest files make room for new ones, until this share of the limits is free.
KEEP_WHEN_FULL_S = 10.0  # but none that was used since
FREED_SHARE = 0.25
CLOCK_S = 10.0  # the computer's clock may be set by so much unnoticed
VISITOR_BYTES, VISITOR_UPLOADS = 10**9, 300  # of an address, in an hour
# visitors who come by a proxy or by the public link have one of these addresses all together
SHARED_ADDRESSES = frozenset({"", "127.0.0.1", "::1"})
HOUR_S = 3600.0
VARIABLE = "GRADIO_TEMP_DIR"

FULL = "The server's disk space for uploads is used up; try again in a minute."
ENOUGH = "This address has uploaded as much as it may in an hour; try again later."


class Usage(NamedTuple):
    """What lies in a folder."""

    files: int
    bytes: int


class TemporaryFolder:
    """The folder of one server. It is made with the object, and removed by `close`.

    Args:
        parent: Where to make it; without it, what `GRADIO_TEMP_DIR` names, or the system's folder
            for temporary files. Where one cannot be used, a new one is made there.

    Raises:
        LaunchError: No folder can be made, or another server takes it for abandoned.
    """

    def __init__(self, parent: Path | None = None) -> None:
        named = parent or Path(os.environ.get(VARIABLE) or tempfile.gettempdir())
        self._home = _home(named)
        _remove_abandoned(self._home)
        self.path = Path(tempfile.mkdtemp(prefix="server-", dir=self._home))  # its owner's alone
        self._lock = (self.path / _LOCK).open("wb")
        if lock(self._lock.fileno()) is False:
            self._lock.close()
            raise LaunchError("Another server begins at this moment; start this one again.")
        self._clock = _Clock()
        self._stop = threading.Event()

    def sweep(self, *, now: float | None = None) -> None:
        """Deletes files that nobody has used for `KEEP_S` seconds, and folders as old and empty."""
        self._clock.follow(self.path)
        _sweep(self.path, (time.time() if now is None else now) - KEEP_S)

    def watch(self) -> None:
        """Sweeps now and then, in a thread of its own, until `close`."""

        def run() -> None:
            while not self._stop.wait(SWEEP_S):
                self.sweep()

        threading.Thread(target=run, name="sweep", daemon=True).start()

    def usage(self) -> Usage:
        """Counts files and bytes."""
        sizes = [status.st_size for _, status in self._files()]
        return Usage(len(sizes), sum(sizes))

    def has_room(self) -> bool:
        """Whether more may be uploaded; if not, the oldest files are deleted."""
        if self._has_room():
            return True
        self._make_room()
        return self._has_room()

    def _has_room(self) -> bool:
        used = self.usage()
        free = shutil.disk_usage(self.path).free
        return used.files < MAX_FILES and used.bytes < MAX_BYTES and free > MIN_FREE_BYTES

    def _make_room(self) -> None:
        """Deletes the oldest files, but none that was used within `KEEP_WHEN_FULL_S`."""
        self._clock.follow(self.path)
        oldest = time.time() - KEEP_WHEN_FULL_S
        found = sorted(
            (status.st_mtime, status.st_size, path)
            for path, status in self._files()
            if path.name != _LOCK and status.st_mtime < oldest
        )
        freed = count = 0
        for _, size, path in found:
            if freed >= FREED_SHARE * MAX_BYTES or count >= FREED_SHARE * MAX_FILES:
                return
            with suppress(OSError):
                path.unlink()
            freed, count = freed + size, count + 1

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All files with their sizes and times, but those that are deleted meanwhile."""
        for folder, _, names in os.walk(self.path):
            for path in (Path(folder, name) for name in names):
                try:
                    status = path.lstat()
                except OSError:
                    continue
                yield path, status

    def close(self) -> None:
        """Removes the folder."""
        self._stop.set()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


class _Clock:
    """Moves the times of files along when the computer's clock is set.

    Else a clock that is set by a day keeps them a day too long, or deletes them a day too soon.
    """

    def __init__(self) -> None:
        self._begin = time.time() - time.monotonic()
        self._one_at_a_time = threading.Lock()

    def follow(self, folder: Path) -> None:
        """Looks by how much the clock was set, and moves the times of what was written before."""
        with self._one_at_a_time:
            now = time.time()
            by = now - time.monotonic() - self._begin
            if abs(by) < CLOCK_S:
                return
            self._begin += by
            for place, folders, files in os.walk(folder, topdown=False):
                for path in (Path(place, name) for name in (*files, *folders)):
                    with suppress(OSError):
                        used = path.lstat().st_mtime
                        was_before = used > now if by < 0 else used <= now - by
                        if was_before:
                            os.utime(path, (now, used + by))


class UploadQuota:
    """Decides whether an address may upload, by what it and all others have uploaded.

    Args:
        has_room: Whether the server has room for anybody's upload.
        clock: Seconds, from any start.
    """

    def __init__(
        self, has_room: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._has_room, self._clock = has_room, clock
        self._uploads: dict[str, deque[tuple[float, int]]] = {}

    def refuse(self, address: str, size: int) -> str:
        """Counts an upload of `size` bytes, or says in a sentence why it may not come."""
        if address in SHARED_ADDRESSES:
            return "" if self._has_room() else FULL
        now = self._clock()
        self._forget(now - HOUR_S)
        uploads = self._uploads.setdefault(address, deque())
        total = sum(earlier for _, earlier in uploads) + size
        if len(uploads) >= VISITOR_UPLOADS or total > VISITOR_BYTES:
            return ENOUGH
        if not self._has_room():
            return FULL
        uploads.append((now, size))
        return ""

    def _forget(self, oldest: float) -> None:
        for address, uploads in list(self._uploads.items()):
            while uploads and uploads[0][0] < oldest:
                uploads.popleft()
            if not uploads:
                del self._uploads[address]


_LOCK = ".lock"


def _home(parent: Path) -> Path:
    """A folder of this user alone, in which each server has its own."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    home = parent / f"depthmask-{user}"
    with suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = home.lstat()
        mine = not hasattr(os, "getuid") or found.st_uid == user
        if mine and home.is_dir() and not home.is_symlink() and os.access(home, os.W_OK):
            home.chmod(0o700)
            return home
    try:
        return Path(tempfile.mkdtemp(prefix="depthmask-"))
    except OSError as error:
        raise LaunchError(
            f"There is no folder for uploads ({error.strerror}); name one that can be written by "
            f"{VARIABLE}."
        ) from error


def _sweep(home: Path, oldest: float) -> None:
    """Deletes what is older than a time in a server's folder, but for its lock."""
    for folder, folders, files in os.walk(home, topdown=False):
        for name in files:
            path = Path(folder, name)
            with suppress(OSError):
                if name != _LOCK and path.lstat().st_mtime < oldest:
                    path.unlink()
        for name in folders:
            path = Path(folder, name)
            with suppress(OSError):  # one that is not empty stays
                if path.lstat().st_mtime < oldest:
                    path.rmdir()


def _remove_abandoned(home: Path) -> None:
    """Removes the folders of servers that no longer run: nobody holds their lock.

    Where there are no locks, only what a server that runs would sweep is deleted.
    """
    for folder in home.glob("server-*"):
        with suppress(OSError):
            if (folder / _LOCK).exists():
                with (folder / _LOCK).open("wb") as file:
                    free = lock(file.fileno())
            else:  # a new one may be about to be locked
                free = abs(folder.lstat().st_mtime - time.time()) >= 60
            if free:
                shutil.rmtree(folder, ignore_errors=True)
            elif free is None:
                _sweep(folder, time.time() - KEEP_S)
