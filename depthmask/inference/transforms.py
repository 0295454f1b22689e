"""Transforms: 3 x 3 matrices on pixel positions (x, y, 1) with pixel centres at whole numbers."""

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Picture
from depthmask.pictures.resize import ArrayT

Transform = npt.NDArray[np.float64]  # (3, 3)


def fit(rows: int, columns: int, height: int, width: int) -> Transform:
    """The transform that lets a picture of rows x columns cover a frame, centre on centre."""
    return _centred(max(height / rows, width / columns), rows, columns, height, width)


def contain(rows: int, columns: int, height: int, width: int) -> Transform:
    """The transform that lets a picture of rows x columns lie in a frame, centre on centre."""
    return _centred(min(height / rows, width / columns), rows, columns, height, width)


def _centred(scale: float, rows: int, columns: int, height: int, width: int) -> Transform:
    middle = translation((width - columns * scale) / 2, (height - rows * scale) / 2)
    return middle @ scaling(scale, scale)


def translation(x: float, y: float) -> Transform:
    """The transform that moves a picture to the right and down, by pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scaling(x: float, y: float) -> Transform:
    """Scales pixel positions whose centres are at whole numbers, as cv2.resize does."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def between(size: tuple[int, ...], other: tuple[int, ...]) -> Transform:
    """From pixel positions in a picture to those in a copy of another size."""
    return scaling(other[1] / size[1], other[0] / size[0])


def scaled(picture: Picture, scale: float) -> Picture:
    """Shrinks by averaging; as it is where the scale is 1."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def warped(picture: ArrayT, transform: Transform, height: int, width: int) -> ArrayT:
    """Moves a picture or a map into a frame; its edges go on where it does not cover it."""
    moved = cv2.warpPerspective(
        picture,
        transform,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, dtype=picture.dtype)
