"""Every error that this project raises for its users.

The message of each is one or two sentences: what is wrong, and what to do about it. A program shows
the message and ends with exit code 2. All are a `ValueError`, so that callers who know nothing of
this module can catch them as well.
"""


class DepthmaskError(ValueError):
    """The base of all: catch this one."""


class OptionError(DepthmaskError):
    """An option, argument or output path cannot be used."""


class PictureError(DepthmaskError):
    """A picture is missing, damaged, too large, or of a kind or shape that is not read."""


class CheckpointError(DepthmaskError):
    """A checkpoint is missing, damaged, or holds another network."""


class BackendError(DepthmaskError):
    """A backend cannot be used here, or its graph is missing or of other weights."""


class CaptureError(DepthmaskError):
    """No background can be learned from the frames of a live session."""


class RecordingError(DepthmaskError):
    """A live recording cannot be written or has reached its limit."""


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
    """The web page cannot be served."""
