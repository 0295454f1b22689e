"""Files that the page shows or offers, in Gradio's cache, which deletes them after a while."""

import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gradio.utils import get_upload_folder

from depthmask.app.reading import photo_reader
from depthmask.errors import PictureError, StorageError
from depthmask.pictures import Picture, preview_file
from depthmask.pictures.web import fetch
from depthmask.render.views import at_most, colour_depth

SWEEP_INTERVAL_S = 600  # between the deletions of old files
FILE_LIFETIME_S = 3000  # a file is gone within the hour
MAX_FETCHES = 4  # from the web at a time: each holds a thread for up to 15 seconds
TOO_MANY_FETCHES = "Other pictures are being fetched right now; try again in a few seconds."

_fetches = threading.BoundedSemaphore(MAX_FETCHES)


@contextmanager
def storing() -> Iterator[None]:
    """Turns an OSError of writing into a StorageError, which visitors may read."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The server cannot write its files ({error.strerror}); try again later."
        ) from error


def new_file(name: str) -> Path:
    """Returns a path of this name in a new folder.

    Raises:
        StorageError: The folder cannot be made.
    """
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    with storing():
        folder.mkdir(parents=True)
    return folder / name


def fetch_file(address: str, *, max_bytes: int) -> Path:
    """Fetches a file from the public web, and returns its path; its content is not looked at.

    Raises:
        PictureError: It cannot be had, or others are fetched right now.
        StorageError: It cannot be written.
    """
    if not _fetches.acquire(blocking=False):
        raise PictureError(TOO_MANY_FETCHES)
    try:
        found = fetch(address, max_bytes=max_bytes)
    finally:
        _fetches.release()
    path = new_file(found.name)
    with storing():
        path.write_bytes(found.content)
    return path


def save_preview(picture: Picture, name: str) -> str:
    """Writes a picture for a view, and returns the path: (H, W) as PNG, (H, W, 3) as JPEG.

    Raises:
        StorageError: It cannot be written.
    """
    content, ending = preview_file(picture)
    path = new_file(f"{name}.{ending}")
    with storing():
        path.write_bytes(content)
    return str(path)


def browser_copy(path: str, side: int) -> str | None:
    """Writes a copy that browsers can show of a picture that they cannot, such as TIFF or HEIC.

    Returns:
        The path of the copy; None if none is needed, or if the picture cannot be read.
    """
    if photo_reader().shows_in_browsers(Path(path)):
        return None
    try:
        picture = at_most(photo_reader().picture(Path(path)), side)
    except PictureError:
        return None  # the analysis, which reads it next, tells why
    return save_preview(picture, "preview")


def mask_copy(path: str, side: int) -> str | None:
    """As `browser_copy`, of a true mask; also of one that means another thing than it shows."""
    try:
        found = photo_reader().true_mask(Path(path))
    except PictureError:
        return None
    if not found.notes and photo_reader().shows_in_browsers(Path(path)):
        return None
    return save_preview(at_most(found.labels, side), "preview")


def depth_copy(path: str, side: int) -> str | None:
    """As `browser_copy`, of a true depth, in colours; also of millimetres, which look black."""
    try:
        found = photo_reader().true_depth(Path(path))
    except PictureError:
        return None
    if not found.in_metres and photo_reader().shows_in_browsers(Path(path)):
        return None
    values = at_most(found.values, side)
    farthest = float(np.quantile(values, 0.98)) or 1.0
    return save_preview(colour_depth(values / farthest), "preview")


def is_cached(path: str) -> bool:
    """Tells whether a path leads into the cache, after links and dots are resolved."""
    try:
        found = Path(path).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or what can be no path
        return False
    return found.is_relative_to(Path(get_upload_folder()).resolve())


def keep(paths: Iterable[str | None]) -> None:
    """Resets the age of cached files, so that they are not deleted while a page shows them."""
    for path in paths:
        if path and is_cached(path) and Path(path).exists():
            os.utime(path)
