"""Where a command is to write: found out before its work, not an hour later."""

from pathlib import Path


def check_file(path: Path) -> None:
    """Makes the folder of a file where it is missing, and sees that the file can be written.

    What is there stays as it is.

    Raises:
        ValueError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            return  # a pipe or a terminal; whoever reads a pipe would take a look for its end
        target = path.resolve()  # of a link, which is not to be taken away
        new = not target.exists()
        target.open("ab").close()
        if new:
            target.unlink()
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another.") from error
