"""Pictures in folders, and messages about them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from depthmask.errors import printable
from depthmask.files import walk
from depthmask.pictures import is_picture

_NAMED = 3  # files that a line names


def find_pictures(folder: Path) -> list[Path]:
    """Lists the picture files of a folder and its subfolders in order, told by their content.

    A line on stderr counts and names the others; hidden files do not count.
    """
    files = sorted(path for path in walk(folder) if not path.name.startswith("."))
    found = [path for path in files if is_picture(path)]
    used = set(found)
    others = [str(path.relative_to(folder)) for path in files if path not in used]
    if others:
        say(f"{folder}: passed over {named(others)}, no picture")
    return found


def say(line: str) -> None:
    """Prints a line to stderr at once."""
    print(printable(line), file=sys.stderr, flush=True)


def named(files: Sequence[str]) -> str:
    """Counts files and names the first: "1 file (a.txt)", "5 files (a.txt, b.txt, c.txt, …)"."""
    more = ", …" if len(files) > _NAMED else ""
    return f"{counted(len(files), 'file')} ({', '.join(files[:_NAMED])}{more})"


def counted(number: int, what: str) -> str:
    """Returns a number with its noun: "1 cut-out", "2,000 cut-outs"."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
