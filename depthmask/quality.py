"""Whether a pair of photos is fit for the task: one number, and a sentence that says what to do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from depthmask.align import Registration
from depthmask.light import LightMatch
from depthmask.pictures import Picture

Verdict = Literal["good", "moved", "exposure", "swapped", "same", "changed"]

SAME_LEVELS = 3  # saving a photo again changes no pixel by more
SAME_SHARE = 1e-4  # of the pixels that may differ by more, and the photos still be one
MOVED = 0.01  # of the image's diagonal, from where on it is worth a word
STOPS = 0.33  # the same, of exposure


@dataclass(frozen=True)
class PairQuality:
    """How fit a pair is."""

    score: float  # in [0, 1], 1 is best
    verdict: Verdict
    sentence: str


def judge(
    registration: Registration, light: LightMatch, *, diagonal: float, same: bool, swapped: bool
) -> PairQuality:
    """Finds what most limits a pair.

    Args:
        registration: Of the background to the image.
        light: Of the background to the image.
        diagonal: Of the image, in pixels.
        same: Whether both are one photo, see `is_same`.
        swapped: Whether they seem to be in the wrong order.
    """
    if same:
        return PairQuality(0.0, "same", "Both are the same photo: nothing can have changed.")
    if swapped:
        return PairQuality(
            0.1, "swapped", "The two photos seem to be swapped: swap background and image."
        )
    moved = registration.shift / diagonal
    score = float(np.clip(1 - 4 * moved - 0.15 * abs(light.stops), 0, 1))
    if moved >= MOVED:
        return PairQuality(score, "moved", f"The camera moved by {moved:.1%} between the photos.")
    if abs(light.stops) >= STOPS:
        return PairQuality(
            score, "exposure", f"The exposure differs by {abs(light.stops):.1f} stops."
        )
    return PairQuality(score, "good", "The photos fit together well.")


def is_same(background: Picture, image: Picture) -> bool:
    """Whether two pictures, (h, w, 3) and (H, W, 3) uint8, are one, perhaps saved twice."""
    if background.shape != image.shape:
        return False
    step = max(1, background.shape[0] // 512)  # rows are enough
    differs = np.abs(background[::step].astype(np.int16) - image[::step]) > SAME_LEVELS
    return bool(differs.any(axis=2).mean() < SAME_SHARE)
