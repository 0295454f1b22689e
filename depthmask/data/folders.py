"""The pictures in a folder, and what the user is told about them."""

import sys
from pathlib import Path

from depthmask.pictures import SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """The files in a folder, and in those in it, that are named as pictures are; in order."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def say(line: str) -> None:
    """Tells the user something, on stderr."""
    print(line, file=sys.stderr, flush=True)


def counted(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
