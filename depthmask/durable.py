"""Files that are whole or not there at all, whatever ends the writer: a kill or a power cut."""

import os
from pathlib import Path


def replace_durably(draft: Path, path: Path) -> None:
    """Puts a finished file in the place of another, in one step that survives a power cut.

    It can be read by whom the user's mask lets read new files; safetensors leaves its own private.
    """
    share(draft)
    flush(draft)
    os.replace(draft, path)
    flush(path.parent)


def share(path: Path) -> None:
    """Gives a file the permissions of any other that is made anew."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def flush(path: Path) -> None:
    """Waits until the disk holds what was written to a file, or which files a folder has."""
    if os.name == "nt":
        return  # it flushes neither folders nor files that were opened for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
