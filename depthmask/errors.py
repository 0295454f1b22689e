"""Every error that this project raises for its users.

The message of each is one or two sentences: what is wrong, and what to do about it. A program shows
the message and ends with exit code 2. All are a `ValueError`, so that callers who know nothing of
this module can catch them as well. What the system refuses is an `OSError`; `error_sentence` tells
it.
"""

import errno
import re
from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tabs and ends of lines
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
HINT = "Hint: "  # begins a line of a command that names its options
_NAMED = 3  # files that a line names


class DepthmaskError(ValueError):
    """The base of all: catch this one."""


class OptionError(DepthmaskError):
    """An option, argument or output path cannot be used."""


class PictureError(DepthmaskError):
    """A picture is missing, damaged, too large, or of a kind or shape that is not read."""


class PrivateAddressError(PictureError):
    """A picture has an address of this computer or of its network, which is not asked."""


class ClipError(DepthmaskError):
    """A clip is missing, damaged, or of a kind that is not read, or its camera moves."""


class CheckpointError(DepthmaskError):
    """A checkpoint is missing, damaged, or holds another network."""


class BackendError(DepthmaskError):
    """A backend cannot be used here, or its graph is missing or of other weights."""


class CaptureError(DepthmaskError):
    """No background can be learned from the frames of a live session."""


class PackError(DepthmaskError):
    """A file of packed pictures is missing, damaged, or cannot be made."""


class TeacherError(DepthmaskError):
    """A teacher, a network that labels depth, cannot be used."""


class DatasetError(DepthmaskError):
    """A data set cannot be built, merged or read."""


class ExportError(DepthmaskError):
    """A graph cannot be written, or does not agree with the network."""


class TrainingError(DepthmaskError):
    """Training cannot begin or go on."""


class StorageError(DepthmaskError):
    """The server of the page cannot write its files; the message names no path of the server."""


class LaunchError(DepthmaskError):
    """The web page cannot be served, built or written."""


def is_disk_full(error: OSError) -> bool:
    """Whether a file could not be written for want of room: on the disk, or by a limit."""
    return error.errno in _DISK_FULL


def error_sentence(error: OSError) -> str:
    """Makes sentences of a system's error: which file it is about, and what to do."""
    reason = error.strerror or str(error) or type(error).__name__
    name = error.filename
    if is_disk_full(error):
        lost = f"{name} could not be written" if name else "A file could not be written"
        return f"{lost} ({reason}); free some space and give the same command again."
    if name is None:
        return f"The system refused: {reason}."
    return f"{name} cannot be used ({reason}); check the path."


def printable(text: str) -> str:
    """Spells out control characters, which a file's name may hold and a terminal obeys."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def named(files: Sequence[str]) -> str:
    """Counts files and names the first: "1 file (a.txt)", "5 files (a.txt, b.txt, c.txt, …)"."""
    more = ", …" if len(files) > _NAMED else ""
    return f"{counted(len(files), 'file')} ({', '.join(files[:_NAMED])}{more})"


def counted(number: int, what: str) -> str:
    """Returns a number with its noun: "1 cut-out", "2,000 cut-outs"."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
