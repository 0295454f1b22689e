"""What two photos of one scene tell by their colours and sharpness, whatever moved in them.

All functions take small copies, (h, w, 3) uint8, RGB, about 256 x 256 pixels, the background in the
image's frame, in the light in which they were taken.
"""

from typing import NamedTuple

import cv2
import numpy as np

from depthmask.inference.channels import largest, least
from depthmask.pictures import Map, Mask, Picture

DARK_LEVEL, BRIGHT_LEVEL = 12, 250  # of 255
COLOUR_LEVELS = 12  # between a pixel's channels; less may be a grey thing
NOISE_LEVELS = 16  # added to a channel, so that dark pixels have no strong hue
MAX_HUE_STOPS = 1.5  # from the median; a single strong colour must not decide
FINE, COARSE = (0.0, 1.0), (2.0, 4.0)  # pixels, bands whose structure is compared for sharpness
NOISE_DEVIATION = 0.3  # levels, added to structure
MIN_FREE_PIXELS = 500  # outside of the mask, to tell the sharpness


class Colours(NamedTuple):
    """One photo's colours."""

    hue_spread: float = 1.0  # stops, deviation of log2(red / blue)
    coloured: float = 1.0  # share of the pixels outside of the mask that are not grey
    dark: float = 0.0  # share of the pixels that are black
    bright: float = 0.0  # share of the pixels that are white
    # log2(fine / coarse structure) in four directions, where nothing is foreground
    sharpness: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)


def describe(photo: Picture, free: Mask, hues: Map) -> Colours:
    """Describes a photo's colours.

    Args:
        photo: (h, w, 3).
        free: (h, w), where nothing is foreground.
        hues: Its `hue`.
    """
    some = photo[::2, ::2]
    most, fewest = largest(some), least(some)
    return Colours(
        float(hues.std()),
        _coloured(cv2.subtract(most, fewest) > COLOUR_LEVELS, free[::2, ::2]),
        _share(most <= DARK_LEVEL),
        _share(fewest >= BRIGHT_LEVEL),
        _sharpness(photo, free),
    )


def hue(photo: Picture) -> Map:
    """log2(red / blue) of some pixels, in stops from the median of all."""
    some = photo[::2, ::2]
    found = _LOG[some[..., 0]] - _LOG[some[..., 2]]
    return np.clip(found - np.median(found), -MAX_HUE_STOPS, MAX_HUE_STOPS)


def agreement(hues: Map, others: Map) -> float:
    """Correlation of the hues of two photos, in [-1, 1]; 0 where one has no colours."""
    first, second = (each.ravel() - each.mean() for each in (hues, others))
    energy = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / energy if energy > 1e-3 * len(first) else 0.0


def free_area(mask: Map) -> Mask:
    """Where nothing is foreground, (h, w), and nothing near is."""
    return cv2.dilate((mask > 0.3).astype(np.uint8), np.ones((9, 9), np.uint8)) == 0


def _coloured(where: Mask, free: Mask) -> float:
    return _share(where[free]) if np.count_nonzero(free) > MIN_FREE_PIXELS else _share(where)


def _sharpness(photo: Picture, free: Mask) -> tuple[float, ...]:
    """By direction, as a camera that moved blurs along its way alone."""
    if np.count_nonzero(free) < MIN_FREE_PIXELS:
        return Colours().sharpness
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (_structure(grey, *band) for band in (FINE, COARSE))
    usual = _deviation(coarse[free]) + NOISE_DEVIATION
    slopes = (np.asarray(cv2.filter2D(fine, -1, k), np.float32)[free] for k in _DIRECTIONS)
    return tuple(float(np.log2((_deviation(slope) + NOISE_DEVIATION) / usual)) for slope in slopes)


def _structure(grey: Map, narrow: float, wide: float) -> Map:
    blurred = cv2.GaussianBlur(grey, (0, 0), narrow) if narrow else grey
    return np.asarray(blurred - cv2.GaussianBlur(grey, (0, 0), wide))


def _deviation(values: Map) -> float:
    return float(np.sqrt(values @ values / len(values)))


def _share(where: Mask) -> float:
    return float(np.count_nonzero(where)) / where.size


_DIRECTIONS = tuple(
    np.array(kernel, np.float32)
    for kernel in (
        [[0, 0, 0], [-1, 0, 1], [0, 0, 0]],
        [[0, -1, 0], [0, 0, 0], [0, 1, 0]],
        [[-1, 0, 0], [0, 0, 0], [0, 0, 1]],
        [[0, 0, -1], [0, 0, 0], [1, 0, 0]],
    )
)
_LOG = np.log2(np.arange(256, dtype=np.float32) + NOISE_LEVELS)
