"""Files: written whole or not at all, checked before the work, told apart by content."""

import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

from depthmask.errors import OptionError


def shipped(name: str) -> Path:
    """A folder that comes with the package: "weights" or "examples".

    An installed package holds it; in a checkout it lies beside the package.
    """
    package = Path(__file__).resolve().parent
    return package / name if (package / name).is_dir() else package.parent / name


EXAMPLES = shipped("examples")


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
        raise OptionError(
            f"{path} cannot be written ({error.strerror}); choose another."
        ) from error


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Writes a file in one step: it never holds a part of the content.

    Args:
        path: Of the file, which is replaced if it is there.
        content: All of it.
        durable: Wait until the disk holds the file, so that it survives a power cut.
    """
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_bytes(content)
        if durable:
            replace_durably(draft, path)
        else:
            os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def replace_durably(draft: Path, path: Path) -> None:
    """Puts a finished file in the place of another, in one step that survives a power cut.

    The file gets the permissions of any new file; safetensors makes its own readable by the
    user alone.
    """
    _give_usual_permissions(draft)
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


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal; OSError where it cannot be read."""
    return sha256(path.read_bytes()).hexdigest()


def _give_usual_permissions(path: Path) -> None:
    """Gives a file the permissions of any other that is made anew in its folder.

    They are read off a file made for that. To ask for the umask means to change it for a moment,
    for all threads.
    """
    probe = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        path.chmod(stat.S_IMODE(os.fstat(handle).st_mode))
    finally:
        os.close(handle)
        probe.unlink()
