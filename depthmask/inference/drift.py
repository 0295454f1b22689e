"""Light that drifts slowly and not everywhere alike, as the sun moves: the background follows it.

It does so only where nothing stands. What differs at once is no drift.
"""

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Map, Picture

Levels = npt.NDArray[np.float32]  # (h, w, 3): what is added to the background

RATE = 0.5  # share of a difference that is taken over at a time
MAX_LEVELS = 12  # by which a place may differ, blurred
MIN_FREE_SHARE = 0.05  # of the picture; with less, nothing is taken over
MEDIAN_STEP = 7  # pixels from one that counts in the median to the next
BLUR = 1.0  # pixels, deviation of the Gaussian by which differences are averaged
MARGIN = 7  # pixels, by which foreground and what differs are widened


def follow_drift(drift: Levels | None, background: Picture, image: Picture, mask: Map) -> Levels:
    """Takes over a part of how an image differs from the background where nothing stands.

    Elsewhere, a part of the median of that is taken over, so that a change of all light leaves no
    trace of who stood there.

    Args:
        drift: What was added so far, in levels; None: nothing.
        background: (h, w, 3), uint8, RGB, with that drift.
        image: (h, w, 3), uint8, RGB, in about the light of the background.
        mask: (h, w), in [0, 1]: what stands there.
    """
    difference = cv2.subtract(image, background, dtype=cv2.CV_32F)
    # not a box: it turns the sign of fine patterns, which would grow from time to time
    difference = np.asarray(cv2.GaussianBlur(difference, (0, 0), BLUR))
    taken = (np.abs(difference).max(axis=2) > MAX_LEVELS) | (mask > 0.2)
    margin = np.ones((2 * MARGIN + 1,) * 2, np.uint8)
    free = np.asarray(cv2.dilate(taken.astype(np.uint8), margin)) == 0
    if free.mean() < MIN_FREE_SHARE:
        return np.zeros_like(difference) if drift is None else drift
    median = np.median(difference[free][::MEDIAN_STEP], axis=0).astype(np.float32)
    change = np.asarray(RATE * np.where(free[..., None], difference, median), dtype=np.float32)
    if drift is None:
        return change
    return np.asarray(cv2.resize(drift, change.shape[1::-1]) + change, dtype=np.float32)


def with_drift(picture: Picture, drift: Levels | None) -> Picture:
    """Adds a drift, of any size, to a picture (H, W, 3)."""
    if drift is None:
        return picture
    height, width = picture.shape[:2]
    enlarged = cv2.resize(drift, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(picture, enlarged, dtype=cv2.CV_8U), dtype=np.uint8)
