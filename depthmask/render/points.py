"""A photo with depth as a cloud of coloured points: a binary PLY file."""

import math

import numpy as np

from depthmask.pictures import Map, Picture
from depthmask.render.mesh import VIEW_ANGLE

MAX_SIDE = 1600  # points along the longest side


def to_ply(image: Picture, depth: Map, rows: slice, columns: slice) -> bytes:
    """Makes the content of a PLY file.

    The camera stood at the origin and looked along -z, y is up. Its angle of view is not known, and
    is assumed to be `depthmask.render.mesh.VIEW_ANGLE`.

    Args:
        image: (H, W, 3), uint8, RGB.
        depth: (H, W), above 0: distance along the view, in the unit of the points.
        rows: Those of the picture that become points.
        columns: Likewise.
    """
    height, width = depth.shape
    step = math.ceil(max(height, width) / MAX_SIDE)
    down, across = (
        np.arange(length)[part][::step] for length, part in ((height, rows), (width, columns))
    )
    reach = 2 * math.tan(math.radians(VIEW_ANGLE / 2)) / max(height, width)
    away = depth[np.ix_(down, across)]
    points = np.empty(away.shape, np.dtype([("place", "<f4", 3), ("colour", "u1", 3)]))
    points["place"][..., 0] = (across + 0.5 - width / 2) * reach * away
    points["place"][..., 1] = (height / 2 - down[:, None] - 0.5) * reach * away
    points["place"][..., 2] = -away
    points["colour"] = image[np.ix_(down, across)]
    names = [f"property float {axis}" for axis in "xyz"]
    names += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {points.size}", *names]
    return "\n".join((*lines, "end_header", "")).encode() + points.tobytes()
