"""A camera that shakes: how it stood for each frame of a clip, and whether it moves too much.

Corners of the background are followed into a frame (Lucas and Kanade 1981), and a rotation, a scale
and a shift are fitted to them. That takes a few milliseconds; `registration` finds larger movements
and takes a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depthmask.inference.registration import MIN_SHIFT_PIXELS
from depthmask.inference.registration_views import fine_structure, to_grey
from depthmask.inference.transforms import Transform, between, warped
from depthmask.pictures import Grey, Picture
from depthmask.pictures.resize import fit_size, shrink_by_halves

SIDE = 480  # pixels, longest side of the copies in which corners are followed
MAX_CORNERS = 200
MIN_CORNERS = 20  # with fewer, the scene is too plain to tell
MIN_AGREEING = 12  # corners
MIN_AGREEING_SHARE = 0.15  # of the corners; objects may hide the others
TOLERANCE = 1.0  # pixels of a copy, by which a corner agrees
MAX_JITTER = 0.03  # of the diagonal; a camera that moved by more moves
MIN_STILL_SHARE = 0.7  # of the frames; in the others, objects may hide the scene


class Steadier:
    """Finds how the camera stood for a frame, from where it stood for the background.

    Args:
        background: (H, W, 3), uint8, RGB, of the frames' size.
    """

    def __init__(self, background: Picture) -> None:
        self._size = fit_size(background.shape, SIDE)
        self._to_copy = between(background.shape, self._size)
        self._plane = self._copy(background)
        found = cv2.goodFeaturesToTrack(self._plane, MAX_CORNERS, 0.01, 8)
        self._corners = np.zeros((0, 1, 2), np.float32) if found is None else found
        height, width = background.shape[:2]
        x, y = np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5))
        self._grid = np.stack((x, y), axis=-1).reshape(-1, 1, 2)
        self._diagonal = float(np.hypot(height, width))

    @property
    def is_plain(self) -> bool:
        """Whether the background has too few corners to tell anything."""
        return len(self._corners) < MIN_CORNERS

    def find(self, frame: Picture) -> Transform | None:
        """The transform from the background to a frame; the identity if the camera is at rest.

        None where it cannot be told: the scene is plain or hidden, or the camera moved far.
        """
        if self.is_plain:
            return None
        plane = self._copy(frame)
        there, found, _ = cv2.calcOpticalFlowPyrLK(
            self._plane, plane, self._corners, self._corners.copy()
        )
        sure = np.asarray(found)[:, 0] > 0
        needed = max(MIN_AGREEING, MIN_AGREEING_SHARE * len(self._corners))
        if sure.sum() < needed:
            return None
        fitted, agrees = cv2.estimateAffinePartial2D(
            self._corners[sure], np.asarray(there)[sure], ransacReprojThreshold=TOLERANCE
        )
        if fitted is None or agrees.sum() < needed:
            return None
        whole = np.linalg.inv(self._to_copy) @ np.vstack([fitted, (0, 0, 1)]) @ self._to_copy
        # to follow less would only blur
        return whole if self.shift(whole) >= MIN_SHIFT_PIXELS else np.eye(3)

    def shift(self, transform: Transform) -> float:
        """By how many pixels a transform moves, in the mean over the frame."""
        moved = cv2.perspectiveTransform(self._grid, transform)
        return float(np.linalg.norm(moved - self._grid, axis=-1).mean())

    def is_far(self, transform: Transform) -> bool:
        """Whether a transform moves by more than a camera that shakes does."""
        return self.shift(transform) > MAX_JITTER * self._diagonal

    def _copy(self, picture: Picture) -> Grey:
        """Fine structure in 8 bits, as brightness may differ."""
        fine = fine_structure(to_grey(shrink_by_halves(picture, *self._size)))
        return np.clip(2 * fine + 128, 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Stand:
    """Where the camera stood for a few frames of a clip, spread over it."""

    reference: Picture  # (H, W, 3): one of the frames
    steadied: tuple[Picture, ...]  # those that show the scene from there, moved to stand there
    frames: int  # of which these are some

    @property
    def is_moving(self) -> bool:
        """Whether the camera moves, or the clip is cut."""
        return len(self.steadied) < MIN_STILL_SHARE * self.frames


def find_stand(frames: Sequence[Picture]) -> Stand:
    """Finds where the camera stood for most of some frames, (H, W, 3), uint8, RGB, of one size."""
    places = dict.fromkeys((len(frames) // 2, 0, len(frames) - 1))
    tries = (_stand(frames, frames[place]) for place in places)
    return max(tries, key=lambda stand: len(stand.steadied))


def _stand(frames: Sequence[Picture], reference: Picture) -> Stand:
    steadier = Steadier(reference)
    if steadier.is_plain:
        return Stand(reference, tuple(frames), len(frames))
    found = ((frame, steadier.find(frame)) for frame in frames)
    steadied = tuple(
        moved_back(frame, transform)
        for frame, transform in found
        if transform is not None and not steadier.is_far(transform)
    )
    return Stand(reference, steadied, len(frames))


def moved_back(frame: Picture, transform: Transform) -> Picture:
    """Moves a frame to where the background has it: undoes a transform of `Steadier.find`."""
    height, width = frame.shape[:2]
    return warped(frame, np.linalg.inv(transform).astype(np.float64), height, width)
