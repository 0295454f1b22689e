"""Files in the user's cache folder: what can be made again where it is missing or damaged."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from depthmask.files import remove_drafts, write_whole

VARIABLE = "DEPTHMASK_CACHE"  # names another folder
MAX_FILES = 12  # with one ending; the oldest make room


def cache_folder() -> Path:
    """The place for such files on this system, or what the variable DEPTHMASK_CACHE names.

    Raises:
        RuntimeError: The user has no home folder.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "depthmask"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "depthmask"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "depthmask"


def recall(name: str) -> bytes | None:
    """Reads what `remember` has written; None where it is missing or cannot be read."""
    with suppress(OSError, RuntimeError):
        return (cache_folder() / name).read_bytes()
    return None


def remember(name: str, content: bytes) -> None:
    """Writes a file in one step, and removes the oldest; does nothing where that cannot be done.

    Several processes may do so at once. Only files with the same ending, and with the part of the
    name before the first hyphen, are removed.
    """
    with suppress(OSError, RuntimeError):
        path = cache_folder() / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content, shared=True)
        remove_drafts(path)
        others = {*path.parent.glob(f"{name.partition('-')[0]}-*{path.suffix}")} - {path}
        # the new file counts as the newest, even if the computer's clock was set back
        for old in sorted(others, key=lambda file: file.stat().st_mtime)[: 1 - MAX_FILES]:
            old.unlink(missing_ok=True)
