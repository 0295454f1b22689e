"""Labels a picture as the mean of what a teacher says of several views of it.

A small teacher answers differently for a picture, its mirror image and a part of it: what differs
is its error, and the mean has less of it.
"""

from collections.abc import Callable, Iterator

import numpy as np

from depthmask.depth import align_inverse_depth
from depthmask.pictures import Map, Picture

Label = Callable[[Picture], Map]  # inverse depth of any scale and shift
Part = tuple[slice, slice]

_SHARE = 0.85  # of either side of a picture that a corner's view shows


def label_views(label: Label, picture: Picture) -> Map:
    """Labels the picture and its four corners, each also mirrored: ten calls of `label`.

    A corner is brought to the whole picture's scale and shift, and fades towards the middle, so
    that none ends in an edge.
    """
    whole = _label_with_mirror(label, picture)
    total, weights = whole.copy(), np.ones_like(whole)
    for part, weight in _corners(*whole.shape):
        seen = _label_with_mirror(label, np.ascontiguousarray(picture[part]))
        total[part] += weight * align_inverse_depth(seen, whole[part])
        weights[part] += weight
    return np.asarray(total / weights, dtype=np.float32)


def _label_with_mirror(label: Label, picture: Picture) -> Map:
    mirrored = label(np.ascontiguousarray(picture[:, ::-1]))
    return np.asarray((label(picture) + mirrored[:, ::-1]) / 2, dtype=np.float32)


def _corners(height: int, width: int) -> Iterator[tuple[Part, Map]]:
    """Each corner, and how much its pixels count: 1 in the picture's corner, 0 at the far sides."""
    tall, wide = max(1, round(height * _SHARE)), max(1, round(width * _SHARE))
    down = np.linspace(1, 0, tall, dtype=np.float32)
    along = np.linspace(1, 0, wide, dtype=np.float32)
    for rows, vertical in ((slice(tall), down), (slice(height - tall, height), down[::-1])):
        for columns, level in ((slice(wide), along), (slice(width - wide, width), along[::-1])):
            yield (rows, columns), np.outer(vertical, level)
