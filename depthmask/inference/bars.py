"""Black bars: a letterbox or a pillarbox around the scene, as video players and editors add."""

import numpy as np
import numpy.typing as npt

from depthmask.pictures import Mask, Picture

Box = tuple[slice, slice]  # rows and columns of a picture
Levels = npt.NDArray[np.uint8]  # (rows, columns), of the brightest channel

SEARCH_SIDE = 480  # lines of a picture, at most, that are looked at on the way to a bar's end
BLACK_LEVEL = 40  # 16 is black in video; JPEG adds noise
BLACK_SHARE = 0.98  # of a line's pixels are darker than that in a bar
MAX_BAR_DEVIATION = 8.0  # levels; a dark part of a scene has more
MAX_LEVEL_RATIO = 0.4  # of a bar to the scene's brighter parts
SCENE_PERCENTILE = 75  # what these are, so that a bar opposite does not count
MIN_BAR_SHARE = 0.01  # of the picture's side
MAX_BAR_SHARE = 0.45
MIN_STEP_LEVELS = 20  # from a bar to the scene
MIN_STEP_SHARE = 0.25  # of the pixels at a bar's end show that step


def find_scene(picture: Picture) -> Box:
    """The part of a picture, (H, W, 3) uint8, inside black bars; all of it where there are none.

    A bar goes along a whole side, is nearly black and even, and ends at a straight line.
    """
    rows = _between_bars(picture)
    return rows, _between_bars(picture[rows].swapaxes(0, 1))


def _between_bars(picture: Picture) -> slice:
    """The rows of a picture between bars along its upper and lower side."""
    return slice(_bar(picture), len(picture) - _bar(picture[::-1]))


def _bar(picture: Picture) -> int:
    """The height of a bar along a picture's upper side, in rows; 0 if there is none."""
    height, width = picture.shape[:2]
    step, across = (max(1, side // SEARCH_SIDE) for side in (height, width))
    if not _is_black(_levels(picture[:1, ::across]))[0]:
        return 0
    levels = _levels(picture[::step, ::across])
    lines = _leading(_is_black(levels))
    last = (lines - 1) * step  # the last line that is known to be black
    end = last + _leading(_is_black(_levels(picture[last : last + step, ::across])))
    if not MIN_BAR_SHARE * height <= end <= MAX_BAR_SHARE * height:
        return 0
    # of a picture made smaller, the first line of the scene may be half a bar
    beyond = _levels(picture[end + 1 : end + 2, ::across])
    bar = levels[:lines]
    is_sharp = np.mean(beyond > bar.mean() + MIN_STEP_LEVELS) > MIN_STEP_SHARE
    # in a photo that is dark all over, the floor is as dark as a bar
    is_darker = bar.mean() < MAX_LEVEL_RATIO * np.percentile(levels[lines:], SCENE_PERCENTILE)
    return end if is_sharp and is_darker and bar.std() < MAX_BAR_DEVIATION else 0


def _levels(picture: Picture) -> Levels:
    return np.asarray(picture.max(axis=2))


def _is_black(levels: Levels) -> Mask:
    """Which lines of (rows, columns) are black, (rows,)."""
    return np.asarray((levels <= BLACK_LEVEL).mean(axis=1) >= BLACK_SHARE)


def _leading(values: Mask) -> int:
    """How many of the first values are true."""
    return len(values) if values.all() else int(values.argmin())
