"""Pictures in folders, and messages about them."""

import sys
from pathlib import Path

from depthmask.errors import printable
from depthmask.files import walk
from depthmask.pictures import SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """Lists the picture files of a folder and its subfolders, by suffix, in order."""
    return sorted(path for path in walk(folder) if path.suffix.lower() in SUFFIXES)


def say(line: str) -> None:
    """Prints a line to stderr at once."""
    print(printable(line), file=sys.stderr, flush=True)


def counted(number: int, what: str) -> str:
    """Returns a number with its noun: "1 cut-out", "2,000 cut-outs"."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
