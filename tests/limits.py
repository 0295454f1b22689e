"""Stand-ins for a full disk, for one that refuses, and for one without locks."""

import errno
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Lets this process write no file beyond a number of bytes: OSError, as by a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept_none = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # or Python keeps the halves of what is imported meanwhile
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = kept_none


def failing_replace(call: int, error: BaseException) -> Callable[[Path, Path], None]:
    """An `os.replace` that fails at one of its calls, counted from 1."""
    replace, calls = os.replace, iter(range(1, 100))

    def fail(source: Path, target: Path) -> None:
        if next(calls) == call:
            raise error
        replace(source, target)

    return fail


def no_locks(_file: int, _how: int) -> None:
    """A `fcntl.flock` as of a disk that has none."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
