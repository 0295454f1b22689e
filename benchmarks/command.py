"""What the programs of benchmarks/ and tools/ share: bad input in a sentence, and memory."""

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

from depthmask.errors import OptionError
from depthmask.files import check_file

BAD_INPUT = 2  # exit code, the one argparse uses as well


def run(main: Callable[[], int | None]) -> int:
    """Runs a program's main function and returns the exit code: 2 after a sentence on stderr."""
    try:
        return main() or 0
    except OSError as error:
        named = f"{error.filename} cannot be used ({error.strerror}); check the path."
        sentence = named if error.filename else str(error)
    except (ValueError, ImportError) as error:  # the project's errors of bad input are ValueErrors
        sentence = str(error)
    print(f"{Path(sys.argv[0]).stem}: {sentence}", file=sys.stderr)
    return BAD_INPUT


def check_folders(*folders: Path | None) -> None:
    """Raises ValueError if a folder that was given is missing; for who would find out late."""
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise OptionError(f"There is no folder at {folder}; check the path.")


def check_outputs(*files: Path | None) -> None:
    """Raises ValueError if a file that was named cannot be written; for who would find out late."""
    for file in files:
        if file is not None:
            check_file(file)


def resident_megabytes(process: int | str = "self") -> float:
    """Megabytes (10^6 bytes) of a process in memory now, by its number.

    NaN where the system does not tell, or the process has ended.
    """
    try:
        statistics = Path(f"/proc/{process}/statm").read_text()
    except OSError:
        return math.nan
    return int(statistics.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
