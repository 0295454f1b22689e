"""Copies of pictures and maps in other sizes."""

from typing import TypeVar

import numpy as np

from depthmask._cv2 import cv2
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


def enlarge(values: Map, height: int, width: int) -> Map:
    """Interpolates (h, w) to a height and width; always an array of its own."""
    if values.shape == (height, width):
        return values.copy()
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))
