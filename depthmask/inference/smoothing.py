"""Maps smoothed over time where the picture does not change."""

import cv2
import numpy as np

from depthmask.inference.channels import largest
from depthmask.pictures import Map, Picture

MOTION_LEVELS = (6.0, 24.0)  # change between frames: below the first nothing moves, above all does


def smoothed(
    before: Map | None, seen_before: Picture | None, now: Map, seen: Picture, keep: float
) -> Map:
    """Mixes a map with that of an earlier frame, where the picture has not changed.

    Args:
        before: (h, w), of the earlier frame; None where there is none.
        seen_before: (h, w, 3), uint8, RGB: that frame; of another size, it does not count.
        now: (h, w).
        seen: (h, w, 3), uint8, RGB: its frame.
        keep: Share of the earlier value that is kept where nothing moves.
    """
    if before is None or seen_before is None or seen_before.shape != seen.shape:
        return now
    return _mix(before, now, 1 - keep * (1 - motion(seen_before, seen)))


def motion(before: Picture, now: Picture) -> Map:
    """How much each pixel has changed between two frames: (h, w), in [0, 1]."""
    change = largest(cv2.absdiff(before, now))
    # wider than what moves, as the borders of the network's mask are
    wide = cv2.blur(cv2.dilate(cv2.blur(change, (3, 3)), np.ones((5, 5), np.uint8)), (3, 3))
    low, high = MOTION_LEVELS
    return np.clip((wide.astype(np.float32) - low) / (high - low), 0, 1)


def _mix(before: Map, now: Map, fresh: Map) -> Map:
    return np.asarray(before + (now - before) * fresh, dtype=np.float32)
