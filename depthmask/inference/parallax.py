"""Parallax: near things move more than far ones when the camera moves between two shots.

No homography undoes that. Dense optical flow does, where both photos show the same thing.
"""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Map, Mask
from depthmask.pictures.resize import shrink

Plane = npt.NDArray[np.uint8]  # (H, W), grey
Flow = npt.NDArray[np.float32]  # (H, W, 2): add it to a pixel's position (x, y)
ValueT = TypeVar("ValueT", np.uint8, np.float32)

MIN_DIFFERENCE_LEVELS = 4.0  # of fine structure, mean around a pixel; less is noise
MIN_FLOW_PIXELS = 1.0  # the network is trained with less
MAX_RETURN_ERROR_PIXELS = 1.0  # from where a pixel began, after following the flow there and back
MIN_MOVED_SHARE = 0.02  # of the pixels must show parallax
MAX_REMAINING_DIFFERENCE = 0.5  # of the difference before, where a pixel shows parallax


def find_parallax(background: Plane, image: Plane, covered: Mask) -> Flow | None:
    """Finds where in the background each pixel of the image lies.

    Args:
        background: (H, W), grey, already moved as a whole to the image.
        image: (H, W), grey.
        covered: (H, W), what the background shows of the image.

    Returns:
        Flow from the image to the background, by DIS (Kroeger et al. 2016). None where less than
        2 % of the pixels show parallax: their flow moves them, leads back in the other direction,
        and makes the photos match better. Pixels of objects that entered the scene do not.
    """
    if min(image.shape) < 32:
        return None
    before = _difference(background, image)
    if ((before > MIN_DIFFERENCE_LEVELS) & covered).mean() <= MIN_MOVED_SHARE:
        return None
    if min(image.shape) >= 64:  # a look at half the size takes a quarter of the time
        size = image.shape[0] // 2, image.shape[1] // 2
        half = [shrink(plane, *size) for plane in (background, image, covered.astype(np.uint8))]
        _, share = _find(half[0], half[1], half[2] > 0, _difference(half[0], half[1]), pixel=0.5)
        if share < MIN_MOVED_SHARE / 2:
            return None
    flow, share = _find(background, image, covered, before, pixel=1.0)
    return flow if share > MIN_MOVED_SHARE else None


def _find(
    background: Plane, image: Plane, covered: Mask, before: Map, *, pixel: float
) -> tuple[Flow, float]:
    """Returns the flow, and the share of pixels that show parallax.

    Args:
        background: As for `find_parallax`, like the next two.
        image: (H, W).
        covered: (H, W).
        before: (H, W), their `_difference`.
        pixel: Side of a pixel of the image, in pixels of these copies.
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    nothing = np.zeros((*image.shape, 2), np.float32)
    there = np.asarray(method.calc(image, background, nothing.copy()), dtype=np.float32)
    back = np.asarray(method.calc(background, image, nothing), dtype=np.float32)
    returned = np.linalg.norm(there + follow(back, there), axis=2)
    after = _difference(follow(background, there), image)
    tells = (
        (returned < pixel * MAX_RETURN_ERROR_PIXELS)
        & (np.linalg.norm(there, axis=2) > pixel * MIN_FLOW_PIXELS)
        & covered
        & (after < MAX_REMAINING_DIFFERENCE * before)
        & (before > MIN_DIFFERENCE_LEVELS)
    )
    return there, float(tells.mean())


def follow(picture: npt.NDArray[ValueT], flow: Flow) -> npt.NDArray[ValueT]:
    """Looks each pixel up where the flow says: (H, W) or (H, W, C) -> the same."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    found = cv2.remap(
        picture,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(found, dtype=picture.dtype)


def enlarge_flow(flow: Flow, height: int, width: int) -> Flow:
    """Scales a flow, (h, w, 2), and the lengths in it to another size."""
    rows, columns = flow.shape[:2]
    if (rows, columns) == (height, width):
        return flow
    grown = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown * np.array([width / columns, height / rows], np.float32))


def _difference(background: Plane, image: Plane) -> Map:
    """Difference of fine structure around each pixel, in levels: brightness may differ."""
    first, second = (
        plane.astype(np.float32) - cv2.blur(plane.astype(np.float32), (15, 15))
        for plane in (background, image)
    )
    return np.asarray(cv2.blur(np.abs(first - second), (5, 5)))
