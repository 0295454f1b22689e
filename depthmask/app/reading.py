"""The readers of the page: whatever a visitor sends is decoded in processes of their own."""

import atexit
from functools import cache

from depthmask.pictures.isolation import IsolatedReader


@cache
def photo_reader() -> IsolatedReader:
    """Returns the reader of dropped files."""
    return _make_reader()


@cache
def frame_reader() -> IsolatedReader:
    """Returns the reader of live frames, which do not wait for anybody's photos."""
    return _make_reader()


def _make_reader() -> IsolatedReader:
    reader = IsolatedReader()
    atexit.register(reader.close)
    return reader
