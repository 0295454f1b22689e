"""Cut-outs, read from files: pictures whose alpha channel says what is the object."""

from pathlib import Path

import numpy as np
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures.colour import to_rgb
from depthmask.pictures.decode import decode
from depthmask.pictures.read import upright
from depthmask.pictures.types import Picture

_LEAST_ALPHA = 128  # of a pixel that counts as the object's


def read_cutout(path: Path) -> Picture:
    """Reads a cut-out of any kind that has transparency, a palette's too; cropped to the object.

    Args:
        path: A file of at most `MAX_PIXELS` pixels.

    Returns:
        (H, W, 4), uint8, sRGB and alpha, not multiplied, upright.

    Raises:
        PictureError: As `read_photo`, or there is no alpha, or alpha is empty or full everywhere.
    """
    image, _ = decode(path)
    image = upright(image)
    if not image.has_transparency_data:
        raise PictureError(f"{path} has no alpha channel; cut the object out first.")
    whole = image.convert("RGBA")
    alpha = np.asarray(whole.getchannel("A"))
    opaque = alpha >= _LEAST_ALPHA
    if not opaque.any():
        raise PictureError(f"{path} is transparent all over; there is no object in it.")
    if alpha.min() == 255:
        raise PictureError(f"{path} is opaque all over; cut the object out first.")
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    colours, _ = to_rgb(_without_alpha(image, whole).crop(box))
    return np.dstack((np.asarray(colours), np.asarray(whole.getchannel("A").crop(box))))


def _without_alpha(image: Image.Image, whole: Image.Image) -> Image.Image:
    """The colours with the profile that describes them, so that it is applied."""
    colours = image.convert("L") if image.mode in ("LA", "La") else whole.convert("RGB")
    profile = image.info.get("icc_profile")
    colours.info = {"icc_profile": profile} if profile else {}
    return colours
