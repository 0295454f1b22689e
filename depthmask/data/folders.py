"""Pictures in folders, and messages about them."""

import sys
from pathlib import Path

from depthmask.pictures import SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """Lists the picture files of a folder and its subfolders, by suffix, in order."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def say(line: str) -> None:
    """Prints a line to stderr at once."""
    print(line, file=sys.stderr, flush=True)


def counted(number: int, what: str) -> str:
    """Returns a number with its noun: "1 cut-out", "2,000 cut-outs"."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
