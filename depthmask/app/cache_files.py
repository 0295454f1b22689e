"""Files that the page shows or hands out, in Gradio's cache, which deletes them in time."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures import Picture, read_photo, shows_in_browsers
from depthmask.render.views import at_most

SWEEP_S = 600  # the cache is looked through this often
KEEP_S = 3000  # and what is older than this goes: within the hour
QUALITY = 92  # of JPEG: photos of this size take seconds as PNG


def new_file(name: str) -> Path:
    """A path of this name in a folder of its own."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / name


def save_preview(picture: Picture, name: str) -> str:
    """Writes what a view shows: (H, W) exactly, (H, W, 3) as a good JPEG; returns the path."""
    if picture.ndim == 2:
        path = new_file(f"{name}.png")
        Image.fromarray(picture).save(path, compress_level=1)
    else:
        path = new_file(f"{name}.jpg")
        Image.fromarray(np.ascontiguousarray(picture)).save(path, quality=QUALITY, subsampling=0)
    return str(path)


def stand_in(path: str, side: int) -> str | None:
    """Makes a picture that browsers can show of one they cannot, such as TIFF or HEIC.

    Returns:
        The path of the new picture; None where none is needed or none can be made.
    """
    if shows_in_browsers(path):
        return None
    try:
        picture = at_most(read_photo(path).picture, side)
    except PictureError:
        return None  # whoever reads it next says why
    return save_preview(picture, "preview")


def is_cached(path: str) -> bool:
    """Whether a path leads into the cache, wherever its links and dots go."""
    return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())


def keep(paths: Iterable[str | None]) -> None:
    """Makes files as good as new, so that they are not deleted while somebody has them open."""
    for path in paths:
        if path and is_cached(path) and Path(path).exists():
            os.utime(path)
