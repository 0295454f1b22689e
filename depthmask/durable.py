"""Files that are whole or not there at all, whatever ends the writer: a kill or a power cut."""

import os
from pathlib import Path


def replace_durably(draft: Path, path: Path) -> None:
    """Puts a finished file in the place of another, in one step that survives a power cut."""
    flush(draft)
    os.replace(draft, path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Waits until the disk holds what was written to a file, or which files a folder has."""
    if os.name == "nt":
        return  # it flushes neither folders nor files that were opened for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
