"""What the programs of benchmarks/ and tools/ tell of bad input: one sentence, no traceback."""

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
