"""Pictures in folders, and messages about them."""

import sys
from pathlib import Path

from depthmask.errors import named, printable
from depthmask.files import walk
from depthmask.pictures import is_picture


def find_pictures(folder: Path) -> list[Path]:
    """Lists the picture files of a folder and its subfolders in order, told by their content.

    A line on stderr counts and names the others, but for hidden ones, which systems leave.
    """
    files = sorted(path for path in walk(folder) if not path.name.startswith("._"))  # of Macs
    found = [path for path in files if is_picture(path)]
    used = set(found)
    unused = [path for path in files if path not in used and not path.name.startswith(".")]
    others = [str(path.relative_to(folder)) for path in unused]
    if others:
        say(f"{folder}: passed over {named(others)}, no picture")
    return found


def say(line: str) -> None:
    """Prints a line to stderr at once."""
    print(printable(line), file=sys.stderr, flush=True)
