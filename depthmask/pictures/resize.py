"""Copies of pictures and maps in other sizes."""

from typing import TypeVar

import cv2
import numpy as np

from depthmask.pictures import Map, Picture

ArrayT = TypeVar("ArrayT", Picture, Map)
Size = tuple[int, ...]  # height and width


def fit_size(size: Size, side: int) -> tuple[int, int]:
    """Height and width in the same aspect with no side above `side` and none below 1."""
    height, width = size[:2]
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(values: ArrayT, height: int, width: int) -> ArrayT:
    """Averages (H, W) or (H, W, C) down to at most this height and width."""
    rows, columns = values.shape[:2]
    size = (min(columns, width), min(rows, height))
    if size == (columns, rows):
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), values.dtype)


def shrink_by_halves(array: ArrayT, height: int, width: int) -> ArrayT:
    """Averages (H, W) or (H, W, C) down to a height and width, fast rather than exact.

    By halves as far as they go: these take a third of the time.
    """
    rows, columns = array.shape[:2]
    if (rows, columns) == (height, width):
        return array
    halves = rows % 2 == columns % 2 == 0 and rows >= 2 * height and columns >= 2 * width
    step = (rows // 2, columns // 2) if halves else (height, width)
    shrunk = cv2.resize(array, (step[1], step[0]), interpolation=cv2.INTER_AREA)
    return shrink_by_halves(np.asarray(shrunk, dtype=array.dtype), height, width)


def resize_by_halves(array: ArrayT, height: int, width: int) -> ArrayT:
    """As `resize`, but shrinks fast rather than exactly, see `shrink_by_halves`."""
    rows, columns = array.shape[:2]
    small = shrink_by_halves(array, min(rows, height), min(columns, width))
    return resize(small, height, width)


def enlarge(values: Map, height: int, width: int) -> Map:
    """Interpolates (h, w) to a height and width; always an array of its own."""
    if values.shape == (height, width):
        return values.copy()
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))


def crop_to_aspect(picture: Picture, height: int, width: int) -> Picture:
    """Cuts the largest centred part with the aspect height : width out of a picture (a view)."""
    rows, columns = picture.shape[:2]
    scale = min(rows / height, columns / width)
    new_rows = min(rows, max(1, round(height * scale)))
    new_columns = min(columns, max(1, round(width * scale)))
    top, left = (rows - new_rows) // 2, (columns - new_columns) // 2
    return picture[top : top + new_rows, left : left + new_columns]


def resize(array: ArrayT, height: int, width: int) -> ArrayT:
    """Scales (H, W) or (H, W, C) to a size: shrinks by averaging, grows by interpolation."""
    rows, columns = array.shape[:2]
    if (rows, columns) == (height, width):
        return array
    # cv2 takes (width, height); each side for itself, since a thread may grow and shrink at once
    size = (min(columns, width), min(rows, height))
    shrunk = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
    grown = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, dtype=array.dtype)
