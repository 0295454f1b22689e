"""Measured depth of backgrounds, as RGB-D cameras give it beside their photos."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depthmask.data.teachers import whole_range
from depthmask.depth import align_inverse_depth
from depthmask.errors import PackError, PictureError
from depthmask.pictures import Map, Picture, read_true_depth
from depthmask.pictures.types import check_size

_SUFFIXES = (".png", ".tif", ".tiff", ".npy")
_MIN_KNOWN_SHARE = 0.1  # of a photo: with less, there is too little to fit a teacher to
_REACH = 0.04  # sigma, as a share of the longer side, to which the measurement moves the rest
_MIN_SUPPORT = 0.02  # share of measured pixels around a place at which half of that is left


def find_measured(
    photos: Sequence[Path], folder: Path, measured: Path
) -> tuple[list[Path], dict[Path, Path]]:
    """Tells photos and their measured depth apart.

    Args:
        photos: All picture files below `folder`, which may hold depth, too.
        folder: The backgrounds.
        measured: Holds the depth of a photo under the photo's path and name, with an ending of its
            own. It may be `folder` itself, or a folder in it.

    Returns:
        The photos alone, and the file with the depth of each that has one.

    Raises:
        PackError: There is no such folder, or it holds the depth of no photo.
    """
    if not measured.is_dir():
        raise PackError(f"There is no folder {measured}; check --measured-depth.")
    found = ((photo, measured_of(photo, folder, measured)) for photo in photos)
    depth = {photo: path for photo, path in found if path}
    if not depth:
        raise PackError(
            f"{measured} holds the depth of no background: NAME.png is that of NAME.jpg."
        )
    inside = {path for path in photos if measured != folder and path.is_relative_to(measured)}
    no_photos = inside | set(depth.values())
    kept = [path for path in photos if path not in no_photos]
    return kept, {photo: path for photo, path in depth.items() if photo not in no_photos}


def measured_of(photo: Path, folder: Path, measured: Path) -> Path | None:
    """The file with the depth of a photo, see `find_measured`; None where there is none."""
    there = measured / photo.relative_to(folder)
    candidates = (there.with_suffix(suffix) for suffix in _SUFFIXES)
    return next((path for path in candidates if path != photo and path.is_file()), None)


def read_measured(path: Path, photo: Picture) -> Map:
    """Reads the depth of a photo in metres, (H, W), 0 where none was measured.

    Raises:
        PictureError: It cannot be read, is not in metres, is of another size than the photo, or
            hardly anything was measured.
    """
    depth = read_true_depth(path)
    if not depth.in_metres:
        raise PictureError(f"{path} holds no millimetres and no metres; save 16-bit millimetres.")
    check_size(depth.values, photo, str(path))
    if (depth.values > 0).mean() < _MIN_KNOWN_SHARE:
        raise PictureError(f"{path} has depth for less than a tenth of the photo.")
    return depth.values


def measured_label(metres: Map, inverse: Map) -> Map:
    """Labels a photo of measured depth, and its holes by a teacher.

    The teacher's label gets the scale and the shift that fit the measurement best. Near measured
    pixels it also gets what the fit leaves there, so that holes have no border.

    Args:
        metres: (H, W), 0 where none was measured.
        inverse: (H, W), the teacher's inverse depth of any scale and shift.

    Returns:
        (H, W), r of the depth convention over the whole photo.
    """
    known = metres > 0
    measured = 1 / np.where(known, metres, 1)
    fitted = align_inverse_depth(inverse, measured, known).astype(np.float32)
    rest = np.where(known, measured - fitted, 0).astype(np.float32)
    sigma = max(metres.shape) * _REACH
    support = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)
    spread = cv2.GaussianBlur(rest, (0, 0), sigma) / (support + _MIN_SUPPORT)
    return whole_range(np.where(known, measured, np.maximum(fitted + spread, 0)))
